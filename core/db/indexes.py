"""The vector index of a collection with a table of its own: built, built anew, dropped, watched.

What changes an index wants a connection in autocommit mode: it works concurrently, while the table is
read and written, and that cannot be part of a transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from psycopg import sql

from core.db import queries
from core.db.pool import Connection
from core.db.rows import execute, fetch_all, fetch_one, fetch_value

SQL = queries.load("indexes")

LINKS: Final = 16
"""Of a face in the graph (``m``), where nobody asks for more."""


class Kind(StrEnum):
    """What an index holds of each face: its whole vector, or one bit for each number of it."""

    HNSW = "hnsw"
    BIT = "bit"


@dataclass(frozen=True, slots=True)
class Server:
    """What bounds a build on this server.

    Attributes:
        cache_bytes: Memory that the server may count on (``effective_cache_size``).
        workers: Most processes beside the one that builds.
    """

    cache_bytes: int
    workers: int


@dataclass(frozen=True, slots=True)
class Table:
    """Where the faces of a collection are.

    Attributes:
        layout: ``own`` or ``tail``, as in the column of ``collections``.
        faces: The live count.
        heap_bytes: Of its own table, without indexes; None in the tail.
        dead: Rows of its own table that were changed or deleted and are still in its indexes.
    """

    collection_id: UUID
    name: str
    layout: str
    dimension: int
    faces: int
    images: int
    heap_bytes: int | None
    dead: int


@dataclass(frozen=True, slots=True)
class Index:
    """A vector index as the catalogue knows it; one that is not valid is not used.

    Attributes:
        links: Of a face in the graph, on each layer but the lowest, which has twice as many.
    """

    collection_id: UUID
    kind: str
    valid: bool
    bytes: int
    links: int = LINKS


@dataclass(frozen=True, slots=True)
class Incoming:
    """Photos of a collection that wait or are looked at, and when somebody last sent some."""

    photos: int
    last_upload: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far Postgres is with the build on a table; see ``pg_stat_progress_create_index``."""

    phase: str
    lockers_done: int
    lockers_total: int
    blocks_done: int
    blocks_total: int
    tuples_done: int
    tuples_total: int


def table_name(collection_id: UUID) -> str:
    """Return the name of a collection's own table."""
    return f"faces_c_{collection_id.hex}"


def index_name(collection_id: UUID, kind: Kind) -> str:
    """Return the name of a collection's index."""
    return f"{table_name(collection_id)}_{kind}"


def lock_maintenance(conn: Connection) -> bool:
    """Become the one session that changes indexes, until it ends or unlocks; False: another is."""
    locked: bool = fetch_value(conn, SQL["lock"], {})
    return locked


def unlock_maintenance(conn: Connection) -> None:
    """Let others change indexes."""
    execute(conn, SQL["unlock"], {})


def maintenance_is_locked(conn: Connection) -> bool:
    """Say whether some session is at work on indexes now."""
    locked: bool = fetch_value(conn, SQL["is_locked"], {})
    return locked


def server(conn: Connection) -> Server:
    """Ask the server for its bounds."""
    found = fetch_one(conn, Server, SQL["server"], {})
    assert found is not None, "a SELECT without FROM gives one row"
    return found


def prepare_build(conn: Connection, *, memory_bytes: int, workers: int) -> None:
    """Give the session the memory of a build and *workers* processes beside itself."""
    params = {"memory_kib": str(memory_bytes // 1024), "workers": str(workers)}
    execute(conn, SQL["build_settings"], params)


def trial_name(collection_id: UUID, kind: Kind) -> str:
    """Return the name of an index that is measured before searches may use it."""
    return f"{index_name(collection_id, kind)}_trial"


def create(
    conn: Connection,
    collection_id: UUID,
    kind: Kind,
    dimension: int,
    *,
    links: int = LINKS,
    trial: bool = False,
) -> None:
    """Build an index on the collection's own table; what a broken build left goes first.

    Args:
        links: Of a face in the graph.
        trial: Searches do not find it before `adopt`.
    """
    name = trial_name(collection_id, kind) if trial else index_name(collection_id, kind)
    drop_by_name(conn, name)
    text = SQL["create_hnsw"] if kind is Kind.HNSW else SQL["create_bit"]
    statement = sql.SQL(text).format(
        name=sql.Identifier(name),
        table=sql.Identifier(table_name(collection_id)),
        dimension=sql.Literal(dimension),
        links=sql.Literal(links),
    )
    conn.execute(statement)


def adopt(conn: Connection, collection_id: UUID, kind: Kind) -> None:
    """Let searches use the index on trial, instead of one of its kind that is there."""
    drop(conn, collection_id, kind)
    statement = sql.SQL(SQL["rename"]).format(
        old=sql.Identifier(trial_name(collection_id, kind)),
        new=sql.Identifier(index_name(collection_id, kind)),
    )
    conn.execute(statement)


def rebuild(conn: Connection, collection_id: UUID, kind: Kind, *, links: int | None = None) -> None:
    """Build an index anew beside the old one, which answers until then.

    Args:
        links: Of a face in the new graph; None: as many as in the old one.
    """
    name = sql.Identifier(index_name(collection_id, kind))
    if links is not None:
        # The old graph goes by the number that it was built with, which it remembers itself.
        conn.execute(sql.SQL(SQL["set_links"]).format(name=name, links=sql.Literal(links)))
    conn.execute(sql.SQL(SQL["rebuild"]).format(name=name))


def vacuum(conn: Connection, collection_id: UUID) -> None:
    """Free the dead rows of the collection's own table."""
    conn.execute(sql.SQL(SQL["vacuum"]).format(table=sql.Identifier(table_name(collection_id))))


def drop(conn: Connection, collection_id: UUID, kind: Kind) -> None:
    """Drop an index if it is there."""
    drop_by_name(conn, index_name(collection_id, kind))


def drop_by_name(conn: Connection, name: str) -> None:
    """Drop an index that `useless` named."""
    conn.execute(sql.SQL(SQL["drop"]).format(name=sql.Identifier(name)))


def is_valid(conn: Connection, collection_id: UUID, kind: Kind) -> bool:
    """Say whether the collection has a finished index of this kind."""
    valid: bool = fetch_value(conn, SQL["is_valid"], {"name": index_name(collection_id, kind)})
    return valid


def useless(conn: Connection) -> list[str]:
    """Return the names of our indexes that nobody can use, while nobody builds one."""
    return [name for (name,) in conn.execute(SQL["useless"]).fetchall()]


def table(conn: Connection, collection_id: UUID) -> Table | None:
    """Return where the faces of one collection are; None when there is no such collection."""
    found = _tables(conn, collection_id=collection_id)
    return found[0] if found else None


def tables(
    conn: Connection, *, least_faces: int, limit: int | None = None, after: UUID | None = None
) -> list[Table]:
    """Return the collections with a table of their own, above *least_faces*, or with open work."""
    return _tables(conn, least_faces=least_faces, limit=limit, after=after)


def _tables(
    conn: Connection,
    *,
    collection_id: UUID | None = None,
    least_faces: int = 0,
    limit: int | None = None,
    after: UUID | None = None,
) -> list[Table]:
    params = {
        "collection_id": collection_id,
        "least_faces": least_faces,
        "limit": limit,
        "after": after,
    }
    return fetch_all(conn, Table, SQL["tables"], params)


def indexes(conn: Connection, collection_ids: Sequence[UUID]) -> list[Index]:
    """Return the vector indexes of collections, valid or not."""
    return fetch_all(conn, Index, SQL["indexes"], {"collection_ids": list(collection_ids)})


def incoming(conn: Connection, collection_id: UUID) -> Incoming:
    """Return what is on its way into a collection."""
    found = fetch_one(conn, Incoming, SQL["incoming"], {"collection_id": collection_id})
    assert found is not None, "a SELECT without FROM gives one row"
    return found


def progress(conn: Connection, collection_id: UUID) -> Progress | None:
    """Return how far the build on a collection's table is; None when none runs."""
    return fetch_one(conn, Progress, SQL["progress"], {"collection_id": collection_id})
