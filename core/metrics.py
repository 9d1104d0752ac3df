"""Figures of one process for Prometheus: what it counts itself, and what it asks when scraped.

Series of collections are those of the `MOST_COLLECTIONS` largest: a server with a collection for each
of its users must not overwhelm whoever watches over it.
"""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from core import recall, workers_seen
from core.db import indexes as index_rows
from core.db import jobs as job_rows
from core.db import metrics as rows
from core.db.metrics import Imports, Size
from core.db.pool import Connection, Pool
from core.errors import BrokerUnavailable
from core.services import Services

MOST_COLLECTIONS: Final = 100

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
"""From a small collection in memory to the search timeout."""

_counted = CollectorRegistry()
"""Of this process since its start, as Prometheus wants counters: each process is scraped itself."""

_searches = Histogram(
    "facesearch_search_seconds",
    "Time in Postgres of one query face, by the way it was searched.",
    ["index"],
    buckets=SECONDS,
    registry=_counted,
)
_second_looks = Counter(
    "facesearch_search_second_looks",
    "Query faces for which an index found nobody at first and was asked again, more closely.",
    ["index"],
    registry=_counted,
)
_fallbacks = Counter(
    "facesearch_search_fallbacks",
    "Query faces that were searched again exactly because an index gave too few rows.",
    ["index"],
    registry=_counted,
)


def observe_search(kind: str, seconds: float, *, second_look: bool, fallback: bool) -> None:
    """Count one query face.

    Args:
        kind: The way it was answered first, such as ``exact`` or ``hnsw``; a few words in all, for
            each is a time series of its own.
        seconds: Spent in Postgres.
        second_look: An index found nobody at first and was asked again.
        fallback: An index gave too little and exact search had to answer.
    """
    _searches.labels(kind).observe(seconds)
    if second_look:
        _second_looks.labels(kind).inc()
    if fallback:
        _fallbacks.labels(kind).inc()


def scrape(services: Services, accept: str) -> tuple[bytes, str]:
    """Return all figures as text, and its media type.

    Args:
        accept: The header of whoever scrapes: Prometheus' own text, or OpenMetrics if asked for.

    Raises:
        psycopg.OperationalError: Postgres cannot be asked.
    """
    registry = CollectorRegistry()
    registry.register(_counted)
    ProcessCollector(registry=registry)
    registry.register(_Asked(list(_of_pool(services.pool))))
    with services.pool.connection() as conn:
        registry.register(_Asked(list(_of_database(conn))))
    registry.register(_Asked(_of_workers(services)))
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


class _Asked(Collector):
    """Families that are ready, in the form of a collector."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        return self._families


def _of_database(conn: Connection) -> Iterator[Metric]:
    totals, backlog = rows.totals(conn), job_rows.backlog(conn)
    yield _one("facesearch_collections", "Collections.", totals.collections)
    yield _one("facesearch_faces", "Faces of all collections.", totals.faces)
    yield _one("facesearch_images", "Images of all collections.", totals.images)
    yield _one("facesearch_photos_waiting", "Photos that no worker has taken yet.", backlog.waiting)
    yield _one("facesearch_photos_running", "Photos that workers have taken.", backlog.running)
    yield from _of_imports(rows.imports(conn))
    largest = rows.largest(conn, most=MOST_COLLECTIONS)
    yield from _of_collections(largest)
    known = [each.id for each in largest]
    yield from _of_indexes(conn, known)
    yield from _of_recall(conn, known)


def _of_imports(open_ones: Imports) -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "facesearch_imports", "Imports that are not over, by what they are at.", labels=["state"]
    )
    for state in ("receiving", "reading", "indexing", "paused"):
        family.add_metric([state], getattr(open_ones, state))
    yield family
    yield _one(
        "facesearch_imports_without_disk",
        "Imports whose reading waits for free disk.",
        open_ones.without_disk,
    )


def _of_collections(largest: Sequence[Size]) -> Iterator[Metric]:
    name = _each("facesearch_collection_info", "The name of a collection.", "name")
    faces = _each("facesearch_collection_faces", "Faces of a collection.")
    images = _each("facesearch_collection_images", "Images of a collection.")
    for each in largest:
        name.add_metric([str(each.id), each.name], 1)
        faces.add_metric([str(each.id)], each.faces)
        images.add_metric([str(each.id)], each.images)
    yield from (name, faces, images)


def _of_indexes(conn: Connection, known: Sequence[UUID]) -> Iterator[Metric]:
    size = _each("facesearch_index_bytes", "Bytes of a search index.", "index")
    usable = _each("facesearch_index_usable", "Whether a search index can be used.", "index")
    for index in index_rows.indexes(conn, known):
        size.add_metric([str(index.collection_id), index.kind], index.bytes)
        usable.add_metric([str(index.collection_id), index.kind], index.valid)
    dead = _each(
        "facesearch_dead_ratio", "Share of rows that were deleted and are still in the index."
    )
    for table in index_rows.tables(conn, least_faces=2**62):
        if table.collection_id in set(known) and table.heap_bytes is not None:
            rate = table.dead / max(1, table.faces + table.dead)
            dead.add_metric([str(table.collection_id)], rate)
    yield from (size, usable, dead)


def _of_recall(conn: Connection, known: Sequence[UUID]) -> Iterator[Metric]:
    first = _each("facesearch_recall_1", "Share of the nearest faces that an index found.")
    ten = _each("facesearch_recall_10", "Share of the ten nearest faces that an index found.")
    lost = _each("facesearch_lost_mates_ratio", "Share of the matches that an index did not find.")
    when = _each("facesearch_recall_audited_seconds", "When recall was measured, since 1970.")
    for audit in recall.latest(conn):
        if audit.collection_id in set(known):
            labels = [str(audit.collection_id)]
            first.add_metric(labels, audit.recall_1)
            ten.add_metric(labels, audit.recall_10)
            lost.add_metric(labels, audit.lost_mates / max(1, audit.mates))
            when.add_metric(labels, audit.audited_at.timestamp())
    yield from (first, ten, lost, when)


def _of_pool(pool: Pool) -> Iterator[Metric]:
    """The pool counts nothing before it happened once."""
    found = pool.get_stats()
    size = GaugeMetricFamily(
        "facesearch_pool_connections", "Connections of this process to Postgres.", labels=["state"]
    )
    free = found.get("pool_available", 0)
    size.add_metric(["free"], free)
    size.add_metric(["used"], found.get("pool_size", 0) - free)
    yield size
    for key, name, help_ in (
        ("requests_num", "requests", "Times that a connection was wanted."),
        ("requests_queued", "waits", "Times that none was free."),
        ("requests_errors", "timeouts", "Times that none became free in time."),
    ):
        yield CounterMetricFamily(f"facesearch_pool_{name}", help_, value=found.get(key, 0))
    yield CounterMetricFamily(
        "facesearch_pool_wait_seconds",
        "Time spent waiting for a free connection.",
        value=found.get("requests_wait_ms", 0) / 1000,
    )


def _of_workers(services: Services) -> list[Metric]:
    """Without the broker nobody knows of workers, which is told by its own family."""
    try:
        workers = workers_seen.workers(services.broker)
    except BrokerUnavailable:
        return [_one("facesearch_broker_up", "Whether the broker answers.", 0)]
    ready = sum(worker.ready for worker in workers)
    return [
        _one("facesearch_broker_up", "Whether the broker answers.", 1),
        _one("facesearch_workers_ready", "Workers that take work.", ready),
        _one("facesearch_workers_loading", "Workers that load models.", len(workers) - ready),
    ]


def _one(name: str, help_: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_, value=value)


def _each(name: str, help_: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_, labels=["collection", *labels])
