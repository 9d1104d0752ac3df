"""What the quality gates refuse, and what would have become of it.

    python -m benchmarks.quality_gates FOLDER --pack open

FOLDER holds one folder per person, with photos in the manner of LFW. The first photo of everybody
is the gallery. The others are searched as they are, and some of them blurred, shrunk, darkened,
overexposed, noisy, covered and turned away (see `benchmarks.degrading`). The table says for each
way how many faces were found, how many of those lost their mate (somebody else comes first), and
which part of the lost and of the others each gate refuses. Below it: what is refused by reason, how
well each figure predicts the cosine to the mate, and how good faces of the page's lights are.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from math import hypot
from pathlib import Path
from typing import TypeAlias

import click
import numpy as np
from PIL import Image, ImageOps

from benchmarks.degrading import WAYS
from core.analysis import Analyser
from core.errors import BadImage
from core.faces import AnalysedFace, Pixels
from core.gates import Floors, Gate, Reason, reasons
from core.inference.packs import Pack, load_manifest
from core.pipelines import Pipelines
from core.settings import Settings
from web.pages.pictures import light

AS_IT_IS = "as they are"
BATCH = 16
GATES = (Gate.STANDARD, Gate.STRICT)

FIGURES: dict[str, Callable[[AnalysedFace], float]] = {
    "overall quality": lambda face: face.quality.overall,
    "norm": lambda face: face.norm,
    "sharpness": lambda face: face.quality.sharpness,
    "brightness": lambda face: face.quality.brightness,
    "size": lambda face: face.quality.size,
    "frontal": lambda face: -max(abs(face.quality.yaw), abs(face.quality.pitch)),
    "detector's score": lambda face: face.face.score,
}
"""What may predict the cosine to the mate, by its name: more is better."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A face that was searched.

    Attributes:
        cosine: To its mate in the gallery.
        lost: Somebody else is nearer.
    """

    way: str
    face: AnalysedFace
    cosine: float
    lost: bool


def photos_of(folder: Path) -> list[list[Path]]:
    """The photos of each person."""
    homes = sorted(home for home in folder.iterdir() if home.is_dir())
    return [sorted(home.iterdir()) for home in homes]


def analyse(pipeline: Analyser, pictures: Iterable[Pixels]) -> Iterator[AnalysedFace | None]:
    """The face nearest to the middle of each picture; None where none was found."""
    todo = iter(pictures)
    while part := list(islice(todo, BATCH)):
        for result in pipeline.analyse([_packed(pixels) for pixels in part]):
            if isinstance(result, BadImage) or not result.faces:
                yield None
                continue
            x, y = result.header.width / 2, result.header.height / 2
            yield min(result.faces, key=lambda face: _distance(face, x, y))


def search(
    gallery: np.ndarray, mates: Sequence[int], way: str, faces: Iterable[AnalysedFace | None]
) -> list[Probe]:
    """Compare faces with the gallery; *mates* are the rows of their own people."""
    found = []
    for mate, face in zip(mates, faces, strict=True):
        if face is not None:
            cosines = gallery @ face.embedding
            found.append(Probe(way, face, float(cosines[mate]), int(cosines.argmax()) != mate))
    return found


Measured: TypeAlias = dict[str, tuple[int, list[Probe]]]
"""Photos searched and faces found, by the way in which they were degraded."""


def measure(pipeline: Analyser, folder: Path, degraded: int) -> Measured:
    """Search with all photos as they are, and with about *degraded* of them in each other way."""
    people = photos_of(folder)
    enrolled = list(analyse(pipeline, (read(photos[0]) for photos in people)))
    rows = [row for row, face in enumerate(enrolled) if face is not None]
    gallery = np.stack([face.embedding for face in enrolled if face is not None])
    later = [(mate, path) for mate, row in enumerate(rows) for path in people[row][1:]]
    some = later[:: max(1, len(later) // degraded)]
    result = {}
    for way, degrade in {AS_IT_IS: lambda pixels: pixels, **WAYS}.items():
        chosen = later if way == AS_IT_IS else some
        pictures = (degrade(read(path)) for _, path in chosen)
        faces = analyse(pipeline, pictures)
        result[way] = len(chosen), search(gallery, [mate for mate, _ in chosen], way, faces)
        click.echo(f"  {way}: {len(result[way][1])} of {len(chosen)} found", err=True)
    return result


def print_ways(pack: Pack, measured: Measured) -> None:
    """What each gate refuses of each way, of the lost ones and of the others."""
    click.echo(f"{'':24}{'found':>7}{'lost':>7}   standard: lost, others   strict: lost, others")
    for way, (photos, probes) in measured.items():
        lost = [probe for probe in probes if probe.lost]
        others = [probe for probe in probes if not probe.lost]
        shares = "".join(
            f"{_refused(pack, gate, lost):>16}{_refused(pack, gate, others):>8}" for gate in GATES
        )
        click.echo(f"{way:24}{len(probes) / photos:7.1%}{_lost(probes):7.1%}{shares}")


def print_reasons(pack: Pack, every: Sequence[Probe], plain: Sequence[Probe]) -> None:
    """How many faces each gate refuses for each reason."""
    for gate in GATES:
        click.echo(f"\n{gate}, by reason (a face may have several): all, as they are")
        for reason in Reason:
            counts = [sum(reason in _why(pack, gate, p) for p in part) for part in (every, plain)]
            click.echo(f"  {reason:22}{counts[0]:6}{counts[1]:6}")


def print_figures(every: Sequence[Probe], plain: Sequence[Probe]) -> None:
    """What would be floors of the pack, and how much each figure says about a face."""
    click.echo("\nFloors of the worst 0.2, 1 and 3 % of the faces as they are")
    for name in ("detector's score", "norm"):
        worst = np.quantile([FIGURES[name](p.face) for p in plain], (0.002, 0.01, 0.03))
        click.echo(f"  {name:18}" + "".join(f"{value:9.3f}" for value in worst))
    click.echo("\nSpearman correlation with the cosine to the mate: all, as they are")
    for name, figure in FIGURES.items():
        both = [
            spearman([figure(p.face) for p in part], [p.cosine for p in part])
            for part in (every, plain)
        ]
        click.echo(f"  {name:18}{both[0]:6.2f}{both[1]:6.2f}")


def print_lights(every: Sequence[Probe], plain: Sequence[Probe]) -> None:
    """How good faces of each of the page's lights are."""
    click.echo("\nOverall quality as a light: faces, of those as they are, lost")
    for kind in ("good", "fair", "poor"):
        shown, of_plain = (
            [p for p in part if light(p.face.quality.overall).kind == kind]
            for part in (every, plain)
        )
        click.echo(f"  {kind:6}{len(shown):6}{len(of_plain) / len(plain):8.1%}{_lost(shown):8.1%}")


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """Correlation of the ranks; equal values share one."""
    ranks = []
    for values in (a, b):
        _, place, count = np.unique(values, return_inverse=True, return_counts=True)
        ranks.append((np.cumsum(count) - (count - 1) / 2)[place])
    correlations = np.asarray(np.corrcoef(ranks))
    return float(correlations[0, 1])


def _why(pack: Pack, gate: Gate, probe: Probe) -> tuple[Reason, ...]:
    return reasons(probe.face, gate, pack.gates.get(gate, Floors()))


def _lost(probes: Sequence[Probe]) -> float:
    return sum(probe.lost for probe in probes) / max(1, len(probes))


def _refused(pack: Pack, gate: Gate, probes: Sequence[Probe]) -> str:
    if not probes:
        return "-"
    return f"{sum(bool(_why(pack, gate, probe)) for probe in probes) / len(probes):.1%}"


def _distance(face: AnalysedFace, x: float, y: float) -> float:
    left, top, right, bottom = face.face.box
    return hypot((left + right) / 2 - x, (top + bottom) / 2 - y)


def read(path: Path) -> Pixels:
    """Read one picture, upright."""
    with Image.open(path) as image:
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))


def _packed(pixels: Pixels) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "BMP")
    return stream.getvalue()


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--pack", "pack_name", default="open", show_default=True)
@click.option(
    "--degraded", default=300, show_default=True, help="About how many are degraded, in each way."
)
def main(folder: Path, pack_name: str, degraded: int) -> None:
    """Measure and print."""
    settings = Settings.load()
    manifest = load_manifest(settings)
    pack = manifest.pack(pack_name)
    pipelines = Pipelines(manifest, settings)
    pipelines.require(pack)
    measured = measure(pipelines[pack.space.id], folder, degraded)
    every = [probe for _, probes in measured.values() for probe in probes]
    plain = measured[AS_IT_IS][1]
    print_ways(pack, measured)
    print_reasons(pack, every, plain)
    print_figures(every, plain)
    print_lights(every, plain)


if __name__ == "__main__":
    main()
