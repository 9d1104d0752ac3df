"""Taking numbers that stand for groups apart."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def places(numbers: NDArray[np.integer], count: int) -> list[NDArray[np.int64]]:
    """Return where each number from 0 to below *count* stands, in rising order; others are left out."""
    order = np.argsort(numbers, kind="stable")
    bounds = np.searchsorted(numbers[order], np.arange(count + 1))
    return [order[first:end] for first, end in pairwise(bounds)]
