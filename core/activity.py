"""Counting searches and who was found, by day: no photo, no time of day, not who asked."""

import logging
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

import psycopg

from core.db import activity as rows
from core.db.activity import Finds, Searches
from core.db.pool import Connection, Pool
from core.settings import Settings

logger = logging.getLogger(__name__)

EVERY_S: Final = 5.0
"""Between two times that a process writes its counts down; one that is killed loses those since the last."""

PATIENCE_S: Final = 5.0
"""How long a connection is waited for."""

LAST_S: Final = 10.0
"""For which a process that ends waits for its last counts."""


@dataclass(frozen=True, slots=True)
class _Counts:
    """What was not written down yet; the keys begin with collection and day, or with day and person."""

    searches: Counter[tuple[UUID, date]] = field(default_factory=Counter)
    hits: Counter[tuple[UUID, date]] = field(default_factory=Counter)
    finds: Counter[tuple[date, UUID]] = field(default_factory=Counter)

    def add(self, other: "_Counts") -> None:
        """Take over what another one counted."""
        self.searches.update(other.searches)
        self.hits.update(other.hits)
        self.finds.update(other.finds)

    def rows(self) -> tuple[list[Searches], list[Finds]]:
        """Return what is to be added to the tables."""
        searches = [
            Searches(home, day, count, self.hits[home, day])
            for (home, day), count in self.searches.items()
        ]
        return searches, [Finds(*key, count) for key, count in self.finds.items()]


class Activity:
    """Counts for one process; a thread, started with the first search, writes them down. Safe to
    use from many threads.
    """

    def __init__(self, pool: Pool, settings: Settings, *, every_s: float = EVERY_S) -> None:
        self._pool = pool
        self._counts_any = settings.activity_days > 0
        self._every_s = every_s
        self._waiting = _Counts()
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._noted = threading.Event()
        self._closed = threading.Event()
        self._writer: threading.Thread | None = None

    def note(
        self, collection_ids: Iterable[UUID], matched: Iterable[tuple[UUID, UUID | None]]
    ) -> None:
        """Count the search for one face; takes microseconds and never fails.

        Args:
            collection_ids: Those that were searched, each once.
            matched: Collection and person of each match; a person counts once.
        """
        if not self._counts_any:
            return
        day = datetime.now(UTC).date()
        matches = set(matched)
        with self._lock:
            self._waiting.searches.update((home, day) for home in collection_ids)
            self._waiting.hits.update((home, day) for home in {home for home, _ in matches})
            self._waiting.finds.update((day, who) for _, who in matches if who is not None)
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="activity", daemon=True)
                self._writer.start()
        self._noted.set()

    def close(self) -> None:
        """Have the last counts written down; to be called before the pool is closed."""
        self._closed.set()
        self._noted.set()
        if self._writer is not None:
            self._writer.join(LAST_S)

    def _write(self) -> None:
        while not self._closed.is_set():
            self._noted.wait()
            self._closed.wait(self._every_s)
            self._noted.clear()
            self.flush()
        self.flush()  # of what came while the one before was written

    def flush(self) -> None:
        """Write down what was counted; where that fails it waits for the next time."""
        with self._writing:
            with self._lock:
                counted, self._waiting = self._waiting, _Counts()
            if not counted.searches:
                return
            try:
                with self._pool.connection(timeout=PATIENCE_S) as conn:
                    rows.add(conn, *counted.rows())
            except psycopg.Error as error:
                logger.warning("counts of searches could not be written down yet: %s", error)
                with self._lock:
                    self._waiting.add(counted)
                self._noted.set()


def forget_old(conn: Connection, settings: Settings) -> None:
    """Delete the days that are older than the settings say."""
    with conn.transaction():
        rows.forget(conn, settings.activity_days)
