"""Exact answers by reading pages, and what an index gave of them."""

from collections.abc import Callable

import numpy as np
import pytest

from core import replay as module
from core.db import faces
from core.db import recall as rows
from core.db.search import Kind
from core.errors import InvalidRequest
from core.replay import DEPTH, Replay
from tests.galleries import Gallery, isotropic, manifold

Make = Callable[..., Gallery]


def test_the_exact_answer_is_what_exact_search_in_sql_gives(
    gallery: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 300)  # several pages
    made = gallery(manifold(2000))

    replay = Replay(made.conn, made.collection, queries=20)

    assert replay.stored_queries == replay.queries == 20
    for query, answer in zip(replay._queries, replay._truth, strict=True):
        exact = replay._ask(query, Kind.EXACT)
        assert [face.cosine for face in answer[:DEPTH]] == pytest.approx(
            [face.cosine for face in exact], abs=1e-6
        )


def test_an_index_that_finds_everything_has_a_recall_of_one(gallery: Make) -> None:
    made = gallery(manifold(2000))

    step = Replay(made.conn, made.collection, queries=30).step("hnsw", 1000)

    assert (step.recall_1, step.recall_10, step.lost_mates) == (1.0, 1.0, 0)
    assert step.mates > 0
    assert step.ms > 0


@pytest.fixture
def hard(gallery: Make) -> Gallery:
    """Faces of which an index loses some, and 40 queries of strangers."""
    made = gallery(isotropic(6000))
    for vector in isotropic(40, seed=1):
        with made.conn.transaction():
            rows.keep_query(made.conn, made.collection.id, vector, most=40)
    return made


def test_an_index_that_loses_faces_is_caught(hard: Gallery) -> None:
    replay = Replay(hard.conn, hard.collection, queries=40)
    small, large = replay.step("hnsw", 10), replay.step("hnsw", 400)

    assert replay.stored_queries == 0
    assert small.recall_10 < 0.9
    assert small.recall_10 < large.recall_10 <= 1


def test_lost_mates_are_those_above_the_threshold_alone(hard: Gallery) -> None:
    hard.conn.execute("UPDATE collections SET threshold = 0.99")
    strict = Replay(hard.conn, hard.fresh(), queries=40).step("hnsw", 10)
    hard.conn.execute("UPDATE collections SET threshold = -1")
    everybody = Replay(hard.conn, hard.fresh(), queries=40).step("hnsw", 10)

    assert (strict.mates, strict.lost_mates) == (0, 0)
    assert everybody.mates == 40 * DEPTH
    assert everybody.lost_mates == round(400 * (1 - everybody.recall_10)) > 0


def test_faces_that_come_and_go_meanwhile_are_no_losses(gallery: Make) -> None:
    made = gallery(manifold(3000))
    replay = Replay(made.conn, made.collection, queries=20)
    doomed = {answer[0].id for answer in replay._truth}
    made.conn.execute("DELETE FROM faces WHERE id = ANY(%s)", [list(doomed)])

    step = replay.step("hnsw", 1000)

    assert (step.recall_1, step.recall_10, step.lost_mates) == (1.0, 1.0, 0)


def test_hidden_faces_are_no_losses(gallery: Make) -> None:
    made = gallery(manifold(3000))
    before = Replay(made.conn, made.collection, queries=20)
    hidden = [answer[0].id for answer in before._truth]
    faces.set_hidden(made.conn, made.collection.id, hidden[:10], hidden=True)

    after = Replay(made.conn, made.collection, queries=20)

    assert not {face.id for answer in after._truth for face in answer} & set(hidden[:10])
    for replay in (before, after):
        step = replay.step("hnsw", 1000)
        assert (step.recall_1, step.recall_10, step.lost_mates) == (1.0, 1.0, 0)


def test_real_queries_come_first_and_stored_faces_fill_up(gallery: Make) -> None:
    made = gallery(manifold(2000))
    for vector in manifold(5, seed=9):
        with made.conn.transaction():
            rows.keep_query(made.conn, made.collection.id, vector, most=10)

    replay = Replay(made.conn, made.collection, queries=20)

    assert (replay.queries, replay.stored_queries) == (20, 15)


def test_an_empty_collection_has_nothing_to_replay(gallery: Make) -> None:
    made = gallery(np.zeros((0, 128), np.float32))

    with pytest.raises(InvalidRequest, match="no face"):
        Replay(made.conn, made.collection, queries=20)
