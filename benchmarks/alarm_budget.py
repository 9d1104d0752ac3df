"""Whether budgets of false alarms are kept: how many were promised, and how many came.

    python -m benchmarks.alarm_budget FOLDER [--pack NAME] [--draws 20]
    python -m benchmarks.alarm_budget --made-up 1_000_000 [--people 4000] [--strangers 3000]

FOLDER holds one folder per person with their photos, as for `facesearch calibrate`. Each draw enrols a
half of the people, then a fifth, calibrates on them, and searches for every photo of the others, who
are all strangers, among 50, 200 and 800 of the enrolled faces (or all there are).

Made-up faces (set B of `benchmarks.gallery`) go further: calibrated on five faces of each of some
people, the gallery grows to a million faces of other people, and as many strangers are searched for
as wanted. How often the threshold of each size is reached is counted among all of them, exactly.

Printed for each size and budget: the cosine, what it stands on, promised and found alarms of all
searches. Of draws cosine and size are the median, and beside the alarms of all draws together stand those
of the draws with fewest and most: photos of one stranger are found or not found together. "beyond" is
a budget that the calibration does not reach, so that the promise is what it can keep.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.gallery import CHUNK, FACES_PER_IDENTITY, Source
from benchmarks.tail_fit import Faces, calibrated, embedded
from core.budget import Effective, Impostors, threshold_at
from core.evaluation.scores import Share

SHARES = (0.5, 0.2)
SIZES = (50, 200, 800)
MADE_UP_SIZES = (1_000, 10_000, 100_000, 1_000_000)
BUDGETS = (10, 30, 100, 1000)
STREAM = 1_000_000
"""Above the streams that galleries draw their faces from."""


@dataclass(frozen=True)
class Kept:
    """One budget in one gallery."""

    now: Effective
    alarms: Share


def main() -> None:
    """Measure one of the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--pack")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--made-up", type=int)
    parser.add_argument("--people", type=int, default=4000)
    parser.add_argument("--strangers", type=int, default=3000)
    given = parser.parse_args()
    if given.made_up:
        made_up(given.made_up, given.people, given.strangers)
    elif given.folder:
        real(embedded(given.folder, given.pack), given.draws)
    else:
        parser.error("give a folder, or --made-up")


def real(faces: Faces, draws: int) -> None:
    """Deal people out *draws* times for each share."""
    random = np.random.default_rng(1)
    everybody = np.unique(faces.owners)
    for share in SHARES:
        dealt = [random.permutation(everybody) for _ in range(draws)]
        enrolled = round(share * len(everybody))
        found = [
            drawn(faces.of(people[:enrolled]), faces.of(people[enrolled:]), random)
            for people in dealt
        ]
        print(f"\ncalibrated on {enrolled} people, {draws} draws")
        for each in zip(*found, strict=True):
            print(line(each))


def drawn(enrolled: Faces, strangers: Faces, random: np.random.Generator) -> list[Kept]:
    """Calibrate on the enrolled people, then search for the others among growing parts of them."""
    impostors = distilled(enrolled)
    order = random.permutation(len(enrolled.owners))
    best = np.full(len(strangers.owners), -1, np.float32)
    kept, before = [], 0
    for size in sizes(SIZES, len(order)):
        part = enrolled.embeddings[order[before:size]]
        best, before = np.maximum(best, (strangers.embeddings @ part.T).max(axis=1)), size
        kept += [counted(impostors, one_in, size, best) for one_in in BUDGETS]
    return kept


def made_up(most: int, people: int, strangers: int) -> None:
    """Grow a gallery of made-up faces; nobody of whom it was calibrated on is in it."""
    source = Source("B", 4 * most)
    known = np.repeat(np.arange(people), FACES_PER_IDENTITY)
    impostors = distilled(Faces(source.faces(known, STREAM), known))
    others = np.arange(people, people + strangers)
    probes = source.faces(others, STREAM + 1)
    first = people + strangers
    best = np.full(strangers, -1, np.float32)
    print(f"calibrated on {people:,} made-up people, {strangers:,} strangers")
    before = 0
    for size in sizes(MADE_UP_SIZES, most):
        for start in range(before, size, CHUNK):
            rows = np.arange(start, min(size, start + CHUNK))
            part = source.faces(first + rows // FACES_PER_IDENTITY, STREAM + 2 + start)
            best = np.maximum(best, (probes @ part.T).max(axis=1))
        before = size
        for one_in in BUDGETS:
            print(line([counted(impostors, one_in, size, best)]), flush=True)


def distilled(faces: Faces) -> Impostors:
    """Calibrate as the product does, and keep what it keeps."""
    found = calibrated(faces)
    pairs = found.scores.impostors.total
    kept = Impostors.of(found.curve, pairs=pairs, people=found.people, day=date(2026, 1, 1))
    if kept is None:
        raise SystemExit("These people are too few to calibrate on.")
    return kept


def sizes(wanted: Sequence[int], most: int) -> list[int]:
    """Return sizes up to *most*, which is the last one."""
    return sorted({min(size, most) for size in wanted})


def counted(impostors: Impostors, one_in: int, size: int, best: NDArray[np.float32]) -> Kept:
    """Count the strangers whose best cosine reaches the threshold."""
    now = threshold_at(impostors, one_in, size)
    return Kept(now, Share(int((best >= now.cosine).sum()), len(best)))


def line(draws: Sequence[Kept]) -> str:
    """Write what one budget in one size of gallery came to."""
    size = round(np.median([each.now.faces for each in draws]))
    rates = [each.alarms.rate for each in draws]
    every = Share(sum(e.alarms.count for e in draws), sum(e.alarms.total for e in draws))
    promised = float(np.mean([1 / each.now.keeps_one_in for each in draws]))
    stands_on = {each.now.evidence.value if each.now.kept else "beyond" for each in draws}
    spread = f"{min(rates):.2%} to {max(rates):.2%}" if len(draws) > 1 else ""
    if not spread:
        low, high = every.interval
        spread = f"true rate {low:.2%} to {high:.2%}"
    return (
        f"{size:>9,} faces  1 in {draws[0].now.one_in:<5,} "
        f"{np.median([each.now.cosine for each in draws]):.4f} {'/'.join(sorted(stands_on)):<24} "
        f"promised {promised:6.2%}  found {every.rate:6.2%} ({every.count:,})  {spread}"
    )


if __name__ == "__main__":
    main()
