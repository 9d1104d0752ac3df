"""Queries that are kept as vectors: few, without a trace of who asked, and never in anybody's way."""

import logging
import threading

import numpy as np
import psycopg
import pytest

from core import collections
from core.db import recall as rows
from core.db.collections import Collection
from core.faces import Embedding, unit_embedding
from core.query_samples import PAUSE_S, QuerySamples
from core.services import Services


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def samples(clock: Clock) -> QuerySamples:
    return QuerySamples(clock)


def vector(number: int) -> Embedding:
    return unit_embedding(np.random.default_rng(number).normal(size=128), 128)[0]


def kept(services: Services, collection: Collection) -> list[Embedding]:
    with services.pool.connection() as conn:
        return rows.sampled_queries(conn, collection.id, limit=1000)


def test_a_query_is_kept_as_it_was_searched_with(
    services: Services, collection: Collection, samples: QuerySamples
) -> None:
    samples.keep(services.pool, collection, [vector(1)])

    (found,) = kept(services, collection)
    assert found == pytest.approx(vector(1), abs=1e-3)


def test_of_a_photo_with_many_faces_one_is_kept(
    services: Services, collection: Collection, samples: QuerySamples
) -> None:
    samples.keep(services.pool, collection, [vector(n) for n in range(5)])

    assert len(kept(services, collection)) == 1


def test_a_burst_of_searches_is_kept_once(
    services: Services, collection: Collection, samples: QuerySamples, clock: Clock
) -> None:
    for number in range(10):
        samples.keep(services.pool, collection, [vector(number)])
    clock.now += PAUSE_S
    samples.keep(services.pool, collection, [vector(11)])

    assert len(kept(services, collection)) == 2


def test_a_sample_never_grows_beyond_its_size(services: Services, collection: Collection) -> None:
    with services.pool.connection() as conn:
        for number in range(12):
            rows.keep_query(conn, collection.id, vector(number), most=5)

    assert len(kept(services, collection)) == 5


def test_nothing_is_kept_where_that_is_switched_off(
    services: Services, collection: Collection, samples: QuerySamples
) -> None:
    with services.pool.connection() as conn:
        off = collections.change(conn, collection.id, keeps_queries=False)

    samples.keep(services.pool, off, [vector(1)])
    QuerySamples().keep(services.pool, collection, [vector(1)])  # has not heard of it yet

    assert kept(services, collection) == []


def test_switching_it_off_deletes_what_was_kept_and_no_other_change_does(
    services: Services, collection: Collection, samples: QuerySamples
) -> None:
    samples.keep(services.pool, collection, [vector(1)])
    with services.pool.connection() as conn:
        collections.change(conn, collection.id, name="other", keeps_queries=True)
        assert len(rows.sampled_queries(conn, collection.id, limit=5)) == 1

        collections.change(conn, collection.id, keeps_queries=False)

    assert kept(services, collection) == []


def test_a_query_that_is_being_kept_while_it_is_switched_off_is_deleted_too(
    services: Services, collection: Collection
) -> None:
    def switch_off() -> None:
        with services.pool.connection() as conn:
            collections.change(conn, collection.id, keeps_queries=False)

    off = threading.Thread(target=switch_off)
    with services.pool.connection() as conn:
        rows.keep_query(conn, collection.id, vector(1), most=5)
        off.start()
        off.join(0.2)
        assert off.is_alive(), "it must wait, or the row would outlive it"
    off.join()

    assert kept(services, collection) == []


def test_a_collection_that_is_being_changed_loses_the_query_and_nobody_waits(
    services: Services, collection: Collection, samples: QuerySamples
) -> None:
    with services.pool.connection() as conn:
        collections.rows.lock(conn, collection.id)
        samples.keep(services.pool, collection, [vector(1)])

    assert kept(services, collection) == []


def test_a_search_never_fails_because_of_its_sample(
    services: Services, collection: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "core.query_samples")
    with services.pool.connection() as conn:
        collections.rows.delete(conn, collection.id)
    QuerySamples().keep(services.pool, collection, [vector(1)])
    services.pool.close()

    QuerySamples().keep(services.pool, collection, [vector(1)])

    assert "not kept" in caplog.text


def test_an_id_tells_nothing_about_the_time(
    services: Services, collection: Collection, samples: QuerySamples
) -> None:
    samples.keep(services.pool, collection, [vector(1)])

    assert services.settings.database_url is not None
    with psycopg.connect(services.settings.database_url) as conn:
        row = conn.execute("SELECT id FROM query_samples").fetchone()
    assert row is not None
    assert row[0].version == 4
