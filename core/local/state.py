"""What is known of a running local system: the lock that only one may hold, and its state file."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from core.errors import NotRunning, SetupError
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Running:
    """A process, recognised even when its number is given to another one later.

    Attributes:
        created: When the kernel started it, in seconds since 1970.
    """

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> "Running":
        """Return the process that has this number now."""
        return cls(pid, psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """Return it, or None when it is gone."""
        try:
            found = psutil.Process(self.pid)
            same = found.create_time() == self.created and found.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return found if same else None


@dataclass(frozen=True, slots=True)
class State:
    """The state file, as `facesearch up` keeps it.

    Attributes:
        supervisor: Stops everything when it gets SIGTERM.
        sockets: Folder of the sockets of the embedded servers.
        page: Address of the page.
        ready: Everything answered once.
        children: By name, those that were started last.
    """

    supervisor: Running
    database_url: str
    broker_url: str
    sockets: str
    page: str
    ready: bool = False
    children: Mapping[str, Running] = field(default_factory=dict)


def run_folder(data_dir: Path) -> Path:
    """Return the folder of lock, state and sockets."""
    return data_dir.absolute() / "run"


def write(data_dir: Path, state: State) -> None:
    """Write the state file; a reader sees the old one or the new one, never half of it."""
    file = run_folder(data_dir) / "state.json"
    new = file.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(json.dumps(asdict(state), indent=2))
    new.replace(file)


def forget(data_dir: Path) -> None:
    """Remove the state file: everything was stopped in order."""
    (run_folder(data_dir) / "state.json").unlink(missing_ok=True)


def read(data_dir: Path) -> State | None:
    """Return what the last start left, running or not; None when there is nothing.

    Raises:
        SetupError: It is somebody else's.
    """
    file = run_folder(data_dir) / "state.json"
    try:
        found: dict[str, Any] = json.loads(file.read_text())
        children = {name: Running(**child) for name, child in found.pop("children").items()}
        return State(supervisor=Running(**found.pop("supervisor")), children=children, **found)
    except PermissionError as error:
        raise SetupError(f"{data_dir} belongs to another user, who alone can use it.") from error
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def running(data_dir: Path) -> State | None:
    """Return the state of the system that runs on *data_dir*, or None."""
    found = read(data_dir)
    return found if found and found.supervisor.process() else None


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold the lock of *data_dir*: two supervisors would ruin the database.

    Raises:
        SetupError: Another one holds it; says which.
    """
    lock = run_folder(data_dir) / "lock"
    with lock.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            raise SetupError(
                f"facesearch is already running as pid {stream.read().strip()}, on {data_dir}."
            ) from None
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


def local_urls(settings: Settings) -> tuple[str, str]:
    """Return the URLs of the embedded database and broker.

    Raises:
        NotRunning: They are not up.
    """
    state = running(settings.data_dir)
    if state is None:
        raise NotRunning("facesearch is not running here: start it with `facesearch up`.")
    return state.database_url, state.broker_url


def resolve(settings: Settings) -> Settings:
    """Return settings that name a database and a broker: the embedded ones where none is set.

    Raises:
        NotRunning: An embedded one is needed and not up.
    """
    if settings.database_url and settings.broker_url:
        return settings
    database_url, broker_url = local_urls(settings)
    return settings.model_copy(
        update={
            "database_url": settings.database_url or database_url,
            "broker_url": settings.broker_url or broker_url,
        }
    )


def database_url(settings: Settings) -> str:
    """Return the database's URL, the embedded one where none is set.

    Raises:
        NotRunning: The embedded one is needed and not up.
    """
    return settings.database_url or local_urls(settings)[0]
