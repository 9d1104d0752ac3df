"""A whole local system under the real supervisor, whose processes can be killed."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg

from core import access
from core.db.pool import Connection, connect
from core.errors import DatabaseUnavailable
from core.local.accounts import folder_mode
from core.settings import Settings
from tests.faults import surroundings
from web.cli.server_target import server_target
from web.cli.targets import Patience, Target

ROOT: Final = Path(__file__).parents[2]
PROGRAM: Final = Path(__file__).with_name("facesearch.py")
START_S: Final = 120


class Victim(StrEnum):
    """What can be killed: the processes that the supervisor started, and children of theirs."""

    WEB = "web"
    #: The one that answers requests; its parent starts another one.
    WEB_CHILD = "web's child"
    WORKER = "worker"
    BEAT = "beat"
    #: All that it holds is in memory.
    BROKER = "broker"
    POSTGRES = "postgres"
    #: The busiest session: then Postgres ends all others, and recovers.
    POSTGRES_CHILD = "postgres' child"

    @property
    def parent(self) -> str:
        """The name that the supervisor knows."""
        return self.value.partition("'")[0]


class System:
    """One data folder and port, with `facesearch up` on it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.data = settings.data_dir
        self.free_disk = self.data.parent / "free-disk"
        self.deaths = self.data.parent / "deaths"
        self.log = self.data.parent / "up.log"
        self.address = f"http://127.0.0.1:{settings.port}"
        self.key = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Of its processes."""
        return {
            **self.settings.environment(),
            surroundings.FREE: str(self.free_disk),
            # As they come, both are a minute.
            surroundings.HOLD: str(self.settings.lease_s),
            surroundings.DEATHS: str(self.deaths),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def start(self) -> None:
        """Start everything and wait until it is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(PROGRAM), "up"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait(lambda: bool(self._state().get("ready")), START_S)
        if not self.key:
            with self.database() as conn:
                self.key = access.create_key(conn, "faults")

    def stop(self) -> None:
        """Stop everything in order."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(90)

    def wait(self, done: Callable[[], bool], seconds: float) -> None:
        """Wait for something that the system does; it must run meanwhile."""
        end = time.monotonic() + seconds
        while not done():
            assert self._process is not None
            assert self._process.poll() is None, f"it ended:\n{self.told()}"
            assert time.monotonic() < end, f"it did not happen in {seconds:.0f} s:\n{self.told()}"
            time.sleep(0.1)

    def told(self) -> str:
        """Return the ends of all logs."""
        logs = [self.log, *sorted((self.data / "logs").glob("*.log"))]
        ends = (f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in logs)
        return "\n".join(ends)

    def kill(self, victim: Victim) -> None:
        """Kill a process as ``kill -9`` does, as soon as it runs."""
        self.wait(lambda: self._kill(victim), 60)

    def _kill(self, victim: Victim) -> bool:
        process = self._found(victim.parent)
        if process is None:
            return False
        try:
            if victim.value != victim.parent:
                process = max(process.children(), key=lambda child: child.cpu_times().user)
            process.kill()
        except (psutil.NoSuchProcess, ValueError):  # it ended at this moment, or has no child yet
            return False
        return True

    def end_postgres(self) -> None:
        """Kill Postgres and all its processes at the same moment; what it was told to do is forgotten."""
        postmaster = self._found("postgres")
        assert postmaster is not None
        processes = [postmaster, *postmaster.children(recursive=True)]
        for each in processes:
            each.suspend()
        # Unlike a crash it must not remember the settings that a test made.
        (self.data / "postgres" / "postgresql.auto.conf").write_text("")
        for each in processes:
            each.kill()
        psutil.wait_procs(processes, timeout=10)

    def database_answers(self) -> bool:
        """Return whether Postgres takes connections."""
        try:
            with self.database() as conn:
                conn.execute("SELECT 1")
        except (DatabaseUnavailable, psycopg.OperationalError):
            return False
        return True

    def _found(self, name: str) -> psutil.Process | None:
        state = self._state().get("children", {}).get(name)
        if state is None:
            return None
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(state["pid"])
            if process.create_time() == state["created"] and process.status() != "zombie":
                return process
        return None

    def _state(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.data / "run" / "state.json").read_text())
        except FileNotFoundError:
            return {}
        return found

    @property
    def broker_url(self) -> str:
        """Of the embedded broker."""
        return str(self._state()["broker_url"])

    @property
    def database_url(self) -> str:
        """Of the embedded database."""
        return str(self._state()["database_url"])

    @contextmanager
    def database(self) -> Iterator[Connection]:
        """A connection that commits each statement."""
        with connect(self.database_url, autocommit=True) as conn:
            yield conn

    @contextmanager
    def target(self) -> Iterator[Target]:
        """What ``facesearch ingest --server`` sends with, its patience included."""
        with server_target(self.address, self.key, Patience()) as target:
            yield target


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(models: Path, packs: Path, port: int, **changes: Any) -> Iterator[System]:
    """Run a system of its own, gone afterwards; *changes* are settings."""
    home = Path(tempfile.mkdtemp(prefix="fs-faults-"))
    home.chmod(folder_mode())
    settings = Settings(
        _env_file=None,
        data_dir=home / "data",
        models_dir=models,
        extra_packs=packs,
        port=port,
        **{"pack": "test_scrfd", "device": "cpu", "min_free_disk_mib": 0, **changes},
    )
    system = System(settings)
    try:
        system.start()
        yield system
    finally:
        system.stop()
        if keep := os.environ.get("FACESEARCH_TEST_KEEP_LOGS"):
            shutil.copytree(home / "data" / "logs", keep, dirs_exist_ok=True)
            shutil.copy(system.log, keep)
        shutil.rmtree(home, ignore_errors=True)
