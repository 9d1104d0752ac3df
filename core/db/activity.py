"""Rows of ``search_days`` and ``found_days``: how often was searched, and who was found, by day.
The caller owns the transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from core.db import queries
from core.db.pool import Connection
from core.db.rows import execute, fetch_all

SQL = queries.load("activity")


@dataclass(frozen=True, slots=True)
class Searches:
    """What is to be added to a collection's day (UTC).

    Attributes:
        hits: Of the *searches*, those that somebody matched.
    """

    collection_id: UUID
    day: date
    searches: int
    hits: int


@dataclass(frozen=True, slots=True)
class Finds:
    """How often somebody matched on a day (UTC), to be added."""

    day: date
    person_id: UUID
    times: int


@dataclass(frozen=True, slots=True)
class Day:
    """The searches of one day."""

    day: date
    searches: int
    hits: int


@dataclass(frozen=True, slots=True)
class MostFound:
    """How often a person matched, over some days."""

    person_id: UUID
    name: str
    times: int


def add(conn: Connection, searches: Sequence[Searches], finds: Sequence[Finds]) -> None:
    """Add counts; those of collections and people that are gone are left out.

    Raises:
        psycopg.errors.ForeignKeyViolation: One of them was deleted at this moment; nothing is added.
    """
    execute(
        conn,
        SQL["add_searches"],
        {
            "collection_ids": [each.collection_id for each in searches],
            "days": [each.day for each in searches],
            "searches": [each.searches for each in searches],
            "hits": [each.hits for each in searches],
        },
    )
    execute(
        conn,
        SQL["add_found"],
        {
            "days": [each.day for each in finds],
            "person_ids": [each.person_id for each in finds],
            "times": [each.times for each in finds],
        },
    )


def by_day(conn: Connection, collection_id: UUID, since: date) -> list[Day]:
    """Return the days from *since* on on which anybody searched, oldest first."""
    return fetch_all(conn, Day, SQL["by_day"], {"collection_id": collection_id, "since": since})


def most_found(conn: Connection, collection_id: UUID, since: date, limit: int) -> list[MostFound]:
    """Return up to *limit* people who matched from *since* on, the most often found first."""
    params = {"collection_id": collection_id, "since": since, "limit": limit}
    return fetch_all(conn, MostFound, SQL["most_found"], params)


def forget(conn: Connection, days: int) -> None:
    """Delete all but the last *days* days, of which today is one."""
    execute(conn, SQL["forget_searches"], {"days": days})
    execute(conn, SQL["forget_found"], {"days": days})
