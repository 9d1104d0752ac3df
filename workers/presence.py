"""The thread that keeps a worker in the list of workers, and ends it when one of its tasks hangs."""

import logging
import os
import threading
import time
from collections.abc import Callable

import redis

from core import workers_seen
from core.pipelines import Pipelines
from core.workers_seen import RENEW_S, WorkerSeen
from workers.watch import Watch

logger = logging.getLogger(__name__)


class Presence(threading.Thread):
    """Keeps this worker in the list of `core.workers_seen`."""

    def __init__(
        self, broker: redis.Redis, pipelines: Pipelines, watch: Watch, hostname: str
    ) -> None:
        super().__init__(name="presence", daemon=True)
        self._broker = broker
        self._pipelines = pipelines
        self._watch = watch
        self._hostname = hostname
        self._started_at = time.time()
        self._ready = False
        self._news = threading.Event()
        self._over = False

    def ready(self) -> None:
        """Say at once that the models are loaded."""
        self._ready = True
        self._news.set()

    def stop(self) -> None:
        """Leave the list soon."""
        self._over = True
        self._news.set()

    def run(self) -> None:
        """Announce this worker until `stop` is called."""
        while not self._over:
            self._watch.check()
            self._tell(self._announce)
            self._news.wait(RENEW_S)
            self._news.clear()
        self._tell(lambda: workers_seen.leave(self._broker, self._hostname, os.getpid()))

    def _announce(self) -> None:
        seen = WorkerSeen(
            hostname=self._hostname,
            pid=os.getpid(),
            ready=self._ready,
            spaces=tuple(self._pipelines),
            device=self._pipelines.device,
            started=self._started_at,
        )
        workers_seen.announce(self._broker, seen)

    def _tell(self, what: Callable[[], None]) -> None:
        try:
            what()
        except redis.RedisError:
            logger.warning("the broker is away; this worker is not in the list until it is back")
