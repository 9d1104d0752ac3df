"""The first searches after a restart of Postgres with empty caches, without and with pg_prewarm.

    python -m benchmarks.restart DIR [--set B] [--size 100000] [--photos DATA]

DIR keeps the gallery and the database between runs. "At once" asks while pages are still being read
back, "later" when that is over. Everything goes through `core.finding`, one query after the other.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, sleep

import numpy as np

from benchmarks import gallery_database as databases
from benchmarks import timing
from benchmarks.gallery import Gallery, add_arguments, gallery
from benchmarks.gallery_database import Database
from core.db.rows import fetch_value
from core.finding import Options, find

QUERIES = 200
SIZE = 100_000


def main() -> None:
    """Measure a warm server and three cold ones, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--size", type=int, default=SIZE)
    given = parser.parse_args()
    each = gallery(given.data, given.kind, given.size, given.photos)
    rows = [("warm", 0.0, warm(given.data, each))]
    for name, prewarm, wait in (
        ("cold", False, False),
        ("cold, read back, at once", True, False),
        ("cold, read back, later", True, True),
    ):
        rows.append((name, *cold(given.data, each, prewarm=prewarm, wait=wait)))
    print(table(rows))


def warm(folder: Path, each: Gallery) -> list[float]:
    """Fill the caches and time queries; the server remembers what it held as it stops."""
    with databases.database(folder) as database:
        switch(database, on=True)
        print("\n".join(timing.facts(database)))
        databases.prepare(database, each)
    with databases.database(folder) as database:
        ask(database, each, len(each.queries))
        return ask(database, each, QUERIES)


def cold(folder: Path, each: Gallery, *, prewarm: bool, wait: bool) -> tuple[float, list[float]]:
    """Restart with empty caches; return the seconds waited and those of the first queries."""
    with databases.database(folder) as database:
        switch(database, on=prewarm)
    databases.forget_cached(folder)
    with databases.database(folder) as database:
        begin = perf_counter()
        if wait:
            wait_until_read(database)
        waited = perf_counter() - begin
        return waited, ask(database, each, QUERIES)


def switch(database: Database, *, on: bool) -> None:
    """Let the next start read back what was in memory, or not."""
    with database.connection(autocommit=True) as conn:
        conn.execute(f"ALTER SYSTEM SET pg_prewarm.autoprewarm = {'on' if on else 'off'}")


def wait_until_read(database: Database) -> None:
    """Return when the worker that reads pages back is gone."""
    with database.connection(autocommit=True) as conn:
        quiet = 0
        while quiet < 10:
            busy = fetch_value(
                conn,
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autoprewarm worker'",
                {},
            )
            quiet = 0 if busy else quiet + 1
            sleep(0.05)


def ask(database: Database, each: Gallery, queries: int) -> list[float]:
    """Return the seconds of each of the first *queries*."""
    collection = databases.collection_of(database, each)
    seconds = []
    for query in each.queries[:queries]:
        begin = perf_counter()
        find(database.services, [collection], [query], Options(limit=10))
        seconds.append(perf_counter() - begin)
    return seconds


def table(rows: Sequence[tuple[str, float, list[float]]]) -> str:
    """Show the first query, the tenth and the middle one, and all of them."""
    heads = ["", "waited, s", "first, ms", "median of 10, ms", "median of all, ms", "all, s"]
    cells = [
        [
            name,
            f"{waited:.1f}",
            f"{1000 * seconds[0]:.1f}",
            f"{1000 * np.median(seconds[:10]):.1f}",
            f"{1000 * np.median(seconds):.1f}",
            f"{sum(seconds):.2f}",
        ]
        for name, waited, seconds in rows
    ]
    return timing.table(heads, cells)


if __name__ == "__main__":
    main()
