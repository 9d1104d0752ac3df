"""Finding the nearest faces to one or several unit vectors, and deciding who matches."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from psycopg.errors import UndefinedTable

from core import collections as collection_use
from core import metrics, ranking
from core.db import filters
from core.db import search as rows
from core.db.collections import Collection
from core.db.search import Detail, GroupBy, Kind, Query
from core.faces import Embedding
from core.filters import NOTHING_ASKED, Filter
from core.ranking import Done, Ranking
from core.routing import Estimate, Mode
from core.services import Services
from core.spaces import require_same

MOST_MATCHES = 500

MIXED = "mixed"
"""Several collections, some searched by an index and some exactly."""


class Decision(StrEnum):
    """Whether a cosine reaches the threshold."""

    MATCH = "match"
    NO_MATCH = "no_match"


@dataclass(frozen=True, slots=True)
class Options:
    """How to search.

    Attributes:
        limit: Most rows per query face, 1 to `MOST_MATCHES`.
        threshold: Cosine of a match; None: the collection's.
        only_matches: Leave out what is below the threshold.
        filter: Conditions that a face must meet to be searched at all.
        shown: Keys of groups that earlier pages gave; they are left out.
        one_in: Instead of a threshold: at most one false alarm in so many strangers.
        counted: Somebody asked for it, so that it is activity; False: it only explains another one.
    """

    limit: int = 20
    threshold: float | None = None
    group_by: GroupBy = GroupBy.PERSON
    only_matches: bool = False
    filter: Filter = NOTHING_ASKED
    mode: Mode = Mode.AUTO
    shown: tuple[UUID, ...] = ()
    one_in: int | None = None
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Match:
    """The best face of one group, with its rank (from 1) and the decision.

    Attributes:
        threshold: Of its collection, or of this search.
        margin: How far the best face of the next other named person is behind; None: no other.
    """

    rank: int
    decision: Decision
    threshold: float
    margin: float | None
    neighbour: Detail


@dataclass(frozen=True, slots=True)
class IndexUse:
    """How the neighbours were found.

    Attributes:
        kind: ``exact``, ``hnsw``, ``bit``, or `MIXED`.
        exact: None can be missing.
        ef_search: How many faces a walk through the graph keeps in view.
        second_look: An index found nobody at first and was asked again, by other ways through its graph.
        candidates: Faces that the groups were made of.
        fallback: Why an index was given up for exact search: ``too_few_rows`` (it found fewer than
            asked for), ``crowded`` (so many of one person that others were hidden) or
            ``nobody_found`` (and looking at every face is no slower than asking it again).
        estimates: What the router expected of each collection where it had a choice.
    """

    kind: str
    exact: bool
    ef_search: int | None = None
    second_look: bool = False
    candidates: int = 0
    fallback: str | None = None
    estimates: tuple[Estimate, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The answer for one query face.

    Attributes:
        threshold: The largest, where several collections have theirs.
        searched_faces: In the collections, before any condition.
        more: There are groups behind the last match.
    """

    threshold: float
    threshold_source: str
    searched_faces: int
    index: IndexUse
    matches: tuple[Match, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class _Policy:
    """The thresholds of one search, in the order of its collections."""

    thresholds: tuple[float, ...]
    source: str


def find(
    services: Services,
    homes: Sequence[Collection],
    probes: Sequence[Embedding],
    options: Options,
    *,
    without_faces: Sequence[UUID] = (),
    without_people: Sequence[UUID] = (),
) -> Found:
    """Find the nearest faces of some collections to a unit vector of their space.

    Args:
        homes: At least one, all of one space.
        probes: At least one. Of several, which show one person, the nearest to a face counts.

    Raises:
        SpaceMismatch: The collections are of different spaces.
        CollectionNotFound: One was deleted a moment ago.
        CalibrationNeeded: *one_in* is asked for, and no calibration says how to keep it.
        SearchTimeout: The database took longer than the settings allow.
    """
    space_of(homes)
    services.exchange.note_search()
    policy = _policy(homes, options)
    wanted = _without(options.filter, without_faces, without_people)
    query = Query(
        collections=tuple(home.id for home in homes),
        thresholds=policy.thresholds,
        probes=probes,
        limit=options.limit,
        group_by=options.group_by,
        clauses=tuple(filters.clauses(wanted)),
        shown=options.shown,
    )
    ranked = _rank(services, homes, query, options.mode)
    _keep(services, homes, ranked, probes)
    found = _found(homes, policy, options, ranked)
    _count(services, query, options, found)
    return found


def _without(wanted: Filter, faces: Sequence[UUID], people: Sequence[UUID]) -> Filter:
    return replace(
        wanted,
        not_faces=(*wanted.not_faces, *faces),
        not_people=(*wanted.not_people, *people),
    )


def _rank(services: Services, homes: Sequence[Collection], query: Query, mode: Mode) -> Ranking:
    settings = services.settings
    began = time.perf_counter()
    try:
        with (
            services.pool.connection() as conn,
            rows.bounded(conn, timeout_s=settings.search_timeout_s),
        ):
            ef_search = settings.hnsw_ef_search
            parts = services.router.plan(conn, homes, query, mode, ef_search=ef_search)
            ranked = ranking.rank(conn, query, parts)
    except UndefinedTable:
        _require_all(services, homes)
        raise
    used = _index_use(ranked.parts)
    metrics.observe_search(
        used.kind,
        time.perf_counter() - began,
        second_look=used.second_look,
        fallback=used.fallback is not None,
    )
    return ranked


def _require_all(services: Services, homes: Sequence[Collection]) -> None:
    """Say which collection was deleted since it was read, with its table."""
    with services.pool.connection() as conn:
        for home in homes:
            collection_use.get(conn, home.id)


def _keep(
    services: Services,
    homes: Sequence[Collection],
    ranked: Ranking,
    probes: Sequence[Embedding],
) -> None:
    """Keep a query now and then for the recall audit of collections that have an index."""
    indexed = {
        part.part.query.collections[0]
        for part in ranked.parts
        if part.part.kind is not Kind.EXACT or part.part.estimate is not None
    }
    for home in homes:
        if home.id in indexed:
            services.samples.keep(services.pool, home, probes)


def _count(services: Services, query: Query, options: Options, found: Found) -> None:
    """Count a search; what goes on with one was counted when that began."""
    if options.counted and not options.shown:
        matches = (each for each in found.matches if each.decision is Decision.MATCH)
        details = (each.neighbour for each in matches)
        services.activity.note(
            query.collections, ((each.collection_id, each.person_id) for each in details)
        )


def _found(
    homes: Sequence[Collection], policy: _Policy, options: Options, ranked: Ranking
) -> Found:
    threshold_of = {
        home.id: threshold for home, threshold in zip(homes, policy.thresholds, strict=True)
    }
    matches = []
    for place, each in enumerate(ranked.ranked, start=len(options.shown) + 1):
        threshold = threshold_of[each.detail.collection_id]
        decision = Decision.MATCH if each.detail.cosine >= threshold else Decision.NO_MATCH
        matches.append(Match(place, decision, threshold, each.margin, each.detail))
    more = ranked.more
    if options.only_matches:
        kept = [match for match in matches if match.decision is Decision.MATCH]
        more = more and len(kept) == len(matches)
        matches = kept
    return Found(
        threshold=max(policy.thresholds),
        threshold_source=policy.source,
        searched_faces=sum(home.face_count for home in homes),
        index=_index_use(ranked.parts),
        matches=tuple(matches),
        more=more,
    )


def _index_use(parts: Sequence[Done]) -> IndexUse:
    kinds = {each.part.kind for each in parts}
    return IndexUse(
        kind=kinds.pop().value if len(kinds) == 1 else MIXED,
        exact=all(each.exact for each in parts),
        ef_search=max((each.part.ef_search or 0 for each in parts), default=0) or None,
        second_look=any(each.detours for each in parts),
        candidates=sum(each.candidates for each in parts),
        fallback=next((each.fallback for each in parts if each.fallback), None),
        estimates=tuple(each.part.estimate for each in parts if each.part.estimate),
    )


def _policy(homes: Sequence[Collection], options: Options) -> _Policy:
    if options.one_in is not None:
        effective = collection_use.threshold_for(homes, options.one_in)
        return _Policy((effective.cosine,) * len(homes), effective.source)
    if options.threshold is not None:
        return _Policy((options.threshold,) * len(homes), "request")
    strictest = max(homes, key=lambda home: home.threshold)
    return _Policy(tuple(home.threshold for home in homes), strictest.threshold_source)


def space_of(homes: Sequence[Collection]) -> str:
    """Return the one space of all collections.

    Raises:
        SpaceMismatch: There are several.
    """
    for home in homes[1:]:
        require_same(homes[0].space_id, home.space_id)
    return homes[0].space_id
