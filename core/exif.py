"""What an EXIF block says that matters here: which way is up, and when the photo was taken.

Read here and not by Pillow's parser: that one warns and raises on the damaged blocks which real
photos are full of, reads every tag, and for PNG decodes the whole picture first. Here a block costs
microseconds, a hostile one about a millisecond.
"""

import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from core.facets import can_be_captured

ORIENTATION_TAG: Final = 0x0112
_MORE_TAG: Final = 0x8769
"""Where the directory is that holds the times."""

_TIME_TAGS: Final = ((0x9003, 0x9011), (0x9004, 0x9012))
"""A time and its zone: when the photo was taken, else when it became digital, which a camera does
at once. DateTime (0x0132) is not asked: programs set it to when the file was last changed."""

_MOST_ENTRIES: Final = 1_000
"""Of one directory; the standard knows about a hundred tags."""

_LONGEST_TEXT: Final = 32
_TIME: Final = re.compile(r"(\d{4})[:/.-](\d\d)[:/.-](\d\d)[ T](\d\d):(\d\d)(?::(\d\d))?")
_ZONE: Final = re.compile(r"([+-])(\d\d):?(\d\d)|Z")

_ORDERS: Final = {b"II": "<", b"MM": ">"}


def orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8; 1 where a block, whatever its state, gives none."""
    block, order = _block(exif)
    if order is None:
        return 1
    for tag, at in _entries(block, order, _number(block, order, 4)):
        if tag == ORIENTATION_TAG:
            value = _number(block, order, at + 8, "H")
            return value if 1 <= value <= 8 else 1  # noqa: PLR2004
    return 1


def captured_at(exif: bytes) -> datetime | None:
    """Return when the photo was taken, in UTC; None where a block, whatever its state, gives none.

    Fractions of seconds are left out. A time without a zone, as cameras write it, is taken as UTC.
    A TIFF file is such a block too.
    """
    block, order = _block(exif)
    if order is None:
        return None
    first = dict(_entries(block, order, _number(block, order, 4)))
    if _MORE_TAG not in first:
        return None
    times = dict(_entries(block, order, _number(block, order, first[_MORE_TAG] + 8)))
    for time_tag, zone_tag in _TIME_TAGS:
        zone = _text(block, order, times[zone_tag]) if zone_tag in times else ""
        moment = _moment(_text(block, order, times[time_tag]), zone) if time_tag in times else None
        if moment is not None:
            return moment
    return None


def _block(exif: bytes) -> tuple[bytes, str | None]:
    """Return the block without what stands before it, and its byte order."""
    block = exif.removeprefix(b"Exif\0\0")
    return block, _ORDERS.get(block[:2])


def _entries(block: bytes, order: str, start: int) -> Iterator[tuple[int, int]]:
    """Yield the tags of a directory, and where the entry of each begins; stop where it is cut off."""
    count = min(_number(block, order, start, "H"), _MOST_ENTRIES)
    for at in range(start + 2, min(start + 2 + 12 * count, len(block) - 9), 12):
        yield _number(block, order, at, "H"), at


def _number(block: bytes, order: str, at: int, kind: str = "I") -> int:
    """Return the number at this place; 0 beyond the end."""
    try:
        number: int = struct.unpack_from(order + kind, block, at)[0]
    except struct.error:
        return 0
    return number


def _text(block: bytes, order: str, entry: int) -> str:
    """Return the beginning of a text, which lies elsewhere unless it has four bytes or fewer."""
    count = _number(block, order, entry + 4)
    at = _number(block, order, entry + 8) if count > 4 else entry + 8  # noqa: PLR2004
    return block[at : at + min(count, _LONGEST_TEXT)].decode("latin-1").partition("\0")[0].strip()


def _moment(text: str, zone: str) -> datetime | None:
    found = _TIME.match(text)
    if found is None:
        return None
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
        local = datetime(year, month, day, hour, minute, second, tzinfo=_zone(zone))
        moment = local.astimezone(UTC)
    except (ValueError, OverflowError):  # 0000:00:00, or a clock that nobody set
        return None
    return moment if can_be_captured(moment) else None


def _zone(text: str) -> timezone:
    found = _ZONE.fullmatch(text)
    if found is None or found[1] is None:
        return UTC
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-offset if found[1] == "-" else offset)
