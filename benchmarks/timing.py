"""What the benchmarks of search share: clocks, clients, tables, and what to quote with a figure."""

import multiprocessing
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from time import perf_counter
from typing import TypeAlias

import numpy as np
import psutil

from benchmarks.gallery_database import Database
from core.db.pool import Connection
from core.db.rows import fetch_value
from web.cli.measuring import machine

Work: TypeAlias = Callable[[int], object]
"""Asks the query of a number."""

Client: TypeAlias = Callable[[], AbstractContextManager[Work]]
"""Opens what one client holds; must be picklable, as clients are processes."""

SERVER_SETTINGS = (
    "shared_buffers",
    "effective_cache_size",
    "work_mem",
    "max_parallel_workers_per_gather",
    "random_page_cost",
    "jit",
)
READY_S = 120
PRELOADED = ["benchmarks.gallery_database", "core.finding"]
"""What clients need and what takes a second to import: once for all of them."""


@dataclass(frozen=True)
class Timing:
    """Milliseconds of many queries.

    Attributes:
        qps: Queries a second, of all clients together.
    """

    p50: float
    p95: float
    p99: float
    qps: float

    @classmethod
    def of(cls, seconds: Sequence[float], wall: float) -> "Timing":
        """Sum up."""
        p50, p95, p99 = np.percentile(np.array(seconds) * 1000, (50, 95, 99))
        return cls(float(p50), float(p95), float(p99), len(seconds) / wall)


def one_client(work: Work, numbers: Sequence[int]) -> Timing:
    """Ask one query after the other."""
    begin = perf_counter()
    seconds = [_seconds(work, number) for number in numbers]
    return Timing.of(seconds, perf_counter() - begin)


def _seconds(work: Work, number: int) -> float:
    begin = perf_counter()
    work(number)
    return perf_counter() - begin


def many_clients(client: Client, clients: int, queries: int, seconds: float) -> Timing:
    """Let clients ask at once, each a process of its own and each from another query on."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    ready = context.Barrier(clients)
    answers: SimpleQueue[list[float]] = context.SimpleQueue()
    shares = [number * queries // clients for number in range(clients)]
    processes = [
        context.Process(target=_ask, args=(client, ready, answers, first, queries, seconds))
        for first in shares
    ]
    for process in processes:
        process.start()
    taken = [answers.get() for _ in processes]
    for process in processes:
        process.join()
    return Timing.of([each for part in taken for each in part], seconds)


def _ask(
    client: Client,
    ready: Barrier,
    answers: "SimpleQueue[list[float]]",
    first: int,
    queries: int,
    seconds: float,
) -> None:
    taken: list[float] = []
    try:
        with client() as work:
            work(first)
            ready.wait(READY_S)
            end = perf_counter() + seconds
            while perf_counter() < end:
                taken.append(_seconds(work, (first + len(taken)) % queries))
    finally:
        answers.put(taken)


def recall(found: Sequence[Sequence[int]], exact: Sequence[Sequence[int]], k: int) -> float:
    """Return the mean share of the *k* exact ones that were found among the first *k*."""
    shares = [
        len(set(some[:k]) & set(true[:k])) / min(k, len(true))
        for some, true in zip(found, exact, strict=True)
        if len(true)
    ]
    return float(np.mean(shares)) if shares else 1.0


def bandwidth() -> float:
    """Return bytes a second that the machine reads from memory, all cores together."""
    rows = np.ones((2**19, 512), np.float32)
    vector = np.ones(512, np.float32)
    seconds = [_seconds(lambda _: rows @ vector, 0) for _ in range(5)]
    return rows.nbytes / min(seconds)


def facts(database: Database) -> list[str]:
    """Return machine, versions and settings, a line each."""
    with database.connection() as conn:
        return facts_of(conn)


def facts_of(conn: Connection) -> list[str]:
    """Return machine, versions and the settings of this server, a line each."""
    about = machine()
    server = fetch_value(conn, "SELECT current_setting('server_version')", {})
    vector = fetch_value(conn, "SELECT extversion FROM pg_extension WHERE extname = 'vector'", {})
    settings = [
        f"{name} = {fetch_value(conn, 'SELECT current_setting(%(name)s)', {'name': name})}"
        for name in SERVER_SETTINGS
    ]
    memory = psutil.virtual_memory().total / 2**30
    return [
        f"{about['processor']}, {memory:.0f} GiB; {about['system']}",
        f"Postgres {server}, pgvector {vector}, Python {about['python']}",
        ", ".join(settings),
    ]


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
