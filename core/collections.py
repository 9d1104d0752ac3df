"""Collections: galleries that are bound to one space for life."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from psycopg.errors import UniqueViolation

from core.blobs import BlobStore
from core.db import collections as rows
from core.db import recall as recall_rows
from core.db import removals
from core.db.collections import Collection
from core.db.pool import Connection, Pool
from core.errors import CollectionNotFound, ConfirmationRequired, NameTaken
from core.gates import USUAL, Gate
from core.inference.packs import Pack
from core.removal import remove_files

CHOSEN = "set by hand"

THRESHOLD_DIGITS = 6
"""As many as single precision keeps; Postgres refuses what would be lost there altogether."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a deletion took away."""

    collection_id: UUID
    images: int
    faces: int
    people: int


def create(
    conn: Connection,
    pack: Pack,
    *,
    name: str,
    external_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    threshold: float | None = None,
    quality_gate: Gate = USUAL,
    keeps_queries: bool = True,
) -> Collection:
    """Make a collection in the space of *pack*; without *threshold* it takes the pack's.

    Raises:
        NameTaken: The name or the external id is in use.
    """
    space = pack.space
    try:
        with conn.transaction():
            rows.keep_space(conn, space)
            made = rows.insert(
                conn,
                name=name,
                external_id=external_id,
                metadata=metadata or {},
                space_id=space.id,
                threshold=pack.threshold if threshold is None else _stored(threshold),
                threshold_source=pack.threshold_source if threshold is None else CHOSEN,
                quality_gate=quality_gate,
                keeps_queries=keeps_queries,
            )
    except UniqueViolation as error:
        raise _taken(error, name, external_id) from None
    return get(conn, made)


def get(conn: Connection, collection_id: UUID) -> Collection:
    """Return one collection.

    Raises:
        CollectionNotFound: There is none with this id.
    """
    found = rows.get(conn, collection_id)
    if found is None:
        raise CollectionNotFound(collection_id)
    return found


def find(conn: Connection, name_or_id: str) -> Collection:
    """Return the collection that a person typed.

    Raises:
        CollectionNotFound: Neither a name nor an id.
    """
    by_name = rows.id_by_name(conn, name_or_id)
    if by_name is not None:
        return get(conn, by_name)
    try:
        return get(conn, UUID(name_or_id))
    except ValueError:
        raise CollectionNotFound(repr(name_or_id)) from None


def page(
    conn: Connection, *, limit: int, after: UUID | None = None, external_id: str | None = None
) -> list[Collection]:
    """Return up to *limit* collections behind *after*, oldest first."""
    return rows.page(conn, limit=limit, after=after, external_id=external_id)


def change(
    conn: Connection,
    collection_id: UUID,
    *,
    name: str | None = None,
    external_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    threshold: float | None = None,
    threshold_source: str = CHOSEN,
    quality_gate: Gate | None = None,
    ef_search: int | None = None,
    keeps_queries: bool | None = None,
) -> Collection:
    """Change what is given; an empty external id removes it, as an ef_search of 0 does.

    A new gate judges photos that are indexed from now on. Whoever keeps no queries any more loses
    those that were kept, at once.

    Raises:
        CollectionNotFound: There is none with this id.
        NameTaken: The name or the external id is in use.
    """
    try:
        with conn.transaction():
            known = rows.update(
                conn,
                collection_id,
                name=name,
                external_id=external_id,
                metadata=metadata,
                threshold=None if threshold is None else _stored(threshold),
                threshold_source=None if threshold is None else threshold_source,
                quality_gate=quality_gate,
                ef_search=ef_search,
                keeps_queries=keeps_queries,
            )
            if keeps_queries is False:
                # Behind the update, which waits for whoever is just keeping one.
                recall_rows.forget_queries(conn, collection_id)
    except UniqueViolation as error:
        raise _taken(error, name, external_id) from None
    if not known:
        raise CollectionNotFound(collection_id)
    return get(conn, collection_id)


def delete(pool: Pool, blobs: BlobStore, collection_id: UUID, *, confirm: str | None) -> Receipt:
    """Delete a collection with all that is in it; *confirm* must repeat its id.

    Of a large one some files are left to the sweeper.

    Raises:
        ConfirmationRequired: *confirm* is something else.
        CollectionNotFound: There is none with this id.
    """
    if confirm != str(collection_id):
        raise ConfirmationRequired(
            "Deleting a collection takes every photo in it along; repeat its id as confirm.",
            confirm=str(collection_id),
        )
    deletion = uuid4()
    with pool.connection() as conn:
        rows.lock(conn, collection_id)
        removals.doom_collection(conn, deletion, collection_id)
        gone = rows.delete(conn, collection_id)
    if gone is None:
        raise CollectionNotFound(collection_id)
    remove_files(pool, blobs, deletion)
    return Receipt(collection_id, gone.image_count, gone.face_count, gone.person_count)


def _stored(threshold: float) -> float:
    return round(threshold, THRESHOLD_DIGITS)


def _taken(error: UniqueViolation, name: str | None, external_id: str | None) -> NameTaken:
    if "external_id" in (error.diag.constraint_name or ""):
        return NameTaken(f"The external id {external_id!r} is in use.", field="external_id")
    return NameTaken(f"There is a collection named {name!r} already.", field="name")
