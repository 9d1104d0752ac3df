"""What a search does not say by itself: which conditions a face meets."""

from collections.abc import Sequence
from uuid import UUID

from psycopg import sql

from core.db import filters, queries
from core.db.filters import Clause
from core.db.pool import Connection

SQL = queries.load("explaining")


def met(
    conn: Connection,
    collections: Sequence[UUID],
    face_ids: Sequence[UUID],
    clauses: Sequence[Clause],
) -> dict[UUID, list[bool]]:
    """Return for each face that is still there which of *clauses* it meets, in their order."""
    statement = sql.SQL(SQL["met"]).format(
        each=sql.SQL(", ").join(
            sql.SQL("coalesce(") + clause.text + sql.SQL(", false)") for clause in clauses
        )
    )
    params = {
        **filters.params(clauses),
        "collections": list(collections),
        "face_ids": list(face_ids),
    }
    return {row[0]: row[1] for row in conn.execute(statement, params)}
