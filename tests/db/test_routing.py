"""The router: prices that are timed, conditions that are sampled, and what is chosen by them."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from core.db import collections, filters, timing
from core.db import search as rows
from core.db.collections import Collection
from core.db.pool import Connection
from core.db.search import GroupBy, Kind, Query, Sample
from core.db.timing import Costs
from core.filters import NOTHING_ASKED, Filter
from core.routing import (
    LEAST_VISITED,
    MOST_VISITED,
    UNDER_CONDITIONS,
    Estimate,
    Mode,
    Part,
    Router,
)

COSTS = Costs(row_us=0.5, looked_us=0.2, candidate_us=25)
FACES = 1_000_000


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Collection:
    """A million faces with an index, of which the database is not asked."""
    monkeypatch.setattr(rows, "kinds", lambda conn, ids: dict.fromkeys(ids, Kind.HNSW))
    monkeypatch.setattr(timing, "measure", lambda conn, collection_id, kind: COSTS)
    made = Collection.__new__(Collection)
    for name, value in {
        **dict.fromkeys(Collection.__dataclass_fields__),
        "id": UUID(int=1),
        "layout": "own",
        "face_count": FACES,
    }.items():
        object.__setattr__(made, name, value)
    return made


def plan(
    home: Collection, wanted: Filter = NOTHING_ASKED, *, limit: int = 10, mode: Mode = Mode.AUTO
) -> Part:
    clauses = tuple(filters.clauses(wanted))
    query = Query((home.id,), (0.5,), [np.ones(4, np.float32)], limit, GroupBy.PERSON, clauses)
    conn: Any = None
    (part,) = Router().plan(conn, [home], query, mode, ef_search=100)
    return part


def sampled(monkeypatch: pytest.MonkeyPatch, *shares: float, of: int = 2_000) -> None:
    """What the sample says: of all conditions together, then of each."""
    together, *each = (round(share * of) for share in shares)
    found = Sample(of, together, tuple(each))
    monkeypatch.setattr(rows, "sample", lambda conn, query, percent: found)


def test_a_large_collection_is_searched_by_its_index(home: Collection) -> None:
    part = plan(home)

    assert (part.kind, part.ef_search, part.candidates) == (Kind.HNSW, 100, 100)
    assert part.estimate == Estimate(FACES, FACES, exact_ms=500, index_ms=2.5)
    assert part.query.own, "its table is asked, not all partitions"


def test_more_groups_are_looked_for_among_more_candidates(home: Collection) -> None:
    assert plan(home, limit=200).candidates == 800


@pytest.mark.parametrize(
    ("share", "kind"), [(0.5, Kind.HNSW), (0.2, Kind.HNSW), (0.01, Kind.EXACT), (0, Kind.EXACT)]
)
def test_the_rarer_the_faces_the_sooner_each_is_looked_at(
    home: Collection, monkeypatch: pytest.MonkeyPatch, share: float, kind: Kind
) -> None:
    sampled(monkeypatch, share, share)

    part = plan(home, Filter(tags_any=("x",)))

    assert part.kind is kind
    assert part.estimate is not None
    assert part.estimate.matching == max(250, round(share * FACES)), "none of 2,000 is not none"


def test_without_an_index_for_the_condition_every_face_costs_a_look(
    home: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled(monkeypatch, 0.01, 0.01)

    tagged, sharp = plan(home, Filter(tags_any=("x",))), plan(home, Filter(min_quality=0.9))

    assert tagged.estimate is not None
    assert sharp.estimate is not None
    assert tagged.estimate.exact_ms == pytest.approx(FACES * 0.01 * 2 * 0.5 / 1000)
    assert sharp.estimate.exact_ms == pytest.approx(FACES * (0.2 + 0.01 * 0.5) / 1000)


def test_rare_faces_are_asked_more_candidates_and_a_longer_walk(
    home: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled(monkeypatch, 0.1, 0.1)

    part = plan(home, Filter(min_quality=0.9))

    assert part.candidates == 100 * UNDER_CONDITIONS
    assert part.max_scan == LEAST_VISITED
    sampled(monkeypatch, 0.0005, 0.0005)
    forced = plan(home, Filter(min_quality=0.9), mode=Mode.APPROXIMATE)
    assert (forced.kind, forced.max_scan) == (Kind.HNSW, MOST_VISITED)


def test_whoever_asks_for_exact_search_gets_it(home: Collection) -> None:
    assert plan(home, mode=Mode.EXACT).kind is Kind.EXACT


def test_a_collection_may_have_an_ef_search_of_its_own(home: Collection) -> None:
    assert plan(replace(home, ef_search=300)).ef_search == 300


def test_several_collections_without_index_are_one_statement(conn: Connection, make: Any) -> None:
    ids = [make.collection() for _ in range(3)]
    homes = [home for home in (collections.get(conn, each) for each in ids) if home]
    query = Query(tuple(ids), (0.1, 0.2, 0.3), [make.unit(1)], 10, GroupBy.FACE)

    (part,) = Router().plan(conn, homes, query, Mode.AUTO, ef_search=100)

    assert (part.kind, part.query.collections) == (Kind.EXACT, tuple(ids))
    assert part.query.thresholds == (0.1, 0.2, 0.3)
    assert not part.query.own
