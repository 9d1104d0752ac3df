"""What an index of bits finds beside one of whole vectors, and what measuring that costs.

    python -m benchmarks.small_memory DIR [--photos DATA] [--set B] [--size 100000]

DIR keeps the gallery and the database between runs. Both indexes are built on one collection, and the
recall audit's own code (`core.replay`) replays 200 queries that are not in the gallery, exactly and by
each index; a bit index gets four candidates for each one of `ef_search` and ranks them again by their
vectors. Below: the same with queries made of stored faces, which stand in where no real ones are kept.
"""

import argparse
from time import perf_counter

from benchmarks import gallery_database as databases
from benchmarks import timing
from benchmarks.gallery import Gallery, add_arguments, gallery
from benchmarks.gallery_database import Database, timed
from core import indexes as use
from core import maintenance
from core.db import indexes
from core.db import recall as rows
from core.db.collections import Collection
from core.db.index_work import Action
from core.db.indexes import Kind
from core.db.pool import Connection
from core.db.rows import fetch_value
from core.recall import LADDER, QUERIES
from core.replay import Replay

TRIED = LADDER[:6]

HEADS = (
    "index",
    "bytes a face",
    "`ef_search`",
    "nearest found",
    "ten nearest found",
    "mates lost",
    "p50",
)


def main() -> None:
    """Print a table for docs/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--size", type=int, default=100_000)
    given = parser.parse_args()
    each = gallery(given.data, given.kind, given.size, given.photos)
    with databases.database(given.data) as database, database.connection(autocommit=True) as conn:
        collection = promoted(database, conn, each)
        indexes.prepare_build(conn, memory_bytes=2 << 30, workers=1)
        with timed(each.folder, "bit index built"):
            indexes.create(conn, collection.id, Kind.BIT, collection.dimension, trial=True)
        print("\n".join(["", *timing.facts(database), ""]))
        try:
            compare(conn, collection, each)
        finally:
            indexes.drop_by_name(conn, indexes.trial_name(collection.id, Kind.BIT))
            rows.forget_queries(conn, collection.id)


def promoted(database: Database, conn: Connection, each: Gallery) -> Collection:
    """Return the collection of a gallery, in a table of its own and indexed, whatever its size."""
    collection = databases.collection_of(database, each)
    if collection.layout != "own":
        work = use.ask(conn, collection.id, Action.PROMOTE, actor="benchmark")
        with timed(each.folder, "promoted, index included,"):
            maintenance.do_one(conn, work.id, database.services.settings)
    return databases.collection_of(database, each)


def compare(conn: Connection, collection: Collection, each: Gallery) -> None:
    """Replay queries of new faces, and queries made of stored ones."""
    rows.forget_queries(conn, collection.id)
    for real in (True, False):
        if real:
            for query in each.queries[:QUERIES]:
                with conn.transaction():
                    rows.keep_query(conn, collection.id, query, most=QUERIES)
        begin = perf_counter()
        replay = Replay(conn, collection, queries=QUERIES)
        seconds = perf_counter() - begin
        rows.forget_queries(conn, collection.id)
        kind = "made of stored faces" if replay.stored_queries else "of new faces"
        print(
            f"Set {each.kind}, {each.size:,} faces, {replay.queries} queries {kind}: exact answers of "
            f"all in {seconds:.1f} s, of one by SQL in {replay.exact_ms:.0f} ms\n"
        )
        found = [
            row
            for index in (Kind.HNSW, Kind.BIT)
            for row in measured(conn, collection, replay, index)
        ]
        print(timing.table(HEADS, found), end="\n\n", flush=True)


def measured(
    conn: Connection, collection: Collection, replay: Replay, kind: Kind
) -> list[tuple[object, ...]]:
    """Return a row for each ef_search."""
    name = indexes.index_name(collection.id, kind)
    if kind is Kind.BIT:
        name = indexes.trial_name(collection.id, kind)
    size: int = fetch_value(conn, "SELECT pg_relation_size(%(name)s::regclass)", {"name": name})
    steps = [replay.step(kind, ef_search) for ef_search in TRIED]
    return [
        (
            kind,
            f"{size / collection.face_count:,.0f}",
            step.ef_search,
            f"{step.recall_1:.1%}",
            f"{step.recall_10:.1%}",
            f"{step.lost_mates} of {step.mates:,}",
            f"{step.ms:.1f} ms",
        )
        for step in steps
    ]


if __name__ == "__main__":
    main()
