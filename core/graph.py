"""The graph of a collection: the nearest faces of each face, built in slices, then kept up to date.

Several workers build one graph: each takes slices until there is none. What is new is added to it
later, at the price of the new faces alone.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Final, TypeAlias
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray

from core import collections, neighbours, vectors
from core.db import graphs as rows
from core.db.binary import id_bytes, uuid_of
from core.db.collections import Collection
from core.db.graphs import Graph, Method, Slice, State
from core.db.pool import Connection
from core.errors import CollectionNotFound, ReportFailed
from core.graph_methods import choose, kind_of, walking
from core.leases import kept
from core.services import Services
from core.vectors import Vectors

NEIGHBOURS: Final = 20
"""Edges of a face: as many mates as most people have photos, and strangers behind them."""

SLICE_FACES: Final = 2048
"""Some seconds of work, whichever way it is done."""

MOST_ATTEMPTS: Final = 3
"""Of one slice; whoever tried it died each time."""

REBUILT_SHARE: Final = 0.3
"""Of the faces new or bereaved, from which all edges are computed anew."""

PAUSE_S: Final = 0.5
"""Between two looks whether others are done with their slices."""

WALKED_AT_ONCE: Final = 500
"""New faces of one statement: a second or two, between which somebody may cancel."""

ABSORBED_AT_ONCE: Final = 20_000
"""Pairs of one statement."""

Progress: TypeAlias = Callable[[int, int], None]
"""Is told how many faces are done, and of how many."""


@dataclass(slots=True)
class Builder:
    """Whoever works on graphs.

    Attributes:
        conn: In autocommit mode and used by nobody else.
        ring: Calls other workers to slices.
        pause: Called between two pieces of work; raises what ends it.
    """

    services: Services
    conn: Connection
    ring: Callable[[], None] = lambda: None
    pause: Callable[[], None] = lambda: None
    report: Progress = lambda done, total: None
    _held: tuple[UUID, Vectors] | None = field(default=None, init=False)

    def bring_up_to_date(self, collection: Collection) -> Graph:
        """Return the graph of a collection, with every face that it has now.

        Raises:
            ReportFailed: It cannot be built here.
        """
        graph = rows.get(self.conn, collection.id)
        most = max(SLICE_FACES, REBUILT_SHARE * collection.face_count)
        if (
            graph is None
            or graph.neighbours != NEIGHBOURS
            or not self._update(graph, collection, most)
        ):
            built = self._build(collection)
            graph = rows.get(self.conn, collection.id)
            if graph is None or graph.id < built:
                raise ReportFailed("The collection was deleted, or its graph by somebody else.")
            self._update(graph, collection, inf)
        return graph

    def help(self) -> bool:
        """Work on one slice of any graph that somebody waits for; False: there is none."""
        lease = uuid4()
        part = self._claim(lease)
        if part is None:
            return False
        try:
            collection = collections.get(self.conn, part.collection_id)
        except CollectionNotFound:  # and its slices with it
            return True
        self._do(part, collection, lease)
        return True

    def _claim(self, lease: UUID, graph_id: UUID | None = None) -> Slice | None:
        return rows.claim(
            self.conn,
            lease=lease,
            lease_s=self.services.settings.lease_s,
            most_attempts=MOST_ATTEMPTS,
            graph_id=graph_id,
        )

    def _build(self, collection: Collection) -> UUID:
        """Build a graph, or help whoever does; return its id."""
        choice = choose(self.conn, collection, collection.face_count, ef_search=self._ef_search)
        graph = rows.open_building(
            self.conn, collection.id, method=choice.method, neighbours=NEIGHBOURS, size=SLICE_FACES
        )
        self.ring()
        while True:
            self.pause()
            lease = uuid4()
            part = self._claim(lease, graph.id)
            if part is not None:
                self._do(part, collection, lease)
            progress = rows.progress(self.conn, graph.id, most_attempts=MOST_ATTEMPTS)
            self.report(progress.done, progress.total)
            if progress.done == progress.total:
                break
            if progress.hopeless:
                rows.drop(self.conn, graph.collection_id, State.BUILDING)
                raise ReportFailed("Each process that compared a part of the faces ended early.")
            if part is None:  # others have the last ones
                time.sleep(PAUSE_S)
        self._held = None
        rows.publish(self.conn, graph)
        return graph.id

    def _do(self, part: Slice, collection: Collection, lease: UUID) -> None:
        """Find the neighbours of a slice and store them, if it is still ours then."""
        try:
            if part.method == Method.INDEX:
                self._walk(part, collection, lease)
            else:
                self._compare(part, collection, lease)
        except BaseException:
            if not self.conn.closed:
                rows.put_back(self.conn, lease)
            raise

    def _renew(self, lease: UUID) -> None:
        with self.services.pool.connection() as conn:
            rows.renew(conn, lease, lease_s=self.services.settings.lease_s)

    def _walk(self, part: Slice, collection: Collection, lease: UUID) -> None:
        kind = kind_of(self.conn, collection)
        with walking(self.conn, collection, ef_search=self._ef_search):
            # From here on its row is locked, which keeps others from it for as long as we live.
            if rows.finish(self.conn, part, lease):
                rows.walk_slice(self.conn, collection, part, NEIGHBOURS, kind)

    def _compare(self, part: Slice, collection: Collection, lease: UUID) -> None:
        with kept(partial(self._renew, lease), self.services.settings.lease_s):
            everything = self._vectors(part.graph_id, collection)
            first = np.searchsorted(everything.ids, id_bytes([part.first_id]))[0]
            end = len(everything.ids)
            if part.before_id is not None:
                end = int(np.searchsorted(everything.ids, id_bytes([part.before_id]))[0])
            asked = np.arange(first, end)
            found = neighbours.nearest(everything.halves, asked, NEIGHBOURS)
        with self.conn.transaction():
            if rows.finish(self.conn, part, lease):
                _store(self.conn, part.graph_id, everything, asked, found)

    def _vectors(self, graph_id: UUID, collection: Collection) -> Vectors:
        """Return all vectors, which are kept for the next slice of the same graph."""
        if self._held is None or self._held[0] != graph_id:
            self._held = None
            self._held = (graph_id, vectors.read(self.conn, collection))
        return self._held[1]

    @property
    def _ef_search(self) -> int:
        return self.services.settings.hnsw_ef_search

    def _update(self, graph: Graph, collection: Collection, most: float) -> bool:
        """Add what came and forget what went; False: there is more to do than for *most* faces.

        What is done stays done if it is broken off, and what is not is found again the next time.
        """
        rows.lock(self.conn, collection.id)
        try:
            rows.forget_gone(self.conn, graph)
            todo = [*rows.fresh(self.conn, graph), *rows.bereaved(self.conn, graph)]
            if len(todo) > most:
                return False
            if todo:
                choice = choose(self.conn, collection, len(todo), ef_search=self._ef_search)
                add = self._add_exactly if choice.method is Method.EXACT else self._add_by_walks
                add(graph, collection, todo)
            rows.touch(self.conn, graph.id)
            return True
        finally:
            if not self.conn.closed:
                rows.unlock(self.conn, collection.id)

    def _parts(self, todo: list[UUID], size: int) -> Iterator[list[UUID]]:
        """Yield some of what is to be done at a time, and say how far it is."""
        for done in range(0, len(todo), size):
            self.pause()
            self.report(done, len(todo))
            yield todo[done : done + size]

    def _add_by_walks(self, graph: Graph, collection: Collection, todo: list[UUID]) -> None:
        """Find whom some faces are near to, and take it that those are near to them."""
        kind = kind_of(self.conn, collection)
        computed = set(todo)
        for some in self._parts(todo, WALKED_AT_ONCE):
            with walking(self.conn, collection, ef_search=self._ef_search):
                rows.walk_some(self.conn, collection, graph.id, some, NEIGHBOURS, kind)
                self._absorb(
                    graph,
                    [
                        (owner, each.face_id, cosine)
                        for each in rows.lists(self.conn, graph.id, some)
                        for owner, cosine in zip(each.neighbours, each.cosines, strict=True)
                        if owner not in computed
                    ],
                )

    def _add_exactly(self, graph: Graph, collection: Collection, todo: list[UUID]) -> None:
        everything = vectors.read(self.conn, collection)
        reach = rows.reach(self.conn, graph)
        limits = np.full(len(everything.ids), np.inf, np.float32)
        places = everything.rows(reach.face_ids)
        limits[places[places >= 0]] = reach.cosines[places >= 0]
        computed = everything.rows(id_bytes(todo))
        limits[computed[computed >= 0]] = np.inf
        for some in self._parts(todo, SLICE_FACES):
            asked = everything.rows(id_bytes(some))
            asked = np.sort(asked[asked >= 0])
            found = neighbours.nearest(everything.halves, asked, NEIGHBOURS)
            near = neighbours.within_reach(everything.halves, asked, limits)
            with self.conn.transaction():
                _store(self.conn, graph.id, everything, asked, found)
                self._absorb(graph, _pairs(everything, near))

    def _absorb(self, graph: Graph, pairs: list[tuple[UUID, UUID, float]]) -> None:
        # By owner: nearly always all that one gets is in one statement.
        pairs = sorted(pairs, key=lambda pair: pair[0])
        for first in range(0, len(pairs), ABSORBED_AT_ONCE):
            some = pairs[first : first + ABSORBED_AT_ONCE]
            owners, faces, cosines = zip(*some, strict=True)
            rows.absorb(self.conn, graph, owners, faces, cosines)


def _pairs(everything: Vectors, near: neighbours.Pairs) -> list[tuple[UUID, UUID, float]]:
    """Return each owner of a list, a face for it, and their cosine."""
    ids = everything.ids
    return [
        (uuid_of(ids[owner]), uuid_of(ids[face]), float(cosine))
        for face, owner, cosine in zip(near.asked, near.found, near.cosines, strict=True)
    ]


def _store(
    conn: Connection,
    graph_id: UUID,
    everything: Vectors,
    asked: NDArray[np.int64],
    found: neighbours.Nearest,
) -> None:
    ids = [uuid_of(each) for each in everything.ids[asked]]
    # An id is made once, however many lists it is in.
    used = np.unique(found.rows[found.rows >= 0])
    of_row = dict(zip(used.tolist(), (uuid_of(each) for each in everything.ids[used]), strict=True))
    counts = (found.rows >= 0).sum(axis=1)
    lists = [
        [of_row[row] for row in some[:count].tolist()]
        for some, count in zip(found.rows, counts, strict=True)
    ]
    cosines = [some[:count].tolist() for some, count in zip(found.cosines, counts, strict=True)]
    rows.store(conn, graph_id, ids, lists, cosines)
