"""TAR read from front to back, plain or packed by gzip or zstd, in constant memory.

``tarfile`` reads extended headers whole, however large they claim to be, and goes one call deeper
for each that follows another. So only its parser of a single block is used.
"""

import sys
import zlib
from collections.abc import Iterator
from tarfile import (
    BLKTYPE,
    CHRTYPE,
    DIRTYPE,
    FIFOTYPE,
    GNUTYPE_LONGLINK,
    GNUTYPE_LONGNAME,
    GNUTYPE_SPARSE,
    LNKTYPE,
    REGULAR_TYPES,
    SYMTYPE,
    XGLTYPE,
    XHDTYPE,
    HeaderError,
    TarInfo,
)
from typing import BinaryIO, Final

from core.archive_entries import CHUNK, Entry, Meter, decode
from core.errors import ArchiveDamaged, ArchiveTruncated, BadArchive, BadEntry, EntryNotAFile
from core.settings import MIB

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK: Final = 512
LONGEST_HEADER: Final = MIB
MOST_HEADERS: Final = 16
"""In front of one entry; programs write three at most."""

LARGEST_WINDOW: Final = 27
"""As a power of two: the 128 MiB of memory that the program ``zstd`` itself takes without asking."""

GZIP: Final = b"\x1f\x8b"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE: Final = tuple(bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60))
"""Frames of other things, which pzstd writes in front of each of its own."""

_PAX: Final = frozenset({XHDTYPE, b"X"})
_EXTENDED: Final = _PAX | {XGLTYPE, GNUTYPE_LONGNAME, GNUTYPE_LONGLINK}
_LINKS: Final = frozenset({LNKTYPE, SYMTYPE})
_DEVICES: Final = frozenset({CHRTYPE, BLKTYPE, FIFOTYPE})
_WITHOUT_BYTES: Final = _LINKS | _DEVICES | {DIRTYPE}
_LONGEST_NUMBER: Final = 20
_AT_EXTENDED: Final = 482
"""Where the header of a file with holes says that more blocks of its map follow."""


def is_packed(start: bytes) -> bool:
    """Say whether a file that begins so is packed by gzip or zstd."""
    return start.startswith((GZIP, ZSTD, *_ZSTD_SKIPPABLE))


def is_header(block: bytes) -> bool:
    """Say whether a file that begins with this block may be a TAR."""
    return len(block) >= BLOCK and _parse(block[:BLOCK]) is not None


def entries(file: BinaryIO, meter: Meter) -> Iterator[Entry]:
    """Yield the entries but folders; what one's reader leaves unread is skipped.

    Raises:
        BadArchive: It cannot be read from here on, or a limit is passed.
    """
    stream = _Stream(file, meter)
    first = True
    while not stream.ends():
        block = stream.read(BLOCK)
        if not block.strip(b"\0"):
            stream.drain()
            return
        meter.entry()
        name, body, refusal, kind = _Header(stream, block, first=first).entry()
        first = False
        if kind != DIRTYPE:
            yield Entry(name, body.size, body.chunks, refusal)
        body.skip()
    raise ArchiveTruncated("The archive ends without the mark of its end; something is missing.")


class _Header:
    """The blocks in front of one entry, which may say its name and size several times over."""

    def __init__(self, stream: "_Stream", block: bytes, *, first: bool) -> None:
        self._stream = stream
        self._block = block
        self._name: str | None = None
        self._size: int | None = None
        self._sparse = False
        self._first = first

    def entry(self) -> "tuple[str, _Body, BadEntry | None, bytes]":
        """Return name, bytes, why it is not taken if so, and type of the entry."""
        info = self._next()
        headers = 0
        while info.type in _EXTENDED:
            headers += 1
            if info.size > LONGEST_HEADER or headers > MOST_HEADERS:
                raise ArchiveDamaged("A header is far too long; the rest is left out.")
            self._extend(info)
            self._block = self._stream.read(BLOCK)
            info = self._next()
        if info.type == GNUTYPE_SPARSE:
            self._skip_map()
        size = info.size if self._size is None else self._size
        body = _Body(self._stream, 0 if info.type in _WITHOUT_BYTES else size)
        name = info.name if self._name is None else self._name
        folder = info.type in REGULAR_TYPES and name.endswith("/") and not size
        kind = DIRTYPE if folder else info.type
        return name, body, self._refusal(info.type), kind

    def _next(self) -> TarInfo:
        info = _parse(self._block)
        if info is None:
            if self._first:
                raise BadArchive("What is packed here is no TAR.")
            raise ArchiveDamaged("From some place on the archive is damaged; the rest is left out.")
        self._first = False
        return info

    def _extend(self, info: TarInfo) -> None:
        body = _Body(self._stream, info.size)
        data = b"".join(body.chunks())
        body.skip()
        if info.type == GNUTYPE_LONGNAME:
            self._name = decode(data.split(b"\0", 1)[0])
        elif info.type in _PAX:
            self._read_records(data)

    def _read_records(self, data: bytes) -> None:
        """Read lines of ``length key=value``, the length being that of the line."""
        end = len(data.rstrip(b"\0"))
        at = 0
        try:
            while at < end:
                space = data.index(b" ", at, at + _LONGEST_NUMBER)
                length = int(data[at:space])
                if not space - at < length <= len(data) - at:
                    raise ValueError(length)
                key, value = data[space + 1 : at + length - 1].split(b"=", 1)
                at += length
                if key in {b"path", b"GNU.sparse.name"}:
                    self._name = decode(value)
                elif key == b"size":
                    self._size = int(value)
                self._sparse |= key.startswith(b"GNU.sparse.")
        except ValueError:
            raise ArchiveDamaged("A header makes no sense; the rest is left out.") from None

    def _skip_map(self) -> None:
        more = self._block[_AT_EXTENDED]
        while more:
            more = self._stream.read(BLOCK)[504]

    def _refusal(self, kind: bytes) -> BadEntry | None:
        if kind in _LINKS:
            return EntryNotAFile("This is a link; links are not followed.")
        if kind in _DEVICES:
            return EntryNotAFile("This is a device or a pipe.")
        if self._sparse or kind == GNUTYPE_SPARSE:
            return BadEntry("This is a file with holes in it; pack it without --sparse.")
        if kind not in {*REGULAR_TYPES, DIRTYPE}:
            return EntryNotAFile("This is no file.")
        return None


class _Body:
    """The bytes of one entry, which are read once."""

    def __init__(self, stream: "_Stream", size: int) -> None:
        if size < 0:
            raise ArchiveDamaged("A size makes no sense; the rest is left out.")
        self.size = size
        self._stream = stream
        self._left = size
        self._padding = -size % BLOCK

    def chunks(self) -> Iterator[bytes]:
        """Yield what was not read yet."""
        while self._left:
            chunk = self._stream.read(min(CHUNK, self._left))
            self._left -= len(chunk)
            yield chunk

    def skip(self) -> None:
        """Pass over what was not read yet, up to the next header."""
        for _ in self.chunks():
            pass
        self._stream.read(self._padding)
        self._padding = 0


class _Stream:
    """The unpacked bytes of the archive, each of them counted."""

    def __init__(self, file: BinaryIO, meter: Meter) -> None:
        self._chunks = _unpacked(file)
        self._meter = meter
        self._chunk = b""
        self._at = 0

    def ends(self) -> bool:
        """Say whether nothing follows."""
        if self._at == len(self._chunk):
            self._chunk = next(self._chunks, b"")
            self._at = 0
            self._meter.unpacked(len(self._chunk))
        return not self._chunk

    def read(self, count: int) -> bytes:
        """Return exactly *count* bytes.

        Raises:
            ArchiveTruncated: There are fewer.
        """
        parts = []
        while count:
            if self.ends():
                raise ArchiveTruncated("The archive ends in the middle of an entry.")
            part = self._chunk[self._at : self._at + count]
            self._at += len(part)
            count -= len(part)
            parts.append(part)
        return b"".join(parts)

    def drain(self) -> None:
        """Unpack what follows, for the checksum at the very end."""
        while not self.ends():
            self._at = len(self._chunk)


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    """Return pieces of 1 to `CHUNK` bytes.

    Raises:
        BadArchive: While they are read: no more can be unpacked.
    """
    first = file.read(CHUNK)
    if first.startswith(GZIP):
        return _unzipped(first, file)
    if is_packed(first):
        return _unzstd(first, file)
    return _plain(first, file)


def _plain(first: bytes, file: BinaryIO) -> Iterator[bytes]:
    while first:
        yield first
        first = file.read(CHUNK)


def _unzipped(data: bytes, file: BinaryIO) -> Iterator[bytes]:
    while data.startswith(GZIP):  # several may follow each other; what else follows is padding
        unpacker = zlib.decompressobj(wbits=31)
        chunk = b""
        while not unpacker.eof:
            # A full chunk may have more behind it in zlib, though all bytes went in.
            if not data and len(chunk) < CHUNK:
                data = _more(file)
            try:
                chunk = unpacker.decompress(data, CHUNK)
            except zlib.error:
                raise _damaged() from None
            data = unpacker.unconsumed_tail
            if chunk:
                yield chunk
        data = unpacker.unused_data + file.read(CHUNK)


def _unzstd(data: bytes, file: BinaryIO) -> Iterator[bytes]:
    options = {int(zstd.DecompressionParameter.window_log_max): LARGEST_WINDOW}
    while is_packed(data):
        unpacker = zstd.ZstdDecompressor(options=options)
        while not unpacker.eof:
            if unpacker.needs_input and not data:
                data = _more(file)
            try:
                chunk = unpacker.decompress(data, CHUNK)
            except zstd.ZstdError as error:
                if "memory" in str(error):
                    raise _window_too_large() from None
                raise _damaged() from None
            data = b""
            if chunk:
                yield chunk
        data = unpacker.unused_data + file.read(CHUNK)


def _more(file: BinaryIO) -> bytes:
    data = file.read(CHUNK)
    if not data:
        raise ArchiveTruncated("The archive ends early; what came before was taken.")
    return data


def _window_too_large() -> BadArchive:
    return BadArchive(
        f"To unpack it takes more than {1 << LARGEST_WINDOW:,} bytes of memory. Pack it with a "
        f"smaller window: zstd --long={LARGEST_WINDOW} at most."
    )


def _damaged() -> ArchiveDamaged:
    return ArchiveDamaged(
        "The archive is damaged from some place on, or its checksum is wrong; the rest is left out."
    )


def _parse(block: bytes) -> TarInfo | None:
    try:
        return TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except HeaderError:
        return None
