"""The list of workers, as the broker keeps it."""

from collections.abc import Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.errors import BrokerUnavailable
from core.workers_seen import TTL_S, WorkerSeen, announce, leave, workers

FIRST = WorkerSeen("worker@a", 11, True, ("sp_1", "sp_2"), "cuda", 1000.5)
SECOND = WorkerSeen("worker@b", 22, False, (), "", 2000.0)


@pytest.fixture
def broker(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as client:
        yield client


def test_workers_are_listed_by_name_as_they_announced_themselves(broker: redis.Redis) -> None:
    for worker in (SECOND, FIRST):
        announce(broker, worker)

    assert workers(broker) == [FIRST, SECOND]


def test_a_worker_that_falls_silent_leaves_the_list_by_itself(broker: redis.Redis) -> None:
    announce(broker, FIRST)

    (key,) = broker.keys()

    assert 0 < broker.ttl(key) <= TTL_S


def test_a_worker_that_leaves_is_gone_and_the_others_stay(broker: redis.Redis) -> None:
    for worker in (FIRST, SECOND):
        announce(broker, worker)

    leave(broker, FIRST.hostname, FIRST.pid)
    leave(broker, "unknown", 1)

    assert workers(broker) == [SECOND]


def test_other_keys_are_no_workers(broker: redis.Redis) -> None:
    broker.set("facesearch:photo:1", b"photo")

    assert workers(broker) == []


def test_a_broker_that_is_away_is_an_error_of_its_own() -> None:
    with pytest.raises(BrokerUnavailable):
        workers(redis.Redis(unix_socket_path="/nowhere/broker.sock", retry=Retry(NoBackoff(), 0)))
