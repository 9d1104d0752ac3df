"""Which way to search: by looking at each face, or by the index. Decided here and not by the planner
of Postgres, which knows neither what an index scan under a condition costs nor what it loses.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeVar
from uuid import UUID

from core.db import search as rows
from core.db import timing
from core.db.collections import Collection
from core.db.pool import Connection, Pool
from core.db.search import Kind, Query
from core.db.timing import Costs

LEAST_CANDIDATES: Final = 100

OVER_FETCH: Final = 4
"""Candidates per wanted group: several faces of one person make one group."""

SCATTERED: Final = 2
"""How many times as long a face takes that an index names as one among its neighbours: 1.8 to 2 of
100,000 faces in memory, where an index names 1 or 10 % of them."""

OFTEN: Final = 0.9
"""The share of faces that meet the conditions below which the index is asked for `UNDER_CONDITIONS`
times the candidates: its walk goes through faces that do not count, and ends too early among those that do.
Of 100,000 faces it found 97 to 98.5 % of the ten nearest when half of the faces counted, and 99.3 %
without conditions (``python -m benchmarks.search_filters``)."""

UNDER_CONDITIONS: Final = 4

BIT_OVER_FETCH: Final = 4
"""Candidates of a bit index for each of a whole one: signs alone order faces roughly."""

LEAST_VISITED: Final = 20_000
"""What pgvector visits in one scan by itself (``hnsw.max_scan_tuples``)."""

MOST_VISITED: Final = 200_000

SAMPLED: Final = 2_000
"""Faces that conditions are tried on."""

SAMPLE_S: Final = 60.0
"""How long what a sample said is believed."""

TYPICAL: Final = Costs(row_us=0.7, looked_us=0.25, candidate_us=25)
"""Of 100,000 faces of 512 numbers on two cores; for a partition that is empty."""

TIMED_S: Final = 3600.0
"""How long what was timed is believed."""

FOUND_S: Final = 1.0
"""How long an index is taken to be there after it was seen. Where it was dropped meanwhile, the same
statement looks at every face."""

MOST_REMEMBERED: Final = 1_000
PREPARED: Final = 20

Key = TypeVar("Key")
Value = TypeVar("Value")


class Mode(StrEnum):
    """Who chooses: the router, or whoever searches. A collection without index is searched exactly."""

    AUTO = "auto"
    EXACT = "exact"
    APPROXIMATE = "approximate"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the router expects.

    Attributes:
        matching: Faces that meet the conditions.
        exact_ms: How long looking at each takes; *index_ms* likewise.
    """

    faces: int
    matching: int
    exact_ms: float
    index_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One statement's share of a search.

    Attributes:
        query: Narrowed to the collections of this part.
        candidates: Nearest faces to begin with.
        max_scan: Faces that an index scan may visit.
        estimate: None where there was nothing to choose.
    """

    query: Query
    kind: Kind
    candidates: int
    ef_search: int | None = None
    max_scan: int = 0
    estimate: Estimate | None = None


@dataclass(frozen=True, slots=True)
class _Selectivity:
    """Shares of the faces: that meet all conditions, and that the best index for them names."""

    matching: float
    touched: float | None


class Router:
    """Chooses for one process, and remembers what it timed and sampled."""

    def __init__(self) -> None:
        self._costs: dict[tuple[UUID, Kind], tuple[float, Costs]] = {}
        self._found: dict[UUID, tuple[float, Kind]] = {}
        self._selectivities: dict[tuple[UUID, str], tuple[float, _Selectivity]] = {}
        self._timing = threading.Lock()

    def plan(
        self,
        conn: Connection,
        collections: Sequence[Collection],
        query: Query,
        mode: Mode,
        *,
        ef_search: int,
    ) -> list[Part]:
        """Return the statements that answer *query*, which is of all *collections*.

        Args:
            ef_search: Of collections that have none of their own.
        """
        own = [each.id for each in collections if each.layout == "own"]
        kinds = self._kinds(conn, own) if mode is not Mode.EXACT else {}
        parts = [
            self._choose(conn, each, _narrow(query, [each]), kinds[each.id], mode, ef_search)
            for each in collections
            if each.id in kinds
        ]
        others = [each for each in collections if each.id not in kinds]
        if others:
            parts.append(exact(_narrow(query, others)))
        return parts

    def _choose(
        self,
        conn: Connection,
        collection: Collection,
        query: Query,
        kind: Kind,
        mode: Mode,
        ef_search: int,
    ) -> Part:
        share = self._selectivity(conn, collection, query)
        ef_search = collection.ef_search or ef_search
        part = by_index(query, kind, ef_search, matching=share.matching)
        visited = part.candidates / share.matching
        costs = self.costs(conn, collection.id, kind)
        estimate = Estimate(
            faces=collection.face_count,
            matching=round(share.matching * collection.face_count),
            exact_ms=_exact_us(costs, collection.face_count, share) * len(query.probes) / 1000,
            index_ms=costs.candidate_us * visited * len(query.probes) / 1000,
        )
        if mode is Mode.AUTO and estimate.exact_ms <= estimate.index_ms:
            return replace(exact(query), estimate=estimate)
        return replace(part, estimate=estimate)

    def prepare(self, pool: Pool) -> None:
        """Time the largest collections, so that nobody's first search waits for that."""
        with pool.connection() as conn:
            for collection_id, kind in rows.kinds(
                conn, timing.largest(conn, limit=PREPARED)
            ).items():
                self.costs(conn, collection_id, kind)

    def costs(self, conn: Connection, collection_id: UUID, kind: Kind) -> Costs:
        """Return what the ways cost here, timed on the collection itself if that is not known."""
        key = (collection_id, kind)
        known = self._costs.get(key)
        if known is None or known[0] < time.monotonic():
            with self._timing:
                known = self._costs.get(key)
                if known is None or known[0] < time.monotonic():
                    found = timing.measure(conn, collection_id, kind) or TYPICAL
                    known = (time.monotonic() + TIMED_S, found)
                    _remember(self._costs, key, known)
        return known[1]

    def _kinds(self, conn: Connection, collection_ids: Sequence[UUID]) -> dict[UUID, Kind]:
        """Return how each of these that has an index can be searched."""
        now = time.monotonic()
        known = {
            each: self._found[each][1]
            for each in collection_ids
            if each in self._found and self._found[each][0] > now
        }
        unknown = [each for each in collection_ids if each not in known]
        found = rows.kinds(conn, unknown) if unknown else {}
        for each, kind in found.items():
            _remember(self._found, each, (now + FOUND_S, kind))
        return known | found

    def _selectivity(self, conn: Connection, collection: Collection, query: Query) -> _Selectivity:
        if not query.clauses:
            return _Selectivity(1.0, None)
        asked = repr([(clause.name, clause.params) for clause in query.clauses])
        known = self._selectivities.get((collection.id, asked))
        if known is None or known[0] < time.monotonic():
            found = _sampled(conn, collection, query)
            known = (time.monotonic() + SAMPLE_S, found)
            _remember(self._selectivities, (collection.id, asked), known)
        return known[1]


def exact(query: Query) -> Part:
    """Return the part that looks at each face."""
    return Part(query, Kind.EXACT, max(LEAST_CANDIDATES, OVER_FETCH * _groups(query)))


def by_index(query: Query, kind: Kind, ef_search: int, *, matching: float = 1.0) -> Part:
    """Return the part that asks an index.

    Args:
        matching: Share of the faces that meet the conditions.
    """
    candidates = _candidates(query, kind, ef_search, matching)
    # The share may be off by a few times; beyond that exact search is the better way.
    most = min(MOST_VISITED, max(LEAST_VISITED, round(4 * candidates / matching)))
    return Part(query, kind, candidates, ef_search=ef_search, max_scan=most)


def _groups(query: Query) -> int:
    return query.limit + len(query.shown)


def _candidates(query: Query, kind: Kind, ef_search: int, matching: float) -> int:
    wanted = max(ef_search, OVER_FETCH * _groups(query))
    wanted *= 1 if matching >= OFTEN else UNDER_CONDITIONS
    return wanted * (BIT_OVER_FETCH if kind is Kind.BIT else 1)


def _exact_us(costs: Costs, faces: int, share: _Selectivity) -> float:
    looking = faces * (costs.looked_us if share.matching < 1 else 0)
    scan = looking + faces * share.matching * costs.row_us
    if share.touched is None:
        return scan
    return min(scan, faces * share.touched * SCATTERED * costs.row_us)


def _sampled(conn: Connection, collection: Collection, query: Query) -> _Selectivity:
    """Try the conditions on some faces; one that none of them meets counts as half a face."""
    percent = min(100.0, 100 * SAMPLED / max(1, collection.face_count))
    sample = rows.sample(conn, query, percent=percent)
    least = 0.5 / max(1, sample.faces)
    shares = [max(least, each / max(1, sample.faces)) for each in sample.each]
    indexed = [share for share, clause in zip(shares, query.clauses, strict=True) if clause.indexed]
    return _Selectivity(
        matching=max(least, sample.all / max(1, sample.faces)),
        touched=min(indexed, default=None),
    )


def _narrow(query: Query, homes: Sequence[Collection]) -> Query:
    threshold_of = dict(zip(query.collections, query.thresholds, strict=True))
    return replace(
        query,
        collections=tuple(home.id for home in homes),
        thresholds=tuple(threshold_of[home.id] for home in homes),
        own=len(homes) == 1 and homes[0].layout == "own",
    )


def _remember(known: dict[Key, Value], key: Key, value: Value) -> None:
    if len(known) >= MOST_REMEMBERED:
        known.clear()
    known[key] = value
