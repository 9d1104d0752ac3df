"""What the start-up checks ask Postgres."""

from dataclasses import dataclass
from uuid import UUID

import psycopg

from core.db import queries
from core.db.pool import Connection
from core.db.rows import execute, fetch_all, fetch_one, fetch_value

SQL = queries.load("checks")

KIB = 1024


@dataclass(frozen=True, slots=True)
class Server:
    """The server, and this session's settings. Sizes are in bytes.

    Attributes:
        vector: Version of pgvector in this database; None: it was not created yet.
        available_vector: Version that is installed on the server; None: it is not.
        migrated: There is a schema of ours, of whatever revision.
        shared_memory: How processes share memory: posix, sysv or mmap.
        connections: That we may open, all processes together.
    """

    major: int
    vector: str | None
    available_vector: str | None
    migrated: bool
    is_replica: bool
    jit: bool
    plan_cache_mode: str
    work_mem: int
    shared_buffers: int
    max_wal_size: int
    parallel_workers: int
    build_workers: int
    shared_memory: str
    connections: int


@dataclass(frozen=True, slots=True)
class Graphs:
    """All search indexes, and the bytes of them and of the faces that they lead to."""

    indexes: int
    index_bytes: int
    face_bytes: int


@dataclass(frozen=True, slots=True)
class OddLayout:
    """A collection whose row and partition disagree, or whose partition has no usable index.

    Attributes:
        says_own: Its row says that it has a partition of its own.
        is_own: It has one.
    """

    id: UUID
    name: str
    says_own: bool
    is_own: bool


def server(conn: Connection) -> Server:
    """Return what can be known before a table is looked at."""
    found = fetch_one(conn, Server, SQL["server"], {})
    assert found is not None, "a query without FROM gives one row"
    return found


def revision(conn: Connection) -> str | None:
    """Return the revision of a migrated database."""
    found: str | None = fetch_value(conn, SQL["revision"], {})
    return found


def graphs(conn: Connection) -> Graphs:
    """Return how much there is to search in by index."""
    found = fetch_one(conn, Graphs, SQL["graphs"], {})
    assert found is not None, "an aggregate gives one row"
    return found


def broken_indexes(conn: Connection) -> list[str]:
    """Return up to ten names of indexes that cannot be used."""
    return [name for (name,) in conn.execute(SQL["broken_indexes"]).fetchall()]


def odd_layouts(conn: Connection, *, promote_faces: int) -> list[OddLayout]:
    """Return up to ten collections that are not as they should be, largest first."""
    return fetch_all(conn, OddLayout, SQL["odd_layouts"], {"promote_faces": promote_faces})


def allocates(conn: Connection, memory: int) -> bool:
    """Try whether Postgres gets so many bytes for a parallel index build; nothing is left of it.

    It takes about 10 ms and 0.1 ms per MiB.

    Raises:
        psycopg.errors.InsufficientPrivilege: This account may not create tables.
    """
    try:
        with conn.transaction(force_rollback=True):
            execute(conn, SQL["build_memory"], {"memory": f"{memory // KIB}kB"})
            execute(conn, SQL["allocate"], {})
    except (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory):
        return False
    return True
