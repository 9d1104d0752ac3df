"""Nearest neighbours in SQL, and the HNSW indexes of large collections."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg
from pgvector import HalfVector
from psycopg import sql

from core.db import queries
from core.db.pool import Connection
from core.db.rows import execute, fetch_all, fetch_value
from core.errors import SearchTimeout
from core.faces import Embedding

SQL = queries.load("search")

OVER_FETCH = 10
"""HNSW candidates per wanted row: several faces of one person collapse into one group."""

LEAST_CANDIDATES = 100

MORE_CANDIDATES = 8
"""How many times more when those of one person crowded everybody else out."""

MOST_CANDIDATES = 20_000
"""As many as pgvector visits in one scan (``hnsw.max_scan_tuples``)."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The best face of one group, nearest group first.

    Attributes:
        cosine: -1 to 1, as the stored half-precision vectors give it.
        margin: How far the best face of the next other named person is behind; None: no other.
        supporting: Faces of the group at or above the threshold.
        box: Of the face, in pixels of its image, which is *width* x *height*.
    """

    face_id: UUID
    image_id: UUID
    person_id: UUID | None
    person_name: str | None
    cosine: float
    margin: float | None
    supporting: int
    box: list[float]
    quality: float
    filename: str | None
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for, and how to group and leave out.

    Attributes:
        without_face: Not this face (a stored face that is searched with).
        without_person: None of this person's faces.
    """

    collection_id: UUID
    embedding: Embedding
    threshold: float
    limit: int
    by_person: bool
    without_face: UUID | None = None
    without_person: UUID | None = None


@dataclass(frozen=True, slots=True)
class Unindexed:
    """A collection that needs an index, and the dimension of its vectors."""

    id: UUID
    dimension: int


@dataclass(frozen=True, slots=True)
class Index:
    """One of our HNSW indexes, and whether its collection still wants it."""

    name: str
    wanted: bool


def index_name(collection_id: UUID) -> str:
    """Return the name of a collection's HNSW index."""
    return f"faces_hnsw_{collection_id.hex}"


@contextmanager
def bounded(conn: Connection, *, timeout_s: float, ef_search: int) -> Iterator[None]:
    """Run a transaction in which each statement may take *timeout_s*.

    Raises:
        SearchTimeout: One took longer.
    """
    params = {"timeout_ms": f"{max(1, round(timeout_s * 1000))}ms", "ef_search": str(ef_search)}
    try:
        with conn.transaction():
            execute(conn, SQL["search_settings"], params)
            yield
    except psycopg.errors.QueryCanceled as error:
        raise SearchTimeout(f"The search took longer than {timeout_s:g} s.") from error


def exact(conn: Connection, query: Query) -> list[Neighbour]:
    """Compare with every face of the collection; recall 1."""
    ranked = sql.SQL(SQL["ranked"]).format(scored=sql.SQL(SQL["scored_exact"]))
    return fetch_all(conn, Neighbour, ranked, _params(query))


def hnsw(conn: Connection, query: Query) -> list[Neighbour]:
    """Ask the collection's HNSW index; inside `bounded`, whose transaction it changes.

    The many faces of one person can crowd everybody else out of the candidates; then it asks for
    more, or the others would be missing and the margin would say that there are none.
    """
    execute(conn, SQL["prefer_index"], {})
    scored = sql.SQL(SQL["scored_hnsw"]).format(
        dimension=sql.Literal(len(query.embedding)),
        collection_id=sql.Literal(str(query.collection_id)),
    )
    ranked = sql.SQL(SQL["ranked"]).format(scored=scored)
    candidates = max(LEAST_CANDIDATES, OVER_FETCH * query.limit)
    found = fetch_all(conn, Neighbour, ranked, {**_params(query), "candidates": candidates})
    while candidates < MOST_CANDIDATES and _crowded(found, query.limit):
        candidates = min(MOST_CANDIDATES, candidates * MORE_CANDIDATES)
        found = fetch_all(conn, Neighbour, ranked, {**_params(query), "candidates": candidates})
    return found


def _crowded(found: Sequence[Neighbour], limit: int) -> bool:
    alone = {neighbour.person_id for neighbour in found} - {None}
    only_one = len(alone) == 1 and all(neighbour.person_id for neighbour in found)
    return len(found) < limit or (only_one and found[0].margin is None)


def _params(query: Query) -> dict[str, object]:
    return {
        "collection_id": query.collection_id,
        "embedding": HalfVector(query.embedding),
        "threshold": query.threshold,
        "limit": query.limit,
        "by_person": query.by_person,
        "without_face": query.without_face,
        "without_person": query.without_person,
    }


def index_is_ready(conn: Connection, collection_id: UUID) -> bool:
    """Say whether the collection has a finished HNSW index."""
    ready: bool = fetch_value(conn, SQL["index_is_ready"], {"name": index_name(collection_id)})
    return ready


def unindexed(conn: Connection, *, exact_max: int) -> list[Unindexed]:
    """Return the collections above *exact_max* faces that have no finished index."""
    return fetch_all(conn, Unindexed, SQL["unindexed"], {"exact_max": exact_max})


def indexes(conn: Connection, *, exact_max: int) -> list[Index]:
    """Return every HNSW index of ours."""
    return fetch_all(conn, Index, SQL["indexes"], {"exact_max": exact_max})


def lock_maintenance(conn: Connection) -> bool:
    """Become the one session that changes indexes, until it ends; False when another one is."""
    locked: bool = fetch_value(conn, SQL["lock_maintenance"], {})
    return locked


def build_index(conn: Connection, wanted: Unindexed) -> bool:
    """Build a collection's index while it is read and written; False when it has no face.

    *conn* must be in autocommit mode. What an earlier, broken build left is dropped first.
    """
    leaf = fetch_value(conn, SQL["leaf"], {"collection_id": wanted.id})
    if leaf is None:
        return False
    name = index_name(wanted.id)
    drop_index(conn, name)
    statement = sql.SQL(SQL["build_index"]).format(
        name=sql.Identifier(name),
        leaf=sql.Identifier(leaf),
        dimension=sql.Literal(wanted.dimension),
        collection_id=sql.Literal(str(wanted.id)),
    )
    conn.execute(statement)
    return True


def drop_index(conn: Connection, name: str) -> None:
    """Drop one of our indexes; *conn* must be in autocommit mode."""
    conn.execute(sql.SQL(SQL["drop_index"]).format(name=sql.Identifier(name)))
