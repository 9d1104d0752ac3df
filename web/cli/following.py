"""Watching work on an index until it ends, and doing it where no worker is there to."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from uuid import UUID

import psycopg
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from core import indexes, maintenance, workers_seen
from core.db.index_work import State, Work
from core.db.pool import connect
from core.errors import BrokerUnavailable
from core.indexes import Look
from core.services import Services
from core.settings import Settings
from web.cli.common import console

LOOK_EVERY_S = 0.3
PATIENCE_S = 5.0
"""In which a worker that was rung takes the work up."""


class Helper:
    """Does one piece of work in a thread, on a connection of its own."""

    def __init__(self, settings: Settings, work_id: UUID) -> None:
        url = settings.database_url
        assert url is not None, "services were opened"  # noqa: S101
        self._conn = connect(url, autocommit=True)
        self._stop = threading.Event()
        executor = ThreadPoolExecutor(1, thread_name_prefix="indexes")
        self._ended = executor.submit(self._work, settings, work_id)
        executor.shutdown(wait=False)

    def _work(self, settings: Settings, work_id: UUID) -> None:
        with self._conn:
            maintenance.do_one(self._conn, work_id, settings, stop=self._stop)

    def ended(self) -> bool:
        """Say whether it is through, or another session was faster.

        Raises:
            Exception: Whatever it failed of.
        """
        if self._ended.done():
            self._ended.result()
        return self._ended.done()

    def stop(self) -> None:
        """Let the work wait again; returns when Postgres has cleaned up."""
        self._stop.set()
        while not self._ended.done():
            # Again and again: between two statements there is nothing to cancel.
            with suppress(psycopg.Error):
                self._conn.cancel_safe(timeout=5)
            wait([self._ended], timeout=LOOK_EVERY_S)


def follow(services: Services, work: Work, *, ring: Callable[[], None]) -> Work:
    """Show how far work is until it ends; do it here when no worker does. Returns it as it ended.

    Raises:
        CollectionNotFound: It was deleted meanwhile.
        KeyboardInterrupt: Ctrl-C; the work is left to a worker.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    helper: Helper | None = None
    try:
        with Progress(*columns, console=console(), transient=True) as progress:
            task = progress.add_task("waiting", total=None)
            alone_from = time.monotonic() + (PATIENCE_S if has_worker(services) else 0)
            while True:
                with services.pool.connection() as conn:
                    look = indexes.look(conn, work)
                if look.work.state in (State.DONE, State.FAILED):
                    return look.work
                _show(progress, task, look)
                if helper is not None and helper.ended():
                    helper = None
                free = look.work.state == State.WAITING and not look.busy
                if helper is None and free and time.monotonic() > alone_from:
                    helper = Helper(services.settings, work.id)
                time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        if helper is not None:
            helper.stop()
            ring()
        with suppress(KeyboardInterrupt):
            console().print(_left(services, here=helper is not None))
        raise


def _show(progress: Progress, task: TaskID, look: Look) -> None:
    if look.step is None:
        words = "waiting for other work on indexes" if look.busy else "waiting for a worker"
        progress.reset(task, description=words, total=None)
        return
    step = look.step
    if progress.tasks[task].description != step.words:
        progress.reset(task, description=step.words)
    progress.update(task, completed=step.done, total=step.total or None)


def _left(services: Services, *, here: bool) -> str:
    if not here:
        return "It goes on without this command; see `facesearch index status`."
    if has_worker(services):
        return "Stopped here; a worker begins it anew."
    return "Stopped; it waits for a worker, or for the same command again."


def has_worker(services: Services) -> bool:
    """Say whether a worker is up that takes work."""
    try:
        return any(worker.ready for worker in workers_seen.workers(services.broker))
    except BrokerUnavailable:
        return False
