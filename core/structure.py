"""Files that would keep a decoder busy for minutes, told by their structure before one sees them.

Within every limit on bytes and pixels a file can be built of millions of parts, each of which a
decoder handles by itself: scans of a JPEG, chunks of a PNG, strips of a TIFF. So the parts are
counted first, the way that the decoder will walk them. Photos are far below every bound here; what
stays below them is read in seconds. ``tests/test_hostile_pictures.py`` builds a file for each.
"""

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from PIL.JpegImagePlugin import MARKER

from core.settings import MIB

MOST_PARTS: Final = 65_536
"""Chunks of a PNG, blocks of a GIF before its first picture, strips or tiles of a TIFF: Pillow
walks them at a few microseconds each. 32 MiB in the usual chunks of 8 KiB are 4,096."""

MOST_VALUES: Final = 4 * MOST_PARTS
"""Numbers of one tag of a TIFF, unless they are bytes: Pillow makes a Python object of each, for
fractions in 2 microseconds. A palette of 16 bits has 196,608."""

MOST_SEGMENTS: Final = 4_096
"""Parts of a JPEG before its pixels. A profile of 32 MiB has 512."""

MOST_FILLING: Final = MIB
"""Bytes between the segments of a JPEG, which Pillow reads one by one."""

MOST_EXIF_SEGMENTS: Final = 64
"""Pillow joins them, and copies all before at each. One, of at most 64 KiB, is usual."""

USUAL_SCANS: Final = 16
MOST_SCANS: Final = 1_000
MOST_SCANNED: Final = 2 * 10**9
"""Scans of a JPEG, and pixels times scans: each scan visits every pixel, at up to 2 ns each.
Progressive photos have 6 to 15, which are never too many; the bounds are 20 of 100 million pixels
or 1,000 of 2 million."""

MOST_RUN_LENGTH_BYTES: Final = 8 * MIB
MOST_RUN_LENGTH_PIXELS: Final = 16 * 10**6
"""Of a run-length coded bitmap: Pillow unpacks it in Python, run by run, and fills up lines pixel
by pixel. The form holds 256 colours at most, so hardly any is a photo."""

_JPEG_MARKER: Final = re.compile(rb"\xff([^\x00\xff])")
_JPEG_SCAN_MARKER: Final = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")  # no restart markers
_SCAN, _END, _APP1 = 0xDA, 0xD9, 0xE1
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL: Final = frozenset({0xC0, 0xC1, 0xC9})
_KNOWN: Final = frozenset(code & 0xFF for code in MARKER)
_HAS_BODY: Final = frozenset(code & 0xFF for code, (_, _, reader) in MARKER.items() if reader)

_EXTENSION, _PICTURE, _TRAILER, _COMMENT = 0x21, 0x2C, 0x3B, 0xFE

_BYTES: Final = frozenset({1, 2, 6, 7})
_NUMBERS: Final = {1: "B", 3: "H", 4: "I", 16: "Q"}
_WIDTH, _LENGTH, _TILE_WIDTH, _TILE_LENGTH = 256, 257, 322, 323
_COMPRESSION, _STRIP_OFFSETS, _TILE_OFFSETS = 259, 273, 324
_JPEG_IN_TIFF: Final = (6, 7)

_RUN_LENGTHS: Final = (1, 2)


def is_laborious(data: bytes, name: str) -> bool:
    """Say whether a file of format *name* is made of more parts than any photo.

    Takes milliseconds. What is broken is left to the decoder, which stops there.
    """
    judge = _JUDGES.get(name)
    try:
        return judge is not None and judge(data)
    except (struct.error, IndexError, OverflowError):  # the file ends within a part, or far before
        return False


# --- JPEG ----------------------------------------------------------------------------------


def _jpeg(data: bytes) -> bool:
    filling = exif = pixels = colours = 0
    progressive = True
    for segments, (code, body, skipped) in enumerate(_markers(data, 2, _JPEG_MARKER)):
        filling += skipped
        exif += code == _APP1 and data.startswith(b"Exif\0\0", body + 2)
        if segments > MOST_SEGMENTS or filling > MOST_FILLING or exif > MOST_EXIF_SEGMENTS:
            return True
        if code in _FRAMES:
            height, width, colours = struct.unpack_from(">HHB", data, body + 3)
            pixels = height * width
            progressive = code not in _SEQUENTIAL
        if code == _SCAN:
            # A sequential picture whose first scan has all colours has only that one.
            whole = colours and not progressive and data[body + 2] == colours
            return not whole and _too_many_scans(data, body, pixels)
    return False


def _too_many_scans(data: bytes, first: int, pixels: int) -> bool:
    most = max(USUAL_SCANS, min(MOST_SCANS, MOST_SCANNED // max(1, pixels)))
    # Mostly there are too few even if every such pair of bytes, in a comment or in a video behind
    # the photo, is taken for the start of a scan. Only else the picture is walked.
    if data.count(b"\xff\xda", first) < most:
        return False
    scans = 1
    for parts, (code, _, _) in enumerate(_markers(data, first, _JPEG_SCAN_MARKER)):
        scans += code == _SCAN
        if scans > most or parts > MOST_SEGMENTS:
            return True
        if code == _END:
            return False
    return False


def _markers(data: bytes, at: int, pattern: re.Pattern[bytes]) -> Iterator[tuple[int, int, int]]:
    """Yield each marker, where its body begins, and the bytes of no use before it; from *at* on.

    Ends at a marker that no decoder knows. At the end of the file it yields 0 for a marker.
    """
    while found := pattern.search(data, at):
        code, body = found[1][0], found.end()
        if code not in _KNOWN:
            return
        yield code, body, found.start() - at
        at = body
        if code in _HAS_BODY:
            at += int.from_bytes(data[body : body + 2], "big")
    yield 0, len(data), max(0, len(data) - at)


# --- PNG, GIF, BMP -------------------------------------------------------------------------


def _png(data: bytes) -> bool:
    at, profiles = 8, 0
    for _ in range(MOST_PARTS):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IEND":  # whatever stands behind it is not read
            return False
        profiles += kind == b"iCCP"  # each is unpacked, and only one makes sense
        if profiles > 1:
            return True
        at += 12 + length
    return True


def _gif(data: bytes) -> bool:
    at = 13 + (6 << (data[10] & 7) if data[10] & 0x80 else 0)
    parts = 0
    while parts <= MOST_PARTS:
        block = data[at]
        if block in (_PICTURE, _TRAILER):
            return False
        at += 1
        parts += 1
        if block == _EXTENSION:
            label = data[at]
            at, blocks = _behind_blocks(data, at + 1)
            parts += blocks
            if blocks == 1 and label != _COMMENT:  # Pillow goes on behind an empty extension
                at, blocks = _behind_blocks(data, at)
                parts += blocks
    return True


def _behind_blocks(data: bytes, at: int) -> tuple[int, int]:
    """Return where a chain of data blocks ends, and how many they are."""
    for count in range(1, MOST_PARTS):
        size = data[at]
        at += 1 + size
        if size == 0:
            return at, count
    return at, MOST_PARTS


def _bmp(data: bytes) -> bool:
    size, width, height, _, _, compression = struct.unpack_from("<IiiHHI", data, 14)
    return (
        size > 12  # noqa: PLR2004 - the oldest header has other fields, and no compression
        and compression in _RUN_LENGTHS
        and (len(data) > MOST_RUN_LENGTH_BYTES or abs(width * height) > MOST_RUN_LENGTH_PIXELS)
    )


# --- TIFF ----------------------------------------------------------------------------------


def _tiff(data: bytes) -> bool:
    counts: dict[int, int] = {}
    values: dict[int, int] = {}
    for tag, kind, count, value in _entries(data):
        if count > MOST_VALUES and kind not in _BYTES:
            return True
        counts[tag] = max(count, counts.get(tag, 0))
        values.setdefault(tag, value)
    width, length = values.get(_WIDTH, 0), values.get(_LENGTH, 0)
    across = -(-width // max(1, values.get(_TILE_WIDTH, width)))
    down = -(-length // max(1, values.get(_TILE_LENGTH, length)))
    parts = max(across * down, counts.get(_STRIP_OFFSETS, 0), counts.get(_TILE_OFFSETS, 0))
    if parts > MOST_PARTS:
        return True
    scanned = width * length // max(1, parts) * data.count(b"\xff\xda")
    return values.get(_COMPRESSION) in _JPEG_IN_TIFF and scanned > MOST_SCANNED


def _entries(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield tag, type, number of values and, of a single whole number, the value; of page 1."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    pointer, many, size = ("Q", "Q", 20) if big else ("I", "H", 12)
    (start,) = struct.unpack_from(order + pointer, data, 8 if big else 4)
    (entries,) = struct.unpack_from(order + many, data, start)
    start += struct.calcsize(order + many)
    for at in range(start, min(start + entries * size, len(data) - size + 1), size):
        tag, kind, count = struct.unpack_from(f"{order}HH{pointer}", data, at)
        single = count == 1 and kind in _NUMBERS and (big or kind != 16)  # noqa: PLR2004
        inline = at + size - struct.calcsize(order + pointer)
        yield (
            tag,
            kind,
            count,
            struct.unpack_from(order + _NUMBERS[kind], data, inline)[0] if single else 0,
        )


_JUDGES: Final[Mapping[str, Callable[[bytes], bool]]] = {
    "jpeg": _jpeg,
    "png": _png,
    "gif": _gif,
    "bmp": _bmp,
    "tiff": _tiff,
}
"""WebP, AVIF and HEIC are walked by libraries that have bounds of their own."""
