"""What the index of a collection costs to build, and to keep free of dead rows.

    python -m benchmarks.index_cost [--faces 20_000]

makes tables of random vectors in a Postgres of its own, which is removed again, and prints a table:
memory of the graph by face (from how many faces 6 MiB hold), bytes on disk, seconds to build with room
in memory and without, by one process and by two. Then a tenth of the faces is deleted, and repairing
the graph (VACUUM) is compared with building it anew first (REINDEX INDEX CONCURRENTLY, then VACUUM).
`core/estimates.py` and `core/maintenance.py` take their numbers from here.
"""

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import numpy as np
import psycopg
from pgvector import HalfVector
from pgvector.psycopg import register_vector
from psycopg import sql

from core.db import indexes
from core.db.indexes import LINKS, Kind
from core.db.rows import fetch_value
from core.estimates import MORE_LINKS
from core.local import temporary
from core.settings import MIB
from web.cli.measuring import machine


class Shape(NamedTuple):
    """An index: of how many numbers, of what, and with how many links a face."""

    dimension: int
    kind: Kind
    links: int


SHAPES = (
    Shape(512, Kind.HNSW, LINKS),
    Shape(512, Kind.HNSW, MORE_LINKS),
    Shape(128, Kind.HNSW, LINKS),
    Shape(128, Kind.HNSW, MORE_LINKS),
    Shape(512, Kind.BIT, LINKS),
    Shape(128, Kind.BIT, LINKS),
)
SMALL = 6 * MIB
ENOUGH = 1024 * MIB
HELD = re.compile(r"maintenance_work_mem after (\d+) tuples")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faces", type=int, default=20_000)
    faces = parser.parse_args().faces
    with temporary.postgres() as postgres:
        url = postgres.url_of("postgres")
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("CREATE EXTENSION vector")
            register_vector(conn)
            print(_about(conn, faces))
            tables = {dimension: _fill(conn, faces, dimension) for dimension in (512, 128)}
            _costs(conn, tables, faces)
            _decay(conn, tables[512], faces)


def _about(conn: psycopg.Connection[Any], faces: int) -> str:
    about = machine()
    pgvector = fetch_value(conn, "SELECT extversion FROM pg_extension WHERE extname = 'vector'", {})
    return (
        f"{faces:,} random faces; {about['processor']}, {about['system']}, Postgres "
        f"{conn.info.parameter_status('server_version')}, pgvector {pgvector}; "
        "ef_construction = 128"
    )


def _fill(conn: psycopg.Connection[Any], faces: int, dimension: int) -> UUID:
    """Make the table of a made-up collection."""
    made = uuid4()
    table = sql.Identifier(indexes.table_name(made))
    conn.execute(sql.SQL("CREATE TABLE {} (id int, embedding halfvec)").format(table))
    random = np.random.default_rng(1).normal(size=(faces, dimension)).astype(np.float32)
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    copy = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(table)
    with conn.cursor() as cursor, cursor.copy(copy) as stream:
        stream.set_types(["int4", "halfvec"])
        for number, vector in enumerate(random):
            stream.write_row((number, HalfVector(vector)))
    conn.execute(sql.SQL("VACUUM ANALYZE {}").format(table))
    return made


def _costs(conn: psycopg.Connection[Any], tables: dict[int, UUID], faces: int) -> None:
    print(
        "| numbers, index, links | memory a face | disk a face | 2 processes | 1 process | 1, on disk |"
    )
    print("|---|---|---|---|---|---|")
    for shape in SHAPES:
        table = tables[shape.dimension]
        with _held(conn) as held:
            spilled = _build(conn, table, shape, SMALL, 0)
        alone = _build(conn, table, shape, ENOUGH, 0)
        two = _build(conn, table, shape, ENOUGH, 1)
        name = indexes.index_name(table, shape.kind)
        size = fetch_value(conn, "SELECT pg_relation_size(%(name)s::regclass)", {"name": name})
        share = f"{1 - held[0] / faces:.0%} of it"
        print(
            f"| {shape.dimension}, {shape.kind}, {shape.links} | {SMALL / held[0]:,.0f} B | {size / faces:,.0f} B "
            f"| {two:.1f} s | {alone:.1f} s | {spilled:.1f} s, {share} |",
            flush=True,
        )


def _build(
    conn: psycopg.Connection[Any],
    table: UUID,
    shape: Shape,
    memory: int,
    helpers: int,
) -> float:
    indexes.drop(conn, table, shape.kind)
    indexes.prepare_build(conn, memory_bytes=memory, workers=helpers)
    began = perf_counter()
    indexes.create(conn, table, shape.kind, shape.dimension, links=shape.links)
    return perf_counter() - began


@contextmanager
def _held(conn: psycopg.Connection[Any]) -> Iterator[list[int]]:
    """Collect how many faces found room when pgvector says that there is no more."""
    found: list[int] = []

    def listen(diagnostic: psycopg.errors.Diagnostic) -> None:
        if match := HELD.search(diagnostic.message_primary or ""):
            found.append(int(match[1]))

    conn.add_notice_handler(listen)
    yield found
    conn.remove_notice_handler(listen)


def _decay(conn: psycopg.Connection[Any], table: UUID, faces: int) -> None:
    """Compare the two ways to get rid of the dead."""
    name = sql.Identifier(indexes.table_name(table))
    conn.execute(sql.SQL("ALTER TABLE {} SET (autovacuum_enabled = off)").format(name))
    indexes.drop(conn, table, Kind.BIT)
    seconds: list[float] = []
    for first, rebuild_first in ((0, False), (1, True)):
        indexes.prepare_build(conn, memory_bytes=ENOUGH, workers=1)
        indexes.rebuild(conn, table, Kind.HNSW)
        conn.execute(sql.SQL("DELETE FROM {} WHERE id %% 10 = %s").format(name), [first])
        began = perf_counter()
        if rebuild_first:
            indexes.rebuild(conn, table, Kind.HNSW)
        indexes.vacuum(conn, table)
        seconds.append(perf_counter() - began)
    print(
        f"A tenth of {faces:,} faces of 512 numbers deleted: VACUUM {seconds[0]:.1f} s, "
        f"REINDEX and VACUUM {seconds[1]:.1f} s"
    )


if __name__ == "__main__":
    main()
