"""How well a threshold that is foretold from a few people holds among many.

    python -m benchmarks.tail_fit FOLDER [--pack NAME] [--draws 12]

FOLDER holds one folder per person with their photos, as for `facesearch calibrate`. Each draw takes
10, 20 or 40 % of the people, calibrates on them alone, and asks for the cosine of the rarest false
match rate that they could measure, and of rates 10 and 100 times rarer. All pairs of the folder then
say how often that cosine is really reached. Printed is the true rate over the one that was asked
for: least, median and most of all draws. 1 is right, less is safe.

The second row of each share is a generalised Pareto distribution (by L-moments) from the same
pairs, which the product does not use: the reason stands in `core/evaluation/tails.py`.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.budget import REACH
from core.evaluation.calibration import Calibration, calibrate
from core.evaluation.comparing import compare
from core.evaluation.photos import analyse, find_people, labels, paths
from core.evaluation.scores import Scores
from core.inference.packs import load_manifest
from core.pipelines import Pipelines
from core.settings import Settings

SHARES = (0.1, 0.2, 0.4)
RARER = (1, 10, REACH)


@dataclass(frozen=True)
class Faces:
    """Embeddings, and a number for the person of each."""

    embeddings: NDArray[np.float32]
    owners: NDArray[np.int64]

    def of(self, people: NDArray[np.int64]) -> "Faces":
        """Return those of some people."""
        chosen = np.isin(self.owners, people)
        return Faces(self.embeddings[chosen], self.owners[chosen])


def main() -> None:
    """Analyse the folder once, then draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pack")
    parser.add_argument("--draws", type=int, default=12)
    given = parser.parse_args()
    faces = embedded(given.folder, given.pack)
    true = compare(faces.embeddings, faces.owners, quiet).impostors
    print(f"{'people':>7} {'fit':>12} " + " ".join(f"{f'/{times}':>16}" for times in RARER))
    random = np.random.default_rng(1)
    everybody = np.unique(faces.owners)
    for share in SHARES:
        drawn = [
            calibrated(faces.of(random.choice(everybody, round(share * len(everybody)), False)))
            for _ in range(given.draws)
        ]
        usable = [each for each in drawn if each.fit is not None]
        for name, ratios in (("exponential", ours(usable, true)), ("pareto", pareto(usable, true))):
            cells = [" ".join(f"{q:.2f}" for q in np.quantile(r, (0, 0.5, 1))) for r in ratios.T]
            print(f"{share:7.0%} {name:>12} " + " ".join(f"{cell:>16}" for cell in cells))


def quiet(done: int) -> None:
    """Show no progress."""


def embedded(folder: Path, pack_name: str | None) -> Faces:
    """Run the photos through a pack."""
    settings = Settings.load()
    manifest = load_manifest(settings)
    pack = manifest.pack(pack_name or settings.pack)
    pipelines = Pipelines(manifest, settings)
    pipelines.require(pack)
    people = find_people(folder)
    pipeline = pipelines[pack.space.id]
    analysis = analyse(pipeline, paths(people), batch=settings.batch_photos, progress=quiet)
    numbers = {name: number for number, name in enumerate(people)}
    known = [
        (each.embedding, numbers[name])
        for name, each in zip(labels(people), analysis.samples, strict=True)
        if each.embedding is not None
    ]
    return Faces(np.stack([vector for vector, _ in known]), np.array([owner for _, owner in known]))


def calibrated(faces: Faces) -> Calibration:
    """Calibrate on some people."""
    return calibrate(faces.embeddings, faces.owners, gallery=1, progress=quiet)


def ours(drawn: list[Calibration], true: Scores) -> NDArray[np.float64]:
    """Return true over asked rate; shape ``(draws, len(RARER))``."""
    found = []
    for each in drawn:
        # The last is a hair inside of what is refused.
        rates = [each.rarest / times * 1.0001 for times in RARER]
        thresholds = [each.point(rate).threshold for rate in rates]
        found.append(
            [
                true.share(threshold).rate / rate
                for rate, threshold in zip(rates, thresholds, strict=True)
                if threshold is not None
            ]
        )
    return np.array(found)


def pareto(drawn: list[Calibration], true: Scores) -> NDArray[np.float64]:
    """Return the same for a generalised Pareto distribution of the pairs of each fit."""
    found = []
    for each in drawn:
        if each.fit is None:
            continue
        start, base = each.fit.start, each.fit.rate
        beyond = np.sort(each.scores.tail.cosines[: each.fit.pairs].astype(np.float64) - start)
        first = beyond.mean()
        ranks = (np.arange(1, len(beyond) + 1) - 0.35) / len(beyond)
        second = (beyond * (1 - ranks)).mean()
        shape = 2 - first / (first - 2 * second)
        scale = 2 * first * second / (first - 2 * second)
        rates = np.array([each.rarest / times for times in RARER])
        cosines = start + scale / shape * ((rates / base) ** -shape - 1)
        found.append([true.share(float(cosine)).rate / rate
                      for cosine, rate in zip(cosines, rates, strict=True)])  # fmt: skip
    return np.array(found)


if __name__ == "__main__":
    main()
