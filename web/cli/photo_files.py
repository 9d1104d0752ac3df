"""Files on this machine that are to become photos, found one by one, and how each is called."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeAlias

from core.archive_entries import LONGEST_NAME, distinct, printable
from core.formats import JUNK

Trouble: TypeAlias = Callable[[str, OSError], None]
"""Is told the key of what cannot be read, and why."""

_KEPT: Final = 900
"""Characters of the end of a key that is too long."""


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """A file, and the name it is known by in the collection: its path below what was asked for.

    Attributes:
        key: Unlike those of all others that were asked for at once; it can be shown and stored.
    """

    key: str
    path: Path


def photo_files(paths: Sequence[Path], trouble: Trouble | None = None) -> Iterator[PhotoFile]:
    """Yield the files at *paths* and below, sorted, without hidden ones and system junk.

    One folder is in memory at a time with those above it. Keys of several paths begin with the name
    of each, as if one folder held them.

    Args:
        trouble: Without it, what cannot be read is an error.

    Raises:
        OSError: A folder cannot be read, and there is no *trouble*.
    """
    tell = trouble or _fail
    if len(paths) == 1 and paths[0].is_dir():
        yield from _below(paths[0], "", tell)
        return
    names = labels(path.absolute().name for path in paths)
    for path, name in zip(paths, names, strict=True):
        if path.is_dir():
            yield from _below(path, f"{name}/", tell)
        else:
            yield PhotoFile(short(name), path)


def labels(names: Iterable[str]) -> list[str]:
    """Return *names* as they can be shown, each another one."""
    # Whoever reads forms takes %22 in the name of a file for the quote that it is in addresses.
    shown = (printable(name).replace("%22", '"') for name in names)
    return list(distinct(shown, " ({})"))


def short(key: str) -> str:
    """Return a key that is not too long, and still unlike others."""
    if len(key) <= LONGEST_NAME:
        return key
    return f"{sha256(key.encode()).hexdigest()[:16]}…{key[-_KEPT:]}"


def _below(root: Path, prefix: str, trouble: Trouble) -> Iterator[PhotoFile]:
    """Yield the files of a folder and those below it; links to folders are not followed."""
    open_folders = [_entries(root, prefix, trouble)]
    while open_folders:
        found = next(open_folders[-1], None)
        if found is None:
            open_folders.pop()
            continue
        entry, key = found
        try:
            if entry.is_dir(follow_symlinks=False):
                open_folders.append(_entries(Path(entry.path), f"{key}/", trouble))
            elif entry.is_file():
                yield PhotoFile(short(key), Path(entry.path))
        except OSError as error:  # links in a ring
            trouble(short(key), error)


def _entries(
    folder: Path, prefix: str, trouble: Trouble
) -> Iterator[tuple["os.DirEntry[str]", str]]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(filter(_is_wanted, found), key=lambda entry: entry.name)
    except OSError as error:
        trouble(short(prefix) or printable(folder.name), error)
        return
    names = labels(entry.name for entry in entries)
    yield from zip(entries, (prefix + name for name in names), strict=True)


def _is_wanted(entry: "os.DirEntry[str]") -> bool:
    return not entry.name.startswith(".") and entry.name.lower() not in JUNK


def _fail(_key: str, error: OSError) -> None:
    raise error
