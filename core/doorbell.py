"""Ringing for a worker. Rows and Redis keys are the truth; a lost ring loses time, nothing else."""

from typing import Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

INGEST_TASK = "ingest.batch"
SEARCH_TASK = "search.analyse"
SWEEP_TASK = "maintenance.sweep"
INDEX_TASK = "maintenance.indexes"
IMPORT_TASK = "maintenance.imports"
RECALL_TASK = "maintenance.recall"
REPORT_TASK = "maintenance.reports"

SEARCH_QUEUE = "search"
MAINTENANCE_QUEUE = "maintenance"
INGEST_QUEUE = "ingest"

QUEUES = (SEARCH_QUEUE, MAINTENANCE_QUEUE, INGEST_QUEUE)
"""In the order in which a worker empties them: somebody waits in front of a search."""


class Doorbell(Protocol):
    """How core asks for work; the shells send the messages.

    All raise `core.errors.BrokerUnavailable` when the message could not be handed over.
    """

    def ingest(self) -> None:
        """Ask a worker to look for waiting photos."""
        ...

    def search(self, request_id: str) -> None:
        """Ask a worker to analyse a query photo."""
        ...

    def indexes(self) -> None:
        """Ask a worker to look for work on search indexes."""
        ...

    def imports(self) -> None:
        """Ask a worker to look for imports that wait to be read."""
        ...

    def reports(self) -> None:
        """Ask a worker to look for reports that wait to be made."""
        ...


def message_url(broker_url: str) -> str:
    """Spell the broker's URL as message libraries want it: they name sockets in another way, and
    take a certificate unchecked unless they are told to check it.
    """
    parts = urlsplit(broker_url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    scheme = parts.scheme
    if scheme == "unix":
        scheme = "redis+socket"
        if "db" in query:
            query["virtual_host"] = query.pop("db")
    elif scheme == "rediss":
        query.setdefault("ssl_cert_reqs", "required")
    options = f"?{urlencode(query)}" if query else ""
    return f"{scheme}://{parts.netloc}{parts.path}{options}"
