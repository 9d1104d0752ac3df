"""Faces of named people, streamed for calibration. The caller owns the transaction."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pgvector import HalfVector
from psycopg.rows import class_row

from core.db import queries
from core.db.pool import Connection

SQL = queries.load("calibration")

FETCHED_AT_ONCE: Final = 1000
"""Rows in one answer of the server: about a megabyte."""


@dataclass(frozen=True, slots=True, eq=False)
class NamedFace:
    """A face that has a person."""

    id: UUID
    image_id: UUID
    person_id: UUID
    person_name: str
    embedding: HalfVector


def named_faces(conn: Connection, collection_id: UUID, *, limit: int) -> Iterator[NamedFace]:
    """Yield up to *limit* faces, chosen evenly, through a cursor of the server."""
    with conn.cursor("named_faces", row_factory=class_row(NamedFace)) as cursor:
        cursor.itersize = FETCHED_AT_ONCE
        cursor.execute(SQL["named_faces"], {"collection_id": collection_id, "limit": limit})
        yield from cursor
