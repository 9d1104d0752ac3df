"""Files made to keep a decoder busy are refused at once, and what is let through is read soon."""

import struct
import time
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from core import structure
from core.errors import ImageTooLarge, UnsupportedFormat
from core.images import PhotoLimits, decode, inspect
from core.settings import MIB
from tests.fuzz import hostile
from tests.fuzz.hostile import flat, pixels, segment
from tests.fuzz.pictures import MAKERS, encoded
from tests.fuzz.reading import Reading

LIMITS = PhotoLimits(max_bytes=32 * MIB, max_pixels=100_000_000)
"""The settings as they come."""

LONGEST_CPU_S = 5
LONGEST_S = 60
"""Of one picture: by the clock the machine's other work counts too."""

Maker = Callable[[], bytes]

REFUSED: dict[str, Maker] = {
    # Each took 4 to 60 s, or gigabytes, before parts were counted.
    "jpeg, a million empty segments": lambda: hostile.jpeg_with(segment(0xEC) * MIB),
    "jpeg, restart markers as segments": lambda: hostile.jpeg_with(b"\xff\xd0" * (8 * MIB)),
    "jpeg, filled up with 0xff": lambda: hostile.jpeg_with(b"\xff" * (31 * MIB)),
    "jpeg, filled up with 0": lambda: hostile.jpeg_with(segment(0xEC) + bytes(31 * MIB)),
    "jpeg, filled up to its end": lambda: b"\xff\xd8\xff\xec\0\2" + bytes(31 * MIB),
    "jpeg, filled up behind a marker without a body": (
        lambda: hostile.jpeg_with((b"\xff\xf0\xff\xff" + bytes(65533)) * 100)
    ),
    "jpeg, EXIF in 500 segments": (
        lambda: hostile.jpeg_with(segment(0xE1, b"Exif\0\0" + bytes(65000)) * 500)
    ),
    "jpeg, a thousand scans": lambda: hostile.jpeg_of_scans(64, 64, 1001),
    "jpeg, 21 scans of 100 million pixels": lambda: hostile.jpeg_of_scans(10000, 10000, 21),
    "jpeg, scans between comments that hold an end": (
        lambda: hostile.jpeg_of_scans(64, 64, 2000).replace(
            b"\xff\xda", segment(0xFE, b"\xff\xd9") + b"\xff\xda"
        )
    ),
    "png, two million chunks": (
        lambda: hostile.png(64, 64, hostile.chunk(b"abCd") * (2 * MIB), pixels(64, 64))
    ),
    "png, pixels byte by byte": (
        lambda: hostile.png(64, 64, hostile.chunk(b"IDAT") * (2 * MIB), pixels(64, 64))
    ),
    "png, profiles one after the other": (
        lambda: hostile.png(64, 64, hostile.chunk(b"iCCP", b"a\0\0") * 2, pixels(64, 64))
    ),
    "gif, comments": lambda: hostile.gif_with(b"!\xfe\1a\0" * (6 * MIB)),
    "gif, a comment letter by letter": lambda: hostile.gif_with(b"!\xfe" + b"\1a" * MIB + b"\0"),
    "gif, blocks behind an empty extension": (
        lambda: hostile.gif_with(b"!\x01\0," + bytes(44) + b"\1a" * MIB + b"\0")
    ),
    "gif, letters between blocks": lambda: hostile.gif_with(b"x" * (31 * MIB)),
    "tiff, strips": lambda: hostile.strips(7 * MIB, 13),
    "tiff, tiles": lambda: hostile.tiles(2000, 2000, 1),
    "tiff, millions of fractions for its resolution": (lambda: _resolution_of(3_000_000)),
    "tiff, a jpeg of scans": lambda: _jpeg_in_tiff(hostile.jpeg_of_scans(10000, 10000, 21)),
    "bmp, runs": lambda: hostile.run_length_bitmap(4000, 4000, b"\1\0" * (15 * MIB)),
    "bmp, lines to fill": lambda: hostile.run_length_bitmap(10000, 10000, b"\1\0\0\0" * 10000),
}

TOO_LARGE: dict[str, Maker] = {
    "png, a row of 100 million": lambda: hostile.png(10**8, 1, pixels(1, 1)),
    "png, a column of 100 million": lambda: hostile.png(1, 10**8, pixels(1, 1)),
    "jpeg, 65500 x 65500": lambda: _jpeg_of_size(65500, 65500),
    "gif, 65535 x 65535": lambda: _gif_of_size(65535, 65535),
    "webp, a lossless header of 16383 x 16383": (
        lambda: b"RIFF\x1a\0\0\0WEBPVP8L\x0e\0\0\0\x2f\xfe\xbf\xff\x0f" + bytes(9)
    ),
}

BOMB = zlib.compress(bytes(200 * MIB), 9)

READ: dict[str, Maker] = {
    # The most that is let through, and what is harmless although it looks worse.
    "jpeg, 20 scans of 100 million pixels": lambda: hostile.jpeg_of_scans(10000, 10000, 20),
    "jpeg, 1000 scans of 2 million pixels": lambda: hostile.jpeg_of_scans(1414, 1414, 1000),
    "jpeg, 4000 segments": lambda: hostile.jpeg_with(segment(0xEC, bytes(8000)) * 4000),
    "jpeg, EXIF in 60 segments": (
        lambda: hostile.jpeg_with(segment(0xE1, b"Exif\0\0" + bytes(65000)) * 60)
    ),
    "png, 65000 chunks": (
        lambda: hostile.png(64, 64, hostile.chunk(b"abCd") * 65000, pixels(64, 64))
    ),
    "png, a column of a million": lambda: hostile.png(1, 10**6, pixels(1, 10**6)),
    "png, a row of a million": lambda: hostile.png(10**6, 1, pixels(10**6, 1)),
    "png, 36 million pixels of 64 bits": (
        lambda: hostile.png(6000, 6000, pixels(6000, 6000, 8), depth=16, colour=6)
    ),
    "gif, 65000 blocks": lambda: hostile.gif_with(b"!\xfe\1a\0" * 21000),
    "gif, 30 MiB of pictures": lambda: _pictures_in_a_gif(30 * MIB),
    "tiff, 65000 strips": lambda: hostile.strips(65000, 100),
    "tiff, 65000 tiles": lambda: hostile.tiles(260, 250, 16),
    "heic, 900 tiles": lambda: encoded(flat(1920, 1920), "HEIF", tile_size=64),
    "bmp, lines to fill": lambda: hostile.run_length_bitmap(4000, 4000, b"\1\0\0\0" * 4000),
    "tiff, a quarter of a million fractions for its resolution": lambda: _resolution_of(260_000),
    "tiff, a strip of 4 GB": (
        lambda: _deflated({hostile.ROWS_PER_STRIP: 16, hostile.STRIP_BYTES: 4 * 10**9})
    ),
    "tiff, a directory that points to itself": lambda: _looped(encoded(flat(64, 64), "TIFF")),
    "jpeg, EXIF that points to itself": (
        lambda: hostile.jpeg_with(segment(0xE1, b"Exif\0\0" + _looped(hostile.tiff({}, b""))))
    ),
    "webp, 2000 frames": lambda: _animation("WEBP", 2000),
    "avif, 500 frames": lambda: _animation("AVIF", 500),
}

DAMAGED: dict[str, Maker] = {
    "jpeg, scans behind a whole picture": lambda: _scans_behind(flat(10000, 10000), 1000),
    "bmp, 8 MiB of runs": (
        lambda: hostile.run_length_bitmap(4000, 4000, b"\4\0" * (4 * MIB - 1000))
    ),
    "png, a text of 200 MiB": (
        lambda: hostile.png(64, 64, hostile.chunk(b"zTXt", b"a\0\0" + BOMB), pixels(64, 64))
    ),
    "png, a profile of 200 MiB": (
        lambda: hostile.png(64, 64, hostile.chunk(b"iCCP", b"a\0\0" + BOMB), pixels(64, 64))
    ),
    "tiff, a tile of 60000 x 60000": (
        lambda: _deflated({hostile.TILE_WIDTH: 60000, hostile.TILE_LENGTH: 60000})
    ),
    "webp, a frame larger than its canvas": (
        lambda: encoded(flat(9000, 9000), "WEBP", lossless=True, exif=b"Exif").replace(
            b"\x27\x23\0\x27\x23\0", bytes(6)
        )
    ),
}
"""Nothing can be read, or only a part; it must be known soon."""


def _scans_behind(picture: Image.Image, scans: int) -> bytes:
    """A sequential JPEG whose only scan comes again and again, without any pixels."""
    data = encoded(picture, "JPEG")
    head = data.index(b"\xff\xda")
    return data[:-2] + data[head : head + 14] * scans + data[-2:]


def _looped(tiff: bytes) -> bytes:
    """A TIFF whose directory says that the next one is itself."""
    (start,) = struct.unpack_from("<I", tiff, 4)
    (entries,) = struct.unpack_from("<H", tiff, start)
    at = start + 2 + 12 * entries
    return tiff[:at] + tiff[4:8] + tiff[at + 4 :]


def _animation(kind: str, frames: int) -> bytes:
    later = [Image.new("RGB", (64, 64), (n % 256, n // 256, 0)) for n in range(1, frames)]
    return encoded(flat(64, 64), kind, save_all=True, append_images=later)


def _deflated(tags: dict[int, int]) -> bytes:
    """A deflated TIFF of 16 x 16 pixels in one part, of which the tags lie."""
    kind = hostile.TILES if hostile.TILE_WIDTH in tags else hostile.STRIPS
    sizes = {hostile.TILE_BYTES: 200_000} if kind == hostile.TILES else {}
    whole = {hostile.WIDTH: 16, hostile.LENGTH: 16, hostile.COMPRESSION: 8, kind: 512}
    return hostile.tiff(whole | sizes | tags, BOMB)


def _resolution_of(fractions: int) -> bytes:
    """A TIFF whose horizontal resolution is not one number but many."""
    data = encoded(flat(64, 64), "TIFF", x_resolution=72, y_resolution=72)
    entry = data.index(struct.pack("<HHI", 282, 5, 1))
    lie = struct.pack("<HHII", 282, 5, fractions, 8)
    return data[:entry] + lie + data[entry + 12 :] + struct.pack("<II", 1, 2) * fractions


def _jpeg_in_tiff(jpeg: bytes) -> bytes:
    tags = {hostile.WIDTH: 10000, hostile.LENGTH: 10000, hostile.COMPRESSION: 7}
    where = {hostile.STRIPS: 512, hostile.STRIP_BYTES: len(jpeg), hostile.ROWS_PER_STRIP: 10000}
    return hostile.tiff(tags | where, jpeg)


def _jpeg_of_size(width: int, height: int) -> bytes:
    data = encoded(flat(64, 64), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + data[at + 4 :]


def _gif_of_size(width: int, height: int) -> bytes:
    data = hostile.gif_with(b"")
    return data[:6] + width.to_bytes(2, "little") + height.to_bytes(2, "little") + data[10:]


def _pictures_in_a_gif(size: int) -> bytes:
    data = hostile.gif_with(b"")
    picture = data[data.index(b",", 13) : -1]
    return data[:-1] + picture * (size // len(picture)) + b";"


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_of_far_too_many_parts_is_refused_at_once(name: str) -> None:
    data = REFUSED[name]()
    assert len(data) <= LIMITS.max_bytes

    for read in (inspect, decode):
        begin = time.process_time()
        with pytest.raises(UnsupportedFormat, match="parts"):
            read(data, LIMITS)
        assert time.process_time() - begin < 1


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_picture_that_claims_to_be_huge_is_refused_by_its_header(name: str) -> None:
    data = TOO_LARGE[name]()

    for read in (inspect, decode):
        with pytest.raises(ImageTooLarge):
            read(data, LIMITS)


def test_whatever_is_let_through_is_analysed_within_seconds() -> None:
    came_to, took = {}, {}
    with Reading(LIMITS.max_pixels, "fake", patience_s=LONGEST_S) as reading:
        for name, make in (READ | DAMAGED).items():
            outcome = reading.read(make())
            came_to[name], took[name] = outcome.word, outcome.cpu_s

    assert came_to == dict.fromkeys(READ, "read") | dict.fromkeys(DAMAGED, "image_corrupt")
    assert {name: took[name] for name in took if took[name] > LONGEST_CPU_S} == {}


@pytest.mark.parametrize("name", MAKERS)
def test_ordinary_pictures_are_far_from_the_bounds(name: str) -> None:
    kind = name.split(maxsplit=1)[0].replace("mpo", "jpeg")

    assert not structure.is_laborious(MAKERS[name](), kind)


def test_a_video_behind_a_photo_is_not_taken_for_scans() -> None:
    photo = encoded(flat(4000, 4000), "JPEG")

    assert not structure.is_laborious(photo + b"\xff\xda" * 5000, "jpeg")


def test_a_comment_that_speaks_of_scans_is_no_scan() -> None:
    data = encoded(flat(64, 64), "JPEG", comment=b"\xff\xda" * 5000)

    assert not structure.is_laborious(data, "jpeg")
