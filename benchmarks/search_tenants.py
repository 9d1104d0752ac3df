"""How right and how fast searches are in a thousand collections of very different sizes.

    python -m benchmarks.search_tenants DIR [--collections 1000] [--faces 1000000]

DIR keeps the database (not that of the other benchmarks: its tables are shared by all collections).
The sizes follow Zipf's law: the largest collection has as many faces as the next two together, and
half of all collections fewer than 300. They are asked in random order, so that no collection is
warmed up by its own searches. The truth is float32 search by numpy.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks import gallery_database as databases
from benchmarks import timing
from benchmarks.gallery import Numbers, Set, Source, Vectors, chunks, exact
from benchmarks.gallery_database import Database
from benchmarks.gallery_rows import row_of
from core import collections
from core.db.collections import Collection
from core.db.search import GroupBy
from core.errors import CollectionNotFound
from core.finding import Options, find

LIMIT = 10
QUERY_STREAM = 1_000_000
LEAST_RECALL = 0.99
CLASSES = (0, 100, 1_000, 10_000, 50_000, 10**9)


@dataclass(frozen=True)
class Faces:
    """Of one collection: vectors, shape ``(n, 512)``, and the identity of each."""

    vectors: Vectors
    owners: Numbers


@dataclass(frozen=True)
class Tenant:
    """One collection to be."""

    place: int
    size: int
    kind: Set

    @property
    def name(self) -> str:
        """Of the collection."""
        return f"tenant {self.place:04}"

    @cached_property
    def source(self) -> Source:
        """Of its faces."""
        return Source(self.kind, self.size)

    def faces(self) -> Faces:
        """Draw its faces, the same each time."""
        owners = np.arange(self.size) % self.source.identities
        parts = [
            self.source.faces(owners[rows], self.stream(rows.start)) for rows in chunks(self.size)
        ]
        return Faces(np.concatenate(parts), owners)

    def queries(self, count: int) -> Vectors:
        """Return other faces of the same people."""
        random = np.random.default_rng(self.place)
        wanted = random.integers(0, self.source.identities, count)
        return self.source.faces(wanted, self.stream(QUERY_STREAM))

    def stream(self, part: int) -> int:
        """Number a stream of random numbers, so that tenants of one size differ."""
        return self.place * 10 * QUERY_STREAM + part


def tenants(count: int, faces: int, kind: Set) -> list[Tenant]:
    """Share out *faces* by Zipf's law."""
    shares = 1 / np.arange(1, count + 1)
    sizes = np.maximum(1, np.round(shares / shares.sum() * faces)).astype(int)
    return [Tenant(place, int(size), kind) for place, size in enumerate(sizes)]


def loaded(database: Database, everybody: Sequence[Tenant]) -> list[Collection]:
    """Return the collections of all; those that are missing are loaded, promoted and indexed."""
    begin = perf_counter()
    new = 0
    for each in everybody:
        with database.connection() as conn:
            try:
                collections.find(conn, each.name)
            except CollectionNotFound:
                databases.load(conn, each.faces(), each.name)
                new += 1
    if new:
        print(f"loaded {new} collections in {perf_counter() - begin:.0f} s", flush=True)
        databases.vacuum(database)
    found = [_found(database, each) for each in everybody]
    for collection in found:
        if databases.wants_promotion(database, collection):
            databases.promote(database, collection)
    return [_found(database, each) for each in everybody]


def _found(database: Database, each: Tenant) -> Collection:
    with database.connection() as conn:
        return collections.find(conn, each.name)


@dataclass(frozen=True)
class Measured:
    """Of one collection."""

    size: int
    way: str
    recall: float
    seconds: tuple[float, ...]


def measure(
    database: Database, everybody: Sequence[Tenant], homes: Sequence[Collection], count: int
) -> list[Measured]:
    """Ask every collection *count* times, in random order of all questions."""
    questions = np.repeat(np.arange(len(everybody)), count)
    np.random.default_rng(0).shuffle(questions)
    queries = [iter(each.queries(count)) for each in everybody]
    seconds: list[list[float]] = [[] for _ in everybody]
    rows: list[list[list[int]]] = [[] for _ in everybody]
    ways = ["" for _ in everybody]
    options = Options(limit=LIMIT, group_by=GroupBy.FACE)
    for place in map(int, questions):
        query = next(queries[place])
        begin = perf_counter()
        found = find(database.services, [homes[place]], [query], options)
        seconds[place].append(perf_counter() - begin)
        rows[place].append([row_of(match.neighbour.face_id) for match in found.matches])
        ways[place] = found.index.kind
    return [
        Measured(each.size, ways[place], right(each, rows[place]), tuple(seconds[place]))
        for place, each in enumerate(everybody)
    ]


def right(each: Tenant, rows: Sequence[Sequence[int]]) -> float:
    """Return recall@10 of one collection."""
    nearest, _ = exact(each.faces().vectors, each.queries(len(rows)), LIMIT)
    return timing.recall(rows, nearest.tolist(), LIMIT)


HEADS = (
    "faces", "collections", "way", "p50 / p95 / p99, ms", "least recall@10", "mean recall@10",
)  # fmt: skip


def report(measured: Sequence[Measured]) -> bool:
    """Print the table; returns whether every collection reaches the goal."""
    print(timing.table(HEADS, []))
    for least, most in pairwise(CLASSES):
        some = [each for each in measured if least <= each.size < most]
        if not some:
            continue
        p50, p95, p99 = np.percentile([s for each in some for s in each.seconds], (50, 95, 99))
        recalls = [each.recall for each in some]
        sizes = [each.size for each in some]
        cells = [
            f"{min(sizes):,} to {max(sizes):,}",
            f"{len(some):,}",
            ", ".join(sorted({each.way for each in some})),
            f"{p50 * 1000:.1f} / {p95 * 1000:.1f} / {p99 * 1000:.1f}",
            f"{min(recalls):.3f}",
            f"{np.mean(recalls):.4f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)
    return min(each.recall for each in measured) >= LEAST_RECALL


def main() -> int:
    """Measure all collections; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DIR")
    parser.add_argument("--set", dest="kind", choices=("A", "B"), default="B")
    parser.add_argument("--collections", type=int, default=1_000)
    parser.add_argument("--faces", type=int, default=1_000_000, help="of all collections together")
    parser.add_argument("--queries", type=int, default=20, help="for each collection")
    given = parser.parse_args()
    everybody = tenants(given.collections, given.faces, given.kind)
    with databases.database(given.data / "tenants") as database:
        print("\n".join(timing.facts(database)))
        homes = loaded(database, everybody)
        print(f"{len(homes):,} collections, {sum(each.size for each in everybody):,} faces of set "
              f"{given.kind}, {given.queries} queries each\n")  # fmt: skip
        return 0 if report(measure(database, everybody, homes, given.queries)) else 1


if __name__ == "__main__":
    sys.exit(main())
