"""Query samples, their replay, and the audits made of it. The caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg.types.json import Jsonb

from core.db import queries
from core.db.pool import Connection
from core.db.rows import copied, execute, fetch_all, fetch_value
from core.faces import Embedding

SQL = queries.load("recall")

SPREAD: Final = 20
"""Faces on the pages that are looked at, per face that is wanted."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A face and its cosine to the query."""

    id: UUID
    cosine: float


@dataclass(frozen=True, slots=True, eq=False)
class FacePage:
    """Some faces of a collection, in order of their ids.

    Attributes:
        ids: ``(n, 2)`` big-endian halves of each id.
        embeddings: ``(n, dimension)`` in half precision, as they are stored.
    """

    ids: NDArray[np.uint64]
    embeddings: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Audit:
    """How much of the exact answer an index gave.

    Attributes:
        kind: ``hnsw`` or ``bit``.
        queries: Replayed ones, *stored_queries* of them made of stored faces for lack of real ones.
        recall_1, recall_10: Share of the nearest, and of the ten nearest, faces that were found.
        mates: Faces at or above the threshold among the ten nearest, over all queries;
            *lost_mates* of them were not found.
        approximate_ms, exact_ms: Middle time of a query.
        proposed_ef_search: The smallest that reaches the goal; None: none that was tried does.
        applied: Whether the proposal, or a step towards it, was set at once.
        steps: What each ef_search that was tried gave.
    """

    id: UUID
    collection_id: UUID
    kind: str
    ef_search: int
    queries: int
    stored_queries: int
    faces: int
    recall_1: float
    recall_10: float
    mates: int
    lost_mates: int
    approximate_ms: float
    exact_ms: float
    proposed_ef_search: int | None
    applied: bool
    steps: list[dict[str, Any]]
    audited_at: datetime


def keep_query(conn: Connection, collection_id: UUID, embedding: Embedding, *, most: int) -> None:
    """Add a query to the sample of a collection that keeps them, and hold it to *most*."""
    execute(conn, SQL["sample_settings"], {})
    params = {"collection_id": collection_id, "embedding": HalfVector(embedding), "most": most}
    if execute(conn, SQL["keep_query"], params):
        execute(conn, SQL["trim_queries"], params)


def forget_queries(conn: Connection, collection_id: UUID) -> int:
    """Delete a collection's sample; return how many it held."""
    return execute(conn, SQL["forget_queries"], {"collection_id": collection_id})


def sampled_queries(conn: Connection, collection_id: UUID, *, limit: int) -> list[Embedding]:
    """Return up to *limit* real queries."""
    params = {"collection_id": collection_id, "limit": limit}
    return [_numbers(row[0]) for row in conn.execute(SQL["queries"], params)]


def some_faces(conn: Connection, collection_id: UUID, *, faces: int, limit: int) -> list[Embedding]:
    """Return the vectors of up to *limit* faces by chance, of a collection that has about *faces*."""
    percent = min(100.0, 100 * SPREAD * limit / max(1, faces))
    params = {"collection_id": collection_id, "limit": limit, "percent": percent}
    return [_numbers(row[0]) for row in conn.execute(SQL["some_faces"], params)]


def page_of_faces(
    conn: Connection, collection_id: UUID, *, dimension: int, after: UUID, limit: int
) -> FacePage:
    """Return up to *limit* faces behind *after*, by binary COPY."""
    params = {"collection_id": collection_id, "after": after, "limit": limit}
    # Each row: number of columns, then length and bytes of the id and of the vector, which is
    # its dimension, a reserved number and its numbers.
    layout = np.dtype(
        [
            ("columns", ">i2"),
            ("id_bytes", ">i4"),
            ("id", ">u8", (2,)),
            ("vector_bytes", ">i4"),
            ("dimension", ">i2"),
            ("reserved", ">i2"),
            ("vector", ">f2", (dimension,)),
        ]
    )
    found = copied(conn, SQL["copy_faces"], params, layout)
    assert (found["dimension"] == dimension).all(), "a collection has vectors of one space"
    return FacePage(found["id"].astype(np.uint64), found["vector"].astype(np.float16))


def present(conn: Connection, collection_id: UUID, face_ids: Sequence[UUID]) -> set[UUID]:
    """Return those of *face_ids* that are still there."""
    params = {"collection_id": collection_id, "ids": list(face_ids)}
    return {row[0] for row in conn.execute(SQL["present"], params)}


def due(conn: Connection, *, hours: int, ef_search: int) -> list[UUID]:
    """Return the collections whose audit is older than *hours* or says nothing about them now."""
    params = {"hours": hours, "ef_search": ef_search}
    return [row[0] for row in conn.execute(SQL["due"], params)]


def lock_audits(conn: Connection) -> bool:
    """Become the one session that audits, until `unlock_audits`; False when another one is."""
    locked: bool = fetch_value(conn, SQL["lock_audits"], {})
    return locked


def unlock_audits(conn: Connection) -> None:
    """Let others audit."""
    execute(conn, SQL["unlock_audits"], {})


def insert_audit(
    conn: Connection,
    collection_id: UUID,
    *,
    kind: str,
    ef_search: int,
    queries: int,
    stored_queries: int,
    faces: int,
    recall_1: float,
    recall_10: float,
    mates: int,
    lost_mates: int,
    approximate_ms: float,
    exact_ms: float,
    proposed_ef_search: int | None,
    applied: bool,
    steps: Sequence[dict[str, Any]],
    most: int,
) -> UUID:
    """Store an audit, and keep the newest *most* of its collection; return its id."""
    made: UUID = fetch_value(
        conn,
        SQL["insert_audit"],
        {
            "collection_id": collection_id,
            "kind": kind,
            "ef_search": ef_search,
            "queries": queries,
            "stored_queries": stored_queries,
            "faces": faces,
            "recall_1": recall_1,
            "recall_10": recall_10,
            "mates": mates,
            "lost_mates": lost_mates,
            "approximate_ms": approximate_ms,
            "exact_ms": exact_ms,
            "proposed_ef_search": proposed_ef_search,
            "applied": applied,
            "steps": Jsonb(list(steps)),
        },
    )
    execute(conn, SQL["trim_audits"], {"collection_id": collection_id, "most": most})
    return made


def audits(
    conn: Connection, collection_id: UUID, *, limit: int, before: UUID | None = None
) -> list[Audit]:
    """Return up to *limit* audits made before *before*, newest first."""
    params = {"collection_id": collection_id, "limit": limit, "before": before}
    return fetch_all(conn, Audit, SQL["audits"], params)


def latest(conn: Connection) -> list[Audit]:
    """Return the newest audit of each collection that has one."""
    return fetch_all(conn, Audit, SQL["latest"], {})


def _numbers(vector: HalfVector) -> Embedding:
    return np.asarray(vector.to_numpy(), dtype=np.float32)
