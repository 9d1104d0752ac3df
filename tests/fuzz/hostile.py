"""Files made to keep a decoder busy: many parts, many pixels, or both, in few bytes."""

import re
import struct
import zlib
from collections.abc import Iterable, Mapping

from PIL import Image

from tests.fuzz.pictures import encoded

# Tags of TIFF.
WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIPS, CHANNELS, ROWS_PER_STRIP, STRIP_BYTES = 273, 277, 278, 279
TILE_WIDTH, TILE_LENGTH, TILES, TILE_BYTES = 322, 323, 324, 325


def flat(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A black picture."""
    return Image.new(mode, (width, height))


# --- JPEG ----------------------------------------------------------------------------------


def segment(code: int, body: bytes = b"") -> bytes:
    """One marker segment of a JPEG."""
    return bytes((0xFF, code)) + struct.pack(">H", len(body) + 2) + body


def jpeg_with(extra: bytes, side: int = 64) -> bytes:
    """A JPEG with bytes between its start and its first segment."""
    data = encoded(flat(side, side), "JPEG")
    return data[:2] + extra + data[2:]


def jpeg_of_scans(width: int, height: int, scans: int) -> bytes:
    """A progressive JPEG of many scans, each of which visits all pixels in three colours."""
    data = encoded(flat(width, height), "JPEG", progressive=True, subsampling=0)
    starts = [found.start() for found in re.finditer(b"\xff\xda", data)]
    head = max(at for at in starts if data[at + 4] == 3)
    return data[:-2] + data[head : head + 14] * (scans - len(starts)) + data[-2:]


# --- PNG -----------------------------------------------------------------------------------


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG of given chunks behind its header."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND")


def pixels(width: int, height: int, bytes_per_pixel: int = 3) -> bytes:
    """The chunk of a black picture."""
    row = b"\0" * (1 + width * bytes_per_pixel)
    squeeze = zlib.compressobj(9)
    rows = [squeeze.compress(row) for _ in range(height)]
    return chunk(b"IDAT", b"".join(rows) + squeeze.flush())


# --- GIF, BMP, TIFF ------------------------------------------------------------------------


def gif_with(extra: bytes) -> bytes:
    """A GIF with bytes before its first picture."""
    data = encoded(flat(64, 64, "P"), "GIF")
    start = 13 + (6 << (data[10] & 7) if data[10] & 0x80 else 0)
    return data[:start] + extra + data[start:]


def run_length_bitmap(width: int, height: int, body: bytes) -> bytes:
    """An 8-bit run-length coded BMP."""
    sizes = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 0, 0, 256, 256)
    return struct.pack("<2sIHHI", b"BM", 0, 0, 0, 1078) + sizes + bytes(1024) + body


def tiff(tags: Mapping[int, int | tuple[int, int]], body: bytes) -> bytes:
    """A gray TIFF; a tag is one number, or how many are at an offset. *body* begins at 512."""
    whole = {BITS: 8, COMPRESSION: 1, PHOTOMETRIC: 1, CHANNELS: 1} | dict(tags)
    entries: Iterable[bytes] = (
        struct.pack("<HHII", tag, 4, *(value if isinstance(value, tuple) else (1, value)))
        for tag, value in sorted(whole.items())
    )
    head = struct.pack("<2sHIH", b"II", 42, 8, len(whole)) + b"".join(entries) + bytes(4)
    return head.ljust(512, b"\0") + body


def strips(count: int, width: int) -> bytes:
    """A TIFF with a strip for every row."""
    tags = {WIDTH: width, LENGTH: count, ROWS_PER_STRIP: 1}
    lists = {STRIPS: (count, 512), STRIP_BYTES: (count, 512)}
    return tiff(tags | lists, bytes(4 * count + width))


def tiles(across: int, down: int, side: int) -> bytes:
    """A TIFF of many square tiles."""
    count = across * down
    tags = {WIDTH: across * side, LENGTH: down * side, TILE_WIDTH: side, TILE_LENGTH: side}
    return tiff(tags | {TILES: (count, 512), TILE_BYTES: (count, 512)}, bytes(4 * count + side**2))
