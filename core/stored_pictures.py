"""Reading the pictures that photos left in the store: small copies, and crops of faces. Loads no model."""

from typing import Final

from core.blobs import BlobStore, Kind
from core.errors import BadImage, BlobMissing
from core.faces import Pixels
from core.images import PhotoLimits, decode
from core.keeping import Keeps

MOST_PIXELS: Final = 2**24
"""Of a picture that we made ourselves; far more than any has."""


def read_small(blobs: BlobStore, sha256: bytes, kept: str) -> Pixels | None:
    """Return the small copy of a photo as pixels; None where none is kept, or it cannot be read."""
    if not Keeps(kept).photos:
        return None
    try:
        return unpack(blobs.get(Kind.THUMBNAIL, sha256.hex()))
    except (BlobMissing, BadImage):
        return None


def unpack(data: bytes) -> Pixels:
    """Return the pixels of a picture that we made ourselves.

    Raises:
        BadImage: The stored bytes are damaged.
    """
    return decode(data, PhotoLimits(max_bytes=len(data), max_pixels=MOST_PIXELS)).pixels
