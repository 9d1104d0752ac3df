"""Small valid pictures of every format and kind that is read, to be damaged."""

import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

WIDTH, HEIGHT = 64, 48


def scene(mode: str = "RGB") -> Image.Image:
    """A picture with edges, ramps and noise, so that every part of a decoder has work."""
    ramp = np.add.outer(np.arange(HEIGHT) * 4, np.arange(WIDTH) * 2)
    noise = np.random.default_rng(3).integers(0, 40, (HEIGHT, WIDTH, 3))
    pixels = ((ramp[..., None] * (1, 2, 3) + noise) % 256).astype(np.uint8)
    pixels[10:30, 20:40] = (250, 10, 10)
    return Image.fromarray(pixels).convert(mode)


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Encode with Pillow or pillow-heif."""
    stream = BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(picture).save(stream, quality=60, **options)
    else:
        picture.save(stream, kind, **options)
    return stream.getvalue()


def heic_of_several(count: int) -> bytes:
    """A HEIC file of several pictures."""
    file = pillow_heif.HeifFile()
    for _ in range(count):
        file.add_from_pillow(scene())
    stream = BytesIO()
    file.save(stream)
    return stream.getvalue()


def exif(orientation: int = 6) -> bytes:
    """An EXIF block as cameras write it."""
    block = Image.Exif()
    block[0x0112] = orientation
    block[0x010F] = "a camera"
    block[0x011A] = 72.0
    block[0x8769] = {0x9003: "2024:05:31 12:00:00", 0x9011: "+02:00"}
    return block.tobytes()


def profile() -> bytes:
    """A colour profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def run_length_bitmap() -> bytes:
    """An 8-bit run-length coded BMP with every kind of run, which Pillow does not write."""
    row = b"\x14\x07" + b"\0\x05abcde\0" + b"\x0a\x02" + b"\0\0"
    body = row * 8 + b"\0\x02\x03\x02" + row * 8 + b"\0\x01"
    sizes = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 8, 1, len(body), 0, 0, 256, 256)
    palette = bytes(range(256)) * 4
    head = struct.pack("<2sIHHI", b"BM", 54 + len(palette) + len(body), 0, 0, 54 + len(palette))
    return head + sizes + palette + body


def _frames() -> dict[str, Any]:
    return {"save_all": True, "append_images": [scene().rotate(turn) for turn in (90, 180)]}


MAKERS: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: encoded(scene(), "JPEG", exif=exif(), icc_profile=profile(), comment=b"c"),
    "jpeg progressive": lambda: encoded(scene(), "JPEG", progressive=True),
    "jpeg restarts": lambda: encoded(scene(), "JPEG", restart_marker_blocks=2, subsampling=2),
    "jpeg cmyk": lambda: encoded(scene("CMYK"), "JPEG"),
    "jpeg gray": lambda: encoded(scene("L"), "JPEG", exif=exif(3)),
    "mpo": lambda: encoded(scene(), "MPO", **_frames()),
    "png": lambda: encoded(scene(), "PNG", exif=exif(), icc_profile=profile()),
    "png palette": lambda: encoded(scene("P"), "PNG", transparency=b"\x80" * 9),
    "png rgba": lambda: encoded(scene("RGBA"), "PNG"),
    "png gray 16": lambda: encoded(Image.fromarray(np.eye(32, dtype=np.uint16) * 999), "PNG"),
    "png bits": lambda: encoded(scene("1"), "PNG"),
    "png animated": lambda: encoded(scene(), "PNG", **_frames()),
    "gif": lambda: encoded(scene("P"), "GIF", interlace=1, comment=b"a comment"),
    "gif animated": lambda: encoded(scene("P"), "GIF", transparency=3, **_frames()),
    "tiff": lambda: encoded(scene(), "TIFF", exif=exif()),
    "tiff lzw": lambda: encoded(scene(), "TIFF", compression="tiff_lzw", strip_size=1000),
    "tiff deflate": lambda: encoded(scene("RGBA"), "TIFF", compression="tiff_adobe_deflate"),
    "tiff jpeg": lambda: encoded(scene("YCbCr"), "TIFF", compression="jpeg"),
    "tiff fax": lambda: encoded(scene("1"), "TIFF", compression="group4"),
    "tiff packbits": lambda: encoded(scene("CMYK"), "TIFF", compression="packbits"),
    "tiff float": lambda: encoded(scene("F"), "TIFF"),
    "tiff lab": lambda: encoded(scene("LAB"), "TIFF"),
    "tiff large": lambda: encoded(scene("L"), "TIFF", big_tiff=True),
    "tiff pages": lambda: encoded(scene(), "TIFF", **_frames()),
    "bmp": lambda: encoded(scene(), "BMP"),
    "bmp palette": lambda: encoded(scene("P"), "BMP"),
    "bmp rle": run_length_bitmap,
    "webp": lambda: encoded(scene(), "WEBP", exif=exif(), icc_profile=profile()),
    "webp lossless": lambda: encoded(scene("RGBA"), "WEBP", lossless=True),
    "webp animated": lambda: encoded(scene(), "WEBP", **_frames()),
    "avif": lambda: encoded(scene(), "AVIF", exif=exif(), speed=10),
    "avif rgba": lambda: encoded(scene("RGBA"), "AVIF", speed=10),
    "avif animated": lambda: encoded(scene(), "AVIF", speed=10, **_frames()),
    "heic": lambda: encoded(scene(), "HEIF", exif=exif()),
    "heic rgba": lambda: encoded(scene("RGBA"), "HEIF"),
    "heic tiles": lambda: encoded(scene(), "HEIF", tile_size=32),
    "heic several": lambda: heic_of_several(3),
}
"""What makes each picture, by a name that begins with its format."""
