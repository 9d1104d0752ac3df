"""What a gallery costs as it grows tenfold, and on paper at 10 M and 100 M faces.

    python -m benchmarks.search_growth DIR [--photos DATA] [--set B] [--sizes 10000 100000 1000000]

DIR is that of `benchmarks.search`. The projection takes bytes as they are for each face, building as
n log n, and each tenfold of a search as dear as the last one that was measured; it holds while table
and index are in memory. Builds are divided by the cores of the node, of which half build.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log, log10
from os import cpu_count

from benchmarks import gallery_database as databases
from benchmarks import timing
from benchmarks.gallery import Gallery, add_arguments, gallery
from benchmarks.gallery_database import Database, Sizes
from benchmarks.timing import Timing
from core.db.indexes import Kind
from core.estimates import graph_bytes
from core.finding import Options, find
from core.routing import Mode

GIB = 2**30
LIMIT = 10
WARM = 200
EXACT_QUERIES = 20

PROJECTED = (10_000_000, 100_000_000)
NODE = 64 * GIB
LARGE_NODE = 256 * GIB
CORES = {NODE: 16, LARGE_NODE: 64}
"""Of nodes as they are rented."""
USABLE = 0.75
"""Of a node's memory, for table and index; the rest is for connections, builds and the system."""


@dataclass(frozen=True)
class Cost:
    """Of one size.

    Attributes:
        build_s: Of the index; 0 where there is none.
        exactly: Of comparing with every face.
    """

    faces: int
    way: str
    search: Timing
    exactly: Timing
    build_s: float
    sizes: Sizes

    @property
    def hot(self) -> int:
        """Bytes that searches read: the table and its HNSW index."""
        return self.sizes.heap + self.sizes.hnsw


def cost(database: Database, each: Gallery, queries: int) -> Cost:
    """Measure one size."""
    collection = databases.prepare(database, each)

    def ask(number: int, mode: Mode = Mode.AUTO) -> str:
        query = each.queries[number % len(each.queries)]
        options = Options(limit=LIMIT, mode=mode)
        return find(database.services, [collection], [query], options).index.kind

    timing.one_client(ask, range(WARM))
    return Cost(
        faces=each.size,
        way=ask(0),
        search=timing.one_client(ask, range(queries)),
        exactly=timing.one_client(lambda number: ask(number, Mode.EXACT), range(EXACT_QUERIES)),
        build_s=databases.build_seconds(database, collection) or 0,
        sizes=databases.sizes(database, collection),
    )


HEADS = (
    "faces", "way", "p50 / p99, ms", "exact p50, ms", "index built in", "table, GiB", "HNSW, GiB",
    "other indexes, GiB",
)  # fmt: skip


def measured_row(each: Cost) -> list[str]:
    """Return the cells of a size that was measured."""
    return [
        f"{each.faces:,}",
        each.way,
        f"{each.search.p50:.1f} / {each.search.p99:.1f}",
        f"{each.exactly.p50:.0f}",
        f"{each.build_s:,.0f} s" if each.build_s else "-",
        *(f"{size / GIB:.3f}" for size in (each.sizes.heap, each.sizes.hnsw, each.sizes.others)),
    ]


def projected_row(faces: int, small: Cost, large: Cost) -> list[str]:
    """Return the cells of a size on paper, from the two largest that were measured."""
    times = faces / large.faces
    tenfolds = log10(times) / log10(large.faces / small.faces)
    p50 = large.search.p50 + tenfolds * (large.search.p50 - small.search.p50)
    p99 = large.search.p99 + tenfolds * (large.search.p99 - small.search.p99)
    sizes = (large.sizes.heap, large.sizes.hnsw, large.sizes.others)
    return [
        f"{faces:,} (on paper)",
        large.way,
        f"{p50:.1f} / {p99:.1f}",
        f"{large.exactly.p50 * times:,.0f}",
        f"{build_core_hours(faces, large):,.1f} core hours",
        *(f"{size * times / GIB:,.1f}" for size in sizes),
    ]


def build_core_hours(faces: int, large: Cost) -> float:
    """Return what a build takes, by n log n."""
    growth = faces * log(faces) / (large.faces * log(large.faces))
    return large.build_s * (cpu_count() or 1) * growth / 3600


def advice(faces: int, large: Cost) -> list[str]:
    """Say what machines a size takes, and what to switch on."""
    hot = large.hot * faces / large.faces
    lines = [f"{faces:,} faces: {hot / GIB:,.0f} GiB to be held in memory."]
    for node in (NODE, LARGE_NODE):
        nodes = ceil(hot / (USABLE * node))
        hours = build_core_hours(faces, large) / nodes / (CORES[node] / 2)
        graph = graph_bytes(faces // nodes, Kind.HNSW, 512)
        lines.append(
            f"  {nodes} x {node / GIB:.0f} GiB and {CORES[node]} cores: the index is built in "
            f"{hours:.1f} h with {graph / GIB:,.0f} GiB of graph on each, or a collection at a time."
        )
    bits = faces * (large.sizes.heap / large.faces + large.sizes.hnsw / large.faces / 3.7)
    lines.append(
        f"  With bit indexes {bits / GIB:,.0f} GiB: only where the recall audit allows them."
    )
    return lines


def main() -> None:
    """Measure all sizes and project."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=1_000)
    given = parser.parse_args()
    with databases.database(given.data) as database:
        print("\n".join(timing.facts(database)))
        costs = [
            cost(database, gallery(given.data, given.kind, size, given.photos), given.queries)
            for size in sorted(given.sizes)
        ]
    print()
    print(timing.table(HEADS, [measured_row(each) for each in costs] + on_paper(costs)))
    if len(costs) > 1 and costs[-1].build_s:
        for faces in PROJECTED:
            print("\n" + "\n".join(advice(faces, costs[-1])))


def on_paper(costs: Sequence[Cost]) -> list[list[str]]:
    """Return the projected rows; two sizes with an index are needed."""
    indexed = [each for each in costs if each.build_s]
    if len(indexed) < 2:
        return []
    return [projected_row(faces, *indexed[-2:]) for faces in PROJECTED]


if __name__ == "__main__":
    main()
