"""Searches go first: somebody waits for them, and for batches nobody does."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

NICENESS: Final = 10
"""Of nice(1): a thread with it gets about a tenth of a core that another one wants, too."""

LONGEST_S: Final = 0.25
"""Batches get on, however many searches come: whoever waited so long takes the next step."""

LINGER_S: Final = 0.015
"""Behind an analysis: then the photo's faces are searched for, on the same cores."""

LATELY_S: Final = 10
"""Where searches come, more of them follow."""


def step_back() -> None:
    """Let this thread, and those that it will start, have the processor when others do not want it.

    Only Linux has niceness of threads; elsewhere nothing happens.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread))
        os.setpriority(os.PRIO_PROCESS, thread, niceness)


class Precedence:
    """Lets the threads of batches pause between two steps while a search is at work.

    Niceness alone does not do it: a run of a network takes all cores, and shares its threads, which are
    nice to nobody, with the other runs of the same network.
    """

    def __init__(self) -> None:
        self._searches = 0
        self._ended = float("-inf")
        self._over = threading.Condition()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Go first within the block, and a moment longer."""
        with self._over:
            self._searches += 1
        try:
            yield
        finally:
            with self._over:
                self._searches -= 1
                self._ended = time.monotonic()
                self._over.notify_all()

    def was_taken_lately(self) -> bool:
        """Say whether searches come at this time."""
        return bool(self._searches) or time.monotonic() - self._ended < LATELY_S

    def give_way(self) -> None:
        """Wait while searches are at work, but not for long."""
        if self.was_taken_lately():
            end = time.monotonic() + LONGEST_S
            with self._over:
                while (left := self._left(end)) > 0:
                    self._over.wait(left)

    def _left(self, end: float) -> float:
        now = time.monotonic()
        still = end if self._searches else self._ended + LINGER_S
        return min(still, end) - now
