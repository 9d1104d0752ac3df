"""Searching with several photos of one person: which way of fusing them finds most.

    python -m benchmarks.fusing FOLDER [--photos 3] [--pack open] [--degraded]

FOLDER holds one folder per person, with photos in the manner of LFW. Everybody's first photo is the
gallery, less that of the strangers; who has enough others is searched for with the next few of them
together. Half of the people are strangers, then the other half. Twice: with the photos as they are,
and with each of them degraded by chance in one of the ways of `benchmarks.degrading`. The packs of
the tests (`test_scrfd`) are found with FACESEARCH_EXTRA_PACKS.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeAlias

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.degrading import WAYS
from benchmarks.quality_gates import analyse, photos_of, read
from core.analysis import Analyser
from core.faces import AnalysedFace, Pixels
from core.inference.packs import load_manifest
from core.pipelines import Pipelines
from core.probes import Fuse, fused
from core.settings import Settings

FPIR = 0.01
DEALS = 20
"""Deals of the people into strangers and others; each photo is searched once in each."""

Faces: TypeAlias = Sequence[AnalysedFace]
Way: TypeAlias = Callable[[Faces], NDArray[np.float32]]


def _one(faces: Faces) -> NDArray[np.float32]:
    return faces[0].embedding[None]


def _mean(weigh: Callable[[AnalysedFace], float]) -> Way:
    return lambda faces: fused(
        [face.embedding for face in faces], [weigh(face) for face in faces], Fuse.MEAN
    )


def _nearest(faces: Faces) -> NDArray[np.float32]:
    return fused([face.embedding for face in faces], [None] * len(faces), Fuse.MAX)


WAYS_TO_FUSE: dict[str, Way] = {
    "the first photo alone": _one,
    "mean": _mean(lambda _: 1.0),
    "mean, weighted by quality": _mean(lambda face: face.quality.overall),
    "mean, weighted by quality ** 3": _mean(lambda face: face.quality.overall**3),
    "mean, weighted by norm": _mean(lambda face: face.norm),
    "mean, weighted by norm * quality": _mean(lambda face: face.norm * face.quality.overall),
    "max": _nearest,
}


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """A vector of everybody for the gallery, and the other faces of those who have enough."""

    gallery: NDArray[np.float32]
    others: dict[int, list[AnalysedFace]]


def crowd(pipeline: Analyser, folder: Path, photos: int, *, degraded: bool) -> Crowd:
    """Analyse the folder."""
    people = photos_of(folder)
    chance = Random(7)  # noqa: S311  repeatable, no secret
    first = list(analyse(pipeline, (read(paths[0]) for paths in people)))
    rows = [row for row, face in enumerate(first) if face is not None]
    gallery = np.stack([face.embedding for face in first if face is not None])
    asked = [(mate, path) for mate, row in enumerate(rows) for path in people[row][1:]]

    def pictures() -> Iterator[Pixels]:
        for _, path in asked:
            pixels = read(path)
            yield chance.choice(list(WAYS.values()))(pixels) if degraded else pixels

    others: dict[int, list[AnalysedFace]] = {}
    for (mate, _), face in zip(asked, analyse(pipeline, pictures()), strict=True):
        if face is not None:
            others.setdefault(mate, []).append(face)
    enough = {mate: faces[:photos] for mate, faces in others.items() if len(faces) >= photos}
    return Crowd(gallery, enough)


def measure(found: Crowd, way: Way) -> tuple[float, float]:
    """Return rank 1, and FNIR at an FPIR of 1 %, over all deals."""
    people = sorted(found.others)
    cosines = {mate: (found.gallery @ way(found.others[mate]).T).max(axis=1) for mate in people}
    first = np.mean([cosines[mate].argmax() == mate for mate in people])
    hits: list[float] = []
    alarms: list[float] = []
    for deal in range(DEALS):
        Random(deal).shuffle(people)  # noqa: S311
        half = len(people) // 2
        for strangers in (people[:half], people[half:]):
            absent = np.zeros(len(found.gallery), bool)
            absent[strangers] = True
            for mate in people:
                left = np.where(absent, -1, cosines[mate])
                if absent[mate]:
                    alarms.append(float(left.max()))
                else:
                    hits.append(float(left[mate]) if left.argmax() == mate else -1.0)
    threshold = np.quantile(alarms, 1 - FPIR)
    return float(first), float(np.mean(np.array(hits) < threshold))


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--photos", default=3, show_default=True, type=click.IntRange(2, 16))
@click.option("--pack", "name", default="open", show_default=True)
@click.option("--degraded", is_flag=True)
def main(folder: Path, photos: int, name: str, degraded: bool) -> None:
    """Print the table."""
    settings = Settings.load()
    manifest = load_manifest(settings)
    pipeline = Pipelines(manifest, settings)[manifest.pack(name).space.id]
    found = crowd(pipeline, folder, photos, degraded=degraded)
    click.echo(
        f"{name}, {photos} photos {'each degraded by chance' if degraded else 'as they are'}: "
        f"{len(found.others)} people searched for, {len(found.gallery)} in the gallery"
    )
    for label, way in WAYS_TO_FUSE.items():
        first, missed = measure(found, way)
        click.echo(f"  {label:32} rank 1 {first:7.2%}   FNIR at FPIR 1 % {missed:7.2%}")


if __name__ == "__main__":
    main()
