"""A few real queries of each collection, kept as vectors, so that recall is measured on them."""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from uuid import UUID

import psycopg

from core.db import recall as rows
from core.db.collections import Collection
from core.db.pool import Pool
from core.faces import Embedding

logger = logging.getLogger(__name__)

MOST = 200
"""Kept per collection; a new one takes the place of one chosen by chance."""

PAUSE_S = 30.0
"""Between two that one process keeps of a collection: a burst of searches costs and weighs little."""

PATIENCE_S = 0.05
"""How long a connection is waited for: nobody's search is to take longer for this."""


class QuerySamples:
    """Keeps queries for one process. Safe to use from many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next: dict[UUID, float] = {}
        self._lock = threading.Lock()

    def keep(self, pool: Pool, collection: Collection, embeddings: Sequence[Embedding]) -> None:
        """Keep one of the vectors that were just searched with, if it is time for another one.

        One, because two of the same photo would tell that their people were seen together. To be
        called after the search and outside its transaction. Never raises: a search that has its
        answer must not fail because of this.
        """
        if not embeddings or not collection.keeps_queries or not self._is_time(collection.id):
            return
        chosen = random.choice(embeddings)  # noqa: S311  no secret
        try:
            with pool.connection(timeout=PATIENCE_S) as conn:
                rows.keep_query(conn, collection.id, chosen, most=MOST)
        except psycopg.Error as error:
            logger.info("a query was not kept for the recall audit: %s", error)

    def _is_time(self, collection_id: UUID) -> bool:
        now = self._clock()
        with self._lock:
            if now < self._next.get(collection_id, now):
                return False
            self._next[collection_id] = now + PAUSE_S
        return True
