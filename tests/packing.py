"""Archives made in code: whole ones, and what no honest program writes."""

import gzip
import io
import stat
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np

from core.archive_entries import Limits
from core.archives import Junk, Member, Outcome, Refused, members

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Files: TypeAlias = Iterable[tuple[str, bytes]]
Pack: TypeAlias = Callable[[Files], bytes]

LIMITS = Limits(entry_bytes=1 << 20, entries=1000, total_bytes=1 << 30, ratio=100)


def noise(seed: int, count: int) -> bytes:
    """Bytes that cannot be packed any smaller."""
    return np.random.default_rng(seed).bytes(count)


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return stream.getvalue()


def zipped_as_a_stream(files: Files) -> bytes:
    """A ZIP written without seeking back: sizes and checksums stand behind the bytes."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.data += data
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return bytes(pipe.data)


def zipped_long(files: Files) -> bytes:
    """A ZIP whose entries have the fields of ZIP64."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            with archive.open(name, "w", force_zip64=True) as entry:
                entry.write(data)
    return stream.getvalue()


def tarred(files: Files, format: int = tarfile.PAX_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def tarred_things(infos: Sequence[tarfile.TarInfo]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for info in infos:
            archive.addfile(info)
    return stream.getvalue()


def tar_gz(files: Files) -> bytes:
    return gzip.compress(tarred(files), mtime=0)


def tar_zst(files: Files) -> bytes:
    return zstd.compress(tarred(files))


def block(name: str, kind: bytes, size: int) -> bytes:
    """One TAR header; what its size says need not be true."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def zip_link(name: str, target: str) -> bytes:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(info, target)
    return stream.getvalue()


PACKS: dict[str, Pack] = {
    "zip": zipped,
    "zip stored": lambda files: zipped(files, zipfile.ZIP_STORED),
    "zip as a stream": zipped_as_a_stream,
    "zip64": zipped_long,
    "tar": tarred,
    "tar ustar": lambda files: tarred(files, tarfile.USTAR_FORMAT),
    "tar gnu": lambda files: tarred(files, tarfile.GNU_FORMAT),
    "tar.gz": tar_gz,
    "tar.zst": tar_zst,
}


def read(archive: bytes, limits: Limits = LIMITS) -> list[Outcome]:
    return list(members(io.BytesIO(archive), limits, called="the archive"))


def taken(outcomes: Iterable[Outcome]) -> list[tuple[str, bytes]]:
    return [(each.name, each.data) for each in outcomes if isinstance(each, Member)]


def refused(outcomes: Iterable[Outcome]) -> list[tuple[str, str]]:
    return [(each.name, each.error.code) for each in outcomes if isinstance(each, Refused)]


def junk(outcomes: Iterable[Outcome]) -> int:
    return sum(each.count for each in outcomes if isinstance(each, Junk))
