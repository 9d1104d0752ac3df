"""What counts as near, whichever recogniser made the vectors.

Cosines of one recogniser are not those of another: the same two photos have 0.7 with ArcFace and 0.95
with dlib's network. What both have is a threshold for the same person. A distance (1 - cosine) is
told here as a share of that of the threshold: 0 is the same face, 1 is just the same person.
Shares were measured with mobilefacenet on LFW (`python -m benchmarks.report_faults`).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from core.neighbours import Halves, unit

SAME_SHOT: Final = 0.075
"""Faces of one shot: copies are nearer, other photos of the same minute mostly farther."""

LIKE_A_SHOT: Final = 0.37
"""What may be one shot, if the pictures agree: cropped copies of small faces."""

CLUSTER: Final = 0.9
"""Mean distance up to which groups of faces are one person's."""

UNSURE: Final = 1.12
"""Beyond the threshold, and near enough that a person should look."""

SAMPLE: Final = 200_000
"""Pairs by chance."""

HEAVIER: Final = 1.12
"""How much farther the tail of strangers reaches than that of a normal distribution: 0.391 for 0.363 at
one in ten thousand."""

LINKS_OF_STRANGERS: Final = 0.3
"""For each face, at most: below one, chains of strangers end soon."""

MATES: Final = 0.65
"""Mean cosine of two photos of one person, to tell how much a mean of several photos varies."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The distances of one collection.

    Attributes:
        base: The pack's threshold for the same person.
        mean, deviation: Of the cosines of strangers.
    """

    base: float
    mean: float
    deviation: float

    def cosine(self, share: float) -> float:
        """Return the cosine at a share of the threshold's distance."""
        return 1 - share * (1 - self.base)

    def link(self, faces: int) -> float:
        """Return the cosine from which a link is worth following among so many faces."""
        return max(self.cosine(CLUSTER), self.rare(LINKS_OF_STRANGERS / max(1, faces)))

    def rare(self, rate: float) -> float:
        """Return the cosine that a share of *rate* of all strangers' pairs reaches."""
        return float(self.mean + HEAVIER * self.deviation * norm.isf(min(0.5, rate)))

    def rare_between(self, rate: float, first: int, second: int) -> float:
        """Return the same for the mean cosine between *first* and *second* faces of two people.

        The mean of several photos of one person is a shorter vector than each of them, and what it has
        in common with a stranger is less by as much.
        """
        return self.rare(rate) * _length(first) * _length(second)


def measure(halves: Halves, base: float) -> Scale:
    """Measure how alike strangers are, on pairs by chance.

    Pairs at or above the threshold are mates, mostly, and in a small gallery there are many: they are
    left out. That cuts off the upper end, so that the deviation is measured below the median.
    """
    if len(halves) < 2:  # noqa: PLR2004  a pair
        return Scale(base, 0.0, 0.0)
    random = np.random.default_rng(0)
    first, second = random.integers(0, len(halves), (2, SAMPLE))
    differ = first != second
    cosines = _cosines(halves, first[differ], second[differ])
    strangers = cosines[cosines < base]
    if not len(strangers):
        return Scale(base, 0.0, 0.0)
    low, middle = np.quantile(strangers, [norm.cdf(-1), 0.5])
    return Scale(base, float(middle), float(middle - low))


def _cosines(
    halves: Halves, first: NDArray[np.integer], second: NDArray[np.integer]
) -> NDArray[np.float32]:
    parts = [
        np.einsum("ij,ij->i", unit(halves[first[some]]), unit(halves[second[some]]))
        for some in np.array_split(np.arange(len(first)), max(1, len(first) // 10_000))
    ]
    return np.concatenate(parts)


def _length(count: int) -> float:
    return float(np.sqrt((1 + (count - 1) * MATES) / count))
