"""Fetching rows as the dataclasses of their module."""

from collections.abc import Mapping
from typing import Any, Final, LiteralString, TypeVar

import numpy as np
from numpy.typing import NDArray
from psycopg import sql
from psycopg.rows import class_row

from core.db.pool import Connection

Row = TypeVar("Row")
Query = LiteralString | sql.Composed
Params = Mapping[str, Any]

COPY_HEADER: Final = 19
"""Bytes before the first row of a binary COPY; two more, -1, stand behind the last one."""


def fetch_all(conn: Connection, row: type[Row], query: Query, params: Params) -> list[Row]:
    """Return every row as *row*."""
    with conn.cursor(row_factory=class_row(row)) as cursor:
        return cursor.execute(query, params).fetchall()


def fetch_one(conn: Connection, row: type[Row], query: Query, params: Params) -> Row | None:
    """Return the first row as *row*, or None."""
    with conn.cursor(row_factory=class_row(row)) as cursor:
        return cursor.execute(query, params).fetchone()


def fetch_value(conn: Connection, query: Query, params: Params) -> Any:
    """Return the first column of the first row, or None when there is no row."""
    found = conn.execute(query, params).fetchone()
    return None if found is None else found[0]


def glimpse(conn: Connection, query: Query, params: Params) -> Any:
    """Return what `fetch_value` does, and keep no lock on the tables, as a transaction would."""
    with conn.transaction(force_rollback=True):
        return fetch_value(conn, query, params)


def execute(conn: Connection, query: Query, params: Params) -> int:
    """Run a statement; return the number of rows it changed."""
    return conn.execute(query, params).rowcount


def copied(
    conn: Connection, query: LiteralString, params: Params, layout: np.dtype[np.void]
) -> NDArray[np.void]:
    """Return the rows of a binary COPY that are all laid out alike, so without a null.

    Args:
        layout: Of a row: number of columns, then length and bytes of each.
    """
    with conn.cursor() as cursor, cursor.copy(query, params) as copy:
        data = b"".join(copy)
    count = (len(data) - COPY_HEADER) // layout.itemsize
    return np.frombuffer(data, layout, count, COPY_HEADER)
