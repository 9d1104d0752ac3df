"""Taking pinned files out of a folder, a zip, wheel or tar.gz, or a plain file.

Nothing is unpacked: an entry is read only if its base name is one that is looked for, never more
of it than its size allows, and it is kept only if its SHA-256 is the pinned one. So the folders,
links and other names in an archive do not matter.
"""

import gzip
import hashlib
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TypeAlias

from core.errors import DigestMismatch, DownloadFailed, ModelError
from core.inference.packs import PinnedFile

CHUNK = 1 << 18
MAX_FILE = 2 << 30
"""Bytes read of a file whose size the manifest does not know."""

ARCHIVE_SUFFIXES = (".zip", ".whl", ".tar.gz", ".tgz")
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError)

Entry: TypeAlias = tuple[str, Callable[[], IO[bytes]]]
"""Base name of a file, and how to open it."""


def take(source: Path, wanted: Sequence[PinnedFile], folder: Path) -> None:
    """Copy the wanted files from *source* into *folder*, each checked by its digest.

    Args:
        source: A folder (archives directly in it are looked into as well), an archive or a file.

    Raises:
        ModelError: *source* does not exist or lacks a file.
        DigestMismatch: A file of the right name has another content.
        DownloadFailed: An archive is damaged or incomplete.
    """
    missing = {file.name: file for file in wanted}
    wrong: set[str] = set()
    try:
        for name, opened in _entries(source):
            if name not in missing:
                continue
            if _copy(opened, folder / name, missing[name]):
                del missing[name]
                if not missing:
                    return
            else:
                wrong.add(name)
    except DAMAGED as error:
        raise DownloadFailed(f"{source.name} is damaged or incomplete.") from error
    if wrong & missing.keys():
        names = ", ".join(sorted(wrong & missing.keys()))
        raise DigestMismatch(f"{names} in {source.name} is not the file that the manifest pins.")
    if missing:
        raise ModelError(f"{source.name} holds no file {', '.join(sorted(missing))}.")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 of bytes in hex."""
    return hashlib.sha256(data).hexdigest()


def _copy(opened: Callable[[], IO[bytes]], target: Path, pinned: PinnedFile) -> bool:
    """Copy one entry; returns False, with nothing left, if it is not the pinned content."""
    limit = pinned.bytes or MAX_FILE
    digest = hashlib.sha256()
    size = 0
    with opened() as stream, target.open("wb") as file:
        while size <= limit and (chunk := stream.read(CHUNK)):
            size += len(chunk)
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() == pinned.sha256:
        return True
    target.unlink()
    return False


def _entries(source: Path) -> Iterator[Entry]:
    if source.is_dir():
        children = sorted(child for child in source.iterdir() if child.is_file())
        for child in children:
            yield child.name, _reader(child)
        for child in children:
            if child.name.endswith(ARCHIVE_SUFFIXES):
                yield from _archive_entries(child)
    elif not source.is_file():
        raise ModelError(f"There is no file or folder {source}.")
    elif source.name.endswith(ARCHIVE_SUFFIXES):
        yield from _archive_entries(source)
    else:
        yield source.name, _reader(source)


def _reader(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _archive_entries(path: Path) -> Iterator[Entry]:
    if path.name.endswith((".zip", ".whl")):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield PurePosixPath(info.filename).name, partial(archive.open, info)
    else:
        with tarfile.open(path, "r:gz") as tar:
            for member in tar:
                if member.isfile():
                    yield PurePosixPath(member.name).name, partial(_open_member, tar, member)


def _open_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    stream = archive.extractfile(member)
    assert stream is not None, "a regular file has content"
    return stream
