"""Which workers are there: each keeps a key in the broker that is gone soon after it is."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import redis

from core.errors import BrokerUnavailable

KEY_PREFIX = "facesearch:worker:"

RENEW_S = 10
TTL_S = 30
"""Two renewals may fail before a worker counts as gone."""


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """One worker process, by its own words.

    Attributes:
        ready: Its models are loaded and it takes work.
        spaces: Ids of the spaces whose photos it can analyse.
        device: Where its models run: cpu, cuda or tensorrt; unknown until they are loaded.
        started: Seconds since 1970.
    """

    hostname: str
    pid: int
    ready: bool
    spaces: tuple[str, ...]
    device: str
    started: float


def announce(broker: redis.Redis, worker: WorkerSeen) -> None:
    """Say that this worker is there, for `TTL_S` seconds.

    Raises:
        redis.RedisError: The broker cannot be reached.
    """
    broker.set(_key(worker.hostname, worker.pid), json.dumps(asdict(worker)), ex=TTL_S)


def leave(broker: redis.Redis, hostname: str, pid: int) -> None:
    """Say that this worker is gone.

    Raises:
        redis.RedisError: The broker cannot be reached; the key expires by itself.
    """
    broker.delete(_key(hostname, pid))


def workers(broker: redis.Redis) -> list[WorkerSeen]:
    """Return the workers that were there within the last `TTL_S` seconds, by name.

    Raises:
        BrokerUnavailable: Redis cannot be reached.
    """
    try:
        keys = sorted(broker.scan_iter(f"{KEY_PREFIX}*"))
        values = [broker.get(key) for key in keys]
    except redis.RedisError as error:
        raise BrokerUnavailable("The broker cannot be reached.") from error
    return [_read(value) for value in values if isinstance(value, bytes)]


def _key(hostname: str, pid: int) -> str:
    return f"{KEY_PREFIX}{hostname}:{pid}"


def _read(value: bytes) -> WorkerSeen:
    found: dict[str, Any] = json.loads(value)
    return WorkerSeen(**{**found, "spaces": tuple(found["spaces"])})
