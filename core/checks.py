"""Are database and bucket fit for facesearch? Asked when a process starts, answered with a cure each.

The database takes some 30 ms, most of them for the shared memory that is really allocated.
"""

import logging
import time
from collections.abc import Iterator, Sequence

import psycopg

from core import storage_check
from core.db import checks as rows
from core.db.checks import Graphs, OddLayout, Server
from core.db.pool import Connection, connect_plainly
from core.db.versions import OLDEST_SERVER, OLDEST_VECTOR, newest_revision, parse, show
from core.errors import DatabaseUnavailable, SetupError
from core.findings import Finding, Level, troubles
from core.settings import MIB, Settings

LEAST_WORK_MEM = 32 * MIB
"""What a search by an index under conditions may remember of its walk, eight times over. Where that is
too little it stops, and every face is looked at instead."""

LEAST_WAL = 2048 * MIB
"""A face written into a search index costs 16 KiB of log, and 65 KiB soon after a checkpoint."""

BUILD_MEMORY = 128 * MIB
"""For the index of the smallest collection that gets one, and twice what Docker gives unasked."""

WEB_SPARE = 2
"""Connections of the web process beyond one per thread."""

OTHERS = 8
"""Connections of commands, of index builds and of whoever looks at the database."""

IMPORTS = 10
"""Connections of a worker for the imports that it reads (`core.import_reading.READERS`)."""

PATIENCE_S = 10
"""For a Postgres that starts at the same time as we do."""

KEPT_S = 60


def database(conn: Connection, settings: Settings) -> list[Finding]:
    """Check everything that can be checked through a pooled connection.

    After an error nothing else is looked at: its cure may change all of it. Nor are the tables of
    another release.
    """
    server = rows.server(conn)
    schema = _schema(conn, server)
    fitness = [_server_version(server), _vector(server), schema]
    if schema.level is not Level.OK or any(each.level is Level.ERROR for each in fitness):
        return fitness
    graphs = rows.graphs(conn)
    return [
        *fitness,
        _session(server),
        _connections(server, settings),
        _memory_of_searches(server),
        _memory_of_indexes(server, graphs),
        _log_size(server, graphs),
        _build_workers(server),
        _shared_memory(conn, server),
        *_indexes(conn, graphs),
        *_layouts(rows.odd_layouts(conn, promote_faces=settings.promote_faces)),
    ]


def require(settings: Settings, logger: logging.Logger) -> None:
    """Check before a process starts to work; warnings go to its *logger*.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached, not even after `PATIENCE_S` seconds.
        SetupError: Names everything that stops us, and the cures.
    """
    found = look(settings, patience_s=PATIENCE_S)
    errors = [finding for finding in found if finding.level is Level.ERROR]
    if errors:
        raise SetupError(" ".join(f"{each.what} {each.cure}" for each in errors))
    for finding in troubles(found):
        logger.warning("%s %s", finding.what, finding.cure)


def look(settings: Settings, *, patience_s: float = 0) -> list[Finding]:
    """Check the database, on a connection that needs neither a schema nor pgvector, and the bucket.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached.
    """
    assert settings.database_url is not None, "resolved settings name a database"
    end = time.monotonic() + patience_s
    while True:
        try:
            with connect_plainly(settings.database_url) as conn:
                found = database(conn, settings)
            return found + storage_check.look(settings)
        except DatabaseUnavailable:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


class Checked:
    """The findings of a process that is asked for them often; at most `KEPT_S` seconds old."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._findings: list[Finding] = []
        self._until = 0.0

    def findings(self, conn: Connection) -> list[Finding]:
        """Return what is found now, or was a little earlier."""
        if time.monotonic() >= self._until:
            self._findings = database(conn, self._settings) + storage_check.glance(self._settings)
            self._until = time.monotonic() + KEPT_S
        return self._findings


def _server_version(server: Server) -> Finding:
    if server.major < OLDEST_SERVER:
        return Finding(
            Level.ERROR,
            f"This is Postgres {server.major}, and facesearch needs {OLDEST_SERVER} or newer.",
            "Upgrade the server.",
        )
    return Finding(Level.OK, f"Postgres {server.major}")


def _vector(server: Server) -> Finding:
    """The installed library is what runs; the version of the database only names its functions."""
    oldest = show(OLDEST_VECTOR)
    installed, used = server.available_vector, server.vector
    if installed is None or parse(installed) < OLDEST_VECTOR:
        return Finding(
            Level.ERROR,
            f"The server has {f'pgvector {installed}' if installed else 'no pgvector'}, and "
            f"facesearch needs {oldest} or newer: older ones can corrupt an index.",
            "Install it on the server (Debian: postgresql-18-pgvector; Docker: "
            "pgvector/pgvector:pg18), then run ALTER EXTENSION vector UPDATE.",
        )
    if used is None:
        return Finding(Level.ERROR, "This database has no pgvector.", "Run `facesearch migrate`.")
    if parse(used) < parse(installed):
        return Finding(
            Level.ERROR if parse(used) < OLDEST_VECTOR else Level.WARNING,
            f"This database uses pgvector {used}, and the server has {installed}.",
            "Run ALTER EXTENSION vector UPDATE in this database.",
        )
    if parse(used) > parse(installed):
        return Finding(
            Level.WARNING,
            f"This database was made for pgvector {used}, and the server has {installed}.",
            f"Install pgvector {used} on the server again.",
        )
    return Finding(Level.OK, f"pgvector {used}")


def _schema(conn: Connection, server: Server) -> Finding:
    ours = newest_revision()
    theirs = rows.revision(conn) if server.migrated else None
    if theirs is None or theirs < ours:
        return Finding(
            Level.ERROR,
            f"The schema has revision {theirs or 'none'}, and this version needs {ours}.",
            "Run `facesearch migrate`.",
        )
    if theirs > ours:
        # Migrations run while the old release serves, and one of its processes may start again.
        return Finding(
            Level.WARNING,
            f"The schema has revision {theirs}, which is newer than this version ({ours}).",
            "Install the newer facesearch here too.",
        )
    return Finding(Level.OK, f"Schema {theirs}")


def _session(server: Server) -> Finding:
    """What the pool asks for when it connects can be lost on the way."""
    if server.jit or server.plan_cache_mode != "force_custom_plan":
        return Finding(
            Level.WARNING,
            "Our session settings do not arrive: something between us and Postgres drops the "
            "connection parameter `options`.",
            "Set them for our account: ALTER ROLE ... SET plan_cache_mode = force_custom_plan, "
            "jit = off and random_page_cost = 1.1, a statement each.",
        )
    return Finding(Level.OK, "Session settings arrive")


def _connections(server: Server, settings: Settings) -> Finding:
    needed = web_connections(settings) + worker_connections(settings.worker_threads) + OTHERS
    if server.connections < needed:
        return Finding(
            Level.WARNING,
            f"Postgres allows {server.connections} connections, and a web process, a worker and "
            f"commands take up to {needed}.",
            f"Set max_connections to {needed + 10} or more, or lower FACESEARCH_WEB_THREADS and "
            "FACESEARCH_WORKER_THREADS.",
        )
    return Finding(Level.OK, f"{server.connections} connections, {needed} needed at most")


def web_connections(settings: Settings) -> int:
    """Return how many connections the web process may open."""
    return settings.web_threads + WEB_SPARE


def worker_connections(threads: int) -> int:
    """Return how many connections a worker may open: a batch needs one, and its lease another; so does an
    import that is read, but most of those wait without one.
    """
    return 2 * threads + 1 + IMPORTS


def _memory_of_searches(server: Server) -> Finding:
    if server.work_mem < LEAST_WORK_MEM:
        return Finding(
            Level.WARNING,
            f"work_mem is {_mib(server.work_mem)}: searches by an index under conditions stop "
            "early, and look at every face instead.",
            f"Set work_mem to {_mib(LEAST_WORK_MEM)} or more.",
        )
    return Finding(Level.OK, f"work_mem {_mib(server.work_mem)}")


def _memory_of_indexes(server: Server, graphs: Graphs) -> Finding:
    hot = graphs.index_bytes + graphs.face_bytes
    if server.shared_buffers < graphs.index_bytes:
        return Finding(
            Level.WARNING,
            f"The search indexes have {_mib(graphs.index_bytes)}, and shared_buffers only "
            f"{_mib(server.shared_buffers)}: searches will read from outside of it.",
            f"Set shared_buffers to {_mib(hot)}, which holds their faces too, if that is no more "
            "than half of the server's memory; else give it more memory.",
        )
    buffers = _mib(server.shared_buffers)
    return Finding(Level.OK, f"shared_buffers {buffers}, search indexes {_mib(graphs.index_bytes)}")


def _log_size(server: Server, graphs: Graphs) -> Finding:
    if graphs.indexes and server.max_wal_size < LEAST_WAL:
        return Finding(
            Level.WARNING,
            f"max_wal_size is {_mib(server.max_wal_size)}: uploads into collections with a search "
            "index will force checkpoints, which make each face four times as dear.",
            "Set max_wal_size to 4GB and checkpoint_timeout to 30min (the embedded Postgres does "
            "where the disk has room).",
        )
    return Finding(Level.OK, f"max_wal_size {_mib(server.max_wal_size)}")


def _build_workers(server: Server) -> Finding:
    if min(server.build_workers, server.parallel_workers) == 0:
        return Finding(
            Level.WARNING,
            "Postgres builds indexes on one core.",
            "Set max_parallel_maintenance_workers to half of its cores, and max_parallel_workers "
            "to no less.",
        )
    return Finding(Level.OK, f"{server.build_workers} more processes for index builds")


def _shared_memory(conn: Connection, server: Server) -> Finding:
    """Only the server's machine knows the size of its /dev/shm: so ask for what a build takes."""
    amount = _mib(BUILD_MEMORY)
    if server.is_replica:
        return Finding(Level.OK, "A replica builds no index: its shared memory was not tried")
    if server.shared_memory == "mmap":
        return Finding(Level.OK, "Index builds share memory in files")
    try:
        suffices = rows.allocates(conn, BUILD_MEMORY)
    except psycopg.errors.InsufficientPrivilege:
        return Finding(
            Level.WARNING,
            "Our account may not create tables: no collection will get a partition or an index.",
            "Run GRANT CREATE ON SCHEMA public TO our account, which must own the tables.",
        )
    if not suffices:
        return Finding(
            Level.WARNING,
            f"Postgres cannot get {amount} of shared memory: indexes are built on one core.",
            "Give its machine a larger /dev/shm (Docker: shm_size, 64 MB unasked), or set "
            "dynamic_shared_memory_type to mmap.",
        )
    return Finding(Level.OK, f"{amount} of shared memory for an index build")


def _indexes(conn: Connection, graphs: Graphs) -> Iterator[Finding]:
    broken = rows.broken_indexes(conn)
    for name in broken:
        yield Finding(
            Level.WARNING,
            f"The index {name} is broken: its build was cut off.",
            f"Run DROP INDEX {name}; search indexes are then built again by themselves.",
        )
    if not broken:
        yield Finding(Level.OK, f"No broken index, {graphs.indexes} search indexes")


def _layouts(odd: Sequence[OddLayout]) -> Iterator[Finding]:
    for each in odd:
        if each.says_own and each.is_own:
            yield Finding(
                Level.WARNING,
                f"The collection {each.name} has no usable index: searches compare all its faces.",
                f"Run `facesearch index build {each.id}`.",
            )
        else:
            actual = "own" if each.is_own else "tail"
            yield Finding(
                Level.WARNING,
                f"The row of the collection {each.name} does not say where its faces are.",
                f"Run UPDATE collections SET layout = '{actual}' WHERE id = '{each.id}'.",  # noqa: S608  for a person to read
            )
    if not odd:
        yield Finding(Level.OK, "Every collection is where it should be")


def _mib(size: int) -> str:
    return f"{size // MIB:,} MB"
