"""The same search by other libraries and by plain pgvector, at the same recall.

Libraries stay out of our environment:

    python -m venv /tmp/peers
    /tmp/peers/bin/pip install faiss-cpu hnswlib usearch "pymilvus[milvus_lite]" milvus-lite qdrant-client
    python -m benchmarks.search_peers DIR --peers /tmp/peers/bin/python [--photos DATA] [--sizes 100000]

DIR is that of `benchmarks.search`. Ten nearest faces of one query after the other, one thread, the
same vectors. The libraries' graphs have 16 links and 128 candidates and are built on all cores; plain
pgvector is as its README begins: a table with a `vector` column, an index with no options, a connection
with no settings, in the same server. Each side's search is widened until it finds at least as much as
ours does at its defaults; then all sides take turns, and the middle of their rounds is shown. Plain
pgvector is also shown at its default width. Milvus Lite is a small Python re-make of Milvus, and
Qdrant's local mode a numpy re-make of Qdrant for tests: neither says anything about those servers.
"Floor" is the time that the compared vectors take to come from memory; "~": as many as FAISS compares
for the same recall, where a library does not count.
"""

import argparse
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import psycopg
from pgvector import HalfVector, Vector
from pgvector.psycopg import register_vector
from psycopg import sql

from benchmarks import gallery_database as databases
from benchmarks import timing
from benchmarks.gallery import DIMENSION, Gallery, add_arguments, chunks, gallery
from benchmarks.gallery_database import Database
from benchmarks.gallery_rows import FACE, row_of, uuid_of
from benchmarks.peer_indexes import PEERS, K
from core.db.collections import Collection
from core.db.pool import Connection
from core.db.rows import fetch_value
from core.db.search import GroupBy
from core.finding import Options, find

WIDTHS = (10, 16, 24, 32, 40, 50, 64, 80, 100, 128, 160, 200, 256, 320, 400, 512, 640, 800, 1000)

SLOW = ("milvus-lite", "qdrant-local")
"""Not asked above `SLOW_FACES`, like plain pgvector: building them would take hours."""
SLOW_FACES = 100_000

PLAIN = "plain pgvector (vector, defaults)"
PLAIN_EF = 40
EXPLAINED = 5
FULL, HALF = 4 * DIMENSION, 2 * DIMENSION

EXACT_QUERIES = 100

Ask = Callable[[int], Sequence[int]]
"""Returns the rows that answer the query of a number."""


@dataclass(frozen=True)
class Point:
    """What a width of the search gives; *compared* vectors are None where nobody counts them."""

    width: int
    recall: float
    qps: float
    compared: float | None


@dataclass(frozen=True)
class Side:
    """A way to search.

    Attributes:
        bytes: Of its index; of the vectors where it has none.
        vector_bytes: Of one vector as it is compared.
        measure: Takes a width and a number of queries.
        widths: That can be asked for; a single 0 where there is nothing to widen.
    """

    name: str
    bytes: int
    build_s: float | None
    vector_bytes: int
    measure: Callable[[int, int], Point]
    widths: Sequence[int] = WIDTHS


def measured(each: Gallery, queries: int, width: int, ask: Ask) -> Point:
    """Ask one query after the other."""
    ask(0)
    found = []
    begin = perf_counter()
    for number in range(queries):
        found.append(ask(number))
    seconds = perf_counter() - begin
    share = timing.recall(found, each.nearest[:queries].tolist(), K)
    return Point(width, share, queries / seconds, None)


@dataclass(frozen=True)
class Library:
    """A library with its index, in a process of its own."""

    peer: str
    process: subprocess.Popen[str]

    def answer(self) -> dict[str, Any]:
        """Wait for its next line."""
        for line in self.process.stdout or ():
            if line.startswith("{"):  # a library may print what it likes
                found: dict[str, Any] = json.loads(line)
                return found
        raise SystemExit(f"{self.peer} ended early.")

    def measure(self, width: int, queries: int) -> Point:
        """Let it ask so many queries."""
        print(width, queries, file=self.process.stdin, flush=True)
        return Point(**self.answer())


@contextmanager
def library(python: Path, peer: str, each: Gallery) -> Iterator[Side]:
    """Let one library build its index, and keep it until the end of the block."""
    command = [str(python), "-m", "benchmarks.peer_indexes", peer, str(each.folder.resolve())]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
    ) as process:
        opened = Library(peer, process)
        built = opened.answer()
        half = peer.endswith("fp16") or peer == "usearch"
        way = ", flat" if "flat" in peer else ", HNSW" if peer.startswith("faiss") else ""
        yield Side(
            f"{built['version']}{way}{', fp16' if half else ''}",
            built["bytes"],
            built["build_s"],
            HALF if half else FULL,
            opened.measure,
            (0,) if "flat" in peer or peer == "qdrant-local" else WIDTHS,
        )


def whole_search(database: Database, collection: Collection, each: Gallery) -> Side:
    """Search as the product does."""
    options = Options(limit=K, group_by=GroupBy.FACE)

    def ask(number: int) -> Sequence[int]:
        found = find(database.services, [collection], [each.queries[number]], options)
        return [row_of(match.neighbour.face_id) for match in found.matches]

    size = databases.sizes(database, collection)
    return Side(
        "facesearch, the whole search",
        size.hnsw,
        databases.build_seconds(database, collection),
        HALF,
        lambda width, queries: measured(each, queries, width, ask),
        [collection.ef_search or database.services.settings.hnsw_ef_search],
    )


def bare_index(conn: Connection, whole: Side, collection: Collection, each: Gallery) -> Side:
    """Ask our index without the rest of a search."""
    statement = sql.SQL(
        "SELECT id FROM faces WHERE collection_id = {} "
        "ORDER BY embedding::halfvec({}) <=> %b::halfvec LIMIT {}"
    ).format(sql.Literal(str(collection.id)), sql.Literal(DIMENSION), sql.Literal(K))
    return replace(
        whole,
        name="facesearch, its index alone",
        measure=by_width(conn, each, lambda n: (statement, HalfVector(each.queries[n]))),
        widths=WIDTHS,
    )


def exact_sql(conn: Connection, heap: int, collection: Collection, each: Gallery) -> Side:
    """Compare every face, in one process."""
    statement = sql.SQL(
        "SELECT id FROM faces WHERE collection_id = {} "
        "ORDER BY (embedding <=> %b::halfvec) + 0 LIMIT {}"
    ).format(sql.Literal(str(collection.id)), sql.Literal(K))

    def measure(width: int, queries: int) -> Point:
        conn.execute("SET max_parallel_workers_per_gather = 0")
        few = min(queries, EXACT_QUERIES)
        point = measured(
            each, few, width, lambda n: asked(conn, statement, HalfVector(each.queries[n]))
        )
        return replace(point, compared=each.size)

    return Side("exact SQL, halfvec, one process", heap, None, HALF, measure, (0,))


def by_width(
    conn: Connection, each: Gallery, query: Callable[[int], tuple[sql.Composed, object]]
) -> Callable[[int, int], Point]:
    """Return what measures an index scan at a width of the search."""

    def measure(width: int, queries: int) -> Point:
        conn.execute(f"SET hnsw.ef_search = {width:d}".encode())
        point = measured(each, queries, width, lambda number: asked(conn, *query(number)))
        return replace(point, compared=pages(conn, query))

    return measure


def pages(conn: Connection, query: Callable[[int], tuple[sql.Composed, object]]) -> float:
    """Return how many pages a query reads: about one for each vector that it compares."""
    read = []
    for number in range(EXPLAINED):
        statement, vector = query(number)
        explained = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ") + statement
        ((explanation,),) = conn.execute(explained, [vector]).fetchall()
        plan = explanation[0]["Plan"]
        read.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
    return float(np.mean(read))


def asked(conn: Connection, statement: sql.Composed, vector: object) -> list[int]:
    """Run a statement and return its rows."""
    return [row_of(row[0]) for row in conn.execute(statement, [vector])]


def plain_pgvector(conn: psycopg.Connection, collection: Collection, each: Gallery) -> Side:
    """Do what somebody does who follows pgvector's README."""
    table = sql.Identifier(f"plain_{collection.id.hex}")
    index = f"plain_{collection.id.hex}_hnsw"
    register_vector(conn)
    build_s = None
    if fetch_value(conn, "SELECT to_regclass(%(name)s)", {"name": index}) is None:
        build_s = build_plain(conn, table, index, each)
    size = fetch_value(conn, "SELECT pg_relation_size(%(name)s::regclass)", {"name": index})
    statement = sql.SQL("SELECT id FROM {} ORDER BY embedding <=> %s LIMIT {}").format(
        table, sql.Literal(K)
    )
    measure = by_width(conn, each, lambda n: (statement, Vector(each.queries[n])))
    return Side(PLAIN, size, build_s, FULL, measure)


def build_plain(
    conn: psycopg.Connection, table: sql.Identifier, index: str, each: Gallery
) -> float:
    """Make the table and its index; returns the seconds of the index."""
    conn.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
    conn.execute(
        sql.SQL("CREATE TABLE {} (id uuid PRIMARY KEY, embedding vector({}))").format(
            table, sql.Literal(DIMENSION)
        )
    )
    copied = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(table)
    with conn.cursor() as cursor, cursor.copy(copied) as copy:
        copy.set_types(["uuid", "vector"])
        for part in chunks(each.size):
            for number, vector in enumerate(each.vectors[part], part.start):
                copy.write_row((uuid_of(FACE, 0, number), Vector(vector)))
    begin = perf_counter()
    conn.execute(
        sql.SQL("CREATE INDEX {} ON {} USING hnsw (embedding vector_cosine_ops)").format(
            sql.Identifier(index), table
        )
    )
    return perf_counter() - begin


HEADS = ("", "width", "recall@10", "QPS", "times plain", "index, MiB", "built in, s", "floor, ms")


@contextmanager
def all_sides(
    database: Database, collection: Collection, each: Gallery, python: Path | None
) -> Iterator[list[Side]]:
    """Build what is missing, and keep every side ready; ours is the first, its index the second."""
    with ExitStack() as held:
        conn = held.enter_context(database.connection(autocommit=True))
        scanned = held.enter_context(database.connection(autocommit=True))
        whole = whole_search(database, collection, each)
        heap = databases.sizes(database, collection).heap
        sides = [
            whole,
            bare_index(conn, whole, collection, each),
            exact_sql(scanned, heap, collection, each),
        ]
        if each.size <= SLOW_FACES:
            bare = held.enter_context(psycopg.connect(database.url, autocommit=True))
            plain = plain_pgvector(bare, collection, each)
            default = replace(plain, name=f"{PLAIN} at its default width", widths=[PLAIN_EF])
            sides += [plain, default]
        for peer in PEERS:
            if python and (each.size <= SLOW_FACES or peer not in SLOW):
                sides.append(held.enter_context(library(python, peer, each)))
        yield sides


def compare(database: Database, each: Gallery, given: argparse.Namespace, speed: float) -> None:
    """Print the table of one gallery."""
    collection = databases.prepare(database, each)
    with all_sides(database, collection, each, given.peers) as sides:
        target = sides[0].measure(sides[0].widths[0], given.queries).recall
        print(f"\n{each.size:,} faces of set {each.kind}, at recall@10 of {target:.4f} and more\n")
        widths = [equally_right(side, target, given.queries) for side in sides]
        rounds = [
            [side.measure(width, given.queries) for side, width in zip(sides, widths, strict=True)]
            for _ in range(given.rounds)
        ]
    points = [middle(turns) for turns in zip(*rounds, strict=True)]
    # The whole search compares what its index does; a library that does not count, what FAISS does.
    points[0] = replace(points[0], compared=points[1].compared)
    of_name = {side.name: point for side, point in zip(sides, points, strict=True)}
    plain = of_name.get(PLAIN)
    like = next((point.compared for name, point in of_name.items() if ", HNSW" in name), None)
    rows = [row(side, point, plain, like, speed) for side, point in zip(sides, points, strict=True)]
    print(timing.table(HEADS, rows), flush=True)


def equally_right(side: Side, target: float, queries: int) -> int:
    """Return the first width that finds so much, else the one that finds most."""
    points: list[Point] = []
    for width in side.widths:
        if len(side.widths) == 1:
            return width
        points.append(side.measure(width, queries))
        if points[-1].recall >= target:
            break
    return max(points, key=lambda point: point.recall).width


def middle(turns: Sequence[Point]) -> Point:
    """Return one point with the middle speed."""
    return replace(turns[0], qps=median(point.qps for point in turns))


def row(
    side: Side, point: Point, plain: Point | None, like: float | None, speed: float
) -> list[str]:
    """Return the cells of one side."""
    compared = point.compared or like
    floor = compared and compared * side.vector_bytes / speed * 1000
    about = "" if point.compared else "~"
    return [
        side.name,
        str(point.width or "-"),
        f"{point.recall:.4f}",
        f"{point.qps:,.0f}",
        f"{point.qps / plain.qps:.2f}" if plain else "-",
        f"{side.bytes / 2**20:,.0f}",
        f"{side.build_s:,.0f}" if side.build_s else "-",
        f"{about}{floor:.3f}" if floor else "-",
    ]


def main() -> None:
    """Compare at every size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--peers", type=Path, help="Python of the environment with the libraries")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000])
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3, help="turns that each side takes")
    given = parser.parse_args()
    speed = timing.bandwidth()
    with databases.database(given.data) as database:
        print("\n".join(timing.facts(database)))
        print(f"memory reads {speed / 1e9:.0f} GB/s; {given.queries:,} queries")
        for size in given.sizes:
            compare(database, gallery(given.data, given.kind, size, given.photos), given, speed)


if __name__ == "__main__":
    main()
