"""What decoding JPEGs at a reduced size saves, and how far it changes boxes and embeddings.

    python -m benchmarks.reduced_decode FOLDER [--pack NAME]

FOLDER holds JPEGs of people, of 16 megapixels and more. Each is brought to 16, 20, 28 and 36 megapixels
(never enlarged) and goes through the pipeline twice: decoded whole, and as the pipeline does it, small
copies included. The pack must be installed (`facesearch models install`). Exits with 1 where the pixels
alone, cut by the same landmarks, change an embedding by more than the goal.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from operator import attrgetter
from pathlib import Path

import numpy as np
from PIL import Image

from core.alignment import align
from core.faces import AnalysedFace, Box, DetectedFace, Embedding, Pixels, unit_embedding
from core.images import Copies, PhotoLimits, decode
from core.inference.contracts import FaceModels
from core.inference.loading import load_models
from core.inference.packs import load_manifest
from core.pipeline import AnalysedPhoto, Pipeline
from core.settings import Settings

MEGAPIXELS = (16, 20, 28, 36)
GOAL = 0.995
QUALITY = 92
REPEATS = 2
SAME_FACE = 0.5
"""Intersection over union from which two boxes are of one face."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One photo, decoded whole and reduced.

    Attributes:
        pixels: Cosines of the reduced photo's faces to the same landmarks cut from the whole one.
        detected: Cosines of the faces found in both.
        shifted: Cosines of the whole photo's faces to those found without its first row and column:
            how much the landmarks of this detector move for nothing.
        lost: Faces found in one of the two only.
        sharpness: Largest difference.
    """

    pixels: list[float]
    detected: list[float]
    shifted: list[float]
    lost: int
    sharpness: float
    whole_decode_s: float
    reduced_decode_s: float
    whole_s: float
    reduced_s: float


def photos(folder: Path, megapixels: int) -> Iterator[tuple[str, bytes]]:
    """Yield JPEGs of so many pixels, made from the larger ones of the folder."""
    for path in sorted(folder.rglob("*.jpg")):
        with Image.open(path) as picture:
            scale = (megapixels * 1e6 / (picture.width * picture.height)) ** 0.5
            if scale > 1:
                continue
            size = round(picture.width * scale), round(picture.height * scale)
            made = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
        stream = BytesIO()
        made.save(stream, "JPEG", quality=QUALITY)
        yield path.name, stream.getvalue()


def compare(whole: Pipeline, reduced: Pipeline, photo: bytes, limits: PhotoLimits) -> Pair:
    """Run one photo through both, in turns; the fastest of a few runs counts."""
    runs = [(run(whole, photo), run(reduced, photo)) for _ in range(REPEATS)]
    a, b = runs[-1]
    same = matched(a.faces, b.faces)
    pixels = decode(photo, limits).pixels
    return Pair(
        pixels=[
            float(face.embedding @ embedded(whole.models, pixels, face.face)) for face in b.faces
        ],
        detected=[float(x.embedding @ y.embedding) for x, y in same],
        shifted=shifted(whole.models, pixels, a.faces),
        lost=len(a.faces) + len(b.faces) - 2 * len(same),
        sharpness=max((sharper(x, y) for x, y in same), default=0.0),
        whole_decode_s=min(first.timings.decode for first, _ in runs),
        reduced_decode_s=min(second.timings.decode for _, second in runs),
        whole_s=min(seconds(first) for first, _ in runs),
        reduced_s=min(seconds(second) for _, second in runs),
    )


def matched(
    a: Sequence[AnalysedFace], b: Sequence[AnalysedFace]
) -> list[tuple[AnalysedFace, AnalysedFace]]:
    """Pair the faces of two runs by their boxes."""
    nearest = [(x, max(b, key=lambda y: overlap(x.face.box, y.face.box))) for x in a if b]
    return [(x, y) for x, y in nearest if overlap(x.face.box, y.face.box) > SAME_FACE]


def shifted(models: FaceModels, pixels: Pixels, faces: Sequence[AnalysedFace]) -> list[float]:
    """Detect without the first row and column; return the cosines to the faces as they were."""
    cut = np.ascontiguousarray(pixels[1:, 1:])
    (found,) = models.detector.detect([cut])
    cosines = []
    for face in faces:
        near = [each for each in found if overlap(each.box, face.face.box) > SAME_FACE]
        if near:
            cosines.append(float(face.embedding @ embedded(models, cut, near[0])))
    return cosines


def embedded(models: FaceModels, pixels: Pixels, face: DetectedFace) -> Embedding:
    """Return the unit embedding of a face of this picture."""
    crop = align(pixels, face.landmarks, models.embedder.template, models.embedder.side)
    assert crop is not None  # noqa: S101  it was aligned before
    return unit_embedding(models.embedder.embed(crop[None])[0], models.embedder.dimension)[0]


def run(pipeline: Pipeline, photo: bytes) -> AnalysedPhoto:
    (result,) = pipeline.analyse([photo], copies=Copies.BOTH)
    assert isinstance(result, AnalysedPhoto), result  # noqa: S101
    return result


def seconds(photo: AnalysedPhoto) -> float:
    return sum(photo.timings.busy().values())


def sharper(a: AnalysedFace, b: AnalysedFace) -> float:
    return abs(a.quality.sharpness - b.quality.sharpness)


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return width * height / (areas - width * height)


def main(folder: Path, pack_name: str | None) -> int:
    """Print the table; returns the exit code."""
    settings = Settings.load()
    pack = load_manifest(settings).pack(pack_name or settings.pack)
    models = load_models(pack, settings)
    options = {"max_faces": 500, "decode_threads": 1}
    limits = PhotoLimits.of(settings)
    whole = Pipeline(replace(models, finest=None), limits, **options)
    reduced = Pipeline(models, limits, **options)
    print(f"{pack.name} on {models.device}; cosines: least and mean")
    print(
        "megapixels photos faces lost  pixels alone   with detection  shifted by one  "
        "sharpness    decode ms  all stages ms"
    )
    least = 1.0
    for megapixels in MEGAPIXELS:
        found = [compare(whole, reduced, data, limits) for _, data in photos(folder, megapixels)]
        if found:
            least = min([least, *(cosine for pair in found for cosine in pair.pixels)])
            print_row(megapixels, found)
    return int(least < GOAL)


def print_row(megapixels: int, found: Sequence[Pair]) -> None:
    """Print what the photos of one size came to."""
    cosines = [
        [cosine for pair in found for cosine in part(pair)]
        for part in (attrgetter("pixels"), attrgetter("detected"), attrgetter("shifted"))
    ]
    ms = [
        1000 * float(np.mean([part(pair) for pair in found]))
        for part in map(attrgetter, ("whole_decode_s", "reduced_decode_s", "whole_s", "reduced_s"))
    ]
    print(
        f"{megapixels:10} {len(found):6} {len(cosines[0]):5} {sum(p.lost for p in found):4}",
        *(f" {min(each):.4f} {np.mean(each):.4f}" for each in cosines),
        f"{max(p.sharpness for p in found):10.3f}",
        f"{ms[0]:6.0f} ->{ms[1]:4.0f}  {ms[2]:5.0f} ->{ms[3]:4.0f}",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pack")
    given = parser.parse_args()
    sys.exit(main(given.folder, given.pack))
