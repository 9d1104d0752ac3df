"""Nearest neighbours in SQL. How to search is decided elsewhere (`core.routing`, `core.ranking`)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import psycopg
from pgvector import HalfVector
from psycopg import sql

from core.db import filters, indexes, queries
from core.db.filters import Clause
from core.db.pool import Connection
from core.db.rows import execute, fetch_all
from core.errors import SearchTimeout
from core.faces import Embedding

SQL = queries.load("search")


class GroupBy(StrEnum):
    """One row per person (else per cluster, else per unnamed face), per image, or per face."""

    PERSON = "person"
    IMAGE = "image"
    FACE = "face"


class Kind(StrEnum):
    """How the nearest faces are found."""

    EXACT = "exact"
    HNSW = "hnsw"
    BIT = "bit"


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """What to look for.

    Attributes:
        collections: At least one; all of one space.
        thresholds: Of each collection, in the same order.
        probes: One unit vector or more; a face is as near as the nearest of them.
        walks: Where the walks of an index scan aim, one for each probe; none: at the probes. Cosines
            are those to the probes in any case.
        limit: Most groups.
        shown: Keys of groups to leave out.
        own: There is one collection, and it has a partition of its own, which is asked directly:
            that saves Postgres from choosing among all of them.
    """

    collections: tuple[UUID, ...]
    thresholds: tuple[float, ...]
    probes: Sequence[Embedding]
    limit: int
    group_by: GroupBy
    clauses: tuple[Clause, ...] = ()
    shown: tuple[UUID, ...] = ()
    own: bool = False
    walks: Sequence[Embedding] = ()

    @property
    def dimension(self) -> int:
        """Numbers of a vector."""
        return len(self.probes[0])

    @property
    def faces(self) -> sql.Identifier:
        """The table that is asked."""
        return sql.Identifier(indexes.table_name(self.collections[0]) if self.own else "faces")


@dataclass(frozen=True, slots=True)
class Group:
    """The nearest face of a group; with *key* None a named person nearby, no answer.

    Attributes:
        key: Id of the person, cluster, image or face that makes the group.
        candidates: Faces that were looked at in all, the same in every row.
    """

    key: UUID | None
    face_id: UUID | None
    collection_id: UUID
    image_id: UUID | None
    person_id: UUID | None
    cluster_id: UUID | None
    cosine: float
    candidates: int


@dataclass(frozen=True, slots=True)
class Detail:
    """The best face of a group and what is shown of it.

    Attributes:
        cosine: -1 to 1, as the stored half-precision vectors give it.
        supporting: Faces of the group at or above the threshold of their collection.
        box: left, top, right, bottom in pixels of its image, which is *width* x *height*.
        kept: What there is of its image, of `core.keeping.Keeps`.
    """

    key: UUID
    face_id: UUID
    collection_id: UUID
    image_id: UUID
    person_id: UUID | None
    person_name: str | None
    cluster_id: UUID | None
    cosine: float
    supporting: int
    box: list[float]
    quality: float
    filename: str | None
    width: int
    height: int
    kept: str


@dataclass(frozen=True, slots=True)
class Sample:
    """How many of some faces meet conditions: all of them together, and each alone."""

    faces: int
    all: int
    each: tuple[int, ...]


@contextmanager
def bounded(conn: Connection, *, timeout_s: float) -> Iterator[None]:
    """Let each statement take *timeout_s*, until the caller's transaction ends.

    What only sets something is sent along with what comes next, and not waited for: a search is
    short, and each way to the server and back is a share of it.

    Raises:
        SearchTimeout: One took longer.
    """
    timeout_ms = f"{max(1, round(timeout_s * 1000))}ms"
    try:
        with conn.pipeline():
            execute(conn, SQL["settings"], {"timeout_ms": timeout_ms})
            yield
    except psycopg.errors.QueryCanceled as error:
        raise SearchTimeout(f"The search took longer than {timeout_s:g} s.") from error


@contextmanager
def index_scan(conn: Connection, *, ef_search: int, max_scan: int) -> Iterator[None]:
    """Make the statements of the block use the index, inside `bounded`."""
    params = {"ef_search": str(ef_search), "max_scan": str(max_scan)}
    execute(conn, SQL["index_settings"], params)
    yield
    execute(conn, SQL["no_index_settings"], {})


def groups(conn: Connection, query: Query, kind: Kind, *, candidates: int) -> list[Group]:
    """Return the nearest groups among the *candidates* nearest faces, and nearby people."""
    statement = sql.SQL(SQL["groups"]).format(
        near=_near(query, kind), key=sql.SQL(SQL[f"key_{query.group_by}"])
    )
    params = {
        **_params(query),
        "candidates": candidates,
        "limit": query.limit,
        "shown": list(query.shown),
    }
    return fetch_all(conn, Group, statement, params)


def _near(query: Query, kind: Kind) -> sql.Composable:
    many = len(query.probes) > 1
    probe = "probe.vector" if many else "%(probe)s::halfvec"
    walk = "probe.walk" if many else "%(walk)s::halfvec"
    near = sql.SQL(SQL[f"near_{kind}"]).format(
        probe=sql.SQL(probe),
        walk=sql.SQL(walk if query.walks else probe),
        faces=query.faces,
        narrowed=filters.narrowed(query.clauses),
        dimension=sql.Literal(query.dimension),
    )
    return sql.SQL(SQL["near_many"]).format(near=near) if many else near


def details(conn: Connection, query: Query, found: Sequence[Group]) -> list[Detail]:
    """Look closer at groups that were found; in no order."""
    many = len(query.probes) > 1
    members = sql.SQL(SQL["members"]).format(
        cosine=sql.SQL(SQL["cosine_of_many"] if many else SQL["cosine_of_one"]),
        belongs=sql.SQL(SQL[f"belongs_{query.group_by}"]),
        faces=query.faces,
        narrowed=filters.narrowed(query.clauses),
    )
    if query.own and not query.clauses:
        execute(conn, SQL["plan_once"], {})
    statement = sql.SQL(SQL["details"]).format(members=members, faces=query.faces)
    threshold_of = dict(zip(query.collections, query.thresholds, strict=True))
    params = {
        **_params(query),
        "keys": [group.key for group in found],
        "face_ids": [group.face_id for group in found],
        "homes": [group.collection_id for group in found],
        "image_ids": [group.image_id for group in found],
        "person_ids": [group.person_id for group in found],
        "cluster_ids": [group.cluster_id for group in found],
        "cosines": [group.cosine for group in found],
        "thresholds": [threshold_of[group.collection_id] for group in found],
    }
    return fetch_all(conn, Detail, statement, params)


def _params(query: Query) -> dict[str, Any]:
    """Return what every statement of a search takes; unused ones are not sent."""
    probes = [HalfVector(probe) for probe in query.probes]
    walks = [HalfVector(walk) for walk in query.walks] or probes
    return {
        "collections": list(query.collections),
        "probe": probes[0],
        "walk": walks[0],
        "probes": probes,
        "walks": walks,
        **filters.params(query.clauses),
    }


def kinds(conn: Connection, collections: Sequence[UUID]) -> dict[UUID, Kind]:
    """Return how each collection that has a usable index can be searched."""
    named = [
        (each, indexes.index_name(each, kind), kind)
        for each in collections
        for kind in indexes.Kind
    ]
    params = {
        "collections": [collection_id for collection_id, _, _ in named],
        "names": [name for _, name, _ in named],
        "kinds": [kind.value for _, _, kind in named],
    }
    return {row[0]: Kind(row[1]) for row in conn.execute(SQL["kinds"], params)}


def sample(conn: Connection, query: Query, *, percent: float) -> Sample:
    """Try the conditions on random pages of the own partition of the query's one collection."""
    statement = sql.SQL(SQL["sample"]).format(
        all=sql.SQL("true") + filters.narrowed(query.clauses),
        each=sql.SQL(", ").join(
            sql.SQL("count(*) FILTER (WHERE ") + clause.text + sql.SQL(")")
            for clause in query.clauses
        ),
        leaf=query.faces,
        percent=sql.Literal(percent),
    )
    row = conn.execute(statement, _params(query)).fetchone()
    assert row is not None, "an aggregate gives a row"
    return Sample(faces=row[0], all=row[1], each=tuple(row[2]))
