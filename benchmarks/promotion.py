"""Taking faces in, with and without an index, and giving a collection its own partition under load.

    python -m benchmarks.promotion DIR [--size 100_000] [--seconds 15] [--only insert,promote]

Made-up faces of set B (`benchmarks.gallery`). A database is made in DIR and removed afterwards.

insert   faces a second and bytes of WAL a face: one COPY into a collection in the shared tables, then
         batches as workers write them (a photo, its faces by COPY, the counters; one transaction),
         over 1 and 4 connections, into shared tables and into a partition with its HNSW index
promote  a collection of `--size` faces is promoted and indexed while four processes go on: searches in
         it, in another one in the shared tables and in one with a partition, and a worker that
         writes into it; then every face that was written is looked for
"""

import argparse
import multiprocessing
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from time import perf_counter, sleep
from typing import TypeAlias
from uuid import UUID, uuid4

import numpy as np

from benchmarks import timing
from benchmarks.gallery import DIMENSION, Numbers, Source, Vectors, identities
from benchmarks.gallery_database import Database, connected, database, load, vacuum
from core import collections, promotion
from core.db import collections as collection_rows
from core.db import faces as face_rows
from core.db import images as image_rows
from core.db import indexes as index_rows
from core.db.collections import Collection
from core.db.faces import NewFace
from core.db.indexes import Kind
from core.db.pool import Connection
from core.db.rows import fetch_value
from core.faces import AnalysedFace, DetectedFace, Quality
from core.finding import Options, find

FACES_OF_A_PHOTO = 16
SMALL = 5_000
"""Faces of the collections that are searched beside the one that moves."""

SEARCH_EVERY_S, WRITE_EVERY_S = 0.05, 0.1
MEMORY, WORKERS = 512 * 2**20, 1
"""Of the index build."""

Sample: TypeAlias = tuple[float, float]
"""When something began, by `perf_counter`, and how long it took, in seconds."""

Answer: TypeAlias = tuple[list[Sample], list[UUID]]
"""What a process did, and the ids of the faces that it wrote."""


@dataclass(frozen=True)
class Faces:
    """Made-up faces, as `benchmarks.gallery_database.load` takes them."""

    vectors: Vectors
    owners: Numbers

    @classmethod
    def made(cls, size: int) -> "Faces":
        """Draw so many."""
        owners = np.arange(size) % identities(size)
        return cls(Source("B", size).faces(owners, 0), owners)


@dataclass(frozen=True)
class Load:
    """What a process does again and again, and how long it rests between.

    Attributes:
        ready: Where all meet before they begin.
        over: Is set when they are to end.
    """

    folder: Path
    url: str
    collection_id: UUID
    rest_s: float
    ready: Barrier
    over: Event


Job: TypeAlias = tuple[Callable[[Load, "SimpleQueue[Answer]", int], None], UUID, float]
"""What a process does, in which collection, and how long it rests between."""


def store(conn: Connection, collection_id: UUID, vectors: Vectors) -> list[UUID]:
    """Write a photo and its faces as a worker does."""
    with conn.transaction():
        collection_rows.hold(conn, [collection_id])
        image_id = image_rows.insert(
            conn, collection_id=collection_id, sha256=uuid4().bytes * 2, external_id=None,
            metadata={}, filename=None, format="jpeg", bytes=1, width=640, height=480,
        )  # fmt: skip
        if image_id is None:
            raise SystemExit("The same bytes twice: that cannot be.")
        ids = face_rows.new_ids(conn, len(vectors))
        face_rows.insert_many(
            conn,
            [NewFace(id_, collection_id, image_id, position, analysed(vector))
             for position, (id_, vector) in enumerate(zip(ids, vectors, strict=True))],
        )  # fmt: skip
        image_rows.finish(conn, image_id, state="indexed", face_count=len(ids))
        collection_rows.count(conn, collection_id, images=1, faces=len(ids))
    return ids


def analysed(vector: np.ndarray) -> AnalysedFace:
    detected = DetectedFace((70.0, 70.0, 180.0, 180.0), np.ones((5, 2), np.float32), 0.9)
    quality = Quality(0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0)
    return AnalysedFace(detected, vector, 20.0, quality, np.zeros((1, 1, 3), np.uint8))


def write(of: Load, answers: "SimpleQueue[Answer]", seed: int) -> None:
    """Be a worker that writes photo after photo."""
    random = np.random.default_rng(seed)
    taken: list[Sample] = []
    ids: list[UUID] = []
    with connected(of.folder, of.url, connections=1) as database:
        of.ready.wait(timing.READY_S)
        while not of.over.is_set():
            owners = random.integers(identities(SMALL), size=FACES_OF_A_PHOTO)
            vectors = Source("B", SMALL).faces(owners, int(random.integers(2**31)))
            begin = perf_counter()
            with database.services.pool.connection() as conn:
                ids += store(conn, of.collection_id, vectors)
            taken.append((begin, perf_counter() - begin))
            of.over.wait(of.rest_s)
    answers.put((taken, ids))


def search(of: Load, answers: "SimpleQueue[Answer]", seed: int) -> None:
    """Be a client that searches one collection, with faces that are not in it."""
    queries = Source("B", SMALL).faces(np.arange(200), seed)
    taken: list[Sample] = []
    with connected(of.folder, of.url, connections=1) as database:
        of.ready.wait(timing.READY_S)
        for number in count():
            if of.over.is_set():
                break
            begin = perf_counter()
            home = collection(database, of.collection_id)
            found = find(database.services, [home], [queries[number % len(queries)]], Options())
            taken.append((begin, perf_counter() - begin))
            if not found.matches:
                raise SystemExit(f"A search in {of.collection_id} found nothing.")
            of.over.wait(of.rest_s)
    answers.put((taken, []))


def collection(database: Database, collection_id: UUID) -> Collection:
    """Read a collection as it is now."""
    with database.services.pool.connection() as conn:
        return collections.get(conn, collection_id)


@contextmanager
def processes(
    database: Database, folder: Path, jobs: Sequence[Job], results: list[Answer]
) -> Iterator[None]:
    """Do each job in a process of its own for as long as the block; then fill *results*."""
    context = multiprocessing.get_context("forkserver")
    over, ready = context.Event(), context.Barrier(len(jobs) + 1)
    queues: list[SimpleQueue[Answer]] = [context.SimpleQueue() for _ in jobs]
    running = [
        context.Process(
            target=work,
            args=(Load(folder, database.url, id_, rest_s, ready, over), answers, seed),
        )
        for seed, ((work, id_, rest_s), answers) in enumerate(zip(jobs, queues, strict=True), 1)
    ]
    for process in running:
        process.start()
    try:
        ready.wait(timing.READY_S)
        yield
    finally:
        over.set()
    for process, answers in zip(running, queues, strict=True):
        results.append(answers.get())
        process.join()


def loaded(database: Database, size: int, name: str) -> UUID:
    """Make a collection of made-up faces in the shared tables."""
    with database.connection() as conn:
        made = load(conn, Faces.made(size), name)
    vacuum(database)
    return made


def promote(
    database: Database, collection_id: UUID, report: promotion.Report = lambda *_: None
) -> None:
    """Give a collection its own partition and its index."""

    def build(conn: Connection, table: str) -> None:
        report("index", 0, 1)
        index_rows.create(conn, collection_id, Kind.HNSW, DIMENSION)

    with database.connection(autocommit=True) as conn:
        index_rows.prepare_build(conn, memory_bytes=MEMORY, workers=WORKERS)
        promotion.promote(conn, collection_id, build=build, report=report)


def wal(database: Database) -> int:
    """Return the bytes of WAL that were ever written."""
    with database.connection() as conn:
        written = fetch_value(conn, "SELECT pg_current_wal_insert_lsn() - '0/0'", {})
    return int(written)


def measure_inserts(database: Database, folder: Path, size: int, seconds: float) -> str:
    """Return the table of rates."""
    rows = []
    made = Faces.made(size)
    before, begin = wal(database), perf_counter()
    with database.connection() as conn:
        tail = load(conn, made, "tail")
    took = perf_counter() - begin
    written = (wal(database) - before) / size
    rows.append(
        ("one COPY, photos and people too", "no", 1, f"{size / took:,.0f}", f"{written:,.0f}")
    )
    own = loaded(database, size, "own")
    promote(database, own)
    for name, id_ in (("no", tail), ("HNSW", own)):
        for connections in (1, 4):
            with database.connection(autocommit=True) as conn:
                conn.execute("CHECKPOINT")
            results: list[Answer] = []
            before = wal(database)
            with processes(database, folder, [(write, id_, 0.0)] * connections, results):
                sleep(seconds)
            written = (wal(database) - before) / sum(len(ids) for _, ids in results)
            rate = sum(rate_of(taken) for taken, _ in results)
            rows.append((f"photos of {FACES_OF_A_PHOTO} faces", name, connections,
                         f"{rate:,.0f}", f"{written:,.0f}"))  # fmt: skip
    return timing.table(("written as", "index", "connections", "faces/s", "WAL bytes a face"), rows)


def rate_of(taken: Sequence[Sample]) -> float:
    """Return faces a second between the first and the last write."""
    return FACES_OF_A_PHOTO * len(taken) / (taken[-1][0] + taken[-1][1] - taken[0][0])


def measure_promotion(database: Database, folder: Path, size: int, seconds: float) -> str:
    """Return what everybody noticed of a promotion."""
    moved, shared, own = (
        loaded(database, number, name)
        for number, name in ((size, "moved"), (SMALL, "shared"), (SMALL, "with a partition"))
    )
    promote(database, own)
    jobs: list[Job] = [(search, id_, SEARCH_EVERY_S) for id_ in (moved, shared, own)]
    steps: list[tuple[str, float]] = []
    results: list[Answer] = []
    with processes(database, folder, [*jobs, (write, moved, WRITE_EVERY_S)], results):
        sleep(seconds)
        promote(database, moved, lambda step, *_: steps.append((step, perf_counter())))
        end = perf_counter()
        sleep(seconds)
    names = ("search in it", "search in shared tables", "search in another partition", "a write")
    rows = [
        (name, *spans(taken, steps, end)) for name, (taken, _) in zip(names, results, strict=True)
    ]
    heads = ("p50 / p99 / most, ms", "before", "copy, check", "index", "switch", "after")
    missing = lost(database, moved, size, results[-1][1])
    lines = [
        timing.table(heads, rows),
        f"{size:,} faces in {end - steps[0][1]:.1f} s: {seconds_of(steps, end)}.",
        f"{len(results[-1][1]):,} faces were written to it meanwhile; {missing} are missing or extra.",
    ]
    return "\n".join(lines)


def spans(taken: Sequence[Sample], steps: Sequence[tuple[str, float]], end: float) -> list[str]:
    """Sum up what began before, in the steps and after."""
    parts: dict[str, list[float]] = {"": [], "copy": [], "index": [], "switch": [], "after": []}
    for begin, took in taken:
        step = "after" if begin > end else ""
        for name, at in steps:
            # Whoever waits for the switch began before it.
            if at <= begin + (took if name == "switch" else 0) and step != "after":
                step = "copy" if name == "check" else name
        parts[step].append(took * 1000)
    return [
        "{:.1f} / {:.1f} / {:.1f}".format(*np.percentile(part, (50, 99, 100))) if part else "-"
        for part in parts.values()
    ]


def seconds_of(steps: Sequence[tuple[str, float]], end: float) -> str:
    """Say how long each step took."""
    first: dict[str, float] = {}
    for name, at in steps:
        first.setdefault(name, at)
    begins = [*first.values(), end]
    return ", ".join(
        f"{name} {until - at:.1f} s"
        for name, at, until in zip(first, begins, begins[1:], strict=False)
    )


def lost(database: Database, collection_id: UUID, size: int, written: Sequence[UUID]) -> int:
    """Count the written faces that are not there, and those that are there and were not written."""
    with database.connection() as conn:
        found = [
            row[0]
            for row in conn.execute(
                "SELECT id FROM faces WHERE collection_id = %s", [collection_id]
            ).fetchall()
        ]
    missing = len(set(written) - set(found))
    return missing + abs(len(found) - size - len(written)) + len(found) - len(set(found))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DIR")
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--only", default="insert,promote")
    given = parser.parse_args()
    given.data.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="promotion-", dir=given.data))
    try:
        with database(folder) as opened:
            print("\n".join(timing.facts(opened)), "", sep="\n")
            for name in given.only.split(","):
                measure = {"insert": measure_inserts, "promote": measure_promotion}[name]
                print(measure(opened, folder, given.size, given.seconds), "", sep="\n", flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
