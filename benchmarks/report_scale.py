"""What the graph of a large collection and its reports take: seconds, memory, and what that means for more.

    python -m benchmarks.report_scale DIR [--size 100_000] [--photos DATA] [--new 1_000]

Made-up faces of set B (`benchmarks.gallery`), five of each person, of whom a third have no name. The graph
is built by the search index, by as many processes as there are processors, and by comparing all faces;
then so many new faces are added to it each way. Reports are made one after the other by one process,
with what they share told apart. A database is kept in DIR.
"""

import argparse
import multiprocessing
import os
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path
from time import perf_counter, sleep
from uuid import uuid4

import numpy as np

from benchmarks import gallery_database as databases
from benchmarks import timing
from benchmarks.gallery import Source, add_arguments, gallery, identities
from benchmarks.gallery_database import Database
from benchmarks.promotion import store
from core import collections, graph, graph_methods
from core.db import graphs as rows
from core.db import material as material_rows
from core.db import reports as report_rows
from core.db.collections import Collection
from core.db.graphs import Graph, Method, State
from core.db.pool import Connection
from core.graph import Builder
from core.graph_methods import Choice
from core.reports import health, registry
from core.reports.material import Material

UNNAMED_OF = 3
"""One of so many people has no name."""

LARGER, CORES = 1_000_000, 16
"""What is projected."""

GROWTH = 1.2
"""How much longer a walk takes in ten times as many faces; measured from 100,000 to 1,000,000 by
`benchmarks.search`."""

FACES_OF_A_PHOTO = 10


@dataclass
class Times:
    """Seconds and peak memory by what was done."""

    rows: list[list[str]] = field(default_factory=list)

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        began = perf_counter()
        yield
        seconds = perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self.rows.append([what, f"{seconds:.1f} s", f"{peak:,.0f} MiB"])
        print(f"{what}: {seconds:.1f} s", flush=True)


def force(method: Method) -> None:
    """Let graphs be built this way, whatever would be faster."""
    graph.choose = lambda *_, **__: Choice(method)  # type: ignore[assignment]


def help_out(folder: Path, url: str, stop: Event) -> None:
    """Be another worker, which takes slices."""
    with (
        databases.connected(folder, url, connections=2) as opened,
        opened.connection(autocommit=True) as conn,
    ):
        builder = Builder(opened.services, conn)
        while not stop.is_set():
            if not builder.help():
                sleep(0.05)


@contextmanager
def helpers(database: Database, folder: Path, count: int) -> Iterator[None]:
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    processes = [
        context.Process(target=help_out, args=(folder, database.url, stop)) for _ in range(count)
    ]
    for process in processes:
        process.start()
    sleep(3)  # until they are there
    yield
    stop.set()
    for process in processes:
        process.join()


def build(database: Database, conn: Connection, collection: Collection) -> Graph:
    for state in State:  # one may be halfway, of a run that was broken off
        rows.drop(conn, collection.id, state)
    # Others help with what a report waits for.
    report_rows.ask(conn, collection.id, health.NAME, actor="benchmark")
    report_rows.claim(conn, lease=uuid4(), lease_s=3600, most_attempts=1)
    return Builder(database.services, conn).bring_up_to_date(collection)


def take_names(conn: Connection, collection: Collection) -> None:
    """Let a third of the people have no name."""
    conn.execute(
        "UPDATE faces SET person_id = NULL WHERE collection_id = %s AND person_id IN (SELECT id FROM"
        " (SELECT id, row_number() OVER (ORDER BY id) AS place FROM people WHERE collection_id = %s)"
        " AS numbered WHERE place %% %s = 0)",
        [collection.id, collection.id, UNNAMED_OF],
    )


def add(
    conn: Connection, collection: Collection, kind: str, size: int, new: int, stream: int
) -> None:
    """Add new faces of people who are there."""
    owners = np.random.default_rng(stream).integers(0, identities(size), new)
    vectors = Source(kind, size).faces(owners, stream)  # type: ignore[arg-type]
    for start in range(0, new, FACES_OF_A_PHOTO):
        store(conn, collection.id, vectors[start : start + FACES_OF_A_PHOTO])


def agreement(exact: np.ndarray, walked: np.ndarray) -> float:
    """Return the share of the exact neighbours that walks found."""
    hits = sum(len(np.intersect1d(a, b)) for a, b in zip(exact, walked, strict=True))
    return hits / exact.size


def measure(database: Database, folder: Path, collection: Collection, kind: str, new: int) -> Times:
    times = Times()
    with database.connection(autocommit=True) as conn:
        choice = graph_methods.choose(conn, collection, collection.face_count, ef_search=100)
        print(
            f"would choose {choice.method}: index {choice.index_s:.0f} s, exact {choice.exact_s:.0f} s"
        )
        processes = os.cpu_count() or 1
        force(Method.INDEX)
        with (
            helpers(database, folder, processes - 1),
            times.of(f"graph by the index, {processes} processes"),
        ):
            made = build(database, conn, collection)
        walked = material_rows.edges(conn, made).neighbours
        force(Method.EXACT)
        with times.of("graph by comparing all"):
            made = build(database, conn, collection)
        exact = material_rows.edges(conn, made).neighbours
        print(f"of the exact neighbours the index found {agreement(exact, walked):.4f}")
        for stream, method in enumerate((Method.INDEX, Method.EXACT), start=100):
            add(conn, collection, kind, collection.face_count, new, stream)
            force(method)
            fresh = collections.get(conn, collection.id)
            with times.of(f"{new:,} new faces, {method}"):
                made = Builder(database.services, conn).bring_up_to_date(fresh)
        fresh = collections.get(conn, collection.id)
        report(times, Material(database.services, conn, fresh, made))
    return times


def report(times: Times, material: Material) -> None:
    """Make every report, with what they share read before."""
    for name, part in (
        ("faces and edges", lambda: (material.faces, material.owners, material.edges)),
        ("vectors", lambda: material.halves),
        ("clusters", lambda: material.clusters),
        ("homes", lambda: material.homes),
    ):
        with times.of(f"read: {name}"):
            part()
    for name, make in registry.REPORTS.items():
        with times.of(f"report: {name}"):
            outcome = make(material)
        print(f"  {len(outcome.findings):,} findings", flush=True)


def projection(times: Sequence[list[str]], size: int) -> str:
    seconds = float(times[0][1].split()[0])
    processes = os.cpu_count() or 1
    larger = seconds * processes * LARGER / size * GROWTH / CORES
    return (
        f"{LARGER:,} faces by the index on {CORES} processors, on paper: {larger / 60:.0f} min "
        f"({seconds * processes / size * 1000:.2f} ms a face and processor here, x {GROWTH})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--new", type=int, default=1_000)
    given = parser.parse_args()
    with databases.database(given.data) as database:
        print("\n".join(timing.facts(database)))
        each = gallery(given.data, given.kind, given.size, given.photos)
        collection = databases.prepare(database, each)
        with database.connection(autocommit=True) as conn:
            take_names(conn, collection)
        times = measure(database, given.data, collection, given.kind, given.new)
    print()
    print(timing.table(["what", "time", "peak memory"], times.rows))
    print(projection(times.rows, given.size))


if __name__ == "__main__":
    main()
