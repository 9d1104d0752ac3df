"""Which pictures are the same picture: 256 bits of each that hardly change when it is re-encoded or scaled.

Of the gray picture at 64 x 64 pixels the 16 x 16 lowest frequencies are taken, and of each whether it is above
their median. Copies of one picture differ in few bits, other pictures in about half of them. Turned, mirrored
and cropped copies differ as other pictures do.
"""

from collections.abc import Iterator
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from core.faces import Pixels

BYTES: Final = 32

LIMIT: Final = 15
"""Bits in which two hashes of one picture differ at most. Of 400 photos, copies re-encoded at a JPEG quality of 30 to
80 or scaled by 0.5 to 2 differed in 7 or fewer, and different photos in 72 or more."""

SHARP: Final = 320
"""Pixels of a side that a hash makes use of."""

_SIDE: Final = 64
"""Pixels of a side of the small gray picture."""

_FREQUENCIES: Final = 16
"""Across and down."""

_NOISE: Final = 1.0
"""A frequency is above the median by more than this, which is what rounding to 256 grays does. So a picture of one
colour has no bit set, whatever the colour."""

_BANDS: Final = 16
"""Of 16 bits each. Two hashes that differ in less than 16 bits have a whole band in common."""

_diagonals = np.add.outer(np.arange(_FREQUENCIES), np.arange(_FREQUENCIES)) % _BANDS
_ORDER: Final = np.argsort(_diagonals.ravel(), kind="stable")
"""Frequencies in the order of their bits. A band is a diagonal, with a frequency of each row and column: of a picture
that is its own mirror image whole rows or columns say nothing."""

_ROWS_AT_ONCE: Final = 1 << 16
"""Candidates that are compared at once, so that they stay in the processor's cache."""

Pairs: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]
"""Rows of the first and of the second, and the bits in which they differ; each of shape ``(n,)``."""


def picture_hash(pixels: Pixels) -> bytes:
    """Return the 32 bytes of an upright picture.

    Takes 0.3 to 1.3 ms, since of a large one only some pixels are looked at.
    """
    height, width = pixels.shape[:2]
    some = cv2.resize(pixels, (min(width, SHARP), min(height, SHARP)))
    gray = cv2.cvtColor(some, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(gray, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    found = cv2.dct(small.astype(np.float32))[:_FREQUENCIES, :_FREQUENCIES].ravel()
    bits = found > np.median(found[1:]) + _NOISE
    bits[0] = False  # the brightness
    return np.packbits(bits[_ORDER]).tobytes()


def distance(a: bytes, b: bytes) -> int:
    """Return the number of bits in which two hashes differ, 0 to 255."""
    return (int.from_bytes(a) ^ int.from_bytes(b)).bit_count()


def near_pairs(hashes: NDArray[np.uint8], limit: int = LIMIT) -> Pairs:
    """Find all pairs of rows that differ in at most *limit* bits, the smaller row first.

    Of rows with the same hash, of which there may be thousands (black pictures), each is given with the next
    one alone, and the first stands for all of them: only it is in pairs with others. Exact: two hashes within
    15 bits share a band of 16, so that all who share one are compared, a band after the other; a pair is
    given in the first band that it shares. Of n rows this takes memory for some 150 n bytes and the pairs that
    are found, and time for those who share a band by chance, n / 65,536 for each row and band. Different
    pictures with much in common (scans of one form) share more: m of them cost up to 8 m² comparisons.

    Args:
        hashes: Shape ``(n, 32)``.

    Raises:
        ValueError: *limit* is not 0 to 15.
    """
    if not 0 <= limit < _BANDS:
        raise ValueError(f"pairs are found within 0 to {_BANDS - 1} bits, not {limit}")
    words = np.ascontiguousarray(hashes, dtype=np.uint8).reshape(-1, BYTES).view(np.uint64)
    order = np.lexsort(words.T)
    repeats = np.zeros(len(words), dtype=bool)
    repeats[1:] = (words[order[1:]] == words[order[:-1]]).all(axis=1)
    again = np.flatnonzero(repeats)
    firsts = order[~repeats]
    found: list[Pairs] = [(order[again - 1], order[again], np.zeros(len(again), dtype=np.uint8))]
    different = words[firsts]
    for band in range(_BANDS):
        for one, other, bits in _pairs_of_band(different, band, limit):
            a, b = firsts[one], firsts[other]
            found.append((np.minimum(a, b), np.maximum(a, b), bits))
    first, second, bits = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((second, first))
    return first[order], second[order], bits[order]


def _pairs_of_band(words: NDArray[np.uint64], band: int, limit: int) -> Iterator[Pairs]:
    """Compare those who share a band: each with the next one in the order of that band, then with the one
    after it, and so on for as long as anybody shares it.

    Args:
        words: Shape ``(n, 4)``, no two rows the same.
    """
    order = np.argsort(words.view(np.uint16)[:, band], kind="stable")
    ordered = words[order]
    shared = np.ascontiguousarray(ordered.view(np.uint16)[:, band])
    here = np.arange(len(order))
    step = 0
    while len(here):
        step += 1
        here = here[: np.searchsorted(here, len(order) - step)]
        here = here[shared[here] == shared[here + step]]
        for begin in range(0, len(here), _ROWS_AT_ONCE):
            some = here[begin : begin + _ROWS_AT_ONCE]
            near, bits = _near(ordered, some, step, band, limit)
            yield order[near], order[near + step], bits


def _near(
    words: NDArray[np.uint64], here: NDArray[np.int64], step: int, band: int, limit: int
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return those rows that are near the ones *step* behind them and share no earlier band, with the bits."""
    elsewhere = (band // 4 + 1) % 4  # a word that the band is not in tells nearly all of them apart
    column = words[:, elsewhere]
    here = here[np.bitwise_count(column[here] ^ column[here + step]) <= limit]
    differing = words[here] ^ words[here + step]
    bits = np.bitwise_count(differing).sum(axis=1, dtype=np.uint8)
    new = (bits <= limit) & (differing.view(np.uint16)[:, :band] != 0).all(axis=1)
    return here[new], bits[new]
