"""Rows of ``collections`` and ``spaces``. The caller owns the transaction."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from core.budget import Effective, Impostors, threshold_at
from core.db import queries
from core.db.pool import Connection
from core.db.rows import execute, fetch_all, fetch_one, fetch_value
from core.spaces import Space

SQL = queries.load("collections")


@dataclass(frozen=True, slots=True)
class Collection:
    """One gallery, bound to one space.

    Attributes:
        fixed_threshold, fixed_source: Cosine that was set, and where it comes from; with a budget
            they do not count.
        alarm_budget: N of "at most one false alarm in N strangers"; None: the fixed cosine counts.
        impostors: What the last calibration found, as `core.budget.Impostors.plain` writes it.
        quality_gate: Of `core.gates.Gate`; counts for photos that are indexed from now on.
        layout: ``own`` where its faces have a partition of their own, else ``tail``.
        ef_search: Candidates that a search of its index keeps; None: as the settings say.
        keeps_queries: Whether a few query vectors are kept, to measure recall with.
        keeps: Of `core.keeping.Keeps`; counts for photos that are indexed from now on.
        threshold: Cosine from which two faces count as the same person, in the gallery as it is.
        threshold_source: Where that number comes from, for people.
        budget: What the alarm budget comes to with these faces.
    """

    id: UUID
    name: str
    external_id: str | None
    metadata: dict[str, Any]
    space_id: str
    pack: str
    dimension: int
    fixed_threshold: float
    fixed_source: str
    alarm_budget: int | None
    impostors: dict[str, Any] | None
    quality_gate: str
    layout: str
    ef_search: int | None
    keeps_queries: bool
    keeps: str
    image_count: int
    face_count: int
    person_count: int
    created_at: datetime
    updated_at: datetime
    threshold: float = field(init=False)
    threshold_source: str = field(init=False)
    budget: Effective | None = field(init=False)

    def __post_init__(self) -> None:
        """Take the threshold from the budget, so that nobody reads one that does not count."""
        now = None
        if self.alarm_budget is not None:
            assert self.impostors is not None, "the table allows no budget without"
            found = Impostors.read(self.impostors)
            now = threshold_at(found, self.alarm_budget, self.face_count)
        threshold = self.fixed_threshold if now is None else now.cosine
        source = self.fixed_source if now is None else now.source
        object.__setattr__(self, "threshold", threshold)
        object.__setattr__(self, "threshold_source", source)
        object.__setattr__(self, "budget", now)

    @property
    def calibration(self) -> Impostors | None:
        """What the last calibration found."""
        return None if self.impostors is None else Impostors.read(self.impostors)


@dataclass(frozen=True, slots=True)
class Removed:
    """What a deleted collection held.

    Attributes:
        layout: ``own``: its partition is left, empty, and is to be dropped.
    """

    image_count: int
    face_count: int
    person_count: int
    layout: str


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
    keeps: str = "originals",
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
            "keeps": keeps,
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
    alarm_budget: int | None = None,
    impostors: Mapping[str, Any] | None = None,
    ef_search: int | None = None,
    keeps_queries: bool | None = None,
    keeps: str | None = None,
) -> bool:
    """Change what is not None; False when there is no such row.

    An empty external id and a 0 as budget or ef_search clear what is there.
    """
    params = {
        "id": collection_id,
        "name": name,
        "external_id": external_id,
        "metadata": None if metadata is None else Jsonb(dict(metadata)),
        "threshold": threshold,
        "threshold_source": threshold_source,
        "quality_gate": quality_gate,
        "alarm_budget": alarm_budget,
        "impostors": None if impostors is None else Jsonb(dict(impostors)),
        "ef_search": ef_search,
        "keeps_queries": keeps_queries,
        "keeps": keeps,
    }
    return execute(conn, SQL["update"], params) == 1


def count(
    conn: Connection, collection_id: UUID, *, images: int = 0, faces: int = 0, people: int = 0
) -> None:
    """Add to the counters (negative to take away), as the last thing in a transaction."""
    counts = {"images": images, "faces": faces, "people": people}
    execute(conn, SQL["count"], {"id": collection_id, **counts})


def lock(conn: Connection, collection_id: UUID) -> bool:
    """Keep everybody from changing what is in it until the transaction ends; False: there is none."""
    execute(conn, SQL["close_gate"], {"id": collection_id})
    return fetch_value(conn, SQL["lock"], {"id": collection_id}) is not None


def hold(conn: Connection, collection_ids: Iterable[UUID]) -> None:
    """Keep collections from being deleted or moved until the transaction ends.

    To be called first in it: whoever moves a collection waits for the locks of those who wait here.
    So what must be looked up before is looked up in a transaction of its own (`glimpse`).
    """
    ids = {"ids": list(set(collection_ids))}
    execute(conn, SQL["pass_gates"], ids)
    execute(conn, SQL["hold"], ids)
    execute(conn, SQL["plan_keys_once"], {})


def delete(conn: Connection, collection_id: UUID) -> Removed | None:
    """Delete a collection and everything in it; None when there is no such row.

    From what refers to what is referred to, a table at a time: following the foreign keys from the
    other end, row by row, takes many times as long.
    """
    params = {"id": collection_id}
    execute(conn, SQL["delete_faces"], params)
    execute(conn, SQL["plan_once"], params)
    execute(conn, SQL["delete_items"], params)
    execute(conn, SQL["delete_images"], params)
    people = execute(conn, SQL["delete_people"], params)
    execute(conn, SQL["delete_constraints"], params)
    execute(conn, SQL["delete_person_events"], params)
    execute(conn, SQL["delete_events"], params)
    gone = conn.execute(SQL["delete"], params).fetchone()
    return None if gone is None else Removed(gone[0], gone[1], people, gone[2])
