"""Bytes of imports on their way in: an archive or a manifest that grows, and files that it names.

They lie in a folder of their own for each import until all of them are photos of the collection. Every
process that receives or reads imports must see that folder.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, Protocol
from uuid import UUID

from core.durable import full_disk_told, make_folder, sync_file, sync_folder
from core.errors import OffsetMismatch, SourceMissing, UploadBusy, UploadTooLarge
from core.services import require_disk
from core.settings import MIB, Settings

CHUNK: Final = MIB
"""Bytes held in memory while some are received."""

LOOK_EVERY: Final = 64 * MIB
"""Bytes between two looks at the free disk."""

_CONTENT: Final = "content"
_FILES: Final = "files"


class Stream(Protocol):
    """What bytes come from."""

    def read(self, size: int, /) -> bytes:
        """Return up to *size* bytes; none at the end."""
        ...


class Spool:
    """The folder of one import."""

    def __init__(self, settings: Settings, import_id: UUID) -> None:
        self._settings = settings
        self.folder = spool_folder(settings) / import_id.hex

    @property
    def path(self) -> Path:
        """Of the archive or manifest."""
        return self.folder / _CONTENT

    def size(self) -> int:
        """Return how many bytes of the archive or manifest are there."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def append(
        self,
        stream: Stream,
        *,
        offset: int,
        most: int | None = None,
        check: Callable[[], object] | None = None,
    ) -> int:
        """Add what *stream* gives, durably before this returns; return the new size.

        What came before a stream broke off stays: the sender asks for the size and goes on there.

        Args:
            offset: Where the sender believes that these bytes begin.
            most: Bytes that there may be in the end.
            check: Called when nobody else can add any more, or say that all is there; its errors end it.

        Raises:
            OffsetMismatch: More or fewer bytes are there.
            UploadBusy: Somebody else adds to it at this moment.
            UploadTooLarge: There would be more than *most*; those up to there are kept.
            DiskFull: There is too little disk; what came stays.
        """
        with full_disk_told():
            make_folder(self.folder)
            with self.path.open("ab") as file, _alone(file):
                if check is not None:
                    check()
                there = file.seek(0, os.SEEK_END)
                if there != offset:
                    raise mismatch(there, offset)
                if there == 0:
                    with suppress(FileNotFoundError):  # it is cancelled at this moment
                        sync_folder(self.folder)
                try:
                    self._copy(stream, file, most)
                finally:
                    sync_file(file)
                return file.tell()

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Keep others from adding to the archive or manifest.

        Raises:
            UploadBusy: Somebody does.
        """
        with ExitStack() as held:
            with suppress(FileNotFoundError):
                held.enter_context(_alone(held.enter_context(self.path.open("rb"))))
            yield

    def sync(self) -> None:
        """Make durable what a process that was killed had received of the archive or manifest."""
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            os.fsync(file.fileno())
            sync_folder(self.folder)

    def changed_at(self) -> datetime | None:
        """Return when the last bytes of anything came; None where nothing did."""
        times = []
        for path in (self.path, self.folder / _FILES):
            with suppress(FileNotFoundError):
                times.append(path.stat().st_mtime)
        return datetime.fromtimestamp(max(times), UTC) if times else None

    def _copy(self, stream: Stream, file: BinaryIO, most: int | None) -> None:
        size, looked = file.tell(), -LOOK_EVERY
        while chunk := stream.read(CHUNK):
            if size - looked >= LOOK_EVERY:
                require_disk(self._settings, LOOK_EVERY, local=True)
                looked = size
            if most is not None and size + len(chunk) > most:
                file.write(chunk[: most - size])
                raise UploadTooLarge(f"More than {most:,} bytes came.", max_bytes=most)
            file.write(chunk)
            size += len(chunk)

    def put(self, name: str, stream: Stream, *, most: int) -> int:
        """Store a file that a manifest names, whole or not at all; return its size.

        Raises:
            UploadTooLarge: It has more than *most* bytes.
            DiskFull: There is too little disk.
        """
        require_disk(self._settings, most, local=True)
        path = self._file(name)
        make_folder(path.parent)
        new = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
        try:
            with new.open("xb") as file, full_disk_told():
                self._copy(stream, file, most)
                size = file.tell()
                sync_file(file)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
        sync_folder(path.parent)
        return size

    def file_size(self, name: str) -> int:
        """Return how many bytes of a file that a manifest names are there; 0 where it is not."""
        try:
            return self._file(name).stat().st_size
        except FileNotFoundError:
            return 0

    def read(self, name: str) -> bytes:
        """Return the bytes of a file that a manifest names.

        Raises:
            SourceMissing: It was not uploaded.
        """
        try:
            return self._file(name).read_bytes()
        except FileNotFoundError:
            raise SourceMissing(f"No file of the name {name!r} was uploaded.") from None

    def sha256(self) -> bytes:
        """Return the digest of the archive or manifest."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()

    def remove(self) -> None:
        """Remove the folder, if it is there."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, name: str) -> Path:
        # By its digest: a name is anything, and never a path.
        return self.folder / _FILES / hashlib.sha256(name.encode("utf-8")).hexdigest()


def mismatch(there: int, offset: int) -> OffsetMismatch:
    """Return the error of bytes that begin at *offset* where *there* bytes are."""
    return OffsetMismatch(
        f"{there:,} bytes are there; the next ones begin at {there}, not at {offset}.", offset=there
    )


def spool_folder(settings: Settings) -> Path:
    """Return where the folders of all imports are."""
    return settings.data_dir / "imports"


def spools(settings: Settings) -> Iterator[tuple[UUID, Path]]:
    """Yield the imports that have a folder."""
    folder = spool_folder(settings)
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        try:
            yield UUID(path.name), path
        except ValueError:
            continue  # not one of ours


@contextmanager
def _alone(file: BinaryIO) -> Iterator[None]:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UploadBusy("Another request is adding to it; ask for its size, then go on.") from None
    yield  # closing the file gives the lock back
