"""Bytes that are too large for rows: photos, their small copies, and aligned crops."""

import os
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from core.errors import BlobMissing


class Kind(StrEnum):
    """What a blob is, and what its key means."""

    #: The bytes as uploaded; key: their SHA-256.
    PHOTO = "photos"
    #: JPEG of at most 320 pixels; key: the photo's SHA-256.
    THUMBNAIL = "thumbnails"
    #: JPEG of at most 1280 pixels; key: the photo's SHA-256.
    PREVIEW = "previews"
    #: Lossless aligned crop of a face; key: the face's id in hex.
    CROP = "crops"


OF_A_PHOTO = (Kind.PHOTO, Kind.THUMBNAIL, Kind.PREVIEW)
"""Blobs that live as long as any image has these bytes."""


class BlobStore(Protocol):
    """Where blobs are. Keys are lower-case hex."""

    def put(self, kind: Kind, key: str, data: bytes) -> None:
        """Store *data*, durably before this returns; what is there under the key is replaced."""
        ...

    def get(self, kind: Kind, key: str) -> bytes:
        """Return the bytes.

        Raises:
            BlobMissing: There are none under this key.
        """
        ...

    def delete(self, kind: Kind, key: str) -> None:
        """Remove a blob; nothing happens when there is none."""
        ...


class FolderBlobs:
    """Blobs as files in a local folder, fanned out by the last two digits of the key.

    The last digits, because ids begin with the time and would all fall into one folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, kind: Kind, key: str, data: bytes) -> None:
        """Write to a temporary file, sync it, and rename it into place."""
        path = self._path(kind, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)

    def get(self, kind: Kind, key: str) -> bytes:
        """Read the file."""
        try:
            return self._path(kind, key).read_bytes()
        except FileNotFoundError:
            raise BlobMissing(f"The stored {kind.value} file is missing.") from None

    def delete(self, kind: Kind, key: str) -> None:
        """Remove the file."""
        self._path(kind, key).unlink(missing_ok=True)

    def _path(self, kind: Kind, key: str) -> Path:
        if not key or not set(key) <= set("0123456789abcdef"):
            raise ValueError(f"{key!r} is no key: keys are hex, never a path")
        return self.root / kind.value / key[-2:] / key


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
