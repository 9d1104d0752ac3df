"""Keeping one core of the machine free of batches while people search.

A search wakes a dozen threads of four processes one after the other. Where batches have all cores, each of
them waits for its turn; with a core that nothing else runs on, none does, and batches lose little by it.
"""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import redis

logger = logging.getLogger(__name__)

LOOK_S: Final = 1.0

THREADS: Final = Path("/proc/self/task")


class SpareCore(threading.Thread):
    """Moves the threads of this process, but for some, off the first core it has, and back.

    Linux alone lets threads be moved; elsewhere, and where there is one core, nothing happens.
    """

    def __init__(self, searched_lately: Callable[[], bool]) -> None:
        """Take who knows.

        Args:
            searched_lately: Says whether people search at this time; may raise `redis.RedisError`.
        """
        super().__init__(name="spare-core", daemon=True)
        self._searched_lately = searched_lately
        self._cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        self._exempt: set[int] = set()
        self._kept = False
        self._over = threading.Event()

    @property
    def is_possible(self) -> bool:
        """Whether there is a core to spare."""
        return len(self._cores) > 1

    def exempt(self) -> None:
        """Let the calling thread have every core, now and later: somebody waits for what it does."""
        thread = threading.get_native_id()
        if self.is_possible and thread not in self._exempt:
            self._exempt.add(thread)
            os.sched_setaffinity(thread, self._cores)

    def stop(self) -> None:
        """Look no more."""
        self._over.set()

    def run(self) -> None:
        """Look every second until `stop` is called."""
        self.exempt()
        while self.is_possible and not self._over.wait(LOOK_S):
            try:
                self.look()
            except redis.RedisError:
                continue  # `core.workers_seen` says that the broker is away
            except OSError:
                logger.exception("no core can be kept free for searches on this machine")
                return

    def look(self) -> None:
        """Confine the threads that there are now, or free them again.

        Raises:
            redis.RedisError: Nobody knows whether people search.
            OSError: The cores that this process may use are other ones now.
        """
        wanted = self._searched_lately()
        if wanted:
            self._confine(self._cores - {min(self._cores)})
        elif self._kept:
            self._confine(self._cores)
        self._kept = wanted

    def _confine(self, cores: set[int]) -> None:
        # Threads that a library started, too: those of a network's runs do the work of batches.
        for thread in map(int, os.listdir(THREADS)):
            if thread not in self._exempt:
                with suppress(ProcessLookupError):
                    os.sched_setaffinity(thread, cores)
