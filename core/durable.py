"""Making what is written to a disk survive a power cut, and telling when the disk is full."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from core.errors import DiskFull


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, so that they survive as what is in them does."""
    if folder.exists():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def make_folders(parent: Path, names: Iterable[str]) -> None:
    """Make folders in *parent*, and wait for the disk once for all of them."""
    make_folder(parent)
    for name in names:
        (parent / name).mkdir(exist_ok=True)
    sync_folder(parent)


def sync_folder(folder: Path) -> None:
    """Make what was renamed in a folder stay so."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(file: IO[Any]) -> None:
    """Make what was written to a file stay there."""
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def full_disk_told() -> Iterator[None]:
    """Say in our words that the disk is full.

    Raises:
        DiskFull: The block met a full disk, or a quota.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull("The disk is full.") from error
