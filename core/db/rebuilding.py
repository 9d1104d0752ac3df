"""Making people, and whose faces are whose, again from the events. The caller owns the transaction.

Each function returns how many rows were otherwise.
"""

from uuid import UUID

from core.db import queries
from core.db.pool import Connection
from core.db.rows import execute

SQL = queries.load("rebuilding")


def collections(conn: Connection, collection_id: UUID | None) -> list[UUID]:
    """Return the ids of all collections, or the one given if there is such a one."""
    rows = conn.execute(SQL["collections"], {"collection_id": collection_id})
    return [row[0] for row in rows]


def adopt(conn: Connection, collection_id: UUID, change_id: UUID) -> int:
    """Note as made by *change_id* whom no event names."""
    params = {"collection_id": collection_id, "change_id": change_id}
    return execute(conn, SQL["adopt"], params)


def people(conn: Connection, collection_id: UUID) -> int:
    """Delete, make and change people so that they are as their last events left them."""
    params = {"collection_id": collection_id}
    removed = execute(conn, SQL["remove_people"], params)
    execute(conn, SQL["free_external_ids"], params)
    return removed + execute(conn, SQL["put_people"], params)


def faces(conn: Connection, collection_id: UUID) -> int:
    """Give each face to whom its last event gave it."""
    return execute(conn, SQL["move_faces"], {"collection_id": collection_id})


def hidden(conn: Connection, collection_id: UUID) -> int:
    """Hide those faces that are said to be none."""
    return execute(conn, SQL["hide_faces"], {"collection_id": collection_id})


def counters(conn: Connection, collection_id: UUID) -> int:
    """Count anew what images and the collection count."""
    params = {"collection_id": collection_id}
    return execute(conn, SQL["count_images"], params) + execute(
        conn, SQL["count_collection"], params
    )
