"""Embedded servers that live as long as a block, for tests and for tools of developers."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.local.accounts import folder_mode
from core.local.broker import Broker
from core.local.postgres import Postgres
from core.local.process import Child, wait_ready

START_S = 60


@contextmanager
def folder() -> Iterator[Path]:
    """Make a folder with a short path, as sockets need one, and remove it afterwards."""
    made = Path(tempfile.mkdtemp(prefix="facesearch-"))
    made.chmod(folder_mode())
    try:
        yield made
    finally:
        shutil.rmtree(made)


@contextmanager
def postgres(*, durable: bool = False, inside: Path | None = None) -> Iterator[Postgres]:
    """Run an empty Postgres.

    Args:
        durable: Else it cares for speed and not for a crash of the machine.
        inside: Where to put the cluster, which is left there; else it goes where temporary files go.
    """
    with folder() as home:
        server = Postgres((inside or home) / "cluster", home / "postgres", durable=durable)
        with _running(server, home / "postgres.log"):
            yield server


@contextmanager
def broker() -> Iterator[Broker]:
    """Run an empty broker."""
    with folder() as home:
        server = Broker(home / "broker.sock")
        with _running(server, home / "broker.log"):
            yield server


@contextmanager
def _running(server: Postgres | Broker, log: Path) -> Iterator[None]:
    child = Child(server.prepare(), log)
    try:
        wait_ready(child, server.answers, seconds=START_S)
        yield
    finally:
        child.stop()
