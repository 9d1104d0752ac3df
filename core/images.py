"""Photos as bytes and as pixels: limits, header, decoding to upright 8-bit RGB, previews.

Thread-safe: nothing is kept between calls and no switch of a library is touched.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Flag, auto
from io import BytesIO
from typing import Final, Self

import cv2
import numpy as np
import simplejpeg  # type: ignore[import-untyped]
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from core import exif, formats, structure
from core.errors import (
    FileTooLarge,
    ImageCorrupt,
    ImageEmpty,
    ImageTooLarge,
    ImageTruncated,
    UnsupportedFormat,
)
from core.faces import Pixels
from core.settings import MIB, Settings

THUMBNAIL: Final = 320
PREVIEW: Final = 1280
"""Longest sides, in pixels, of the two small copies of a photo that pages show."""

_BACKGROUND: Final = (255, 255, 255)
"""Behind transparent pixels. White is what browsers and most viewers show there, so the picture
that is searched is the picture that people saw when they chose it."""

_PREVIEW_QUALITY: Final = 85
"""JPEG quality of previews: past it the files grow fast and the eye sees no gain."""

_LONGEST_SIDE: Final = 10**6
"""Pillow counts the bits of a row in 32 bits, and calls more a lack of memory; and a picture of a
hundred million rows of one pixel takes as long as one of a hundred times as many pixels."""

_UPRIGHT: Final[Mapping[int, Callable[[Pixels], cv2.typing.MatLike]]] = {
    2: lambda pixels: cv2.flip(pixels, 1),
    3: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_180),
    4: lambda pixels: cv2.flip(pixels, 0),
    5: cv2.transpose,
    6: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE),
    7: lambda pixels: cv2.rotate(cv2.transpose(pixels), cv2.ROTATE_180),
    8: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE),
}
"""By EXIF orientation."""

_SWAPS_SIDES: Final = frozenset({5, 6, 7, 8})

_REDUCTIONS: Final = (8, 4)
"""At which libjpeg decodes. It knows a half too, which takes a half to two thirds of the time of a
whole: too much for a first look that most photos of people would need a second one after."""

_DECODER_FAULTS: Final = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    RuntimeError,
    TypeError,
    AssertionError,
)
"""What Pillow, libheif, libavif and libtiff raise for bad data, and nothing else, as half a million
files with random cuts, flips and repeated parts showed. A MemoryError is the machine's trouble, not
the photo's.
"""

_CUT_OFF_SIGNS: Final = ("truncated", "end of file", "no more images", "end of data")


@dataclass(frozen=True, slots=True)
class PhotoLimits:
    """What is refused before any pixel is decoded.

    Attributes:
        max_bytes: Largest file.
        max_pixels: Largest width times height, as the header says.
    """

    max_bytes: int
    max_pixels: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take the limits that the operator set."""
        return cls(settings.max_photo_mib * MIB, settings.max_megapixels * 10**6)


@dataclass(frozen=True, slots=True)
class PhotoHeader:
    """What is known about a photo without decoding it.

    Attributes:
        format: jpeg, png, webp, avif, heic, tiff, bmp or gif.
        width: Of the upright picture. (A PNG may name its orientation after its pixels; then
            only the header that comes with the decoded photo has the sides in order.)
        bytes: Size of the file.
        captured_at: When it was taken, as its EXIF says.
    """

    format: str
    width: int
    height: int
    bytes: int
    captured_at: datetime | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DecodedPhoto:
    """A photo, ready for the detector.

    Attributes:
        header: Its sides are those of the whole picture, also where *pixels* are fewer.
        reduction: 1, 4 or 8: so many pixels of the whole picture, across and down, became one.
            Pixel ``q`` shows what lies around ``reduction * (q + 0.5) - 0.5``.
    """

    pixels: Pixels
    header: PhotoHeader
    reduction: int = 1


class Copies(Flag):
    """Which small copies of a photo are made, and whether the smallest of all, its hash."""

    THUMBNAIL = auto()
    PREVIEW = auto()
    HASH = auto()
    NONE = 0
    BOTH = THUMBNAIL | PREVIEW


def inspect(data: bytes, limits: PhotoLimits) -> PhotoHeader:
    """Read the header only, and refuse what need not be decoded to be refused.

    Raises:
        ImageEmpty, FileTooLarge, UnsupportedFormat, ImageTooLarge: As their names say.
        ImageTruncated, ImageCorrupt: The header itself is cut off or broken.
    """
    picture, header = _open(data, limits)
    picture.close()
    return header


def decode(data: bytes, limits: PhotoLimits, *, enough: int | None = None) -> DecodedPhoto:
    """Turn a file into upright 8-bit RGB; of several frames or pages the first.

    Colour profiles are not applied: the networks were trained on pictures read without them.

    Args:
        enough: Pixels of the longer side that will do. A JPEG is decoded at a quarter or an eighth
            where as many are left, which is faster; other formats cannot. None: all.

    Raises:
        BadImage: As *inspect* does; also where the pixels are cut off or broken.
    """
    picture, header = _open(data, limits)
    with _judging(header.format):
        reduction = _reduction(picture, enough)
        pixels = _flawless_jpeg(data, picture, reduction)
        if pixels is None:
            if reduction > 1 and not picture.draft(None, _divided(picture.size, reduction)):
                reduction = 1
            picture.load()
            # Some decoders learn the true size only now.
            _require_pixels(*picture.size, limits)
            pixels = np.asarray(_rgb(picture))
        pixels = _upright(pixels, formats.orientation(picture))
    if reduction == 1:
        height, width, _ = pixels.shape
        header = replace(header, width=width, height=height)
    return DecodedPhoto(pixels, header, reduction)


def _reduction(picture: ImageFile, enough: int | None) -> int:
    """Choose the reduction at which a JPEG still has as many pixels as are enough."""
    if enough is None or not isinstance(picture, JpegImageFile):
        return 1
    width, height = picture.size
    turned = formats.orientation(picture) != 1
    for part in _REDUCTIONS:
        # The last pixel of an odd side is half a pixel wide. Turned to the front, it would move
        # the whole picture.
        moved = turned and (width % part or height % part)
        if max(width, height) >= part * enough and min(width, height) >= part and not moved:
            return part
    return 1


def _divided(size: tuple[int, int], reduction: int) -> tuple[int, int]:
    return size[0] // reduction, size[1] // reduction


def _flawless_jpeg(data: bytes, picture: ImageFile, reduction: int) -> Pixels | None:
    """Decode straight into an array, two to five times as fast as through Pillow, same pixels.

    Returns:
        None for whatever is unusual or not without fault: then Pillow is the judge.
    """
    if not isinstance(picture, JpegImageFile) or picture.mode not in ("RGB", "L"):
        return None
    width, height = picture.size
    try:
        if simplejpeg.decode_jpeg_header(data)[:2] != (height, width):
            return None
        pixels: Pixels = simplejpeg.decode_jpeg(
            data,
            "RGB",
            # The smallest scale that is left then is the reduction itself.
            min_height=math.ceil(height / reduction),
            min_width=math.ceil(width / reduction),
            min_factor=reduction,
            strict=True,
        )
    except ValueError:
        return None
    return pixels


def shrink(pixels: Pixels, longest_side: int) -> Pixels:
    """Scale a picture down so that its longest side is *longest_side*; never up."""
    height, width = pixels.shape[:2]
    scale = longest_side / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    # In halves first: the mean of two by two pixels takes half as long as that of odd parts.
    while width >= 2 * size[0] and height >= 2 * size[1]:
        height, width = height // 2, width // 2
        even = pixels[: 2 * height, : 2 * width]
        pixels = np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def preview(pixels: Pixels, longest_side: int) -> bytes:
    """Encode a JPEG for the browser whose longest side is at most *longest_side* pixels."""
    stream = BytesIO()
    picture = Image.fromarray(shrink(pixels, longest_side))
    picture.save(stream, "JPEG", quality=_PREVIEW_QUALITY)
    return stream.getvalue()


def small_copies(pixels: Pixels, wanted: Copies) -> tuple[bytes | None, bytes | None]:
    """Return thumbnail and preview as JPEG, where wanted.

    Of a photo that is no larger than a thumbnail the two are the same and made once.
    """
    if not wanted & Copies.BOTH:
        return None, None
    shown = shrink(pixels, PREVIEW)
    small = max(shown.shape[:2]) <= THUMBNAIL
    large = preview(shown, PREVIEW) if small or Copies.PREVIEW in wanted else None
    thumbnail = None
    if Copies.THUMBNAIL in wanted:
        thumbnail = large if small else preview(shown, THUMBNAIL)
    return thumbnail, large if Copies.PREVIEW in wanted else None


def _open(data: bytes, limits: PhotoLimits) -> tuple[ImageFile, PhotoHeader]:
    if not data:
        raise ImageEmpty("The file is empty.")
    if len(data) > limits.max_bytes:
        raise FileTooLarge(
            f"The file has {len(data):,} bytes; at most {limits.max_bytes:,} are taken.",
            bytes=len(data),
            max_bytes=limits.max_bytes,
        )
    name = formats.sniff(data)
    if name is None:
        known = ", ".join(word.upper() for word in formats.OPENERS)
        raise UnsupportedFormat(f"This is not a picture of a format that is read: {known}.")
    if formats.ends_early(data, name):
        raise _cut_off(name)
    if structure.is_laborious(data, name):
        raise UnsupportedFormat(f"This {name.upper()} file has far more parts than a photo has.")
    with _judging(name):
        picture = formats.OPENERS[name](BytesIO(data))
        if formats.is_stand_in(picture):
            raise UnsupportedFormat("This is a camera's raw file; export it as JPEG or PNG.")
    width, height = picture.size
    _require_pixels(width, height, limits)
    if formats.orientation(picture) in _SWAPS_SIDES:
        width, height = height, width
    # The structure of a TIFF file is that of an EXIF block.
    block = data if name == "tiff" else formats.exif_block(picture)
    return picture, PhotoHeader(name, width, height, len(data), exif.captured_at(block))


def _require_pixels(width: int, height: int, limits: PhotoLimits) -> None:
    if max(width, height) > _LONGEST_SIDE:
        raise ImageTooLarge(
            f"The picture has {width} x {height} pixels; a side may have {_LONGEST_SIDE:,}.",
            width=width,
            height=height,
            max_side=_LONGEST_SIDE,
        )
    if width * height > limits.max_pixels:
        raise ImageTooLarge(
            f"The picture has {width} x {height} pixels; "
            f"at most {limits.max_pixels / 1e6:g} million are taken.",
            width=width,
            height=height,
            max_pixels=limits.max_pixels,
        )


@contextmanager
def _judging(name: str) -> Iterator[None]:
    """Turn what decoders raise for bad data into the reason that the owner of the photo sees."""
    try:
        yield
    except Image.DecompressionBombError as error:  # a frame larger than the header's picture
        raise ImageTooLarge(f"A part of this {name.upper()} picture is too large.") from error
    except _DECODER_FAULTS as error:
        message = str(error).lower()
        if "compression format" in message or "unsupported" in message:
            raise UnsupportedFormat(
                f"This {name.upper()} file holds a kind of picture that is not read."
            ) from error
        if any(sign in message for sign in _CUT_OFF_SIGNS):
            raise _cut_off(name) from error
        raise ImageCorrupt(f"This {name.upper()} picture is damaged.") from error


def _cut_off(name: str) -> ImageTruncated:
    return ImageTruncated(f"This {name.upper()} file ends before the picture does.")


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    turn = _UPRIGHT.get(orientation)
    return pixels if turn is None else np.asarray(turn(pixels), dtype=np.uint8)


def _rgb(picture: Image.Image) -> Image.Image:
    """Convert from any mode that Pillow decodes to."""
    mode = picture.mode
    if mode == "RGB" and "transparency" not in picture.info:
        return picture
    if mode.startswith("I;16"):
        # 65535 is white as 255 is, hence 257; Pillow's own conversion clips at 255.
        gray = (np.asarray(picture, dtype=np.uint32) + 128) // 257
        return Image.fromarray(gray.astype(np.uint8)).convert("RGB")
    if mode in ("I", "F"):
        return Image.fromarray(_stretched(np.array(picture, dtype=np.float32))).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    if mode in ("La", "RGBa"):
        picture = picture.convert(mode.upper())
    return _on_background(picture.convert("RGBA"))


def _stretched(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Map 32-bit samples, whose scale no file format defines, from darkest to brightest.

    Works in *values*, to need little memory.
    """
    np.nan_to_num(values, copy=False, nan=0, posinf=0, neginf=0)
    low, high = float(values.min()), float(values.max())
    np.subtract(values, np.float32(low), out=values)
    np.multiply(values, np.float32(255 / (high - low) if high > low else 0), out=values)
    return values.astype(np.uint8)


def _on_background(picture: Image.Image) -> Image.Image:
    alpha = picture.getchannel("A")
    if alpha.getbbox() is None:
        # Transparent everywhere: a program left the channel unset (common in 32-bit BMP).
        return picture.convert("RGB")
    background = Image.new("RGB", picture.size, _BACKGROUND)
    background.paste(picture, mask=alpha)
    return background
