"""Thresholds from false match rates, and false match rates from a budget of false alarms."""

from dataclasses import dataclass
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.budget import Curve, Evidence, Fit, rate_of
from core.errors import InvalidRequest
from core.evaluation.comparing import Comparison, Embeddings, Owners, Tail, compare
from core.evaluation.progress import Progress
from core.evaluation.scores import Share
from core.evaluation.tails import Check, check, fitted

RATES: Final = (1e-3, 1e-4, 1e-5, 1e-6)
ALARMS: Final = (1e-2, 1e-3)
GALLERIES: Final = (1_000, 10_000, 100_000, 1_000_000)

LEAST_PAIRS: Final = 10
"""Pairs of people that must be left above a threshold to call it measured: of 10 counted, the true
number is 5 to 18 with a confidence of 95 %."""

SHOWN: Final = 10
"""Impostor pairs named one by one; some look alike, some are one person under two names."""


@dataclass(frozen=True, slots=True)
class Point:
    """A false match rate and the cosine that keeps it.

    Attributes:
        threshold: None where the pairs are too few to say; so are the next two.
        false_matches: Impostor pairs that reach the threshold here.
        tar: Pairs of mates that reach it.
    """

    fmr: float
    evidence: Evidence
    threshold: float | None
    false_matches: Share | None
    tar: Share | None


@dataclass(frozen=True, slots=True)
class Budget:
    """The point at which a search of a whole gallery raises few enough false alarms.

    Attributes:
        gallery: Faces that each search compares with.
        alarms: Chance that a search for a stranger finds anybody, at most.
    """

    gallery: int
    alarms: float
    point: Point


@dataclass(frozen=True, slots=True)
class Closest:
    """An impostor pair: rows of the two faces."""

    cosine: float
    first: int
    second: int


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What the faces of known people say about thresholds.

    Attributes:
        gallery: Faces that searches compare with today.
        rarest: The smallest false match rate that could be measured; infinite where none could.
        fit: Foretells rates below *rarest*; None where too few pairs, or fewer than `LEAST_PAIRS`
            pairs of people, lie in the tail.
        check: How well a fit to half of the pairs foretells the other half at *rarest*.
        closest: The impostor pairs of largest cosine, one for each pair of people.
    """

    faces: int
    people: int
    gallery: int
    scores: Comparison
    rarest: float
    fit: Fit | None
    check: Check | None
    closest: tuple[Closest, ...]

    @property
    def points(self) -> tuple[Point, ...]:
        """The threshold of each of `RATES`."""
        return tuple(self.point(rate) for rate in RATES)

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """The budgets of `ALARMS`, for the gallery of today and for `GALLERIES`."""
        sizes = sorted({self.gallery, *GALLERIES})
        return tuple(self.budget(alarms, size) for size in sizes for alarms in ALARMS)

    def budget(self, alarms: float, gallery: int) -> Budget:
        """Return the threshold that keeps the false alarms of a gallery under a budget."""
        return Budget(gallery, alarms, self.point(rate_of(alarms, gallery)))

    @property
    def curve(self) -> Curve:
        """Which cosine keeps which false match rate."""
        return Curve(self.scores.impostors, self.rarest, self.fit)

    def point(self, fmr: float) -> Point:
        """Return the threshold of a false match rate: counted, else foretold, else none."""
        threshold, evidence = self.curve.at(fmr)
        if threshold is None:
            return Point(fmr, evidence, None, None, None)
        passing, tar = (
            scores.share(threshold) for scores in (self.scores.impostors, self.scores.mates)
        )
        return Point(fmr, evidence, threshold, passing, tar)


def calibrate(
    embeddings: Embeddings, owners: Owners, *, gallery: int, progress: Progress
) -> Calibration:
    """Compare every pair of faces.

    Args:
        gallery: Faces that searches compare with today, 1 or more.
        progress: Is told how many more faces are compared.

    Raises:
        InvalidRequest: Fewer than two people.
    """
    people = len(np.unique(owners))
    if people < 2:  # noqa: PLR2004  a pair of different people
        raise InvalidRequest("Calibration needs faces of at least two people.")
    scores = compare(embeddings, owners, progress)
    firsts = _firsts(scores.tail, owners)
    enough = inf if len(firsts) < LEAST_PAIRS else int(firsts[LEAST_PAIRS - 1]) + 1
    rarest = enough / scores.impostors.total
    fit = fitted(scores.tail.cosines, scores.impostors.total)
    if fit is not None and fit.rate < rarest:  # it would speak for those few people alone
        fit = None
    return Calibration(
        faces=len(embeddings),
        people=people,
        gallery=gallery,
        scores=scores,
        rarest=rarest,
        fit=fit,
        check=None if fit is None else check(scores.tail, owners, rarest),
        closest=tuple(
            Closest(
                float(scores.tail.cosines[row]),
                int(scores.tail.first[row]),
                int(scores.tail.second[row]),
            )
            for row in firsts[:SHOWN]
        ),
    )


def _firsts(tail: Tail, owners: Owners) -> NDArray[np.intp]:
    """Return where in the tail each pair of people comes first, ascending.

    Pairs of photos of the same two people resemble each other; counted one by one they would make
    a distribution of one pair of twins.
    """
    a, b = owners[tail.first], owners[tail.second]
    pairs = np.minimum(a, b) * (int(owners.max()) + 1) + np.maximum(a, b)
    return np.sort(np.unique(pairs, return_index=True)[1])
