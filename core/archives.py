"""The photos in a ZIP, TAR, TAR.GZ or TAR.ZST, each with its bytes or the reason why not.

An archive is hostile until it is read. Nothing is ever unpacked to a disk, names are only names,
limits are kept by counting what comes out, and memory does not grow with the archive.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import SEEK_END
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from core import archive_tar, archive_zip
from core.archive_entries import Entry, Limits, Meter, for_reports, is_junk, safe_name
from core.errors import BadArchive, BadEntry, EntryNested, FaceSearchError, FileTooLarge

SUFFIXES: Final = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst")
"""Of files that are opened here, in small letters. What a file is, its content says."""

_OTHER_ARCHIVES: Final = (".7z", ".rar", ".gz", ".zst", ".bz2", ".xz", ".tbz2", ".txz", ".cab")
_OTHER_MAGIC: Final = (b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"BZh", b"\xfd7zXZ\x00")


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive.

    Attributes:
        name: A relative path in NFC with ``/``, as `core.archive_entries.safe_name` makes it.
            Several members may have the same one.
    """

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that is not taken, or the rest of the archive.

    Attributes:
        name: Of the entry, to be shown only; of the archive where *error* is a `BadArchive`.
    """

    name: str
    error: FaceSearchError


@dataclass(frozen=True, slots=True)
class Junk:
    """How many entries were passed over: hidden ones, and what systems leave among photos."""

    count: int


Outcome: TypeAlias = Member | Refused | Junk


def is_archive(path: Path) -> bool:
    """Say whether the name of a file is that of an archive that is opened here."""
    return path.name.lower().endswith(SUFFIXES)


def members(file: BinaryIO, limits: Limits, *, called: str) -> Iterator[Outcome]:
    """Yield what becomes of each entry, in the order of the archive; one is in memory at a time.

    Folders have no outcome. A limit of the whole archive, or damage that hides what follows, ends
    it with one `Refused` for the rest.

    Args:
        file: Can be sought in; it is read while the outcomes are asked for.
        called: The name of the archive in outcomes about all of it.
    """
    junk = 0
    found = _entries(file, limits)
    while True:
        try:
            entry = next(found, None)
            if entry is None:
                break
            outcome = _outcome(entry, limits)
        except BadArchive as error:
            yield Refused(called, error)
            break
        if outcome is None:
            junk += 1
        else:
            yield outcome
    if junk:
        yield Junk(junk)


def _entries(file: BinaryIO, limits: Limits) -> Iterator[Entry]:
    size = file.seek(0, SEEK_END)
    file.seek(0)
    start = file.read(archive_tar.BLOCK)
    file.seek(0)
    meter = Meter(limits, packed_bytes=size)
    if archive_zip.is_zip(start):
        yield from archive_zip.entries(file, meter)
    elif archive_tar.is_packed(start) or archive_tar.is_header(start):
        yield from archive_tar.entries(file, meter)
    else:
        raise BadArchive("This is no archive that can be read: neither ZIP nor TAR.")


def _outcome(entry: Entry, limits: Limits) -> Member | Refused | None:
    """Return what becomes of an entry; None: it is junk.

    Raises:
        BadArchive: The rest of the archive cannot be read.
    """
    try:
        name = safe_name(entry.name)
        return None if is_junk(name) else Member(name, _bytes(entry, name, limits))
    except (BadEntry, FileTooLarge) as error:
        return Refused(for_reports(entry.name), error)


def _bytes(entry: Entry, name: str, limits: Limits) -> bytes:
    if entry.refusal is not None:
        raise entry.refusal
    if name.lower().endswith((*SUFFIXES, *_OTHER_ARCHIVES)):
        raise _nested()
    limits.require_fits(entry.size)
    data = bytearray()
    for chunk in entry.chunks():
        data += chunk
        limits.require_fits(len(data))
    if _is_archive(data):
        raise _nested()
    return bytes(data)


def _is_archive(data: bytearray) -> bool:
    start = bytes(data[: archive_tar.BLOCK])
    return (
        archive_zip.is_zip(start)
        or archive_tar.is_packed(start)
        or archive_tar.is_header(start)
        or start.startswith(_OTHER_MAGIC)
    )


def _nested() -> EntryNested:
    return EntryNested("This is an archive inside the archive; only the outer one is opened.")
