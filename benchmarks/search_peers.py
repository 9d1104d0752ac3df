"""The same search by other libraries and by plain pgvector, at the same recall.

Libraries stay out of our environment:

    python -m venv /tmp/peers
    /tmp/peers/bin/pip install faiss-cpu hnswlib usearch "pymilvus[milvus_lite]" milvus-lite qdrant-client
    python -m benchmarks.search_peers DIR --peers /tmp/peers/bin/python [--photos DATA] [--sizes 100000]

DIR is that of `benchmarks.search`. Ten nearest faces of one query after the other, one thread, the
same vectors. Every graph has 16 links; ours and the libraries' were built with 128 candidates on all
cores, plain pgvector as its README begins: a table with a `vector` column, an index with no options,
a connection with no settings, in the same server. Every side is asked with wider and wider searches;
shown is the first that finds at least as much as our search does at its defaults, and for plain
pgvector also what its default width gives. Milvus Lite is a small Python re-make of Milvus, and
Qdrant's local mode a numpy re-make of Qdrant for tests: neither says anything about those servers.
"floor" is the time that the compared vectors take to come from memory.
"""

import argparse
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

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
from benchmarks.peer_indexes import ENOUGH, PEERS, WIDTHS, K
from core.db.collections import Collection
from core.db.pool import Connection
from core.db.rows import fetch_value
from core.db.search import GroupBy
from core.finding import Options, find

SLOW = ("milvus-lite", "qdrant-local")
"""Not asked above `SLOW_FACES`, like plain pgvector: building them would take hours."""
SLOW_FACES = 100_000

PLAIN_EF = 40
EXPLAINED = 5
FULL, HALF = 4 * DIMENSION, 2 * DIMENSION

Ask = Callable[[int], Sequence[int]]
"""Returns the rows that answer the query of a number."""


@dataclass(frozen=True)
class Side:
    """A way to search.

    Attributes:
        bytes: Of its index; of the vectors where it has none.
        vector_bytes: Of one vector as it is compared.
    """

    name: str
    bytes: int
    build_s: float | None
    vector_bytes: int


@dataclass(frozen=True)
class Point:
    """What a width of the search gives; *compared* vectors are None where nobody counts them."""

    width: int
    recall: float
    qps: float
    compared: float | None


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


def library(python: Path, peer: str, each: Gallery, queries: int) -> tuple[Side, list[Point]]:
    """Build and measure one library in a process of its own."""
    command = [str(python), "-m", "benchmarks.peer_indexes", peer, str(each.folder.resolve()),
               "--queries", str(queries)]  # fmt: skip
    output = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
    ).stdout
    built, *points = (json.loads(line) for line in output.splitlines() if line.startswith("{"))
    half = peer.endswith("fp16") or peer == "usearch"
    way = ", flat" if "flat" in peer else ", HNSW" if peer.startswith("faiss") else ""
    name = f"{built['version']}{way}{', fp16' if half else ''}"
    side = Side(name, built["bytes"], built["build_s"], HALF if half else FULL)
    return side, [Point(**point) for point in points]


def ours(
    database: Database, collection: Collection, each: Gallery, queries: int
) -> Iterator[tuple[Side, list[Point]]]:
    """Measure our search as it is, then the bare statement on our index."""
    size = databases.sizes(database, collection)
    build_s = databases.build_seconds(database, collection)
    options = Options(limit=K, group_by=GroupBy.FACE)

    def whole(number: int) -> Sequence[int]:
        found = find(database.services, [collection], [each.queries[number]], options)
        return [row_of(match.neighbour.face_id) for match in found.matches]

    ef_search = collection.ef_search or database.services.settings.hnsw_ef_search
    side = Side("facesearch, the whole search", size.hnsw, build_s, HALF)
    yield side, [measured(each, queries, ef_search, whole)]
    statement = sql.SQL(
        "SELECT id FROM faces WHERE collection_id = {} "
        "ORDER BY embedding::halfvec({}) <=> %b::halfvec LIMIT {}"
    ).format(sql.Literal(str(collection.id)), sql.Literal(DIMENSION), sql.Literal(K))
    with database.connection(autocommit=True) as conn:
        points = swept(conn, each, queries, lambda n: (statement, HalfVector(each.queries[n])))
    yield Side("facesearch, its index alone", size.hnsw, build_s, HALF), points
    exactly = sql.SQL(
        "SELECT id FROM faces WHERE collection_id = {} "
        "ORDER BY (embedding <=> %b::halfvec) + 0 LIMIT {}"
    ).format(sql.Literal(str(collection.id)), sql.Literal(K))
    with database.connection(autocommit=True) as conn:
        conn.execute("SET max_parallel_workers_per_gather = 0")
        few = min(queries, 100)
        point = measured(each, few, 0, lambda n: asked(conn, exactly, HalfVector(each.queries[n])))
    exact_side = Side("exact SQL, halfvec, one process", size.heap, None, HALF)
    yield exact_side, [Point(0, point.recall, point.qps, each.size)]


def swept(
    conn: Connection,
    each: Gallery,
    queries: int,
    query: Callable[[int], tuple[sql.Composed, object]],
) -> list[Point]:
    """Widen the search of a connection until it finds enough."""
    points: list[Point] = []
    for width in WIDTHS:
        conn.execute(f"SET hnsw.ef_search = {width:d}".encode())
        point = measured(each, queries, width, lambda number: asked(conn, *query(number)))
        points.append(replace(point, compared=pages(conn, query)))
        if points[-1].recall >= ENOUGH:
            break
    return points


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


def plain_pgvector(
    database: Database, collection: Collection, each: Gallery, queries: int
) -> tuple[Side, list[Point]]:
    """Measure what somebody gets who follows pgvector's README."""
    table = sql.Identifier(f"plain_{collection.id.hex}")
    index = f"plain_{collection.id.hex}_hnsw"
    with psycopg.connect(database.url, autocommit=True) as conn:
        register_vector(conn)
        build_s = None
        if fetch_value(conn, "SELECT to_regclass(%(name)s)", {"name": index}) is None:
            build_s = build_plain(conn, table, index, each)
        size = fetch_value(conn, "SELECT pg_relation_size(%(name)s::regclass)", {"name": index})
        statement = sql.SQL("SELECT id FROM {} ORDER BY embedding <=> %s LIMIT {}").format(
            table, sql.Literal(K)
        )
        points = swept(conn, each, queries, lambda n: (statement, Vector(each.queries[n])))
    return Side("plain pgvector (vector, defaults)", size, build_s, FULL), points


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


def compare(database: Database, each: Gallery, given: argparse.Namespace, speed: float) -> None:
    """Print the table of one gallery."""
    collection = databases.prepare(database, each)
    sides = list(ours(database, collection, each, given.queries))
    target = sides[0][1][0].recall
    plain_qps = None
    if each.size <= SLOW_FACES:
        side, points = plain_pgvector(database, collection, each, given.queries)
        plain_qps = equally_right(points, target).qps
        default = [point for point in points if point.width <= PLAIN_EF][-1:]
        sides += [(side, points), (replace(side, name="the same at its default"), default)]
    for peer in PEERS:
        if given.peers and (each.size <= SLOW_FACES or peer not in SLOW):
            sides.append(library(given.peers, peer, each, given.queries))
    print(f"\n{each.size:,} faces of set {each.kind}, at recall@10 of {target:.4f} and more\n")
    rows = [row(side, equally_right(points, target), plain_qps, speed) for side, points in sides]
    print(timing.table(HEADS, rows))
    print("\nour index alone, by its width:\n")
    curve = [[point.width, f"{point.recall:.4f}", f"{point.qps:,.0f}"] for point in sides[1][1]]
    print(timing.table(("ef_search", "recall@10", "QPS"), curve), flush=True)


def equally_right(points: Sequence[Point], target: float) -> Point:
    """Return the first point that finds so much, else the one that finds most."""
    enough = [point for point in points if point.recall >= target]
    return enough[0] if enough else max(points, key=lambda point: point.recall)


def row(side: Side, point: Point, plain_qps: float | None, speed: float) -> list[str]:
    """Return the cells of one side."""
    floor = point.compared and point.compared * side.vector_bytes / speed * 1000
    return [
        side.name,
        str(point.width or "-"),
        f"{point.recall:.4f}",
        f"{point.qps:,.0f}",
        f"{point.qps / plain_qps:.2f}" if plain_qps else "-",
        f"{side.bytes / 2**20:,.0f}",
        f"{side.build_s:,.0f}" if side.build_s else "-",
        f"{floor:.3f}" if floor else "-",
    ]


def main() -> None:
    """Compare at every size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--peers", type=Path, help="Python of the environment with the libraries")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000])
    parser.add_argument("--queries", type=int, default=1_000)
    given = parser.parse_args()
    speed = timing.bandwidth()
    with databases.database(given.data) as database:
        print("\n".join(timing.facts(database)))
        print(f"memory reads {speed / 1e9:.0f} GB/s; {given.queries:,} queries")
        for size in given.sizes:
            compare(database, gallery(given.data, given.kind, size, given.photos), given, speed)


if __name__ == "__main__":
    main()
