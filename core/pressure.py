"""Back-pressure: no more photos are taken in while too many wait for workers."""

import threading
from time import monotonic
from typing import Final

from core.db import jobs as rows
from core.db.pool import Pool
from core.errors import BacklogFull

REMEMBERED_S: Final = 1.0
"""How long a count is good for: whoever sends a thousand photos one by one costs no thousand counts."""


class Pressure:
    """How many photos wait for workers, as this process last saw it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._until = 0.0

    def require_room(self, pool: Pool, most: int) -> None:
        """Refuse photos when *most* are open already; up to a second's more may have come since.

        Raises:
            BacklogFull: They are.
        """
        with self._lock:  # the others would count the same
            if monotonic() >= self._until:
                with pool.connection() as conn:
                    self._count = rows.open_items(conn, most=most)
                self._until = monotonic() + REMEMBERED_S
            count = self._count
        if count >= most:
            raise BacklogFull(
                f"{most:,} photos or more wait for workers; send these again later.",
                max_backlog=most,
            )
