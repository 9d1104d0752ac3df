"""ZIP read entry by entry from its directory, in constant memory.

``zipfile`` reads the whole directory first: a million entries take most of a gigabyte, and a
hostile directory whatever it claims. It also unpacks bzip2 and LZMA without a bound. So the
directory is walked here, and stored and deflated entries are read: others do not occur for photos.
"""

import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from struct import Struct
from typing import BinaryIO, Final

from core.archive_entries import CHUNK, Entry, Meter, decode
from core.errors import (
    ArchiveDamaged,
    ArchiveTruncated,
    BadArchive,
    BadEntry,
    EntryDamaged,
    EntryEncrypted,
    EntryNotAFile,
)

LOCAL_MAGIC: Final = b"PK\x03\x04"
CENTRAL_MAGIC: Final = b"PK\x01\x02"
END_MAGIC: Final = b"PK\x05\x06"
END64_MAGIC: Final = b"PK\x06\x06"
DESCRIPTOR_MAGIC: Final = b"PK\x07\x08"

LOCAL: Final = Struct("<4s5H3L2H")
CENTRAL: Final = Struct("<4s6H3L5H2L")
END: Final = Struct("<4s4H2LH")
END64: Final = Struct("<4sQ2H2L4Q")
LOCATOR: Final = Struct("<4sLQL")
FIELD: Final = Struct("<2H")
LONGEST_COMMENT: Final = 0xFFFF

FURTHEST: Final = 1 << 62

_ENCRYPTED: Final = 1 | 1 << 6 | 1 << 13
_SIZES_FOLLOW: Final = 1 << 3
_UTF8: Final = 1 << 11
_STORED, _DEFLATED = 0, 8
_UNIX: Final = 3
_IN_ZIP64: Final = 0xFFFFFFFF
_WRAP: Final = 1 << 32
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075


@dataclass(frozen=True, slots=True)
class _Record:
    """What a header says of one entry.

    Attributes:
        packed: Bytes in the archive.
        at: Where its local header begins.
        mode: As Unix has it; 0 when it is not known.
    """

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    at: int
    mode: int = 0


def is_zip(start: bytes) -> bool:
    """Say whether a file that begins so is a ZIP."""
    return start.startswith((LOCAL_MAGIC, END_MAGIC))


def entries(file: BinaryIO, meter: Meter) -> Iterator[Entry]:
    """Yield the entries but folders.

    Raises:
        BadArchive: It cannot be read from here on, or a limit is passed.
    """
    directory = _find_directory(file, meter.packed_bytes)
    records = _salvaged(file, meter) if directory is None else _listed(file, *directory)
    for record in records:
        meter.entry()
        if record.size or not record.name.endswith(("/", "\\")):
            chunks = partial(_chunks, file, record, meter)
            yield Entry(record.name, record.size, chunks, _refusal(record))


def _refusal(record: _Record) -> BadEntry | None:
    if record.flags & _ENCRYPTED:
        return EntryEncrypted("This needs a password.")
    kind = stat.S_IFMT(record.mode)
    if kind == stat.S_IFLNK:
        return EntryNotAFile("This is a link; links are not followed.")
    if kind not in {0, stat.S_IFREG}:
        return EntryNotAFile("This is no file.")
    if record.method not in {_STORED, _DEFLATED}:
        return BadEntry(
            f"This is packed by method {record.method}; only Deflate and stored files are read."
        )
    return None


# --- the directory at the end ---------------------------------------------------------------


def _find_directory(file: BinaryIO, size: int) -> tuple[int, int, int, int] | None:
    """Return where it begins and ends, how many it lists, and what is added to its offsets.

    None: there is none, as the end of the archive is missing.

    Raises:
        BadArchive: It is one part of several.
        ArchiveDamaged: It makes no sense.
    """
    tail_at = max(0, size - END.size - LONGEST_COMMENT)
    tail = _read(file, tail_at, size - tail_at)
    found = _find_end(tail)
    if found is None:
        return None
    _, disk, first_disk, _, count, length, offset, _ = END.unpack_from(tail, found)
    if disk or first_disk:
        raise BadArchive("This is one part of an archive of several files.")
    end = tail_at + found
    mask = 0xFFFF
    at64 = end - LOCATOR.size - END64.size
    if at64 >= 0 and (block := _read(file, at64, END64.size)).startswith(END64_MAGIC):
        *_, count, length, offset = END64.unpack(block)
        end, mask = at64, 0xFFFF_FFFF_FFFF_FFFF
    start = end - length
    if start < offset:
        raise ArchiveDamaged("The directory of the archive is damaged.")
    return start, end, count & mask, start - offset


def _find_end(tail: bytes) -> int | None:
    """Return where the last record of the archive begins.

    A comment may follow it, then padding at most: the end of an archive that lies inside a cut-off
    one is not the end of that one.
    """
    at = len(tail) - END.size + len(END_MAGIC)
    while (at := tail.rfind(END_MAGIC, 0, max(at, 0))) >= 0:
        *_, comment = END.unpack_from(tail, at)
        end = at + END.size + comment
        if end <= len(tail) and not tail[end:].strip(b"\0\r\n"):
            return at
        at += len(END_MAGIC) - 1
    return None


def _listed(file: BinaryIO, at: int, end: int, count: int, shift: int) -> Iterator[_Record]:
    """Yield what the directory lists.

    The Archive Utility of macOS writes archives above 4 GiB without ZIP64: offsets begin at 0 again.
    Then what they lack altogether is whole times 4 GiB, and they stand in their order.

    Raises:
        ArchiveDamaged: It makes no sense from here on.
    """
    seen = 0
    wraps = shift > 0 and shift % _WRAP == 0
    shift = 0 if wraps else shift
    last = 0
    while at < end:
        block = _read(file, at, CENTRAL.size)
        if len(block) < CENTRAL.size or not block.startswith(CENTRAL_MAGIC):
            break
        _, made, _, flags, method, _, _, crc, packed, size, names, extras, comments, _, _, attr, \
            offset = CENTRAL.unpack(block)  # fmt: skip
        name = _read(file, at + CENTRAL.size, names)
        extra = _extra_fields(_read(file, at + CENTRAL.size + names, extras))
        size, packed, offset = _long(extra.get(_ZIP64, b""), [size, packed, offset])
        offset += shift
        if wraps and offset < last:
            shift += _WRAP
            offset += _WRAP
        last = offset
        mode = attr >> 16 if made >> 8 == _UNIX else 0
        yield _Record(_name(name, flags, extra), flags, method, crc, packed, size, offset, mode)
        at += CENTRAL.size + names + extras + comments
        seen += 1
    if at != end or seen & 0xFFFF != count & 0xFFFF:
        raise ArchiveDamaged("The directory of the archive is damaged; the rest is left out.")


def _extra_fields(data: bytes) -> dict[int, bytes]:
    fields = {}
    at = 0
    while at + FIELD.size <= len(data):
        kind, length = FIELD.unpack_from(data, at)
        at += FIELD.size
        fields[kind] = data[at : at + length]
        at += length
    return fields


def _long(field: bytes, values: list[int]) -> list[int]:
    """Put the long numbers of ZIP64 where the short ones say so, in their order."""
    longs = iter(range(0, len(field) - 7, 8))
    found = []
    for value in values:
        at = next(longs, None) if value == _IN_ZIP64 else None
        found.append(value if at is None else int.from_bytes(field[at : at + 8], "little"))
    return found


def _name(name: bytes, flags: int, extra: dict[int, bytes]) -> str:
    """Decode a name by its flag, the Unicode path beside it, as UTF-8 anyway, or as cp437.

    Many programs write UTF-8 without saying so; cp437 text is hardly ever valid UTF-8.
    """
    if flags & _UTF8:
        return decode(name)
    path = extra.get(_UNICODE_PATH, b"")
    if path[:1] == b"\x01" and int.from_bytes(path[1:5], "little") == zlib.crc32(name):
        return decode(path[5:])
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("cp437")


# --- without a directory ---------------------------------------------------------------------


def _salvaged(file: BinaryIO, meter: Meter) -> Iterator[_Record]:
    """Yield the whole entries of an archive whose end is missing, by their local headers.

    Raises:
        ArchiveTruncated: Always, in the end.
    """
    at = 0
    while True:
        block = _read(file, at, LOCAL.size)
        if len(block) < LOCAL.size or not block.startswith(LOCAL_MAGIC):
            break
        _, _, flags, method, _, _, crc, packed, size, names, extras = LOCAL.unpack(block)
        name = _read(file, at + LOCAL.size, names)
        extra = _extra_fields(_read(file, at + LOCAL.size + names, extras))
        size, packed = _long(extra.get(_ZIP64, b""), [size, packed])
        data_at = at + LOCAL.size + names + extras
        follows = 0
        if flags & _SIZES_FOLLOW:
            measured = _measure(file, data_at, method, meter)
            if measured is None:
                break
            packed, size = measured
            crc, follows = _descriptor(file, data_at + packed, long=_ZIP64 in extra)
        if data_at + packed + follows > meter.packed_bytes:
            break
        yield _Record(_name(name, flags, extra), flags, method, crc, packed, size, at)
        at = data_at + packed + follows
    raise ArchiveTruncated("The end of the archive is missing, and its directory with it.")


def _measure(file: BinaryIO, at: int, method: int, meter: Meter) -> tuple[int, int] | None:
    """Return packed and unpacked bytes of an entry whose header does not say them.

    None: its end cannot be found.
    """
    if method != _DEFLATED:
        return None
    unpacker = zlib.decompressobj(wbits=-15)
    size = 0
    try:
        for chunk in _inflated(unpacker, _pieces(file, at, meter.packed_bytes - at)):
            meter.unpacked(len(chunk))
            size += len(chunk)
    except zlib.error:
        return None
    if not unpacker.eof:
        return None
    return file.tell() - at - len(unpacker.unused_data), size


def _descriptor(file: BinaryIO, at: int, *, long: bool) -> tuple[int, int]:
    """Return the checksum behind an entry, and the length of what stands there.

    The signature in front of it may be missing.
    """
    block = _read(file, at, 2 * len(DESCRIPTOR_MAGIC))
    signed = len(DESCRIPTOR_MAGIC) if block.startswith(DESCRIPTOR_MAGIC) else 0
    crc = int.from_bytes(block[signed : signed + 4], "little")
    return crc, signed + (20 if long else 12)


# --- the bytes of an entry -------------------------------------------------------------------


def _chunks(file: BinaryIO, record: _Record, meter: Meter) -> Iterator[bytes]:
    """Unpack an entry.

    Raises:
        EntryDamaged: These are not the bytes that were packed; the last chunks may have come.
        BadArchive: A limit of the archive is passed.
    """
    block = _read(file, record.at, LOCAL.size)
    if len(block) < LOCAL.size or not block.startswith(LOCAL_MAGIC):
        raise EntryDamaged("Its header is damaged.")
    *_, names, extras = LOCAL.unpack(block)
    pieces = _pieces(file, record.at + LOCAL.size + names + extras, record.packed)
    unpacker = zlib.decompressobj(wbits=-15)
    size = crc = 0
    try:
        for chunk in pieces if record.method == _STORED else _inflated(unpacker, pieces):
            meter.unpacked(len(chunk))
            size += len(chunk)
            crc = zlib.crc32(chunk, crc)
            yield chunk
    except zlib.error:
        raise EntryDamaged("It cannot be unpacked.") from None
    if (size, crc) != (record.size, record.crc):
        raise EntryDamaged("Its checksum is wrong, or its end is missing.")


def _pieces(file: BinaryIO, at: int, length: int) -> Iterator[bytes]:
    while length > 0 and (piece := _read(file, at, min(CHUNK, length))):
        yield piece
        at += len(piece)
        length -= len(piece)


def _inflated(unpacker: "zlib._Decompress", pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield chunks of `CHUNK` bytes at most, until the data or the pieces end."""
    for piece in pieces:
        data = piece
        chunk = unpacker.decompress(data, CHUNK)
        # A full chunk may have more behind it in zlib, though all bytes went in.
        while chunk:
            yield chunk
            data = unpacker.unconsumed_tail
            chunk = unpacker.decompress(data, CHUNK) if data or len(chunk) == CHUNK else b""
        if unpacker.eof:
            return


def _read(file: BinaryIO, at: int, length: int) -> bytes:
    if at > FURTHEST:  # only a damaged header names such a place
        return b""
    file.seek(at)
    return file.read(length)
