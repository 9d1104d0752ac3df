"""Recall audits: measured, stored, proposed, due, and tuned where that is allowed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core import collections, recall
from core.db import recall as rows
from core.db.indexes import Kind
from core.db.pool import connect
from core.db.search import GroupBy
from core.errors import CollectionNotFound, InvalidRequest
from core.finding import Options, find
from core.recall import LADDER
from core.routing import Mode
from core.services import Services
from core.settings import Settings
from tests.galleries import Gallery, isotropic, manifold

Make = Callable[..., Gallery]


@pytest.fixture(autouse=True)
def _few_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "QUERIES", 40)
    monkeypatch.setattr(recall, "REST", 0.0)


def with_(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update=changes)


def test_an_audit_says_how_much_was_found_and_what_would_do(
    gallery: Make, settings: Settings
) -> None:
    made = gallery(manifold(3000))

    audit = recall.audit(made.conn, made.collection, settings)

    assert (audit.kind, audit.ef_search, audit.faces) == ("hnsw", 100, 3000)
    assert (audit.queries, audit.stored_queries) == (40, 40)
    assert audit.recall_1 > 0.95
    assert audit.recall_10 > 0.95
    assert audit.proposed_ef_search in LADDER
    assert not audit.applied
    assert recall.page(made.conn, made.collection.id, limit=5) == [audit]
    assert recall.latest(made.conn) == [audit]


def test_the_smallest_ef_search_that_is_enough_is_proposed(
    gallery: Make, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall, "QUERIES", 150)  # about one answer in a hundred is lost
    made = gallery(isotropic(8000))

    low = recall.audit(made.conn, made.collection, with_(settings, recall_goal=0.3))
    high = recall.audit(made.conn, made.collection, with_(settings, recall_goal=0.999))

    assert low.proposed_ef_search == LADDER[0]
    assert high.proposed_ef_search is None or high.proposed_ef_search > low.proposed_ef_search
    tried = [step["recall_10"] for step in high.steps if step["ef_search"] in LADDER]
    assert tried[0] < tried[-1]


def test_a_goal_that_nothing_reaches_is_said_so(gallery: Make, settings: Settings) -> None:
    made = gallery(isotropic(8000))
    made.conn.execute("UPDATE collections SET threshold = -1, ef_search = 10")

    audit = recall.audit(made.conn, made.fresh(), with_(settings, recall_goal=1.0))

    assert audit.ef_search == 10
    assert audit.lost_mates > 0


def test_no_proposal_is_set_unless_that_is_allowed(gallery: Make, settings: Settings) -> None:
    made = gallery(manifold(3000))
    made.conn.execute("UPDATE collections SET ef_search = 1000")

    audit = recall.audit(made.conn, made.fresh(), with_(settings, recall_goal=0.5))

    assert audit.proposed_ef_search == LADDER[0]
    assert (audit.applied, made.fresh().ef_search) == (False, 1000)


def test_where_it_is_allowed_ef_search_rises_at_once_and_sinks_step_by_step(
    gallery: Make, settings: Settings
) -> None:
    made = gallery(manifold(3000))
    tunes = with_(settings, recall_goal=0.5, recall_tunes=True)
    made.conn.execute("UPDATE collections SET ef_search = 640")
    sinking = recall.audit(made.conn, made.fresh(), tunes)
    assert (sinking.applied, made.fresh().ef_search) == (True, 400)

    made.conn.execute("UPDATE collections SET ef_search = 10")
    rising = recall.audit(made.conn, made.fresh(), tunes)
    assert (rising.applied, made.fresh().ef_search) == (True, rising.proposed_ef_search)

    assert not recall.audit(made.conn, made.fresh(), tunes).applied, "it is as proposed"


def test_a_collection_that_is_searched_exactly_has_nothing_to_audit(
    gallery: Make, settings: Settings
) -> None:
    made = gallery(manifold(100), kind=None)

    with pytest.raises(InvalidRequest, match="exactly"):
        recall.audit(made.conn, made.collection, settings)


def test_audits_are_due_after_hours_and_after_changes(gallery: Make, settings: Settings) -> None:
    made = gallery(manifold(500))
    gallery(manifold(100), kind=None)

    def due() -> bool:
        return bool(recall.audit_due(made.conn, settings))

    assert due(), "it was never audited"
    assert not due()
    made.conn.execute("UPDATE collections SET ef_search = 77")
    assert due(), "another ef_search"
    assert not due()
    made.conn.execute("UPDATE collections SET face_count = face_count * 2")
    assert due(), "twice the faces"
    assert not due()
    assert rows.due(made.conn, hours=0, ef_search=100) == [made.collection.id]


def test_never_means_never(gallery: Make, settings: Settings) -> None:
    made = gallery(manifold(500))

    assert recall.audit_due(made.conn, with_(settings, recall_audit_hours=0)) == []


def test_two_never_audit_at_once(gallery: Make, settings: Settings) -> None:
    made = gallery(manifold(500))
    assert settings.database_url is not None
    with connect(settings.database_url, autocommit=True) as other:
        assert rows.lock_audits(other)
        assert recall.audit_due(made.conn, settings) == []
        rows.unlock_audits(other)

    assert len(recall.audit_due(made.conn, settings)) == 1


def test_a_bit_index_is_audited_as_one(gallery: Make, settings: Settings) -> None:
    made = gallery(manifold(3000), kind=Kind.BIT)

    (audit,) = recall.audit_due(made.conn, settings)

    assert audit.kind == "bit"
    assert audit.recall_1 > 0.9


def test_searches_by_an_index_are_kept_and_exact_ones_of_the_tail_are_not(
    gallery: Make, services: Services
) -> None:
    indexed, tail = gallery(manifold(500)), gallery(manifold(100), kind=None)

    for made in (indexed, tail):
        for vector in manifold(3, seed=5):
            find(services, [made.fresh()], [vector], Options())

    def kept(made: Gallery) -> int:
        return len(rows.sampled_queries(made.conn, made.collection.id, limit=10))

    assert (kept(indexed), kept(tail)) == (1, 0)


def test_a_search_by_the_bit_index_finds_what_exact_search_finds(
    gallery: Make, services: Services
) -> None:
    made = gallery(manifold(2000), kind=Kind.BIT)
    approximate = Options(limit=3, group_by=GroupBy.FACE, mode=Mode.APPROXIMATE)

    for vector in manifold(5, seed=5):
        found = find(services, [made.fresh()], [vector], approximate)
        exact = find(services, [made.fresh()], [vector], replace(approximate, mode=Mode.EXACT))
        assert found.index.kind == "bit"
        assert found.matches[0].neighbour.cosine == pytest.approx(
            exact.matches[0].neighbour.cosine, abs=1e-6
        )


def test_of_each_collection_the_newest_audits_are_kept(
    gallery: Make, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall, "MOST_AUDITS", 2)
    made, other = gallery(manifold(300)), gallery(manifold(300))
    kept = recall.audit(other.conn, other.collection, settings)

    audits = [recall.audit(made.conn, made.collection, settings) for _ in range(4)]

    assert recall.page(made.conn, made.collection.id, limit=10) == [audits[3], audits[2]]
    assert recall.page(other.conn, other.collection.id, limit=10) == [kept]


def test_the_page_of_an_unknown_collection_is_an_error(gallery: Make) -> None:
    made = gallery(manifold(50))
    collections.rows.delete(made.conn, made.collection.id)

    with pytest.raises(CollectionNotFound):
        recall.page(made.conn, made.collection.id, limit=1)
