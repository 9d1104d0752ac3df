"""Bytes that are too large for rows: photos, their small copies, and aligned crops."""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from pathlib import Path
from threading import Lock
from typing import Final, Protocol, Self

from core.durable import full_disk_told, make_folders, sync_file, sync_folder
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

FOLDERS: Final = 256
"""Of each kind."""

_TEMPORARY: Final = ".new-"
_FOLDER: Final = re.compile("[0-9a-f]{2}")
_DIGEST: Final = re.compile("[0-9a-f]{64}")
_ID: Final = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Stored:
    """A blob, as a list of them tells it.

    Attributes:
        bytes: Its size.
        written: When it was put there last, in seconds since 1970.
    """

    key: str
    bytes: int
    written: float


@dataclass(frozen=True, slots=True)
class Tally:
    """How many files, and their bytes together."""

    files: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, sizes: Iterable[int]) -> Self:
        """Add up the sizes of files."""
        each = list(sizes)
        return cls(len(each), sum(each))

    def __add__(self, other: Self) -> Self:
        return type(self)(self.files + other.files, self.bytes + other.bytes)


def is_key(kind: Kind, name: str) -> bool:
    """Say whether blobs of a kind have such keys."""
    return (_ID if kind is Kind.CROP else _DIGEST).fullmatch(name) is not None


def require_key(key: str) -> None:
    """Refuse what is no key, and might be a way to other files.

    Raises:
        ValueError: It is not lower-case hex.
    """
    if not key or not set(key) <= set("0123456789abcdef"):
        raise ValueError(f"{key!r} is no key: keys are hex, never a path")


def place(key: str) -> tuple[str, str]:
    """Return what keys are listed by: the last two digits, then the key."""
    return key[-2:], key


class BlobStore(Protocol):
    """Where blobs are. Keys are lower-case hex."""

    def put(self, kind: Kind, key: str, data: bytes) -> None:
        """Store *data*, durably before this returns; what is there under the key is replaced.

        Raises:
            DiskFull: There is no room for it.
        """
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

    def delete_many(self, kind: Kind, keys: Iterable[str]) -> None:
        """Remove blobs, in no order; nothing happens for those that are not there."""
        ...

    def keys(self, kind: Kind) -> Iterator[Stored]:
        """List the blobs of a kind in the order of `place`, as they are read, in little memory.

        What is put or deleted meanwhile is listed or not; what is no blob of ours never is.
        """
        ...

    def leftovers(self, before: float, *, remove: bool = False) -> Tally:
        """Count, or remove, what writes that never ended left, if nothing was added since *before*.

        Args:
            before: In seconds since 1970.
        """
        ...

    def close(self) -> None:
        """Give back what is held open; it must not be used afterwards."""
        ...


class FolderBlobs:
    """Blobs as files in a local folder, fanned out by the last two digits of the key.

    The last digits, because ids begin with the time and would all fall into one folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._ready: set[Kind] = set()
        self._making = Lock()

    def put(self, kind: Kind, key: str, data: bytes) -> None:
        """Write to a temporary file, sync it, and rename it into place."""
        path = self._path(kind, key)
        with full_disk_told():
            self._require_folder(kind, path.parent)
            self._put(path, data)

    def _require_folder(self, kind: Kind, folder: Path) -> None:
        """Make all folders of a kind when the first is needed: one by one, each waits for the disk twice."""
        if kind in self._ready and folder.exists():
            return
        with self._making:
            if kind not in self._ready or not folder.exists():
                make_folders(self.root / kind.value, map("{:02x}".format, range(FOLDERS)))
                self._ready.add(kind)

    def _put(self, path: Path, data: bytes) -> None:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_TEMPORARY)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                sync_file(file)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)

    def get(self, kind: Kind, key: str) -> bytes:
        """Read the file."""
        try:
            return self._path(kind, key).read_bytes()
        except FileNotFoundError:
            raise BlobMissing(f"The stored {kind.value} file is missing.") from None

    def delete(self, kind: Kind, key: str) -> None:
        """Remove the file."""
        self._path(kind, key).unlink(missing_ok=True)

    def delete_many(self, kind: Kind, keys: Iterable[str]) -> None:
        """Remove one file after the other."""
        for key in keys:
            self.delete(kind, key)

    def keys(self, kind: Kind) -> Iterator[Stored]:
        """Read one of the 256 folders at a time."""
        for folder in _folders(self.root / kind.value):
            files = [
                Stored(name, status.st_size, status.st_mtime)
                for name, status in _files(folder)
                if is_key(kind, name) and name.endswith(folder.name)
            ]
            yield from sorted(files, key=attrgetter("key"))

    def leftovers(self, before: float, *, remove: bool = False) -> Tally:
        """Look for temporary files that were never renamed."""
        found = Tally()
        for folder in (folder for kind in Kind for folder in _folders(self.root / kind.value)):
            for name, status in _files(folder):
                if name.startswith(_TEMPORARY) and status.st_mtime < before:
                    found += Tally(1, status.st_size)
                    if remove:
                        (folder / name).unlink(missing_ok=True)
        return found

    def close(self) -> None:
        """Hold nothing open."""

    def _path(self, kind: Kind, key: str) -> Path:
        require_key(key)
        return self.root / kind.value / key[-2:] / key


def _folders(parent: Path) -> list[Path]:
    """Return the folders that keys are spread over, in order."""
    if not parent.exists():
        return []
    return sorted(path for path in parent.iterdir() if _FOLDER.fullmatch(path.name))


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Read a folder; files that go away meanwhile are left out."""
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                if entry.is_file():
                    yield entry.name, entry.stat()
            except FileNotFoundError:
                continue
