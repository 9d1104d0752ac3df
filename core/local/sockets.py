"""Where the sockets of the embedded servers are: a socket's path has few bytes to spend."""

import shutil
import tempfile
from pathlib import Path

from core.local.accounts import folder_mode

LONGEST = 103
"""Bytes of a socket's path: 107 on Linux, 103 on macOS."""

DEEPEST = "postgres/.s.PGSQL.5432.lock"
PREFIX = "facesearch-"


def choose(run: Path) -> Path:
    """Return *run* where its path suits, else a new private folder for temporary files."""
    if fits(run):
        return run
    for place in (None, "/tmp"):  # noqa: S108  mkdtemp makes a private folder in it
        made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        made.chmod(folder_mode())
        if fits(made):
            return made
        made.rmdir()
    raise AssertionError("a path in /tmp is short")


def fits(folder: Path) -> bool:
    """Return whether sockets can live in *folder*. libpq reads a comma as a second host."""
    return len(bytes(folder / DEEPEST)) <= LONGEST and "," not in str(folder)


def discard(folder: Path, run: Path) -> None:
    """Remove a folder that `choose` made; leave *run* itself."""
    if folder != run and folder.name.startswith(PREFIX):
        shutil.rmtree(folder, ignore_errors=True)
