"""Searching a collection again with the same vectors, exactly and by an index, to compare them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core import ranking, routing
from core.db import recall as rows
from core.db.collections import Collection
from core.db.pool import Connection
from core.db.recall import FacePage, Neighbour
from core.db.search import GroupBy, Kind, Query
from core.errors import InvalidRequest
from core.faces import Embedding

DEPTH = 10
"""Neighbours that count."""

RESERVE = 10
"""More that are kept of the exact answer: faces are deleted while a replay goes on."""

PAGE = 10_000
"""Faces compared at a time: 10 MB of 512 numbers, and a lock of a few tens of milliseconds."""

LIKENESS = 2 / 3
"""How far from the threshold to 1 the cosine is of a stored face and the query made of it. At 0.75 to
0.8, where this is for most recognisers, such queries are as hard as new photos; see docs/decisions.md."""

SAME = 1e-5
"""Cosines closer than that are equal: numpy and pgvector add in different orders."""

TIMED_EXACTLY = 3
"""Queries whose exact search by SQL is timed; it reads every face, and its time hardly varies."""

Progress = Callable[[int, int], None]
"""Told how many faces of how many were compared."""


@dataclass(frozen=True, slots=True)
class Step:
    """What an index gave with one ef_search.

    Attributes:
        mates: Faces at or above the threshold among the ten nearest, over all queries.
        ms: Middle time of a query.
    """

    kind: str
    ef_search: int
    recall_1: float
    recall_10: float
    mates: int
    lost_mates: int
    ms: float


class Replay:
    """Queries of one collection and their exact answers.

    Attributes:
        stored_queries: Of the queries, those made of stored faces, where too few real ones are kept.
        exact_ms: Middle time of an exact search by SQL.
    """

    def __init__(
        self,
        conn: Connection,
        collection: Collection,
        *,
        queries: int,
        rest: float = 0.0,
        report: Progress = lambda done, total: None,
    ) -> None:
        """Choose the queries and find their exact answers, by reading the collection once.

        Args:
            conn: In autocommit mode.
            rest: Seconds to pause for each second of work.

        Raises:
            InvalidRequest: The collection has no face.
        """
        self._conn = conn
        self._collection = collection
        self._rest = rest
        self._queries, self.stored_queries = _choose(conn, collection, queries)
        if not self._queries:
            raise InvalidRequest(f"{collection.name} has no face to search for.")
        self._truth = self._read(report)
        self.exact_ms = self._time_exact()

    @property
    def queries(self) -> int:
        """How many are replayed."""
        return len(self._queries)

    def step(self, kind: str, ef_search: int) -> Step:
        """Ask an index every query, and compare."""
        found, seconds = [], []
        for query in self._queries:
            began = time.monotonic()
            found.append(self._ask(query, Kind(kind), ef_search))
            seconds.append(time.monotonic() - began)
            time.sleep(seconds[-1] * self._rest)
        self._forget_deleted(found)
        scores = [
            _score(exact, approximate, self._collection.threshold)
            for exact, approximate in zip(self._truth, found, strict=True)
        ]
        wanted = sum(score.wanted for score in scores)
        return Step(
            kind=kind,
            ef_search=ef_search,
            recall_1=sum(score.first for score in scores) / len(scores),
            recall_10=sum(score.hits for score in scores) / max(1, wanted),
            mates=sum(score.mates for score in scores),
            lost_mates=sum(score.lost for score in scores),
            ms=1000 * median(seconds),
        )

    def _ask(self, query: Embedding, kind: Kind, ef_search: int = 0) -> list[Neighbour]:
        """Do what a search does, second looks included."""
        wanted = Query(
            collections=(self._collection.id,),
            thresholds=(self._collection.threshold,),
            probes=[query],
            limit=DEPTH,
            group_by=GroupBy.FACE,
            own=True,
        )
        exactly = kind is Kind.EXACT
        part = routing.exact(wanted) if exactly else routing.by_index(wanted, kind, ef_search)
        with self._conn.transaction():
            found = ranking.run(self._conn, part).groups
        faces = [Neighbour(each.key, each.cosine) for each in found if each.key is not None]
        return faces[:DEPTH]

    def _read(self, report: Progress) -> list[list[Neighbour]]:
        nearest = _Nearest(self._queries)
        after, done, total = UUID(int=0), 0, self._collection.face_count
        while True:
            began = time.monotonic()
            page = rows.page_of_faces(
                self._conn,
                self._collection.id,
                dimension=self._collection.dimension,
                after=after,
                limit=PAGE,
            )
            if not len(page.ids):
                break
            nearest.add(page)
            after = _uuid(page.ids[-1])
            done += len(page.ids)
            report(done, max(done, total))
            time.sleep((time.monotonic() - began) * self._rest)
        return nearest.found()

    def _time_exact(self) -> float:
        seconds = []
        for query in self._queries[:TIMED_EXACTLY]:
            began = time.monotonic()
            self._ask(query, Kind.EXACT)
            seconds.append(time.monotonic() - began)
            time.sleep(seconds[-1] * self._rest)
        return 1000 * median(seconds)

    def _forget_deleted(self, found: Sequence[list[Neighbour]]) -> None:
        """Take faces out of the exact answers that were deleted since they were read."""
        missing = {face.id for faces in self._truth for face in faces[:DEPTH]}
        missing -= {face.id for faces in found for face in faces}
        if missing:
            gone = missing - rows.present(self._conn, self._collection.id, list(missing))
            self._truth = [[face for face in faces if face.id not in gone] for faces in self._truth]


@dataclass(frozen=True, slots=True)
class _Score:
    first: bool
    wanted: int
    hits: int
    mates: int
    lost: int


def _score(exact: list[Neighbour], approximate: list[Neighbour], threshold: float) -> _Score:
    """Compare by cosine and not by id: any of several equally near faces is right.

    What only the index knows came in after the exact answer was read, and counts as right.
    """
    known = {face.id: face for face in [*exact, *approximate]}
    truth = sorted((face.cosine for face in known.values()), reverse=True)[:DEPTH]
    got = [face.cosine for face in approximate]
    mates = [cosine for cosine in truth if cosine >= threshold]
    return _Score(
        first=not truth or _reaching(got, truth[0]) > 0,
        wanted=len(truth),
        hits=_reaching(got, truth[-1]) if truth else 0,
        mates=len(mates),
        lost=max(0, len(mates) - _reaching(got, mates[-1])) if mates else 0,
    )


def _reaching(cosines: Sequence[float], least: float) -> int:
    return sum(cosine >= least - SAME for cosine in cosines)


def _choose(conn: Connection, collection: Collection, wanted: int) -> tuple[list[Embedding], int]:
    """Return queries, and how many of them are made of stored faces."""
    with conn.transaction():
        real = rows.sampled_queries(conn, collection.id, limit=wanted)
        stored = rows.some_faces(
            conn, collection.id, faces=collection.face_count, limit=wanted - len(real)
        )
    likeness = collection.threshold + LIKENESS * (1 - collection.threshold)
    return [*real, *(_like(face, likeness) for face in stored)], len(stored)


def _like(face: Embedding, likeness: float) -> Embedding:
    """Return a vector that a new photo of the same person might have: *likeness* is its cosine.

    A stored face itself is too easy: it is in the graph, and its neighbours are its nearest faces.
    """
    aside = np.random.default_rng().standard_normal(len(face), np.float32)
    aside -= (aside @ face) * face / (face @ face)
    turned = likeness * face + np.sqrt(1 - likeness**2) * aside / np.linalg.norm(aside)
    return np.asarray(turned, np.float32)


class _Nearest:
    """The nearest faces of every query, among the pages so far."""

    def __init__(self, queries: Sequence[Embedding]) -> None:
        count, depth = len(queries), DEPTH + RESERVE
        self._vectors = _unit(np.array(queries, np.float16))  # rounded as the database does
        self._cosines = np.full((count, depth), -np.inf, np.float32)
        self._ids = np.zeros((count, depth, 2), np.uint64)

    def add(self, page: FacePage) -> None:
        cosines = self._vectors @ _unit(page.embeddings).T
        both = np.concatenate([self._cosines, cosines], axis=1)
        depth = self._cosines.shape[1]
        best = np.argpartition(both, -depth, axis=1)[:, -depth:]
        before = np.take_along_axis(self._ids, np.minimum(best, depth - 1)[..., None], axis=1)
        ids = np.where((best < depth)[..., None], before, page.ids[np.maximum(best - depth, 0)])
        self._cosines, self._ids = np.take_along_axis(both, best, axis=1), ids

    def found(self) -> list[list[Neighbour]]:
        """Return them, nearest first."""
        answers = []
        for cosines, ids in zip(self._cosines, self._ids, strict=True):
            order = [place for place in np.argsort(-cosines) if cosines[place] > -np.inf]
            answers.append([Neighbour(_uuid(ids[n]), float(cosines[n])) for n in order])
        return answers


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale rows to length 1, as pgvector does: half precision moved them a little off it."""
    wide = np.asarray(vectors, np.float32)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True), np.float32)


def _uuid(halves: NDArray[np.uint64]) -> UUID:
    return UUID(int=int(halves[0]) << 64 | int(halves[1]))
