"""What the readers of ZIP and TAR have in common: an entry, the limits, and how much was read."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Self

from core.errors import (
    ArchiveBomb,
    ArchiveTooLarge,
    BadEntry,
    EntryNameUnsafe,
    FileTooLarge,
)
from core.formats import JUNK
from core.settings import MIB, Settings

CHUNK: Final = 1 << 16
"""Bytes read or unpacked at a time."""

LONGEST_NAME: Final = 1000
_LONGEST_SHOWN: Final = 120

_DRIVE: Final = re.compile(r"[A-Za-z]:")
_UNPRINTABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING: Final = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""These change the order in which a name is shown, so that it reads as another one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken of one archive.

    Attributes:
        entry_bytes: Of one entry, unpacked.
        entries: Folders and junk are counted, too.
        total_bytes: Of everything that is unpacked.
        ratio: Unpacked bytes for each byte of the archive.
    """

    entry_bytes: int
    entries: int
    total_bytes: int
    ratio: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the limits that the operator set."""
        return cls(
            entry_bytes=settings.max_photo_mib * MIB,
            entries=settings.max_archive_entries,
            total_bytes=settings.max_archive_gib * 1024 * MIB,
            ratio=settings.max_archive_ratio,
        )

    def require_fits(self, size: int) -> None:
        """Refuse an entry of more than `entry_bytes`.

        Raises:
            FileTooLarge: It has more.
        """
        if size > self.entry_bytes:
            raise FileTooLarge.over(self.entry_bytes)


@dataclass(slots=True)
class Meter:
    """Counts what really comes out of an archive; what its headers say is not asked.

    Attributes:
        packed_bytes: Of the archive as it lies there.
    """

    limits: Limits
    packed_bytes: int
    _entries: int = field(default=0, init=False)
    _bytes: int = field(default=0, init=False)

    def entry(self) -> None:
        """Count an entry.

        Raises:
            ArchiveTooLarge: There are too many.
        """
        self._entries += 1
        if self._entries > self.limits.entries:
            raise ArchiveTooLarge(
                f"The archive has more than {self.limits.entries:,} entries; the rest is left out.",
                max_entries=self.limits.entries,
            )

    def unpacked(self, count: int) -> None:
        """Count bytes that were unpacked.

        Raises:
            ArchiveTooLarge, ArchiveBomb: These are too many.
        """
        self._bytes += count
        if self._bytes > self.limits.total_bytes:
            raise ArchiveTooLarge(
                f"The archive has more than {self.limits.total_bytes:,} bytes when unpacked; the "
                "rest is left out.",
                max_bytes=self.limits.total_bytes,
            )
        # One photo is let through whatever its ratio: a small archive of a plain BMP is no bomb.
        most = self.limits.entry_bytes + MIB + self.limits.ratio * self.packed_bytes
        if self._bytes > most:
            raise ArchiveBomb(
                f"The archive unpacks to more than {self.limits.ratio:,} times its size; the rest "
                "is left out.",
                max_ratio=self.limits.ratio,
            )


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in an archive, or another thing that has a name there.

    Attributes:
        name: As it was decoded; bytes that could not be are lone surrogates.
        size: Bytes when unpacked, if the header is right.
        chunks: Unpacks it, in pieces of `CHUNK` bytes at most. Only before the next entry is asked
            for. Raises `BadEntry` when this entry is damaged, `BadArchive` when all behind it is.
        refusal: Why it is not even unpacked.
    """

    name: str
    size: int
    chunks: Callable[[], Iterator[bytes]]
    refusal: BadEntry | None = None


def decode(name: bytes) -> str:
    """Decode a name as UTF-8; what is none stays recognisable as lone surrogates."""
    return name.decode("utf-8", "surrogateescape")


def safe_name(raw: str) -> str:
    """Return a name as a relative path in NFC that can be shown and stored.

    Separators are ``/``. Characters that cannot be shown become ``%`` and the hex digits of
    their bytes. The result is a fixed point.

    Raises:
        EntryNameUnsafe: It is absolute, leads upwards, is too long or names nothing.
    """
    name = unicodedata.normalize("NFC", raw).replace("\\", "/")
    if name.startswith("/") or _DRIVE.match(name):
        raise EntryNameUnsafe("The name is an absolute path.")
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise EntryNameUnsafe("The name leads out of the archive.")
    if not parts:
        raise EntryNameUnsafe("The entry has no name.")
    name = printable("/".join(parts))
    if len(name) > LONGEST_NAME:
        raise EntryNameUnsafe(f"The name has more than {LONGEST_NAME:,} characters.")
    return name


def printable(name: str) -> str:
    """Return *name* in NFC with what cannot be shown written as hex digits."""
    shown = "".join(map(_shown, unicodedata.normalize("NFC", name)))
    return unicodedata.normalize("NFC", shown)  # a hex digit may have got an accent


def distinct(names: Iterable[str], another: str) -> Iterator[str]:
    """Yield *names*, all unlike: one that there was already gets a number.

    Args:
        another: How the number follows the name, such as ``~{}``; the second one gets 2.
    """
    taken: set[str] = set()
    for name in names:
        made, number = name, 1
        while made in taken:
            number += 1
            made = name + another.format(number)
        taken.add(made)
        yield made


def for_reports(raw: str) -> str:
    """Return how an entry is called that was not taken, its name being what it may."""
    name = printable(raw)
    return name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}…"


def is_junk(name: str) -> bool:
    """Say whether a safe name is hidden, or of a file that a system leaves among photos."""
    parts = name.split("/")
    return (
        any(part.startswith(".") for part in parts)
        or parts[0].lower() == "__macosx"
        or parts[-1].lower() in JUNK
    )


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _UNPRINTABLE and character not in _TURNING:
        return character
    try:
        octets = character.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        octets = character.encode("utf-8", "surrogatepass")
    return "".join(f"%{octet:02X}" for octet in octets)
