"""The gate in front of the bit index: passed where it finds enough, refused where it does not."""

from collections.abc import Callable
from typing import Any

import pytest

from core import maintenance, recall
from core.db import index_work, indexes
from core.db import recall as rows
from core.db.index_work import Action, State
from core.db.indexes import Kind
from core.db.pool import Connection
from core.db.search import kinds
from core.settings import Settings
from core.small_memory import Verdict, build_small
from tests.galleries import DIMENSION, Gallery, isotropic, manifold

Make = Callable[..., Gallery]


@pytest.fixture(autouse=True)
def _few_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "QUERIES", 40)


def build(made: Gallery, settings: Settings, **changes: Any) -> Verdict:
    return build_small(
        made.conn,
        made.fresh(),
        settings.model_copy(update=changes),
        build=lambda: indexes.create(
            made.conn, made.collection.id, Kind.BIT, DIMENSION, trial=True
        ),
        report=lambda step, done, total: None,
    )


def kind_of(made: Gallery) -> str | None:
    return kinds(made.conn, [made.collection.id]).get(made.collection.id)


def names(conn: Connection) -> list[str]:
    found = conn.execute("SELECT indexname FROM pg_indexes WHERE indexname ~ '_(hnsw|bit)'")
    return sorted(name.rpartition("_c_")[2][33:] for (name,) in found)


def test_a_bit_index_that_finds_enough_takes_the_place_of_the_whole_one(
    gallery: Make, settings: Settings
) -> None:
    made = gallery(manifold(2000))

    verdict = build(made, settings, recall_goal=0.9)

    assert verdict.passed
    assert verdict.bits.recall_10 >= 0.9
    assert verdict.whole is not None
    assert names(made.conn) == ["bit"]
    assert made.fresh().ef_search == verdict.bits.ef_search
    assert kind_of(made) == "bit"
    (audit,) = recall.latest(made.conn)
    assert (audit.kind, audit.ef_search) == ("bit", verdict.bits.ef_search)
    assert "Searches use it from now on" in verdict.sentence


def test_one_that_loses_faces_is_dropped_and_the_whole_one_stays(
    gallery: Make, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall, "LADDER", (10, 16))
    made = gallery(isotropic(6000))
    made.conn.execute("UPDATE collections SET ef_search = 300")

    verdict = build(made, settings)

    assert not verdict.passed
    assert verdict.whole is not None
    assert verdict.bits.recall_10 < 0.98 <= verdict.whole.recall_10
    assert names(made.conn) == ["hnsw"]
    assert made.fresh().ef_search == 300
    assert recall.latest(made.conn) == []
    assert "dropped" in verdict.sentence


def test_one_lost_mate_is_too_many(
    gallery: Make, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall, "LADDER", (10, 16))
    made = gallery(isotropic(6000))
    made.conn.execute("UPDATE collections SET threshold = -1")

    verdict = build(made, settings, recall_goal=0.1)

    assert verdict.bits.recall_10 > 0.1
    assert verdict.bits.lost_mates > 0
    assert not verdict.passed


def test_without_a_whole_index_it_is_held_against_exact_search_alone(
    gallery: Make, settings: Settings
) -> None:
    made = gallery(manifold(2000))
    indexes.drop(made.conn, made.collection.id, Kind.HNSW)

    verdict = build(made, settings, recall_goal=0.9)

    assert verdict.passed
    assert verdict.whole is None
    assert kind_of(made) == "bit"


def test_searches_do_not_see_an_index_on_trial(gallery: Make, settings: Settings) -> None:
    made = gallery(manifold(1000))
    indexes.drop(made.conn, made.collection.id, Kind.HNSW)

    indexes.create(made.conn, made.collection.id, Kind.BIT, DIMENSION, trial=True)

    assert kind_of(made) is None
    assert [name[-10:] for name in indexes.useless(made.conn)] == ["_bit_trial"]
    indexes.adopt(made.conn, made.collection.id, Kind.BIT)
    assert kind_of(made) == "bit"
    assert indexes.useless(made.conn) == []


def test_a_trial_that_is_interrupted_leaves_nothing(
    gallery: Make, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = gallery(manifold(1000))

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rows, "page_of_faces", interrupt)

    with pytest.raises(KeyboardInterrupt):
        build(made, settings)

    assert names(made.conn) == ["hnsw"]


def work(made: Gallery, kind: Kind) -> None:
    index_work.insert(
        made.conn,
        collection_id=made.collection.id,
        action=Action.BUILD,
        kind=kind,
        actor="a test",
    )


def test_work_that_was_asked_for_goes_through_the_gate(
    gallery: Make, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = gallery(manifold(2000))
    easy = settings.model_copy(update={"recall_goal": 0.8})
    work(made, Kind.BIT)
    maintenance.maintain(made.conn, easy)
    assert names(made.conn) == ["bit"]

    work(made, Kind.HNSW)
    maintenance.maintain(made.conn, easy)
    assert names(made.conn) == ["hnsw"], "nobody would use the bit index any more"

    monkeypatch.setattr(recall, "LADDER", (10,))
    made.conn.execute("UPDATE collections SET threshold = -1")
    work(made, Kind.BIT)
    maintenance.maintain(made.conn, easy)
    refused = index_work.history(made.conn, made.collection.id, limit=1)[0]
    assert refused.state == State.FAILED
    assert "too little" in (refused.detail or "")
    assert names(made.conn) == ["hnsw"]
