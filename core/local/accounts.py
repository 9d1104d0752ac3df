"""The unprivileged system account that Postgres runs as when facesearch is started as root."""

import logging
import os
import pwd
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import SetupError

logger = logging.getLogger(__name__)

ACCOUNT = "facesearch-db"
"""Its own account: one that a person or another service uses could read the database files."""

TRAVERSE = stat.S_IXOTH
READ = stat.S_IROTH


@dataclass(frozen=True, slots=True)
class Account:
    """A system account that a child process is switched to."""

    name: str
    uid: int
    gid: int


def database_account() -> Account | None:
    """Return who Postgres must run as: nobody else (None), or a dedicated account for root.

    Raises:
        SetupError: Root has no such account and it cannot be created.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        _create()
        entry = pwd.getpwnam(ACCOUNT)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _create() -> None:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupError(
            f"Postgres does not run as root, and the system account {ACCOUNT} for it cannot be "
            "created; start facesearch as an ordinary user, or create the account."
        ) from error


def folder_mode() -> int:
    """Return the mode of a folder of ours that Postgres's account must walk through."""
    return 0o711 if os.geteuid() == 0 else 0o700


def make_reachable(path: Path, account: Account) -> None:
    """Let *account* walk to *path*: add ``o+x`` to the folders above it that lack it."""
    changed = [str(folder) for folder in reversed(path.parents) if _open(folder, account)]
    if changed:
        logger.warning(
            "made %s traversable (chmod o+x), so that the account %s reaches Postgres",
            ", ".join(changed),
            account.name,
        )


def _open(folder: Path, account: Account) -> bool:
    found = folder.stat()
    if found.st_uid == account.uid:
        needed = stat.S_IXUSR
    elif found.st_gid == account.gid:
        needed = stat.S_IXGRP
    else:
        needed = TRAVERSE
    if found.st_mode & needed:
        return False
    folder.chmod(stat.S_IMODE(found.st_mode) | needed)
    return True


def make_readable(folder: Path) -> None:
    """Let everyone read what is in *folder* (``o+rX``): a umask of 077 may have hidden a wheel."""
    for path in [folder, *_walk(folder)]:
        mode = stat.S_IMODE(path.stat().st_mode)
        runnable = path.is_dir() or mode & stat.S_IXUSR
        wanted = mode | READ | (TRAVERSE if runnable else 0)
        if wanted != mode:
            path.chmod(wanted)


def _walk(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if not path.is_symlink())
