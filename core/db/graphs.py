"""Graphs: the nearest faces of each face of a collection, as edges. The caller owns the transaction,
except where slices are claimed: that is for connections in autocommit mode.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from core.db import binary, indexes, queries
from core.db.collections import Collection
from core.db.pool import Connection
from core.db.rows import copied, execute, fetch_all, fetch_one, fetch_value
from core.db.search import SQL as SEARCH
from core.db.search import Kind

SQL = queries.load("graphs")

_COPY_TYPES: Final = ["uuid", "uuid", "uuid[]", "float4[]"]

BIT_CANDIDATES: Final = 8
"""Faces looked at closer per neighbour that is wanted, where an index holds bits alone."""


class Method(StrEnum):
    """By walks through the search index, or by looking at all faces for each."""

    INDEX = "index"
    EXACT = "exact"


class State(StrEnum):
    """Reports read the one that is ready; at most one more is built beside it."""

    BUILDING = "building"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Graph:
    """Of one collection.

    Attributes:
        neighbours: Most edges of a face.
        faces: That have edges; 0 while it is built.
    """

    id: UUID
    collection_id: UUID
    method: str
    neighbours: int
    state: str
    faces: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a graph that somebody works on: faces from *first_id* up to *before_id* (None: all)."""

    graph_id: UUID
    collection_id: UUID
    method: str
    position: int
    first_id: UUID
    before_id: UUID | None
    faces: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How many faces of a graph are done; *hopeless*: whoever tried some others died each time."""

    done: int
    total: int
    hopeless: bool


@dataclass(frozen=True, slots=True)
class FaceList:
    """The edges of one face, nearest neighbour first."""

    face_id: UUID
    neighbours: list[UUID]
    cosines: list[float]


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """The cosine of the last neighbour of each face, by id; -2 where there is room for more."""

    face_ids: NDArray[np.bytes_]
    cosines: NDArray[np.float32]


def lock(conn: Connection, collection_id: UUID) -> None:
    """Wait until nobody else changes the graph of a collection, and keep others out."""
    execute(conn, SQL["lock"], {"collection_id": collection_id})


def unlock(conn: Connection, collection_id: UUID) -> None:
    """Let others change it."""
    execute(conn, SQL["unlock"], {"collection_id": collection_id})


def get(conn: Connection, collection_id: UUID, state: State = State.READY) -> Graph | None:
    """Return the graph of a collection that is in *state*."""
    return fetch_one(conn, Graph, SQL["get"], {"collection_id": collection_id, "state": state})


def exists(conn: Connection, graph_id: UUID) -> bool:
    """Say whether a graph is still there: whoever publishes another one drops it."""
    return fetch_value(conn, SQL["exists"], {"graph_id": graph_id}) is not None


def open_building(
    conn: Connection, collection_id: UUID, *, method: Method, neighbours: int, size: int
) -> Graph:
    """Return the graph that is built; without one, begin it, with slices of *size* faces."""
    params = {"collection_id": collection_id, "method": method, "neighbours": neighbours}
    with conn.transaction():
        begun = execute(conn, SQL["open"], params) == 1
        graph = get(conn, collection_id, State.BUILDING)
        assert graph is not None, "it is there, by whomever"
        if begun:
            execute(conn, SQL["slice"], {**params, "graph_id": graph.id, "size": size})
    return graph


def claim(
    conn: Connection,
    *,
    lease: UUID,
    lease_s: float,
    most_attempts: int,
    graph_id: UUID | None = None,
) -> Slice | None:
    """Take a slice that nobody works on, of one graph, or of any that a report waits for; None: there is
    none.
    """
    params = {
        "lease": lease,
        "lease_s": lease_s,
        "most_attempts": most_attempts,
        "graph_id": graph_id,
    }
    return fetch_one(conn, Slice, SQL["claim"], params)


def renew(conn: Connection, lease: UUID, *, lease_s: float) -> None:
    """Keep a slice for longer."""
    execute(conn, SQL["renew"], {"lease": lease, "lease_s": lease_s})


def finish(conn: Connection, part: Slice, lease: UUID) -> bool:
    """Say that the edges of a slice are there, before they are stored in the same transaction; False:
    somebody else has it now, or its graph is gone.
    """
    params = {"graph_id": part.graph_id, "position": part.position, "lease": lease}
    return execute(conn, SQL["finish"], params) == 1


def put_back(conn: Connection, lease: UUID) -> None:
    """Let somebody else take what is leased; the try does not count."""
    execute(conn, SQL["put_back"], {"lease": lease})


def progress(conn: Connection, graph_id: UUID, *, most_attempts: int) -> Progress:
    """Return how far the slices of a graph are."""
    params = {"graph_id": graph_id, "most_attempts": most_attempts}
    found = fetch_one(conn, Progress, SQL["progress"], params)
    assert found is not None, "an aggregate gives one row"
    return found


def publish(conn: Connection, graph: Graph) -> bool:
    """Use a complete graph from now on, instead of the one before; False: it is not complete."""
    with conn.transaction():
        if fetch_value(conn, SQL["complete"], {"graph_id": graph.id}) is None:
            return False
        drop(conn, graph.collection_id, State.READY)
        execute(conn, SQL["publish"], {"graph_id": graph.id})
        execute(conn, SQL["forget_slices"], {"graph_id": graph.id})
    return True


def drop(conn: Connection, collection_id: UUID, state: State) -> None:
    """Forget a graph and its edges."""
    execute(conn, SQL["drop"], {"collection_id": collection_id, "state": state})


def touch(conn: Connection, graph_id: UUID) -> None:
    """Count what the graph has, and say that it is as of now."""
    execute(conn, SQL["touch"], {"graph_id": graph_id})


def walk_slice(conn: Connection, collection: Collection, part: Slice, k: int, kind: Kind) -> None:
    """Store the *k* nearest of the faces of a slice, each found through the index of *kind*."""
    bounds = {"first_id": part.first_id, "before_id": part.before_id}
    _walk(conn, collection, part.graph_id, k, kind, "slice", bounds)


def walk_some(
    conn: Connection,
    collection: Collection,
    graph_id: UUID,
    ids: Sequence[UUID],
    k: int,
    kind: Kind,
) -> None:
    """Store the *k* nearest of some faces, each found through the index of *kind*."""
    _walk(conn, collection, graph_id, k, kind, "ids", {"ids": list(ids)})


def _walk(
    conn: Connection,
    collection: Collection,
    graph_id: UUID,
    k: int,
    kind: Kind,
    which: str,
    bounds: dict[str, Any],
) -> None:
    params = {**bounds, "graph_id": graph_id, "neighbours": k}
    statement = sql.SQL(SQL["store_nearest"]).format(nearest=_nearest(collection, kind, which))
    execute(conn, statement, {**params, **_walk_params(collection, k, kind)})


def nearest(
    conn: Connection, collection: Collection, ids: Sequence[UUID], k: int, kind: Kind
) -> dict[UUID, list[tuple[UUID, float]]]:
    """Return the *k* nearest faces of some faces with their cosines, nearest first.

    Args:
        kind: ``exact``: by looking at every face.
    """
    params = {"ids": list(ids), "neighbours": k, **_walk_params(collection, k, kind)}
    rows = conn.execute(_nearest(collection, kind, "ids"), params)
    return {face: list(zip(others, cosines, strict=True)) for face, others, cosines in rows}


def _nearest(collection: Collection, kind: Kind, which: str) -> sql.Composed:
    """Write the statement with the one that searches take, so that it uses the same index."""
    own = collection.layout == "own"
    faces = sql.Identifier(indexes.table_name(collection.id) if own else "faces")
    near = sql.SQL(SEARCH[f"near_{kind}"]).format(
        probe=sql.SQL("asked.embedding"),
        walk=sql.SQL("asked.embedding"),
        faces=faces,
        narrowed=sql.SQL(""),
        dimension=sql.Literal(collection.dimension),
    )
    return sql.SQL(SQL["nearest"]).format(
        near=near, faces=faces, which=sql.SQL(SQL[f"which_{which}"])
    )


def _walk_params(collection: Collection, k: int, kind: Kind) -> dict[str, Any]:
    # One more than is wanted, since a face is its own nearest one; by bits alone many look alike.
    candidates = k + 1 if kind is not Kind.BIT else BIT_CANDIDATES * (k + 1)
    return {
        "collection_id": collection.id,
        "collections": [collection.id],
        "candidates": candidates,
    }


def store(
    conn: Connection,
    graph_id: UUID,
    face_ids: Sequence[UUID],
    neighbours: Sequence[Sequence[UUID]],
    cosines: Sequence[Sequence[float]],
) -> None:
    """Store the lists of some faces, instead of those that they have, by binary COPY."""
    execute(conn, SQL["forget_edges"], {"graph_id": graph_id, "ids": list(face_ids)})
    with conn.cursor() as cursor, cursor.copy(SQL["copy_edges"]) as copy:
        copy.set_types(_COPY_TYPES)
        for row in zip(face_ids, neighbours, cosines, strict=True):
            copy.write_row((graph_id, *row))


def lists(conn: Connection, graph_id: UUID, face_ids: Sequence[UUID]) -> list[FaceList]:
    """Return the lists of some faces."""
    params = {"graph_id": graph_id, "ids": list(face_ids)}
    return fetch_all(conn, FaceList, SQL["lists"], params)


def some_ids(conn: Connection, collection_id: UUID, *, limit: int) -> list[UUID]:
    """Return the ids of up to *limit* faces, always the same ones."""
    params = {"collection_id": collection_id, "limit": limit}
    return [row[0] for row in conn.execute(SQL["some_ids"], params)]


def fresh(conn: Connection, graph: Graph) -> list[UUID]:
    """Return the faces that came since the graph was brought up to date."""
    params = {"graph_id": graph.id, "collection_id": graph.collection_id}
    return [row[0] for row in conn.execute(SQL["fresh"], params)]


def forget_gone(conn: Connection, graph: Graph) -> None:
    """Forget the lists of faces that are gone."""
    params = {"graph_id": graph.id, "collection_id": graph.collection_id}
    execute(conn, SQL["forget_gone"], params)


def bereaved(conn: Connection, graph: Graph) -> list[UUID]:
    """Return the faces with somebody in their list who is gone: another one comes behind the others."""
    params = {"graph_id": graph.id, "collection_id": graph.collection_id}
    return [row[0] for row in conn.execute(SQL["bereaved"], params)]


def reach(conn: Connection, graph: Graph) -> Reach:
    """Return how near a face must be to each one, to be among its neighbours."""
    params = {"graph_id": graph.id, "neighbours": graph.neighbours}
    layout = binary.layout([("face", binary.ID), ("cosine", ">f4")])
    found = copied(conn, SQL["reach"], params, layout)
    return Reach(binary.ids(found["face"]), found["cosine"].astype(np.float32))


def absorb(
    conn: Connection,
    graph: Graph,
    owners: Sequence[UUID],
    faces: Sequence[UUID],
    cosines: Sequence[float],
) -> None:
    """Give *faces* their places in the lists of *owners*, which have one each already."""
    params = {
        "graph_id": graph.id,
        "owners": list(owners),
        "faces": list(faces),
        "cosines": list(cosines),
        "neighbours": graph.neighbours,
    }
    execute(conn, SQL["absorb"], params)
