"""Ringing for a worker. Rows and Redis keys are the truth; a lost ring loses time, nothing else."""

from typing import Protocol

INGEST_TASK = "ingest.batch"
SEARCH_TASK = "search.analyse"
SWEEP_TASK = "maintenance.sweep"
INDEX_TASK = "maintenance.indexes"

SEARCH_QUEUE = "search"
MAINTENANCE_QUEUE = "maintenance"
INGEST_QUEUE = "ingest"

QUEUES = (SEARCH_QUEUE, MAINTENANCE_QUEUE, INGEST_QUEUE)
"""In the order in which a worker empties them: somebody waits in front of a search."""


class Doorbell(Protocol):
    """How core asks for work; the shells send the messages.

    Both raise `core.errors.BrokerUnavailable` when the message could not be handed over.
    """

    def ingest(self) -> None:
        """Ask a worker to look for waiting photos."""
        ...

    def search(self, request_id: str) -> None:
        """Ask a worker to analyse a query photo."""
        ...
