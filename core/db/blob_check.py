"""What the rows say about blobs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import class_row

from core.blobs import Kind
from core.db import queries
from core.db.pool import Connection
from core.db.rows import fetch_all

SQL = queries.load("blob_check")

_NAMED = {
    Kind.PHOTO: SQL["photos"],
    Kind.THUMBNAIL: SQL["copies"],
    Kind.PREVIEW: SQL["copies"],
    Kind.CROP: SQL["crops"],
}

ROWS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Named:
    """A blob that some row speaks of.

    Attributes:
        bytes: Its size, where the row knows it.
        used: False: its rows are deleted, and it waits to be removed.
        must: It must be there.
    """

    key: str
    bytes: int | None
    used: bool
    must: bool


@dataclass(frozen=True, slots=True)
class Owner:
    """An image that needs a blob; *collection* is a name."""

    key: str
    image_id: UUID
    filename: str | None
    collection: str


def named(conn: Connection, kind: Kind) -> Iterator[Named]:
    """Yield all that rows speak of, as of now, in the order of `core.blobs.place`.

    Postgres sorts and keeps the answer, so that a slow reader holds no transaction open.

    Args:
        conn: In autocommit mode.
    """
    with conn.cursor("named", row_factory=class_row(Named), withhold=True) as cursor:
        cursor.itersize = ROWS_AT_ONCE
        yield from cursor.execute(_NAMED[kind])


def used(conn: Connection, kind: Kind, keys: Iterable[str]) -> set[str]:
    """Return those of *keys* that a row needs now."""
    query = SQL["used_crops"] if kind is Kind.CROP else SQL["used_photos"]
    return {key for (key,) in conn.execute(query, {"keys": _values(kind, keys)})}


def owners(conn: Connection, kind: Kind, keys: Iterable[str]) -> dict[str, Owner]:
    """Return an image for each of *keys* whose blob must be there now."""
    params = {"keys": _values(kind, keys), "decoded": kind in {Kind.THUMBNAIL, Kind.PREVIEW}}
    query = SQL["crop_owners"] if kind is Kind.CROP else SQL["photo_owners"]
    return {owner.key: owner for owner in fetch_all(conn, Owner, query, params)}


def _values(kind: Kind, keys: Iterable[str]) -> list[UUID] | list[bytes]:
    if kind is Kind.CROP:
        return [UUID(key) for key in keys]
    return [bytes.fromhex(key) for key in keys]
