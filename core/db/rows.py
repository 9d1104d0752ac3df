"""Fetching rows as the dataclasses of their module."""

from collections.abc import Mapping
from typing import Any, LiteralString, TypeVar

from psycopg import sql
from psycopg.rows import class_row

from core.db.pool import Connection

Row = TypeVar("Row")
Query = LiteralString | sql.Composed
Params = Mapping[str, Any]


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
