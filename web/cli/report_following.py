"""Watching reports until they are made, and making them here where that is wanted."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from threading import Event

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from core import reporting
from core.db.reports import Report, State
from core.errors import WorkerUnavailable
from core.services import Services
from web.cli.common import console
from web.cli.following import LOOK_EVERY_S, has_worker

STOPPED = "Stopped here; it waits for a worker, or for the same command again."
GOES_ON = "It goes on without this command; see `facesearch reports list`."


class Maker:
    """Makes what waits, in a thread, as a worker does."""

    def __init__(self, services: Services) -> None:
        self._ending = Event()
        executor = ThreadPoolExecutor(1, thread_name_prefix="reports")
        self._ended = executor.submit(reporting.work, services, lambda: None, self._ending)
        executor.shutdown(wait=False)

    def ended(self) -> bool:
        """Say whether it is through.

        Raises:
            Exception: Whatever it failed of.
        """
        if self._ended.done():
            self._ended.result()
        return self._ended.done()

    def stop(self) -> None:
        """Let what it makes wait again; returns when it does."""
        self._ending.set()
        wait([self._ended])


def follow(services: Services, asked: Sequence[Report], *, here: bool) -> list[Report]:
    """Show how far reports are until all are over; return them as they ended.

    Args:
        here: Make them in this process, unless a worker is faster.

    Raises:
        ReportNotFound: One was deleted meanwhile.
        WorkerUnavailable: Nobody is there to make them.
        KeyboardInterrupt: Ctrl-C; they are left to a worker.
    """
    if not here and not has_worker(services):
        raise WorkerUnavailable(
            "No worker is up: what was asked for waits until one is. `facesearch up` starts one; "
            "--here makes it in this process."
        )
    maker: Maker | None = None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    try:
        with Progress(*columns, console=console(), transient=True) as progress:
            task = progress.add_task("waiting for a worker", total=None)
            while True:
                found = _look(services, asked)
                if not any(each.is_open for each in found):
                    return found
                _show(progress, task, found)
                waits = any(each.state == State.WAITING for each in found)
                if here and waits and (maker is None or maker.ended()):
                    maker = Maker(services)
                time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        with suppress(KeyboardInterrupt):
            console().print(STOPPED if here else GOES_ON)
        raise
    finally:
        if maker is not None:
            maker.stop()


def _look(services: Services, asked: Sequence[Report]) -> list[Report]:
    with services.pool.connection() as conn:
        return [reporting.get(conn, each.id) for each in asked]


def _show(progress: Progress, task: TaskID, found: Sequence[Report]) -> None:
    running = [each for each in found if each.state == State.RUNNING and each.step]
    if not running:
        return
    first = running[0]
    words = first.step or ""
    if progress.tasks[task].description != words:
        progress.reset(task, description=words)
    progress.update(task, completed=first.done, total=first.total or None)
