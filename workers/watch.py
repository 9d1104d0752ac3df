"""Ending a worker in which a task hangs.

Celery's time limits need a pool of processes. A thread that hangs in native code (a decoder, a GPU
driver) cannot be ended, and it would hold its place in the pool for ever; the process can, and
whoever supervises it starts another one. Photos lose nothing by it: their lease runs out.
"""

import logging
import os
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

EXIT_CODE = os.EX_SOFTWARE


def end_process() -> None:
    """End this process whatever its threads are doing."""
    os._exit(EXIT_CODE)


class Watch:
    """Knows since when each task runs."""

    def __init__(self, limit_s: float, end: Callable[[], None] = end_process) -> None:
        """Watch over tasks.

        Args:
            limit_s: Longer than any task takes.
            end: Called when one took longer.
        """
        self._limit_s = limit_s
        self._end = end
        self._since: dict[str, float] = {}
        self._lock = threading.Lock()

    def begin(self, task_id: str) -> None:
        """Note that a task starts."""
        with self._lock:
            self._since[task_id] = time.monotonic()

    def finish(self, task_id: str) -> None:
        """Note that a task is over, however it ended."""
        with self._lock:
            self._since.pop(task_id, None)

    def check(self) -> None:
        """End the process if a task runs for longer than the limit."""
        with self._lock:
            oldest = min(self._since.values(), default=time.monotonic())
        if time.monotonic() - oldest > self._limit_s:
            logger.critical("a task hangs for more than %.0f s; ending this worker", self._limit_s)
            self._end()
