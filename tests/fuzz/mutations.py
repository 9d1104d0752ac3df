"""Ways to damage a file, as data, so that Hypothesis can choose, shrink and print them."""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from hypothesis import strategies as st

WHOLE = 10_000
"""A place in a file is given in parts of this, so that it fits files of every length."""

NUMBERS = (0, 1, 2, 3, 7, 8, 255, 256, 4095, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)

MOST_BYTES = 2**18
"""Of a damaged file: copies of copies grow fast, and slow files need not be long to be found."""


@dataclass(frozen=True, slots=True)
class Flip:
    """Invert one bit."""

    place: int
    bit: int

    def apply(self, data: bytearray) -> None:
        at = _at(data, self.place)
        data[at] ^= 1 << self.bit


@dataclass(frozen=True, slots=True)
class Number:
    """Write a number, in either byte order, over what stands there."""

    place: int
    near_start: bool
    width: int
    big: bool
    value: int

    def apply(self, data: bytearray) -> None:
        at = min(self.place % 512, len(data) - 1) if self.near_start else _at(data, self.place)
        order = "big" if self.big else "little"
        value = self.value % 256**self.width
        data[at : at + self.width] = value.to_bytes(self.width, order)[: len(data) - at]


@dataclass(frozen=True, slots=True)
class Cut:
    """Leave out everything between two places."""

    first: int
    last: int

    def apply(self, data: bytearray) -> None:
        first, last = sorted((_at(data, self.first), _at(data, self.last)))
        del data[max(1, first) : last]


@dataclass(frozen=True, slots=True)
class Insert:
    """Put bytes in."""

    place: int
    what: bytes
    times: int

    def apply(self, data: bytearray) -> None:
        at = _at(data, self.place)
        data[at:at] = self.what * self.times


@dataclass(frozen=True, slots=True)
class Part:
    """Repeat, drop (0 times) or move one of the parts that the format is made of."""

    which: int
    times: int
    to: int

    def apply(self, data: bytearray) -> None:
        found = list(parts(bytes(data)))
        if not found:
            return
        start, end = found[self.which % len(found)]
        part = data[start:end]
        del data[start:end]
        at = min(found[self.to % len(found)][0], len(data))
        data[at:at] = part * min(self.times, MOST_BYTES // max(1, len(part)))


@dataclass(frozen=True, slots=True)
class Truthful:
    """Make the checksums of a PNG true, so that its decoder goes on to what they guard."""

    def apply(self, data: bytearray) -> None:
        if not data.startswith(b"\x89PNG"):
            return
        for start, end in parts(bytes(data)):
            data[end - 4 : end] = struct.pack(">I", zlib.crc32(data[start + 4 : end - 4]))


_BOX = re.compile(
    rb"[\0-\xff]{4}(?:ftyp|meta|hdlr|pitm|iloc|iinf|infe|iref|iprp|ipco|ispe|pixi|colr|hvcC|av1C|ipma"
    rb"|auxC|auxl|irot|imir|idat|mdat|moov|mvhd|trak|tkhd|mdia|minf|stbl|stsd|stts|stsc|stsz|stco)"
)

Mutation: TypeAlias = Flip | Number | Cut | Insert | Part | Truthful

_places = st.integers(0, WHOLE)
_numbers = st.builds(
    Number,
    place=_places,
    near_start=st.booleans(),
    width=st.sampled_from((1, 2, 4, 8)),
    big=st.booleans(),
    value=st.sampled_from(NUMBERS) | st.integers(0, 2**32),
)
_mutation = st.one_of(
    st.builds(Flip, _places, st.integers(0, 7)),
    _numbers,
    _numbers,
    st.builds(Cut, _places, _places),
    st.builds(Insert, _places, st.binary(min_size=1, max_size=12), st.sampled_from((1, 2, 5000))),
    st.builds(Part, st.integers(0, 40), st.sampled_from((0, 1, 2, 3, 500)), st.integers(0, 40)),
    st.just(Truthful()),
)
mutations: st.SearchStrategy[list[Mutation]] = st.lists(_mutation, min_size=1, max_size=8)


def damaged(data: bytes, how: list[Mutation]) -> bytes:
    """Apply mutations one after the other; at least one byte is left."""
    changed = bytearray(data)
    for each in how:
        each.apply(changed)
        del changed[MOST_BYTES:]
        if not changed:
            return data[:1]
    return bytes(changed)


def parts(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the parts of a file begin and end: chunks, segments, boxes, entries."""
    if data.startswith(b"\x89PNG"):
        yield from _sized(data, 8, ">I", 0, 12, 0)
    elif data.startswith(b"RIFF"):
        yield from _sized(data, 12, "<I", 4, 8, 1)
    elif data[4:8] == b"ftyp":
        for box in _BOX.finditer(data):
            size = int.from_bytes(data[box.start() : box.start() + 4], "big")
            yield box.start(), min(box.start() + max(8, size), len(data))
    elif data.startswith(b"\xff\xd8"):
        starts = [m.start() for m in re.finditer(rb"\xff[\x01-\xfe]", data)]
        yield from pairwise([*starts, len(data)])
    elif data.startswith((b"II*\0", b"MM\0*")):
        order = "<" if data[:1] == b"I" else ">"
        start = int.from_bytes(data[4:8], "little" if order == "<" else "big") + 2
        yield from ((at, at + 12) for at in range(start, min(start + 240, len(data) - 12), 12))
    elif data.startswith(b"PK"):
        starts = [m.start() for m in re.finditer(rb"PK(?:\x01\x02|\x03\x04|\x05\x06)", data)]
        yield from pairwise([*starts, len(data)])
    elif data[257:262] == b"ustar":
        yield from ((at, at + 512) for at in range(0, len(data) - 511, 512))
    elif data.startswith(b"GIF"):
        starts = [m.start() for m in re.finditer(rb"[!,]", data)]
        yield from pairwise([*starts, len(data)])


def _sized(
    data: bytes, at: int, number: str, where: int, more: int, align: int
) -> Iterator[tuple[int, int]]:
    """Parts that begin with their size, *more* than which they are long."""
    while at + where + 4 <= len(data):
        (size,) = struct.unpack_from(number, data, at + where)
        size += more + (size & align)
        if size < 8 or at + size > len(data):  # less than its own head
            return
        yield at, at + size
        at += size


def _at(data: bytearray, place: int) -> int:
    return min(len(data) - 1, place * len(data) // WHOLE)
