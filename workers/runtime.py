"""What one worker process holds for its whole life: services, loaded models, its place in the list
of workers. Made after the start, by Celery's signals; importing this loads nothing.
"""

import logging
import os
import threading
import time
from typing import Any

import redis
from celery.concurrency.thread import TaskPool
from celery.signals import (
    celeryd_after_setup,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)

from core import search, workers_seen
from core.db.pool import connect
from core.errors import FaceSearchError
from core.pipelines import Pipelines
from core.services import Services, close_services, open_services
from core.settings import Settings
from core.workers_seen import RENEW_S, WorkerSeen
from workers.app import load_settings

logger = logging.getLogger(__name__)

LEAST_THREADS = 2

CHATTY = ("celery.app.trace", "celery.worker.strategy")
"""They log two lines for each message, and most messages here find nothing to do."""


class Gate:
    """Lets so many batches run at once. A ring that was turned away is not forgotten: whoever
    leaves next is told, because the photos it rang for may have come after the last claim.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._turned_away = False
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Take a place; False when there is none."""
        with self._lock:
            if not self._free:
                self._turned_away = True
                return False
            self._free -= 1
            return True

    def leave(self) -> bool:
        """Give a place back; say whether somebody was turned away since the last who left."""
        with self._lock:
            self._free += 1
            turned_away, self._turned_away = self._turned_away, False
            return turned_away


class Runtime:
    """One worker process.

    Attributes:
        gate: Has one place less than there are threads, so that a search always finds one.
    """

    def __init__(self, settings: Settings, *, hostname: str, threads: int) -> None:
        """Open the services; the models come with `load`.

        Raises:
            SetupError, DatabaseUnavailable: See `core.services.open_services`.
        """
        self.settings = settings
        # A batch needs one connection and its lease another one.
        self.services: Services = open_services(settings, connections=2 * threads + 1)
        self.pipelines = Pipelines(self.services.manifest, settings)
        self.gate = Gate(threads - 1)
        self._presence = Presence(self.services.broker, self.pipelines, hostname)

    def load(self) -> None:
        """Load the pack of new collections, so that the first photo of most does not wait for it.

        Raises:
            ModelError: It is not installed or cannot be loaded.
        """
        self._presence.start()
        self.pipelines.require(self.services.manifest.pack(self.settings.pack))

    def ready(self) -> None:
        """Tell everybody that photos are analysed from now on."""
        self._presence.ready()

    def leave(self) -> None:
        """Tell everybody that this worker takes no more work. Safe in a signal handler."""
        self._presence.stop()

    def close(self) -> None:
        """Give everything back."""
        self._presence.stop()
        self._presence.join()
        close_services(self.services)

    def maintain_indexes(self) -> None:
        """Build what is missing, in a thread of its own: a build may take hours, in which Postgres
        works and a thread of the pool would only wait.
        """
        threading.Thread(target=self._maintain_indexes, name="indexes", daemon=True).start()

    def _maintain_indexes(self) -> None:
        url = self.settings.database_url
        assert url is not None, "services were opened"  # noqa: S101
        try:
            with connect(url, autocommit=True) as conn:
                done = search.maintain_indexes(conn, exact_max=self.settings.exact_max_faces)
        except Exception:
            logger.exception("the indexes could not be maintained; the next round tries again")
            return
        for sentence in done:
            logger.info("index maintenance %s", sentence)


class Presence(threading.Thread):
    """Keeps this worker in the list of `core.workers_seen`."""

    def __init__(self, broker: redis.Redis, pipelines: Pipelines, hostname: str) -> None:
        super().__init__(name="presence", daemon=True)
        self._broker = broker
        self._pipelines = pipelines
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

    def _tell(self, what: Any) -> None:
        try:
            what()
        except redis.RedisError:
            logger.warning("the broker is away; this worker is not in the list until it is back")


_runtime: Runtime | None = None


def current() -> Runtime:
    """Return the runtime of this process, which `start` made."""
    assert _runtime is not None, "tasks run in a worker that was set up"  # noqa: S101
    return _runtime


@celeryd_after_setup.connect
def start(sender: str, instance: Any, **_: Any) -> None:
    """Set this process up before it takes the first message."""
    global _runtime  # noqa: PLW0603  one worker is one process
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    if not issubclass(instance.pool_cls, TaskPool) or instance.concurrency < LEAST_THREADS:
        _refuse("A worker needs a pool of threads, at least two: -P threads -c 2.")
    try:
        _runtime = Runtime(load_settings(), hostname=sender, threads=instance.concurrency)
        _runtime.load()
    except FaceSearchError as error:
        _refuse(str(error))


def _refuse(sentence: str) -> None:
    logger.critical(sentence)
    # Celery logs whatever Exception a signal's receiver raises, and goes on.
    raise SystemExit(1)


@worker_ready.connect
def _announce(**_: Any) -> None:
    current().ready()


@worker_shutting_down.connect
def _leave(**_: Any) -> None:
    if _runtime is not None:
        _runtime.leave()


@worker_shutdown.connect
def _close(**_: Any) -> None:
    if _runtime is not None:
        _runtime.close()
