"""A table of its own for the faces of one collection: filled beside the shared ones, then put in their
place. The order of the steps, and why it loses nothing, is in `core.promotion`.
"""

from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg import sql

from core.db import queries
from core.db.indexes import table_name
from core.db.pool import Connection
from core.db.rows import execute, fetch_all, fetch_one, fetch_value

SQL = queries.load("partitions")


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a collection's faces are, ``own`` or ``tail``, and how many it has."""

    layout: str
    face_count: int


@dataclass(frozen=True, slots=True)
class Leaf:
    """A hash partition of the tail; *home* of the collection that was asked for, or not."""

    name: str
    home: bool


@dataclass(frozen=True, slots=True)
class Copied:
    """A batch of the copy: its size, and the greatest id in it (None of an empty one)."""

    faces: int
    last: UUID | None


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key of ``faces`` as Postgres writes it; *made* on the new table already, or not."""

    name: str
    definition: LiteralString
    made: bool


def lock(conn: Connection, collection_id: UUID) -> bool:
    """Become the one session that moves this collection, until `unlock`; False: another one is."""
    locked: bool = fetch_value(conn, SQL["lock"], {"collection_id": collection_id})
    return locked


def unlock(conn: Connection, collection_id: UUID) -> None:
    """Let others move this collection."""
    execute(conn, SQL["unlock"], {"collection_id": collection_id})


def be_patient(conn: Connection, seconds: float) -> None:
    """Let each lock of this transaction be waited for as long as that and no longer."""
    execute(conn, SQL["patience"], {"timeout_ms": str(max(1, round(seconds * 1000)))})


def placed(conn: Connection, collection_id: UUID) -> Placed | None:
    """Return where a collection's faces are; None when there is no such collection."""
    return fetch_one(conn, Placed, SQL["layout"], {"collection_id": collection_id})


def leaves(conn: Connection, collection_id: UUID) -> list[Leaf]:
    """Return the partitions of the tail; one of them is the home of the collection."""
    return fetch_all(conn, Leaf, SQL["leaves"], {"collection_id": collection_id})


def is_whole(conn: Connection, collection_id: UUID, home: str) -> bool:
    """Say whether an earlier try left a table that can be gone on with."""
    own = table_name(collection_id)
    params = {"table": own, "leaf": home, "stored": f"{own}_stored", "gone": f"{own}_gone"}
    return bool(fetch_value(conn, SQL["is_whole"], params))


def exists(conn: Connection, collection_id: UUID) -> bool:
    """Say whether there is a table of the collection's own, finished or not."""
    return bool(fetch_value(conn, SQL["exists"], {"table": table_name(collection_id)}))


def create(conn: Connection, collection_id: UUID, home: str) -> None:
    """Make the empty table, and write to it whatever is written to the collection from now on."""
    _run(conn, SQL["create"], collection_id)
    _run(conn, SQL["mirror"], collection_id, leaf=home)


def copy(
    conn: Connection, collection_id: UUID, home: str, *, after: UUID | None, limit: int
) -> Copied:
    """Copy the next faces behind the id *after*; fewer than *limit* are the last ones."""
    params = {"collection_id": collection_id, "after": after, "limit": limit}
    copied = fetch_one(conn, Copied, _composed(SQL["copy"], collection_id, leaf=home), params)
    assert copied is not None, "an aggregate gives one row"
    return copied


def copy_missing(conn: Connection, collection_id: UUID, home: str) -> int:
    """Copy what `copy` left out because others were at it; return how many faces that were."""
    statement = _composed(SQL["copy_missing"], collection_id, leaf=home)
    return execute(conn, statement, {"collection_id": collection_id})


def foreign_keys(conn: Connection, collection_id: UUID) -> list[ForeignKey]:
    """Return the foreign keys that every partition of ``faces`` has."""
    params = {"table": table_name(collection_id)}
    return fetch_all(conn, ForeignKey, SQL["foreign_keys"], params)


def add_foreign_key(conn: Connection, collection_id: UUID, key: ForeignKey) -> None:
    """Add a foreign key to the new table; it holds from now on, and `validate` looks at the rest."""
    # Postgres's own words about our own schema.
    definition = sql.SQL(key.definition)
    statement = sql.SQL(SQL["add_foreign_key"]).format(
        table=sql.Identifier(table_name(collection_id)),
        name=sql.Identifier(key.name),
        definition=definition,
    )
    conn.execute(statement)


def exclude(conn: Connection, collection_id: UUID, leaf: str) -> None:
    """Say of a leaf that it holds no face of the collection; `validate` makes it known to be true."""
    _run(conn, SQL["exclude"], collection_id, leaf=leaf, name=_excluded(collection_id))


def validate_foreign_key(conn: Connection, collection_id: UUID, key: ForeignKey) -> None:
    """Check the rows of the new table, while it is read and written."""
    _run(conn, SQL["validate"], collection_id, name=key.name)


def validate_exclusion(conn: Connection, collection_id: UUID, leaf: str) -> None:
    """Check the rows of a leaf, while it is read and written."""
    _run(conn, SQL["validate"], collection_id, table=leaf, name=_excluded(collection_id))


def forget_exclusion(conn: Connection, collection_id: UUID, leaf: str) -> None:
    """Take back what `exclude` said."""
    _run(conn, SQL["forget_constraint"], collection_id, table=leaf, name=_excluded(collection_id))


def vacuum(conn: Connection, collection_id: UUID, table: str | None = None) -> None:
    """Vacuum and analyse the collection's own table, or *table*; in autocommit mode."""
    _run(conn, SQL["vacuum"], collection_id, **({} if table is None else {"table": table}))


def keep_vacuum_away(conn: Connection, collection_id: UUID, leaf: str) -> None:
    """Wait for a vacuum of a leaf to leave, and let none begin until the transaction ends."""
    _run(conn, SQL["keep_vacuum_away"], collection_id, leaf=leaf)


def begin_move(conn: Connection, collection_id: UUID) -> None:
    """From now on in this transaction, what leaves the home leaf stays in the new table."""
    execute(conn, SQL["begin_move"], {"collection_id": collection_id})


def delete_moved(conn: Connection, collection_id: UUID, home: str) -> int:
    """Delete from the home leaf what the new table has just as well; return how many faces."""
    statement = _composed(SQL["delete_moved"], collection_id, leaf=home)
    return execute(conn, statement, {"collection_id": collection_id})


def count(conn: Connection, collection_id: UUID, table: str | None = None) -> int:
    """Return how many faces of the collection its own table holds, or *table*."""
    statement = _composed(
        SQL["count"], collection_id, **({} if table is None else {"table": table})
    )
    faces: int = fetch_value(conn, statement, {"collection_id": collection_id})
    return faces


def stop_everybody(conn: Connection) -> None:
    """Keep everybody from faces and what they refer to, until the transaction ends: for a moment!"""
    conn.execute(SQL["stop_everybody"])


def attach(conn: Connection, collection_id: UUID) -> None:
    """Make the new table the collection's partition."""
    _run(conn, SQL["drop_mirror"], collection_id)
    _run(conn, SQL["attach"], collection_id)
    _run(conn, SQL["forget_constraint"], collection_id, name=_only(collection_id))
    execute(conn, SQL["set_own"], {"collection_id": collection_id})


def drop(conn: Connection, collection_id: UUID) -> None:
    """Drop the collection's own table with all that is in it, whether it is a partition or not."""
    _run(conn, SQL["drop_mirror"], collection_id)
    _run(conn, SQL["drop_table"], collection_id)


def leftovers(conn: Connection) -> list[UUID]:
    """Return the ids of collections whose table, mirror or exclusion is of no use (any more)."""
    return [row[0] for row in conn.execute(SQL["leftovers"], {}).fetchall()]


def _only(collection_id: UUID) -> str:
    return f"{table_name(collection_id)}_only"


def _excluded(collection_id: UUID) -> str:
    return f"faces_not_{collection_id.hex}"


def _run(conn: Connection, query: LiteralString, collection_id: UUID, /, **names: str) -> None:
    conn.execute(_composed(query, collection_id, **names))


def _composed(query: LiteralString, collection_id: UUID, /, **names: str) -> sql.Composed:
    """Fill in the names of a query: *table* is the collection's own one unless it is given."""
    own = table_name(collection_id)
    standard = {
        "table": own,
        "only": _only(collection_id),
        "mirror": f"{own}_mirror",
        "stored": f"{own}_stored",
        "gone": f"{own}_gone",
    }
    identifiers = {key: sql.Identifier(each) for key, each in (standard | names).items()}
    return sql.SQL(query).format(collection_id=sql.Literal(str(collection_id)), **identifiers)
