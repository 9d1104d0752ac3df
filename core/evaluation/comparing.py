"""Every face of known people compared with every other: cosines of mates and of impostors."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.evaluation.progress import Progress
from core.evaluation.scores import Scores

ROWS: Final = 128
"""Faces compared with all others at a time: among 30,000 this takes about 200 MB."""

CLOSEST: Final = 20_000
"""Impostor pairs kept one by one. The tail is fitted to at most half of them, so that each half of
the people has enough to check the other."""

Embeddings: TypeAlias = NDArray[np.float32]
"""Shape ``(faces, dimension)``; each row has length 1."""

Owners: TypeAlias = NDArray[np.int64]
"""Shape ``(faces,)``: a number for the person of each face."""


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """The impostor pairs of largest cosine, descending, at most `CLOSEST`.

    Attributes:
        first, second: Rows of the two faces.
    """

    cosines: NDArray[np.float32]
    first: NDArray[np.int64]
    second: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """All pairs of faces."""

    mates: Scores
    impostors: Scores
    tail: Tail


def compare(embeddings: Embeddings, owners: Owners, progress: Progress) -> Comparison:
    """Compare every pair once, in blocks, so that memory does not grow with their number.

    Args:
        progress: Is told how many more faces are compared with all after them.
    """
    mates = impostors = Scores.of(np.empty(0))
    tail = Tail(np.empty(0, np.float32), np.empty(0, np.int64), np.empty(0, np.int64))
    for start in range(0, len(embeddings), ROWS):
        cosines = embeddings[start : start + ROWS] @ embeddings[start:].T
        later = np.triu(np.ones(cosines.shape, dtype=bool), k=1)
        same = owners[start : start + ROWS, None] == owners[None, start:]
        others = later & ~same
        mates += Scores.of(cosines[later & same])
        impostors += Scores.of(cosines[others])
        tail = _largest(tail, _above(tail, cosines, others, start))
        progress(len(cosines))
    return Comparison(mates, impostors, _take(tail, np.argsort(-tail.cosines, kind="stable")))


def _above(tail: Tail, cosines: NDArray[np.float32], others: NDArray[np.bool_], start: int) -> Tail:
    """Return the pairs of a block that may belong into a tail."""
    if len(tail.cosines) == CLOSEST:
        others &= cosines > tail.cosines.min()
    first, second = np.nonzero(others)
    return Tail(cosines[first, second], first + start, second + start)


def _largest(known: Tail, new: Tail) -> Tail:
    """Return the `CLOSEST` largest of both."""
    both = Tail(
        np.concatenate([known.cosines, new.cosines]),
        np.concatenate([known.first, new.first]),
        np.concatenate([known.second, new.second]),
    )
    if len(both.cosines) <= CLOSEST:
        return both
    return _take(both, np.argpartition(-both.cosines, CLOSEST)[:CLOSEST])


def _take(tail: Tail, chosen: NDArray[np.intp]) -> Tail:
    return Tail(tail.cosines[chosen], tail.first[chosen], tail.second[chosen])
