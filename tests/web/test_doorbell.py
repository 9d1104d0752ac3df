"""The doorbell rings real queues of the real broker, in the words that a worker understands."""

import json
import time
from pathlib import Path

import pytest
import redis

from core.doorbell import (
    INDEX_TASK,
    INGEST_QUEUE,
    INGEST_TASK,
    MAINTENANCE_QUEUE,
    SEARCH_QUEUE,
    SEARCH_TASK,
)
from core.errors import BrokerUnavailable
from core.settings import Settings
from web.doorbell import CeleryDoorbell


@pytest.fixture
def settings(broker_url: str) -> Settings:
    return Settings(_env_file=None, database_url="unused", broker_url=broker_url)


def messages(broker_url: str, queue: str) -> list[dict[str, object]]:
    with redis.Redis.from_url(broker_url) as client:
        return [json.loads(message) for message in client.lrange(queue, 0, -1)]


def test_each_task_goes_to_its_own_queue_by_name(settings: Settings, broker_url: str) -> None:
    bell = CeleryDoorbell(settings)

    bell.ingest()
    bell.search("request-7")
    bell.indexes()
    bell.close()

    (ingest,) = messages(broker_url, INGEST_QUEUE)
    (search,) = messages(broker_url, SEARCH_QUEUE)
    (indexes,) = messages(broker_url, MAINTENANCE_QUEUE)
    assert ingest["headers"]["task"] == INGEST_TASK
    assert search["headers"]["task"] == SEARCH_TASK
    assert indexes["headers"]["task"] == INDEX_TASK
    assert "request-7" in search["headers"]["argsrepr"]
    assert search["content-type"] == "application/json"


@pytest.mark.parametrize("url", ["unix://{folder}/none.sock", "redis://127.0.0.1:1/0"])
def test_a_broker_that_is_away_is_told_soon(tmp_path: Path, url: str) -> None:
    broker_url = url.format(folder=tmp_path)
    bell = CeleryDoorbell(Settings(_env_file=None, database_url="unused", broker_url=broker_url))
    began = time.monotonic()

    with pytest.raises(BrokerUnavailable):
        bell.ingest()
    with pytest.raises(BrokerUnavailable):
        bell.search("request-7")

    assert time.monotonic() - began < 10
    bell.close()


def test_a_broker_that_comes_back_is_rung_again(broker_url: str, settings: Settings) -> None:
    bell = CeleryDoorbell(settings)
    bell.ingest()
    with redis.Redis.from_url(broker_url) as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    bell.ingest()
    bell.close()

    assert len(messages(broker_url, INGEST_QUEUE)) == 2
