"""The nearest of many vectors to each of many, exactly: products of blocks, in little memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Halves: TypeAlias = NDArray[np.float16]
"""Shape ``(n, dimension)``: unit vectors in half precision, as they are stored."""

Rows: TypeAlias = NDArray[np.int32]

ROWS: Final = 2048
COLUMNS: Final = 8192
"""Of one product: 64 MiB of cosines, and large enough for the processor to be busy with arithmetic."""

DENSE: Final = 0.02
"""Share of a block from which sorting all of it is faster than picking what is near enough."""

NOBODY: Final = -1
"""In the place of a neighbour: there are fewer than were asked for."""

FARTHER: Final = np.float32(-2)
"""Less than any cosine."""


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """The nearest others of some vectors, nearest first, shape ``(n, k)``.

    Attributes:
        rows: Of the neighbours; `NOBODY` behind the last one.
        cosines: `FARTHER` behind the last one.
    """

    rows: Rows
    cosines: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of vectors and their cosines: number *i* of each belong together."""

    asked: Rows
    found: Rows
    cosines: NDArray[np.float32]


def nearest(
    vectors: Halves,
    asked: NDArray[np.integer],
    k: int,
    *,
    progress: Callable[[int], None] = lambda rows: None,
) -> Nearest:
    """Return the *k* nearest others of the rows *asked*, by looking at all.

    Args:
        progress: Is told how many more rows are done.
    """
    rows = np.full((len(asked), k), NOBODY, np.int32)
    cosines = np.full((len(asked), k), FARTHER, np.float32)
    for first in range(0, len(asked), ROWS):
        some = slice(first, first + ROWS)
        best = _Best(rows[some], cosines[some])
        for left, block in _products(vectors, asked[some]):
            best.add(block, left)
        progress(len(asked[some]))
    return Nearest(rows, cosines)


def within_reach(vectors: Halves, asked: NDArray[np.integer], reach: NDArray[np.floating]) -> Pairs:
    """Return the pairs of a row that is *asked* and another one that it is nearer to than its reach.

    Args:
        reach: Cosine of each row of *vectors* that is not near enough any more, shape ``(n,)``.
    """
    parts: list[tuple[Rows, Rows, NDArray[np.float32]]] = []
    for first in range(0, len(asked), ROWS):
        some = asked[first : first + ROWS]
        for left, block in _products(vectors, some):
            rows, columns = np.nonzero(block > reach[None, left : left + block.shape[1]])
            parts.append(
                (
                    some[rows].astype(np.int32),
                    (columns + left).astype(np.int32),
                    block[rows, columns],
                )
            )
    if not parts:
        nothing = np.empty(0, np.int32)
        return Pairs(nothing, nothing, np.empty(0, np.float32))
    return Pairs(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def unit(halves: Halves) -> NDArray[np.float32]:
    """Return vectors in single precision, of length 1: half precision leaves them not quite so."""
    vectors = halves.astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _products(
    vectors: Halves, asked: NDArray[np.integer]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the cosines of the rows *asked* and each block of columns, themselves left out."""
    probes = unit(vectors[asked])
    for left in range(0, len(vectors), COLUMNS):
        columns = unit(vectors[left : left + COLUMNS])
        block = probes @ columns.T
        inside = np.flatnonzero((asked >= left) & (asked < left + len(columns)))
        block[inside, asked[inside] - left] = FARTHER
        yield left, block


@dataclass(frozen=True, slots=True, eq=False)
class _Best:
    """The best so far of each row; the arrays are written to in place."""

    rows: Rows
    cosines: NDArray[np.float32]

    def add(self, block: NDArray[np.float32], left: int) -> None:
        """Take over what is nearer in a block whose columns start at *left*."""
        passing = block > self.cosines[:, -1:]
        if np.count_nonzero(passing) > DENSE * block.size:
            self._add_all(block, left)
        else:
            self._add_some(block, left, *np.nonzero(passing))

    def _add_all(self, block: NDArray[np.float32], left: int) -> None:
        k = self.cosines.shape[1]
        if block.shape[1] > k:
            columns = np.argpartition(block, -k, axis=1)[:, -k:]
        else:
            columns = np.broadcast_to(np.arange(block.shape[1]), block.shape)
        self._merge(np.take_along_axis(block, columns, 1), (columns + left).astype(np.int32))

    def _add_some(
        self,
        block: NDArray[np.float32],
        left: int,
        rows: NDArray[np.intp],
        columns: NDArray[np.intp],
    ) -> None:
        if not len(rows):
            return
        # Those of a row stand together: their places in it are counted from its first one.
        place = np.arange(len(rows)) - np.searchsorted(rows, rows)
        width = int(place.max()) + 1
        changed, row = np.unique(rows, return_inverse=True)
        cosines = np.full((len(changed), width), FARTHER, np.float32)
        found = np.full((len(changed), width), NOBODY, np.int32)
        cosines[row, place] = block[rows, columns]
        found[row, place] = columns + left
        part = _Best(self.rows[changed], self.cosines[changed])
        part._merge(cosines, found)
        self.rows[changed], self.cosines[changed] = part.rows, part.cosines

    def _merge(self, cosines: NDArray[np.float32], rows: Rows) -> None:
        k = self.cosines.shape[1]
        cosines = np.concatenate([self.cosines, cosines], axis=1)
        rows = np.concatenate([self.rows, rows], axis=1)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        best = np.take_along_axis(cosines, order, 1)
        self.cosines[:] = best
        self.rows[:] = np.where(best > FARTHER, np.take_along_axis(rows, order, 1), NOBODY)
