"""What preparing the statements of a search on the server saves.

    python -m benchmarks.preparing DIR [--set B] [--sizes 1000 100000] [--photos DATA]

One connection asks each query twice, once with statements prepared (as psycopg does from the sixth
time on) and once without, in turns, through `core.finding`.
"""

import argparse
from time import perf_counter

import numpy as np

from benchmarks import gallery_database as databases
from benchmarks import timing
from benchmarks.gallery import Gallery, add_arguments, gallery
from benchmarks.gallery_database import Database
from core.finding import Options, find

PREPARED = 5
"""As psycopg does unless it is told otherwise: from the sixth time on."""

QUERIES = 1_000


def main() -> None:
    """Measure galleries of some sizes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000])
    given = parser.parse_args()
    rows = []
    with databases.database(given.data) as first:
        print("\n".join(timing.facts(first)))
        for size in given.sizes:
            each = gallery(given.data, given.kind, size, given.photos)
            databases.prepare(first, each)
            with databases.connected(given.data, first.url, connections=1) as one:
                rows.append([f"{size:,}", *measure(one, each)])
    heads = ["faces", "index", "not prepared, ms", "prepared, ms", "less"]
    print(timing.table(heads, rows))


def measure(database: Database, each: Gallery) -> list[str]:
    """Return the kind of index and the median milliseconds without and with preparing."""
    collection = databases.collection_of(database, each)
    seconds: dict[int | None, list[float]] = {None: [], PREPARED: []}
    kind = ""
    for number, query in enumerate(each.queries[:QUERIES]):
        order = (None, PREPARED) if number % 2 else (PREPARED, None)
        for threshold in order:
            with database.services.pool.connection() as conn:
                conn.prepare_threshold = threshold
            begin = perf_counter()
            found = find(database.services, [collection], [query], Options(limit=10))
            seconds[threshold].append(perf_counter() - begin)
            kind = found.index.kind
    without, prepared = (1000 * float(np.median(each)) for each in seconds.values())
    less = f"{100 * (1 - prepared / without):.0f} %"
    return [kind, f"{without:.2f}", f"{prepared:.2f}", less]


if __name__ == "__main__":
    main()
