"""Photos per second against the library insightface 2.1, and whether the same faces are found.

insightface brings its own OpenCV and much else, so it stays out of our environment:

    python -m venv /tmp/peer
    /tmp/peer/bin/pip install insightface==2.1 onnxruntime pydantic-settings pillow-heif simplejpeg
    /tmp/peer/bin/python -m benchmarks.peer_throughput DATA [--sets lfw,1-2MP] [--rounds 5]

DATA is a folder with weights/ (det_2.5g.onnx, mobilefacenet_ms1m_512.onnx) and faces/ (lfw,
compreface, deepface, scenes). Both sides start from the bytes of the files, with the same weights
on the CPU: insightface's FaceAnalysis at its defaults, detection and recognition only, one photo
after the other; our pipeline at its defaults, once without and once with the two small copies that
our pages show. The sides take turns, so that a busy moment hits all. Exits with 1 where a goal is
missed.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

import cv2
import numpy as np
import onnxruntime as ort
from insightface.app import FaceAnalysis
from PIL import Image

from core.errors import BadImage
from core.faces import Box
from core.images import Copies
from core.inference.install import install
from core.inference.packs import Manifest, Pack, read_manifest
from core.memory import share_heaps
from core.pipeline import AnalysedPhoto, Pipeline
from core.pipelines import Pipelines
from core.settings import Device, Settings

TEST_PACKS = Path(__file__).parents[1] / "tests" / "data" / "packs.toml"
PACK = "test_scrfd_25"

LFW_PHOTOS = 150
MEGAPIXELS_16 = 16_000_000
SAME_FACE = 0.5
"""Intersection over union from which two boxes are one face."""


class Found(NamedTuple):
    """One face: its box and its unit embedding, if it has one."""

    box: Box
    embedding: np.ndarray | None


Side = Callable[[Sequence[bytes]], list[list[Found]]]


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """Photos of one kind.

    Attributes:
        goal: Our photos per second over the peer's.
        repeats: How often the photos are gone through in one round.
    """

    name: str
    photos: list[bytes]
    goal: float
    repeats: int = 1


def photo_sets(faces: Path) -> Iterator[PhotoSet]:
    """Read the four sets."""
    lfw = sorted((faces / "lfw").glob("*/*.jpg"))
    chosen = lfw[:: len(lfw) // LFW_PHOTOS][:LFW_PHOTOS]
    yield PhotoSet("lfw", [path.read_bytes() for path in chosen], 3)
    several = [*(faces / "deepface").glob("*/*.jpg"), *(faces / "scenes").glob("*.jpg")]
    middle = [path for path in sorted(several) if 1 <= megapixels(path) < 2]
    yield PhotoSet("1-2MP", [path.read_bytes() for path in middle], 2, repeats=4)
    large = sorted((faces / "compreface" / "A").glob("*.jpg"))
    yield PhotoSet("16MP", [at_most_16mp(path) for path in large], 2, repeats=2)
    scenes = sorted((faces / "scenes").glob("*.jpg"))
    yield PhotoSet("scenes", [path.read_bytes() for path in scenes], 2, repeats=2)


def megapixels(path: Path) -> float:
    """By the header."""
    with Image.open(path) as picture:
        return picture.width * picture.height / 1e6


def at_most_16mp(path: Path) -> bytes:
    """Return the file, or a JPEG of 16 megapixels where it has more."""
    with Image.open(path) as picture:
        scale = (MEGAPIXELS_16 / (picture.width * picture.height)) ** 0.5
        if scale >= 1:
            return path.read_bytes()
        stream = BytesIO()
        smaller = picture.resize((round(picture.width * scale), round(picture.height * scale)))
        smaller.save(stream, "JPEG", quality=90)
        return stream.getvalue()


@contextmanager
def our_models(weights: Path, threads: int) -> Iterator[tuple[Pack, Manifest, Settings]]:
    """Install the pack in a folder of its own, as a user would."""
    manifest = read_manifest(TEST_PACKS)
    pack = manifest.pack(PACK)
    with tempfile.TemporaryDirectory() as name:
        install(pack, Path(name), source=weights, accept_licence=True)
        yield (
            pack,
            manifest,
            Settings(
                _env_file=None,
                models_dir=Path(name),
                device=Device.CPU,
                inference_threads=threads,
            ),
        )


def ours(pipeline: Pipeline, batch: int, copies: Copies) -> Side:
    """Our pipeline, a batch after the other, each begun while the one before is not done yet."""

    def run(photos: Sequence[bytes]) -> list[list[Found]]:
        batches = [photos[start : start + batch] for start in range(0, len(photos), batch)]
        with ThreadPoolExecutor(2) as callers:
            results = callers.map(partial(pipeline.analyse, copies=copies), batches)
            return [_found(result) for results_of_one in results for result in results_of_one]

    return run


def _found(result: AnalysedPhoto | BadImage) -> list[Found]:
    """All that the detector found; faces too small to compare have no embedding."""
    if isinstance(result, BadImage):
        raise result
    embedded = [Found(each.face.box, each.embedding) for each in result.faces]
    return embedded + [Found(each.face.box, None) for each in result.skipped]


def peer(folder: Path) -> Side:
    """insightface at its defaults, one photo after the other; *folder* has the two networks."""
    app = FaceAnalysis(
        str(folder), allowed_modules=["detection", "recognition"],
        providers=["CPUExecutionProvider"],
    )  # fmt: skip
    app.prepare(ctx_id=-1)

    def one(photo: bytes) -> list[Found]:
        image = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
        return [Found(tuple(face.bbox), face.normed_embedding) for face in app.get(image)]

    return lambda photos: [one(photo) for photo in photos]


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(0.0, width) * max(0.0, height)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return float(common / (areas - common))


def compared(
    ours: Sequence[Sequence[Found]], theirs: Sequence[Sequence[Found]]
) -> tuple[list[float], list[float], list[float]]:
    """Return the cosines of faces that both found, and the shorter sides of those of one alone."""
    cosines, only_ours, only_theirs = [], [], []
    for mine, other in zip(ours, theirs, strict=True):
        left = list(other)
        for face in mine:
            best = max(left, key=lambda each: overlap(face.box, each.box), default=None)
            if best is None or overlap(face.box, best.box) < SAME_FACE:
                only_ours.append(shorter(face.box))
                continue
            left = [each for each in left if each is not best]
            if face.embedding is not None:
                cosines.append(float(face.embedding @ best.embedding))
        only_theirs += [shorter(each.box) for each in left]
    return cosines, only_ours, only_theirs


def shorter(box: Box) -> float:
    """Of the two sides, in pixels."""
    return float(min(box[2] - box[0], box[3] - box[1]))


def photos_per_second(
    sides: dict[str, Side], each: PhotoSet, rounds: int
) -> dict[str, list[float]]:
    """Measure every side in turn, after a round that is not counted."""
    speeds: dict[str, list[float]] = {name: [] for name in sides}
    photos = each.photos * each.repeats
    for _ in range(rounds):
        for name, side in sides.items():
            begin = perf_counter()
            side(photos)
            speeds[name].append(len(photos) / (perf_counter() - begin))
    return speeds


def measure(each: PhotoSet, sides: dict[str, Side], rounds: int) -> bool:
    """Print the figures of one set; returns whether the goal was reached."""
    found = {name: side(each.photos) for name, side in sides.items()}
    cosines, only_ours, only_theirs = compared(found["ours"], found["insightface"])
    speeds = photos_per_second(sides, each, rounds)
    # Round by round: both sides of a round ran in the same minute.
    ratios = {
        name: median(a / b for a, b in zip(speeds[name], speeds["insightface"], strict=True))
        for name in sides
    }
    print(f"{each.name}: {len(each.photos)} photos, goal {each.goal:g} x")
    for name, values in speeds.items():
        print(
            f"  {name:18} {median(values):7.1f} photos/s ({min(values):.1f} to {max(values):.1f})"
            f"   {ratios[name]:5.2f} x"
        )
    print(
        f"  faces: {len(cosines)} by both (cosine {min(cosines, default=1):.4f} and more, "
        f"median {median(cosines):.4f}), {len(only_ours)} only by ours, "
        f"{len(only_theirs)} only by insightface"
    )
    for name, sizes in (("ours", only_ours), ("insightface", only_theirs)):
        if sizes:
            print(f"    only by {name}, pixels: {', '.join(f'{s:.0f}' for s in sorted(sizes))}")
    return ratios["ours"] >= each.goal


def main() -> int:
    """Measure the sets; returns the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", help="Names of some of the sets, with commas.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="As INFERENCE_THREADS.")
    wanted = parser.parse_args()
    share_heaps()  # as our workers do; it holds for both sides
    weights = wanted.data / "weights"
    print(
        f"{os.cpu_count()} cores, {platform.machine()}; ONNX Runtime {ort.__version__}, "
        f"OpenCV {cv2.__version__}, Python {platform.python_version()}"
    )
    with our_models(weights, wanted.threads) as (pack, manifest, settings):
        pipelines = Pipelines(manifest, settings)
        pipeline = pipelines[pack.space.id]
        sides = {
            "insightface": peer(settings.models_dir / pack.name),
            "ours": ours(pipeline, settings.batch_photos, Copies.NONE),
            "ours, with copies": ours(pipeline, settings.batch_photos, Copies.BOTH),
        }
        reached = [
            measure(each, sides, wanted.rounds)
            for each in photo_sets(wanted.data / "faces")
            if wanted.sets is None or each.name in wanted.sets.split(",")
        ]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
