"""What one worker process holds for its whole life: services, loaded models, its place in the list
of workers. Made after the start, by Celery's signals; importing this loads nothing.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Any

from celery.concurrency.thread import TaskPool
from celery.signals import (
    celeryd_after_setup,
    task_postrun,
    task_prerun,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)

from core import arrivals, checks, maintenance, recall, reporting
from core.db.pool import connect
from core.errors import FaceSearchError
from core.import_reading import READERS, read_one
from core.indexing import LONGEST_BATCH_LEASES
from core.memory import share_heaps
from core.pipelines import Pipelines
from core.precedence import step_back
from core.services import Services, close_services, open_services
from core.settings import Settings
from workers.app import load_settings
from workers.gate import Gate
from workers.presence import Presence
from workers.spare_core import SpareCore
from workers.watch import Watch

logger = logging.getLogger(__name__)

LEAST_THREADS = 2

CHATTY = ("celery.app.trace", "celery.worker.strategy")
"""They log two lines for each message, and most messages here find nothing to do."""


class Runtime:
    """One worker process.

    Attributes:
        gate: Has one place less than there are threads, so that a search always finds one.
        batches: As many threads; they, and those that they start, leave the processor to searches.
        spare_core: Whoever answers searches is exempt from it.
    """

    def __init__(self, settings: Settings, *, hostname: str, threads: int) -> None:
        """Open the services; the models come with `load`.

        Raises:
            SetupError, DatabaseUnavailable: See `core.services.open_services`.
        """
        self.settings = settings
        connections = checks.worker_connections(threads)
        self.services: Services = open_services(settings, connections=connections)
        self.pipelines = Pipelines(self.services.manifest, settings)
        self.gate = Gate(threads - 1)
        self.batches = ThreadPoolExecutor(threads - 1, "batch", initializer=step_back)
        self.spare_core = SpareCore(self.services.exchange.searched_lately)
        # Its lease is not renewed for longer than that, either.
        self.watch = Watch(LONGEST_BATCH_LEASES * settings.lease_s)
        self._readers = BoundedSemaphore(READERS)
        self._reporters = BoundedSemaphore(1)
        self._ending = threading.Event()
        self._presence = Presence(self.services.broker, self.pipelines, self.watch, hostname)

    def load(self) -> None:
        """Load the pack of new collections, so that the first photo of most does not wait for it.

        Raises:
            ModelError: It is not installed or cannot be loaded.
        """
        self._presence.start()
        self.spare_core.exempt()  # the thread that receives the messages
        self.spare_core.start()
        self.pipelines.require(self.services.manifest.pack(self.settings.pack))

    def ready(self) -> None:
        """Tell everybody that photos are analysed from now on."""
        self._presence.ready()

    def leave(self) -> None:
        """Tell everybody that this worker takes no more work. Safe in a signal handler."""
        self._presence.stop()
        self._ending.set()

    def close(self) -> None:
        """Give everything back."""
        self._presence.stop()
        self._ending.set()
        self._presence.join()
        self.spare_core.stop()
        self.spare_core.join()
        self.batches.shutdown()
        close_services(self.services)

    def read_imports(self, ring: Callable[[], None]) -> None:
        """Read imports, in a thread of its own: that takes as long as the workers take for them."""
        if self._readers.acquire(blocking=False):
            threading.Thread(
                target=self._read_imports, args=[ring], name="imports", daemon=True
            ).start()

    def _read_imports(self, ring: Callable[[], None]) -> None:
        step_back()
        try:
            while not self._ending.is_set():
                if not read_one(self.services, self.pipelines, ring, self._ending):
                    return
        except Exception:
            logger.exception("imports could not be read; the next round tries again")
        finally:
            self._readers.release()

    def maintain_indexes(self) -> None:
        """Do the work on indexes, in a thread of its own: a build may take hours, in which Postgres
        works and a thread of the pool would only wait.
        """
        threading.Thread(target=self._maintain_indexes, name="indexes", daemon=True).start()

    def _maintain_indexes(self) -> None:
        url = self.settings.database_url
        assert url is not None, "services were opened"  # noqa: S101
        try:
            with connect(url, autocommit=True) as conn:
                done = maintenance.maintain(conn, self.settings)
        except Exception:
            logger.exception("the indexes could not be maintained; the next round tries again")
            return
        for sentence in done:
            logger.info("index maintenance %s", sentence)

    def audit_recall(self) -> None:
        """Measure the indexes, in a thread of its own: it takes minutes, mostly of pauses."""
        threading.Thread(target=self._audit_recall, name="recall", daemon=True).start()

    def _audit_recall(self) -> None:
        url = self.settings.database_url
        assert url is not None, "services were opened"  # noqa: S101
        try:
            with connect(url, autocommit=True) as conn:
                recall.audit_due(conn, self.settings)
        except Exception:
            logger.exception("the recall audit failed; the next round tries again")

    def make_reports(self, ring: Callable[[], None]) -> None:
        """Look at new faces and make reports, in one thread of its own: that takes minutes, and whoever
        searches goes first.
        """
        if self._reporters.acquire(blocking=False):
            threading.Thread(
                target=self._make_reports, args=[ring], name="reports", daemon=True
            ).start()

    def _make_reports(self, ring: Callable[[], None]) -> None:
        step_back()
        try:
            _try("look at new faces", arrivals.look_at_new, self.services, self._ending)
            _try("ask for reports", reporting.ask_for_due, self.services)
            _try("make reports", reporting.work, self.services, ring, self._ending)
        finally:
            self._reporters.release()


def _try(what: str, step: Callable[..., object], *given: Any) -> None:
    """Do a step of a round, whose failure must not keep the next ones from being done."""
    try:
        step(*given)
    except Exception:
        logger.exception("failed to %s; the next round tries again", what)


_runtime: Runtime | None = None


def current() -> Runtime:
    """Return the runtime of this process, which `start` made."""
    assert _runtime is not None, "tasks run in a worker that was set up"  # noqa: S101
    return _runtime


@celeryd_after_setup.connect
def start(sender: str, instance: Any, **_: Any) -> None:
    """Set this process up before it takes the first message."""
    global _runtime  # noqa: PLW0603  one worker is one process
    share_heaps()
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    if not issubclass(instance.pool_cls, TaskPool) or instance.concurrency < LEAST_THREADS:
        _refuse("A worker needs a pool of threads, at least two: -P threads -c 2.")
    try:
        settings = load_settings()
        checks.require(settings, logger)
        _runtime = Runtime(settings, hostname=sender, threads=instance.concurrency)
        _runtime.load()
    except FaceSearchError as error:
        _refuse(str(error))
    except Exception as error:
        logger.exception("this worker cannot be set up")
        _refuse(f"This worker cannot be set up: {error}")


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


@task_prerun.connect
def _begin(task_id: str, **_: Any) -> None:
    current().watch.begin(task_id)


@task_postrun.connect
def _finish(task_id: str, **_: Any) -> None:
    current().watch.finish(task_id)
