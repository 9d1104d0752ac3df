"""Figures of one process for Prometheus: what it counts itself, and what it asks when scraped."""

from prometheus_client import CollectorRegistry, Counter, Histogram

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
_fallbacks = Counter(
    "facesearch_search_fallbacks",
    "Query faces that were searched again exactly because an index gave too few rows.",
    ["index"],
    registry=_counted,
)


def observe_search(kind: str, seconds: float, fallback: bool) -> None:
    """Count one query face.

    Args:
        kind: The way it was answered first, such as ``exact`` or ``hnsw``; a few words in all, for
            each is a time series of its own.
        seconds: Spent in Postgres.
        fallback: An index gave too little and exact search had to answer.
    """
    _searches.labels(kind).observe(seconds)
    if fallback:
        _fallbacks.labels(kind).inc()
