"""Rows of ``collections`` and ``spaces``. The caller owns the transaction."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from core.db import queries
from core.db.pool import Connection
from core.db.rows import execute, fetch_all, fetch_one, fetch_value
from core.spaces import Space

SQL = queries.load("collections")


@dataclass(frozen=True, slots=True)
class Collection:
    """One gallery, bound to one space.

    Attributes:
        threshold: Cosine from which two faces count as the same person.
        threshold_source: Where that number comes from, for people.
        quality_gate: Of `core.gates.Gate`; counts for photos that are indexed from now on.
        layout: ``own`` where its faces have a partition of their own, else ``tail``.
        ef_search: Candidates that a search of its index keeps; None: as the settings say.
        keeps_queries: Whether a few query vectors are kept, to measure recall with.
    """

    id: UUID
    name: str
    external_id: str | None
    metadata: dict[str, Any]
    space_id: str
    pack: str
    dimension: int
    threshold: float
    threshold_source: str
    quality_gate: str
    layout: str
    ef_search: int | None
    keeps_queries: bool
    image_count: int
    face_count: int
    person_count: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Removed:
    """What a deleted collection held."""

    image_count: int
    face_count: int
    person_count: int


def keep_space(conn: Connection, space: Space) -> None:
    """Store *space* unless it is known."""
    execute(
        conn,
        SQL["keep_space"],
        {
            "id": space.id,
            "pack": space.pack,
            "dimension": space.dimension,
            "contract": Jsonb(dict(space.contract)),
        },
    )


def insert(
    conn: Connection,
    *,
    name: str,
    external_id: str | None,
    metadata: Mapping[str, Any],
    space_id: str,
    threshold: float,
    threshold_source: str,
    quality_gate: str,
    keeps_queries: bool = True,
) -> UUID:
    """Store a collection; return its id.

    Raises:
        psycopg.errors.UniqueViolation: The name or external id is in use.
    """
    made: UUID = fetch_value(
        conn,
        SQL["insert"],
        {
            "name": name,
            "external_id": external_id,
            "metadata": Jsonb(dict(metadata)),
            "space_id": space_id,
            "threshold": threshold,
            "threshold_source": threshold_source,
            "quality_gate": quality_gate,
            "keeps_queries": keeps_queries,
        },
    )
    return made


def get(conn: Connection, collection_id: UUID) -> Collection | None:
    """Return one collection with its live counts."""
    return fetch_one(conn, Collection, SQL["get"], {"id": collection_id})


def id_by_name(conn: Connection, name: str) -> UUID | None:
    """Return the id of the collection called *name*."""
    found: UUID | None = fetch_value(conn, SQL["id_by_name"], {"name": name})
    return found


def page(
    conn: Connection, *, limit: int, after: UUID | None = None, external_id: str | None = None
) -> list[Collection]:
    """Return up to *limit* collections behind *after*, oldest first."""
    return fetch_all(
        conn,
        Collection,
        SQL["page"],
        {"limit": limit, "after": after, "external_id": external_id},
    )


def update(
    conn: Connection,
    collection_id: UUID,
    *,
    name: str | None,
    external_id: str | None,
    metadata: Mapping[str, Any] | None,
    threshold: float | None,
    threshold_source: str | None,
    quality_gate: str | None,
    ef_search: int | None = None,
    keeps_queries: bool | None = None,
) -> bool:
    """Change what is not None (an empty external id and an ef_search of 0 clear it); False when there is no such row."""
    params = {
        "id": collection_id,
        "name": name,
        "external_id": external_id,
        "metadata": None if metadata is None else Jsonb(dict(metadata)),
        "threshold": threshold,
        "threshold_source": threshold_source,
        "quality_gate": quality_gate,
        "ef_search": ef_search,
        "keeps_queries": keeps_queries,
    }
    return execute(conn, SQL["update"], params) == 1


def count(conn: Connection, collection_id: UUID, *, images: int = 0, faces: int = 0) -> None:
    """Add to the counters (negative to take away), in the transaction that moved the rows."""
    execute(conn, SQL["count"], {"id": collection_id, "images": images, "faces": faces})


def lock(conn: Connection, collection_id: UUID) -> bool:
    """Hold the row until the transaction ends; False when there is none."""
    return fetch_value(conn, SQL["lock"], {"id": collection_id}) is not None


def hold(conn: Connection, collection_ids: Iterable[UUID]) -> None:
    """Keep collections from being deleted until the transaction ends; to be called first in it."""
    execute(conn, SQL["hold"], {"ids": list(set(collection_ids))})


def delete(conn: Connection, collection_id: UUID) -> Removed | None:
    """Delete a collection and everything in it; None when there is no such row."""
    return fetch_one(conn, Removed, SQL["delete"], {"id": collection_id})
