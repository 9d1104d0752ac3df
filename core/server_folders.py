"""Files below the folders of this machine that the operator lets imports read.

Whoever writes into such a folder can put a link there, or change one between two looks at it. So a
path is resolved first, and then opened part by part, none of which may be a link any more.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from core.archive_entries import distinct, is_junk, printable
from core.errors import SourceMissing, SourceNotAllowed, SourceUnreachable
from core.settings import Settings

MOST_LEVELS: Final = 100
"""Of folders in folders, each of which is open while those in it are walked."""

_NOT_OURS: Final = frozenset({errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""A folder that we may not read, or that is none any more; anything else is trouble of the disk."""

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_MISSING: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM})
_NO_FILE: Final = frozenset({errno.ELOOP, errno.ENXIO})


@dataclass(frozen=True, slots=True)
class FolderFile:
    """A file that was found.

    Attributes:
        key: Its path below the folder that was walked, with ``/``, as `printable` makes it.
        path: For `open_file`.
        bytes: When it was found.
    """

    key: str
    path: Path
    bytes: int


@dataclass(slots=True)
class LeftOut:
    """How much a walk passed over.

    Attributes:
        junk: Hidden files and folders, and what systems leave among photos.
        links: To what is outside of the allowed folders, to folders, and to nothing.
        others: Pipes, sockets and devices; folders that this account may not read, or that are
            `MOST_LEVELS` below the first.
    """

    junk: int = 0
    links: int = 0
    others: int = 0


Outcome: TypeAlias = FolderFile | LeftOut


@dataclass(frozen=True, slots=True)
class _Place:
    """A path without links: an allowed folder, and the names below it."""

    root: Path
    parts: tuple[str, ...]

    @property
    def path(self) -> Path:
        return self.root.joinpath(*self.parts)


def allowed_folders(settings: Settings) -> tuple[Path, ...]:
    """Return the folders whose files imports may read, as the operator named them."""
    named = (settings.import_folders or "").split(os.pathsep)
    return tuple(Path(each) for each in named if each)


def resolve(settings: Settings, path: str) -> Path:
    """Return a file or folder below an allowed folder without the links on the way to it.

    It may be another one when it is opened; `open_file` and `walk` look again.

    Args:
        path: Absolute; or relative, and then in the first allowed folder that has it.

    Raises:
        SourceNotAllowed: It is outside of the allowed folders, or neither a file nor a folder.
        SourceMissing: There is no such thing.
        SourceUnreachable: It changes at this moment, or the disk fails.
    """
    found = _place(settings, path).path
    with _told():
        mode = found.lstat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise _no_file()
    return found


@contextmanager
def open_file(settings: Settings, path: str | Path) -> Iterator[BinaryIO]:
    """Open a file below an allowed folder; whatever changes meanwhile, nothing outside is read.

    Raises:
        SourceNotAllowed: It is outside of the allowed folders, no file, or not readable.
        SourceMissing: There is no such file.
        SourceUnreachable: It changes at this moment; or the disk fails, also while it is read.
    """
    place = _place(settings, path)
    if not place.parts:
        raise _no_file()
    *above, name = place.parts
    with _told(), _open_folder(place.root, above) as folder:
        _require_file(os.stat(name, dir_fd=folder, follow_symlinks=False))
        descriptor = os.open(name, _FILE, dir_fd=folder)
        try:
            _require_file(os.fstat(descriptor))
            os.set_blocking(descriptor, True)
            file = os.fdopen(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise
        with file:
            yield file


def walk(settings: Settings, folder: str | Path) -> Iterator[Outcome]:
    """Yield the files below a folder, in the order of their paths; at the end what was left out.

    The names of one folder, and of those above it, are in memory.

    Raises:
        SourceNotAllowed, SourceMissing, SourceUnreachable: As `resolve`, of the folder itself.
    """
    top = _place(settings, folder)
    left_out = LeftOut()
    with _told(), _open_folder(top.root, top.parts) as descriptor:
        yield from _Walk(settings, top, left_out).files(descriptor, ())
    if left_out != LeftOut():
        yield left_out


@dataclass(frozen=True, slots=True)
class _Walk:
    settings: Settings
    top: _Place
    left_out: LeftOut

    def files(
        self, folder: int, above: tuple[str, ...], shown_above: str = ""
    ) -> Iterator[FolderFile]:
        """Yield the files below an open folder; *above* leads to it from the top."""
        names = sorted(os.listdir(folder))
        # No two alike, though two may be in NFC.
        for name, shown in zip(names, distinct(map(printable, names), "~{}"), strict=True):
            if is_junk(name):
                self.left_out.junk += 1
                continue
            try:
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue  # it was there a moment ago
            except PermissionError:  # the names may be read, and not what they stand for
                self.left_out.others += 1
                continue
            if stat.S_ISDIR(found.st_mode):
                yield from self._below(folder, (*above, name), f"{shown_above}{shown}/")
            elif stat.S_ISREG(found.st_mode):
                path = self.top.path.joinpath(*above, name)
                yield FolderFile(shown_above + shown, path, found.st_size)
            elif stat.S_ISLNK(found.st_mode):
                yield from self._linked(above, name, shown_above + shown)
            else:
                self.left_out.others += 1

    def _below(self, folder: int, parts: tuple[str, ...], shown: str) -> Iterator[FolderFile]:
        if len(parts) > MOST_LEVELS:
            self.left_out.others += 1
            return
        try:
            descriptor = os.open(parts[-1], _FOLDER, dir_fd=folder)
        except OSError as error:
            if error.errno not in _NOT_OURS:
                raise
            self.left_out.others += 1
            return
        try:
            yield from self.files(descriptor, parts, shown)
        finally:
            os.close(descriptor)

    def _linked(self, above: tuple[str, ...], name: str, key: str) -> Iterator[FolderFile]:
        """Yield the file that a link leads to, if it is one that imports may read."""
        try:
            path = resolve(self.settings, str(self.top.path.joinpath(*above, name)))
            found = path.lstat()
        except (SourceNotAllowed, SourceMissing, SourceUnreachable, OSError):
            self.left_out.links += 1
            return
        if stat.S_ISREG(found.st_mode):
            yield FolderFile(key, path, found.st_size)
        else:
            self.left_out.links += 1


def _place(settings: Settings, path: str | Path) -> _Place:
    """Resolve a path that lies in an allowed folder, and still does without its links.

    Raises:
        SourceNotAllowed: It does not.
        SourceUnreachable: It changed while it was looked at, or the disk fails.
    """
    given = Path(path)
    folders = allowed_folders(settings)
    real = {folder: Path(os.path.realpath(folder)) for folder in folders}
    if ".." in given.parts or "\0" in str(path):
        raise _outside()
    if given.is_absolute():
        inside = [given for root in (*real, *real.values()) if given.is_relative_to(root)]
    else:
        inside = [folder / given for folder in folders]
        inside = [each for each in inside if os.path.lexists(each)] or inside
    if not inside:
        raise _outside()
    with _told():
        resolved = Path(os.path.realpath(inside[0]))
    for root in real.values():
        if resolved.is_relative_to(root):
            return _Place(root, resolved.relative_to(root).parts)
    raise _outside()


@contextmanager
def _open_folder(root: Path, parts: Sequence[str]) -> Iterator[int]:
    """Open a folder part by part; what became a link is an OSError."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            below = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _require_file(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _no_file()


@contextmanager
def _told() -> Iterator[None]:
    """Turn errors of the system into ours; none of them holds a path of the server."""
    try:
        yield
    except OSError as error:
        if error.errno in _MISSING:
            raise SourceMissing("There is no such file or folder on the server.") from None
        if error.errno in _FORBIDDEN:
            raise SourceNotAllowed("The account of this system may not read this.") from None
        if error.errno in _NO_FILE:
            raise _no_file() from None
        raise SourceUnreachable(
            f"The server cannot read this file or folder now: {error.strerror}."
        ) from None


def _outside() -> SourceNotAllowed:
    return SourceNotAllowed(
        "FACESEARCH_IMPORT_FOLDERS does not allow this file or folder of the server."
    )


def _no_file() -> SourceNotAllowed:
    return SourceNotAllowed("This is no file that can be read: a link, a pipe or a device.")
