"""When a photo was taken, out of the EXIF blocks of real encoders and of hostile ones."""

import struct
import time
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core import exif
from core.images import PhotoLimits, decode, inspect

LIMITS = PhotoLimits(max_bytes=10**7, max_pixels=10**6)
MORE, CHANGED = 0x8769, 0x0132
ORIGINAL, DIGITIZED, ORIGINAL_ZONE = 0x9003, 0x9004, 0x9011
NOON = datetime(2024, 5, 31, 12, tzinfo=UTC)


def block(more: dict[int, Any], first: dict[int, Any] | None = None) -> bytes:
    made = Image.Exif()
    for tag, value in (first or {}).items():
        made[tag] = value
    if more:
        made[MORE] = more
    return made.tobytes()


def photo(kind: str, exif_block: bytes) -> bytes:
    stream = BytesIO()
    picture = Image.new("RGB", (16, 8))
    if kind == "HEIF":
        pillow_heif.from_pillow(picture).save(stream, exif=exif_block)
    else:
        # With a resolution of its own, or Pillow looks for one in the block, and warns of its state.
        picture.save(stream, kind, exif=exif_block, dpi=(72, 72))
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
def test_every_format_that_can_say_it_says_when_a_photo_was_taken(kind: str) -> None:
    data = photo(kind, block({ORIGINAL: "2024:05:31 14:00:00", ORIGINAL_ZONE: "+02:00"}))

    assert inspect(data, LIMITS).captured_at == NOON
    assert decode(data, LIMITS).header.captured_at == NOON


@pytest.mark.parametrize("kind", ["BMP", "GIF"])
def test_a_photo_without_exif_does_not_say(kind: str) -> None:
    stream = BytesIO()
    Image.new("RGB", (16, 8)).save(stream, kind)

    assert inspect(stream.getvalue(), LIMITS).captured_at is None


@pytest.mark.parametrize(
    ("zone", "hour"),
    [("+02:00", 10), ("-05:30", 17.5), ("+0200", 10), ("Z", 12), ("", 12), ("   :  ", 12),
     ("+99:99", None), ("\xff", 12)],
)  # fmt: skip
def test_a_zone_counts_and_where_there_is_none_the_time_is_in_utc(
    zone: str, hour: float | None
) -> None:
    told = block({ORIGINAL: "2024:05:31 12:00:00", ORIGINAL_ZONE: zone})

    midnight = datetime(2024, 5, 31, tzinfo=UTC)
    expected = None if hour is None else midnight + timedelta(hours=hour)
    assert exif.captured_at(told) == expected


@pytest.mark.parametrize(
    "text", ["2024:05:31 12:00:00", "2024-05-31T12:00:00", "2024/05/31 12:00", "2024:05:31 12:00:00.9"]
)  # fmt: skip
def test_times_are_read_as_cameras_and_programs_write_them(text: str) -> None:
    assert exif.captured_at(block({ORIGINAL: text})) == NOON


@pytest.mark.parametrize(
    "text",
    ["0000:00:00 00:00:00", "    :  :     :  :  ", "1825:12:31 00:00:00", "2024:13:01 00:00:00",
     "2024:05:31 24:00:00", "9999:12:31 23:59:59", "yesterday", "", "2024", "2024:05:31"],
)  # fmt: skip
def test_a_time_at_which_no_photo_was_taken_is_none(text: str) -> None:
    assert exif.captured_at(block({ORIGINAL: text})) is None


def test_a_clock_may_be_ahead_by_a_day_and_no_more() -> None:
    def told(ahead: timedelta) -> datetime | None:
        moment = datetime.now(UTC) + ahead
        return exif.captured_at(block({ORIGINAL: f"{moment:%Y:%m:%d %H:%M:%S}"}))

    assert told(timedelta(hours=14)) is not None
    assert told(timedelta(hours=25)) is None


def test_the_time_of_scanning_counts_where_no_other_does_and_that_of_a_change_never() -> None:
    changed = {CHANGED: "2020:01:01 00:00:00"}
    digitized = {DIGITIZED: "2024:05:31 12:00:00"}

    assert exif.captured_at(block({}, changed)) is None
    assert exif.captured_at(block(digitized, changed)) == NOON
    unset = {ORIGINAL: "0000:00:00 00:00:00"}
    assert exif.captured_at(block(digitized | unset)) == NOON
    original = {ORIGINAL: "2023:01:01 00:00:00"}
    assert exif.captured_at(block(digitized | original)) == datetime(2023, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_are_read(order: str) -> None:
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    first = struct.pack(f"{order}HHHIII", 1, MORE, 4, 1, 26, 0)
    more = struct.pack(f"{order}HHHIII", 1, ORIGINAL, 2, 20, 44, 0)

    assert exif.captured_at(head + first + more + b"2024:05:31 12:00:00\0") == NOON


def test_a_cut_off_block_costs_neither_the_photo_nor_a_false_time() -> None:
    whole = block({ORIGINAL: "2024:05:31 12:00:00"})

    for length in range(len(whole)):
        assert exif.captured_at(whole[:length]) in (None, NOON)
        assert inspect(photo("JPEG", whole[:length]), LIMITS).width == 16


@given(st.binary(max_size=400), st.sampled_from([b"II*\0", b"MM\0*", b"Exif\0\0II*\0", b""]))
def test_no_bytes_break_the_reading(rest: bytes, head: bytes) -> None:
    exif.captured_at(head + rest)
    assert 1 <= exif.orientation(head + rest) <= 8


def test_a_hostile_block_costs_milliseconds() -> None:
    entry = struct.pack("<HHII", MORE, 4, 1, 8)  # each directory is the other's, and is full
    hostile = b"II*\0\x08\0\0\0\xff\xff" + entry * 65_535

    begin = time.process_time()
    assert exif.captured_at(hostile) is None
    assert exif.orientation(hostile) == 1
    assert time.process_time() - begin < 0.1
