"""Which way the nearest faces are found: by the search index, or by comparing all. Measured, not guessed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np

from core import neighbours, vectors
from core.db import graphs as rows
from core.db import search as search_rows
from core.db.collections import Collection
from core.db.graphs import Method
from core.db.pool import Connection
from core.db.search import Kind
from core.errors import ReportFailed

ALWAYS_COMPARED: Final = 20_000
"""Faces of a collection below which comparing all takes seconds, whatever the index would take."""

PROBES: Final = 40
"""Walks that are timed."""

SENT_BYTES_S: Final = 150e6
"""Of vectors that Postgres sends in a second; little of the time, whatever it is."""

VISITED: Final = 20_000
"""Faces that one walk may visit."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A way, and the seconds that each was expected to take; None: it was not considered."""

    method: Method
    index_s: float | None = None
    exact_s: float | None = None


def choose(conn: Connection, collection: Collection, asked: int, *, ef_search: int) -> Choice:
    """Choose how to find the nearest faces of *asked* ones of a collection.

    Raises:
        ReportFailed: There is no index, and too little memory to compare all.
    """
    has_index = collection.id in search_rows.kinds(conn, [collection.id])
    fits = vectors.fits(collection)
    if not has_index and not fits:
        raise ReportFailed(
            f"{collection.name} has no search index, and too little memory is free to compare its "
            f"{collection.face_count:,} faces without one."
        )
    if not has_index or (fits and collection.face_count <= ALWAYS_COMPARED):
        return Choice(Method.EXACT)
    if not fits:
        return Choice(Method.INDEX)
    index_s = asked * _seconds_of_walk(conn, collection, ef_search)
    exact_s = _seconds_of_comparing(collection, asked)
    return Choice(Method.INDEX if index_s < exact_s else Method.EXACT, index_s, exact_s)


def kind_of(conn: Connection, collection: Collection) -> Kind:
    """Return which index a collection is walked by.

    Raises:
        ReportFailed: It was dropped since that was decided.
    """
    kind = search_rows.kinds(conn, [collection.id]).get(collection.id)
    if kind is None:
        raise ReportFailed(f"The search index of {collection.name} was dropped meanwhile.")
    return kind


@contextmanager
def walking(conn: Connection, collection: Collection, *, ef_search: int) -> Iterator[None]:
    """Make a transaction in which the nearest faces are found by the index.

    Args:
        ef_search: Of collections that have none of their own.
    """
    wide = collection.ef_search or ef_search
    with (
        conn.transaction(),
        search_rows.index_scan(conn, ef_search=wide, max_scan=VISITED),
    ):
        yield


def _seconds_of_walk(conn: Connection, collection: Collection, ef_search: int) -> float:
    ids = rows.some_ids(conn, collection.id, limit=PROBES)
    kind = kind_of(conn, collection)
    with walking(conn, collection, ef_search=ef_search):
        rows.nearest(conn, collection, ids[:1], 1, kind)  # the plan, and the top of the graph
        began = time.perf_counter()
        rows.nearest(conn, collection, ids, 1, kind)
        return (time.perf_counter() - began) / max(1, len(ids))


def _seconds_of_comparing(collection: Collection, asked: int) -> float:
    """Return what reading all vectors and multiplying them with some is expected to take."""
    random = np.random.default_rng(0)
    size = (neighbours.COLUMNS, collection.dimension)
    block = random.normal(size=size).astype(np.float16)
    began = time.perf_counter()
    neighbours.nearest(block, np.arange(neighbours.ROWS), 1)
    each = (time.perf_counter() - began) / (neighbours.ROWS * neighbours.COLUMNS)
    read = 2 * collection.face_count * collection.dimension / SENT_BYTES_S
    return read + each * asked * collection.face_count
