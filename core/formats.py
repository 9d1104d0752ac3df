"""Which picture formats are read: how each is recognised and opened, without decoding a pixel.

Pillow knows some forty formats, and one of them (EPS) runs a program. So the first bytes are
judged here, and only the one class that reads that format sees the file. This also passes by
``Image.open``, whose guard against large pictures warns or raises at limits of its own.
"""

from collections.abc import Callable
from io import BytesIO
from typing import Final

from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pillow_heif import HeifImageFile

from core import exif

OPENERS: Final[dict[str, Callable[[BytesIO], ImageFile]]] = {
    "jpeg": JpegImageFile,  # of an MPO it reads the first picture, which is a whole JPEG
    "png": PngImageFile,
    "webp": WebPImageFile,
    "avif": AvifImageFile,
    "heic": HeifImageFile,
    "tiff": TiffImageFile,
    "bmp": BmpImageFile,
    "gif": GifImageFile,
}
"""Formats by the word that is stored for them, and what reads each. The first frame or page."""

JUNK: Final = frozenset({"thumbs.db", "desktop.ini"})
"""Names, in small letters, of files that systems leave in folders of photos."""

_SIGNATURES: Final = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
)
_BMP_HEADERS: Final = (12, 40, 52, 56, 64, 108, 124)
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIF_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)

_NEW_SUBFILE_TYPE: Final = 254


def sniff(data: bytes) -> str | None:
    """Return the format that the first bytes announce, or None for any that is not read.

    File names and declared media types are not asked: they are wrong too often.
    """
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    # "BM" alone also begins ordinary text.
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "bmp"
    if data[4:8] == b"ftyp":
        return _sniff_brands(data)
    return None


def _sniff_brands(data: bytes) -> str | None:
    """Tell AVIF from HEIC; both are ISO base media files, as videos are."""
    end = min(int.from_bytes(data[:4], "big"), len(data), 256)
    brands = {data[8:12]} | {data[at : at + 4] for at in range(16, end, 4)}
    if brands & _AVIF_BRANDS:
        return "avif"
    return "heic" if brands & _HEIF_BRANDS else None


def ends_early(data: bytes, name: str) -> bool:
    """Say whether the file is shorter than its own structure declares.

    For the formats whose decoders do not tell a cut-off file from a broken one. The others
    report it themselves while they decode.
    """
    if name == "webp":
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if name in ("avif", "heic"):
        return _boxes_end(data) > len(data)
    if name == "tiff" and data[2:4] in (b"*\0", b"\0*"):
        # Many programs write the directory last, so a cut-off file has none.
        pointer = data[4:8] if data[:2] == b"MM" else data[7:3:-1]
        return int.from_bytes(pointer, "big") + 2 > len(data)
    return False


def _boxes_end(data: bytes) -> int:
    """Return where the last top-level box of an ISO base media file ends, by its own length."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if not data[at + 4 : at + 8].isalnum():
            return at  # not a box: broken or trailing bytes, which the decoder judges
        if size == 0:  # "up to the end of the file"
            return len(data)
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        at += max(size, 8)
    return at


def is_stand_in(picture: ImageFile) -> bool:
    """Say whether the first page is declared a small copy of a picture that lies elsewhere.

    So it is in the raw files of many cameras, which are TIFFs by their first bytes. Taking the
    copy for the photo would go unnoticed and find few faces.
    """
    if not isinstance(picture, TiffImageFile):
        return False
    return bool(int(picture.tag_v2.get(_NEW_SUBFILE_TYPE, 0)) & 1)


def orientation(picture: ImageFile) -> int:
    """Return the EXIF orientation, 1 to 8, that is still to be applied; 1 where none is given.

    TIFF and HEIC arrive turned: their decoders apply the orientation themselves.
    """
    if isinstance(picture, TiffImageFile | HeifImageFile):
        return 1
    return exif.orientation(exif_block(picture))


def exif_block(picture: ImageFile) -> bytes:
    """Return the EXIF block of a picture that is no TIFF; empty where there is none yet.

    (A PNG may have it behind its pixels.)
    """
    block: bytes | None = picture.info.get("exif")
    return _raw_profile(picture.info.get("Raw profile type exif", "")) if block is None else block


def _raw_profile(text: str) -> bytes:
    """Unpack the EXIF block that ImageMagick writes into PNG as text: name, length, hex digits."""
    try:
        return bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return b""
