"""What Postgres counts for whoever watches over facesearch."""

from dataclasses import dataclass
from uuid import UUID

from core.db import queries
from core.db.pool import Connection
from core.db.rows import fetch_all, fetch_one

SQL = queries.load("metrics")


@dataclass(frozen=True, slots=True)
class Totals:
    """Over all collections."""

    collections: int
    faces: int
    images: int


@dataclass(frozen=True, slots=True)
class Size:
    """How large one collection is."""

    id: UUID
    name: str
    faces: int
    images: int


@dataclass(frozen=True, slots=True)
class Imports:
    """Imports that are not over, by what they are at.

    Attributes:
        indexing: All is read, and photos of them are still to be indexed.
        without_disk: Of those that are read, they wait until there is disk.
    """

    receiving: int
    reading: int
    indexing: int
    paused: int
    without_disk: int


def imports(conn: Connection) -> Imports:
    """Count the imports that are not over."""
    found = fetch_one(conn, Imports, SQL["imports"], {})
    assert found is not None, "an aggregate gives one row"
    return found


def totals(conn: Connection) -> Totals:
    """Count everything, by the counters of the collections."""
    found = fetch_one(conn, Totals, SQL["totals"], {})
    assert found is not None, "an aggregate gives one row"
    return found


def largest(conn: Connection, *, most: int) -> list[Size]:
    """Return the collections with the most faces, those first."""
    return fetch_all(conn, Size, SQL["largest"], {"most": most})
