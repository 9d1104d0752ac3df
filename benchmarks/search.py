"""How right and how fast a search is in galleries of 10 k, 100 k and 1 M faces.

    python -m benchmarks.search DIR [--photos DATA] [--set B] [--sizes 10000 100000 1000000]

DIR keeps the galleries and the database between runs. `--ef 40 100 200 400` adds what other widths of
the search give. Everything goes through `core.finding`, with its routing, its SQL, its grouping and its
pool. The truth is float32 search by numpy. "Rank 1" is over the queries whose nearest face, in truth, is
of the same person: how many of them find that person first. "Recall" compares the first ten rows, all
of them and those that are mates. "Cold" is behind a restart with empty caches; "floor" is the time that
reading the vectors takes which were looked at, at the speed of the machine's memory.
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter, sleep

import numpy as np

from benchmarks import gallery_database as databases
from benchmarks import timing
from benchmarks.gallery import Gallery, add_arguments, gallery
from benchmarks.gallery_database import Database
from benchmarks.gallery_rows import row_of
from benchmarks.timing import Work
from core.db.collections import Collection
from core.db.indexes import Kind, index_name
from core.db.search import GroupBy
from core.faces import Embedding
from core.finding import Found, Options, find

LIMIT = 10
CLIENTS = (1, 4, 16)
COLD_QUERIES = 200
VECTOR_BYTES = 1_032


@dataclass(frozen=True)
class Rightness:
    """Shares of what should have been found that was.

    Attributes:
        first: Of the mates that are nearest, in truth.
        real_first: The same, of real faces.
        ten: Of the ten nearest rows.
        mates: Of the mates among the ten nearest faces.
    """

    first: float
    real_first: float
    ten: float
    mates: float


@dataclass(frozen=True)
class Asked:
    """A collection, and how it is asked."""

    database: Database
    collection: Collection
    each: Gallery
    options: Options

    def ask(self, number: int) -> Found:
        """Search with one query."""
        query: Embedding = self.each.queries[number % len(self.each.queries)]
        return find(self.database.services, [self.collection], [query], self.options)


@contextmanager
def client(folder: Path, each: Gallery, group_by: GroupBy, url: str) -> Iterator[Work]:
    """Be one client in a process of its own."""
    with databases.connected(folder, url, connections=1) as database:
        yield asked(database, each, group_by).ask


def asked(database: Database, each: Gallery, group_by: GroupBy) -> Asked:
    """Ask the collection of a gallery that is in the database."""
    collection = databases.collection_of(database, each)
    return Asked(database, collection, each, Options(limit=LIMIT, group_by=group_by))


def rightness(found: Sequence[Found], each: Gallery, group_by: GroupBy) -> Rightness:
    """Compare answers to the first queries with the truth."""
    count = len(found)
    owners, asked_for = each.owners, each.query_owners[:count]
    nearest = each.nearest[:count]
    rows = [[row_of(match.neighbour.face_id) for match in answer.matches] for answer in found]
    expected = owners[nearest[:, 0]] == asked_for
    right = np.array(
        [bool(some) and owners[some[0]] == owner
         for some, owner in zip(rows, asked_for, strict=True)]
    )  # fmt: skip
    made_up = each.query_owners[:count] < each.made_up_identities
    mates = [[row for row in true[:LIMIT] if owners[row] == owner]
             for true, owner in zip(nearest, asked_for, strict=True)]  # fmt: skip
    keys = partial(groups, owners=owners, group_by=group_by)
    return Rightness(
        first=float(right[expected].mean()),
        real_first=share(right[expected & ~made_up]),
        ten=timing.recall(
            [keys(some) for some in rows], [keys(true)[:LIMIT] for true in nearest], LIMIT
        ),
        mates=timing.recall([keys(some) for some in rows], [keys(true) for true in mates], LIMIT),
    )


def share(hits: np.ndarray) -> float:
    """Return the mean, and 1 of nothing."""
    return float(hits.mean()) if len(hits) else 1.0


def groups(rows: Sequence[int], *, owners: np.ndarray, group_by: GroupBy) -> list[int]:
    """Return the groups of faces in order: people with a name, and faces without one."""
    if group_by is GroupBy.FACE:
        return list(map(int, rows))
    # Identities below zero, so that they are no rows.
    keys = [-1 - int(owners[row]) if owners[row] % 2 == 0 else int(row) for row in rows]
    return list(dict.fromkeys(keys))


def floor_ms(vectors: float, bandwidth: float) -> float:
    """Return the milliseconds that reading so many vectors takes."""
    return vectors * VECTOR_BYTES / bandwidth * 1000


def looked_at(asked: Asked, queries: int) -> float:
    """Return how many vectors a query looks at: all, or the pages of the index that it reads."""
    if asked.ask(0).index.exact:
        return float(asked.each.size)
    before = index_pages(asked)
    for number in range(queries):
        asked.ask(number)
    return (index_pages(asked) - before) / queries


def index_pages(asked: Asked) -> int:
    """Return how many pages of its index the collection's searches have read so far."""
    sleep(1.2)  # a session reports what it did at most once a second
    asked.ask(0)
    with asked.database.connection() as conn:
        row = conn.execute(
            "SELECT idx_blks_hit + idx_blks_read FROM pg_statio_user_indexes "
            "WHERE indexrelname = %s",
            [index_name(asked.collection.id, Kind.HNSW)],
        ).fetchone()
    return row[0] if row else 0


def measure(folder: Path, each: Gallery, given: argparse.Namespace, speed: float) -> None:
    """Print the rows of one gallery."""
    with databases.database(folder) as database:
        databases.prepare(database, each)
    databases.forget_cached(folder)
    with databases.database(folder) as database:
        asking = asked(database, each, GroupBy.PERSON)
        cold = timing.one_client(asking.ask, range(COLD_QUERIES))
        print_row(folder, asking, given, speed, f"{cold.p50:.1f} / {cold.p99:.1f}")
        asking = asked(database, each, GroupBy.FACE)
        print_row(folder, asking, given, speed, "")
        print_bytes(folder, database, asking)
        if given.ef and not asking.ask(0).index.exact:
            print_widths(asking, given.ef, min(given.queries, len(each.queries)))


def print_row(
    folder: Path, asking: Asked, given: argparse.Namespace, speed: float, cold: str
) -> None:
    """Print what was measured of one way of asking."""
    count = min(given.queries, len(asking.each.queries))
    found = [asking.ask(number) for number in range(count)]
    warm = timing.one_client(asking.ask, range(count))
    right = rightness(found, asking.each, asking.options.group_by)
    start = partial(client, folder, asking.each, asking.options.group_by, asking.database.url)
    many = [timing.many_clients(start, clients, count, given.seconds) for clients in CLIENTS]
    floor = floor_ms(looked_at(asking, 200), speed)
    index = found[0].index
    cells = [
        f"{asking.each.size:,}",
        index.kind + (f" ef {index.ef_search}" if index.ef_search else ""),
        asking.options.group_by.value,
        f"{right.first:.4f}",
        f"{right.real_first:.4f}",
        f"{right.ten:.4f}",
        f"{right.mates:.4f}",
        f"{warm.p50:.2f} / {warm.p95:.2f} / {warm.p99:.2f}",
        cold,
        " / ".join(f"{each.qps:.0f}" for each in many),
        f"{many[-1].p99:.0f}",
        f"{floor:.3f}",
    ]
    print("| " + " | ".join(cells) + " |", flush=True)


WIDTH_HEADS = (
    "ef_search", "rank 1", "of real faces", "recall@10", "of mates", "p50 / p95 / p99, ms",
)  # fmt: skip


def print_widths(asking: Asked, widths: Sequence[int], count: int) -> None:
    """Print what other widths of the search give, one client asking for faces."""
    rows = []
    for width in widths:
        wide = replace(asking, collection=replace(asking.collection, ef_search=width))
        found = [wide.ask(number) for number in range(count)]
        taken = timing.one_client(wide.ask, range(count))
        right = rightness(found, asking.each, asking.options.group_by)
        shares = (right.first, right.real_first, right.ten, right.mates)
        rows.append(
            [width, *(f"{share:.4f}" for share in shares),
             f"{taken.p50:.2f} / {taken.p95:.2f} / {taken.p99:.2f}"]
        )  # fmt: skip
    print(f"\n{asking.each.size:,} faces, by width:\n\n{timing.table(WIDTH_HEADS, rows)}\n")


HEADS = (
    "faces", "way", "rows", "rank 1", "of real faces", "recall@10", "of mates",
    "p50 / p95 / p99, ms", "cold p50 / p99, ms", f"QPS of {' / '.join(map(str, CLIENTS))} clients",
    f"p99 of {CLIENTS[-1]}, ms", "floor, ms",
)  # fmt: skip


def print_bytes(folder: Path, database: Database, asking: Asked) -> None:
    """Print what the collection takes."""
    size = databases.sizes(database, asking.collection)
    print(
        f"{asking.each.size:,} faces: table {size.heap / 2**20:,.0f} MiB, HNSW "
        f"{size.hnsw / 2**20:,.0f} MiB, other indexes {size.others / 2**20:,.0f} MiB; server "
        f"{databases.server_memory(folder) / 2**20:,.0f} MiB in memory",
        flush=True,
    )


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--ef", type=int, nargs="*", help="other widths of the search to try")
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=10, help="of each number of clients")
    given = parser.parse_args()
    speed = timing.bandwidth()
    begin = perf_counter()
    galleries = [gallery(given.data, given.kind, size, given.photos) for size in given.sizes]
    with databases.database(given.data) as database:
        print("\n".join(timing.facts(database)))
    print(f"memory reads {speed / 1e9:.0f} GB/s; set {given.kind}, {given.queries:,} queries\n")
    print(timing.table(HEADS, []))
    for each in galleries:
        measure(given.data, each, given, speed)
    print(f"\nmeasured in {perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
