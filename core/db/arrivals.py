"""Rows of ``arrivals``: new faces that no look for conflicts has seen. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from core.db import queries
from core.db.pool import Connection
from core.db.rows import execute

SQL = queries.load("arrivals")


def note(conn: Connection, homes: Mapping[UUID, UUID]) -> None:
    """Write down new faces of collections that have people; those of others are left out.

    Args:
        homes: The collection of each face.

    Raises:
        psycopg.errors.UniqueViolation: A face was written down before.
    """
    params = {"face_ids": list(homes), "collection_ids": list(homes.values())}
    execute(conn, SQL["note"], params)


def collections_with(conn: Connection) -> list[UUID]:
    """Return the collections that have arrivals."""
    return [row[0] for row in conn.execute(SQL["collections_with"])]


def take(conn: Connection, collection_id: UUID, limit: int) -> list[UUID]:
    """Lock and return up to *limit* faces, oldest first; some may have been deleted since they came."""
    params = {"collection_id": collection_id, "limit": limit}
    return [row[0] for row in conn.execute(SQL["take"], params)]


def done(conn: Connection, face_ids: Sequence[UUID]) -> None:
    """Strike out faces that were looked at."""
    execute(conn, SQL["done"], {"face_ids": list(face_ids)})
