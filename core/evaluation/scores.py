"""Shares with their uncertainty, and cosines counted in fine steps: what error rates are made of."""

from dataclasses import dataclass
from math import sqrt
from typing import Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

PER_ONE: Final = 100_000

STEP: Final = 1 / PER_ONE
"""Thresholds are multiples of this. Finer than any cosine that a stored half-precision vector
gives, and 200,001 counters hold the scores of any number of pairs."""

DIGITS: Final = 5

STEPS: Final = 2 * PER_ONE + 1

Z_95: Final = 1.96
"""Standard deviations that hold 95 % of a normal distribution."""

Counts: TypeAlias = NDArray[np.int64]
"""Shape ``(STEPS,)``: number *i* counts the cosines from ``i * STEP - 1`` to the next step."""


@dataclass(frozen=True, slots=True)
class Share:
    """*count* of *total*; the rate of nothing is 0."""

    count: int
    total: int

    @property
    def rate(self) -> float:
        """0 to 1."""
        return self.count / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true rate lies with a confidence of 95 %, by Wilson; of nothing, anywhere."""
        if not self.total:
            return 0.0, 1.0
        spread = Z_95**2 / self.total
        middle = (self.rate + spread / 2) / (1 + spread)
        half = sqrt(self.rate * (1 - self.rate) * spread + spread**2 / 4) / (1 + spread)
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Cosines of one kind (mates or impostors), counted in steps of `STEP`."""

    counts: Counts

    @classmethod
    def of(cls, cosines: NDArray[np.floating]) -> Self:
        """Count cosines of any shape."""
        steps = np.floor((cosines.ravel() + 1) * PER_ONE).astype(np.intp)
        return cls(np.bincount(np.clip(steps, 0, STEPS - 1), minlength=STEPS))

    def __add__(self, other: "Scores") -> "Scores":
        return Scores(self.counts + other.counts)

    @property
    def total(self) -> int:
        """How many were counted."""
        return int(self.counts.sum())

    @property
    def reaching(self) -> Counts:
        """How many reach each of `THRESHOLDS`."""
        return self.counts[::-1].cumsum()[::-1]

    def share(self, threshold: float) -> Share:
        """Return how many reach a multiple of `STEP`."""
        first = max(0, round((threshold + 1) * PER_ONE))
        return Share(int(self.counts[first:].sum()), self.total)

    def threshold(self, rate: float) -> float:
        """Return the lowest multiple of `STEP` that at most *rate* of all reach; above 1: none."""
        too_many = np.flatnonzero(self.reaching > rate * self.total)
        return round((len(too_many)) * STEP - 1, DIGITS)
