"""Whether filtered searches find everything, and whether the router takes the faster way.

    python -m benchmarks.search_filters DIR [--photos DATA] [--set B] [--sizes 100000 1000000]

DIR is that of `benchmarks.search`. Each condition is searched for in three ways that take turns: as
the router decides, exactly, and by the index (which falls back to exact search when it finds too
few). `any` tags are drawn by lot; `near` ones are on the faces most like one certain face, so that
most queries are far from all that pass; photos were taken by the time of their person. The truth is
float32 search among the faces that pass. Goals: recall of 0.99, and at most 1.5 times the time of
the better one of the two ways that reach it.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from benchmarks import gallery_database as databases
from benchmarks import gallery_rows as packed
from benchmarks import timing
from benchmarks.gallery import Gallery, add_arguments, exact, gallery
from benchmarks.gallery_database import Database
from core.db.collections import Collection
from core.db.search import GroupBy
from core.faces import Embedding
from core.filters import Filter
from core.finding import Found, Options, find
from core.routing import Mode

LIMIT = 10
LEAST_RECALL = 0.99
MOST_TIMES = 1.5
BETWEEN_MS = 1.0
"""A difference of less is not held against the router."""

LEAST_QUERIES = 10
MOST_SECONDS = 5.0
"""A way that has taken so long for one condition is asked no more than `LEAST_QUERIES` times."""

START = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Condition:
    """A filter, and which faces pass it."""

    name: str
    filter: Filter
    passes: NDArray[np.bool_]


@dataclass
class Way:
    """What one way gave."""

    recalls: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)

    @property
    def is_slow(self) -> bool:
        """It has been asked often enough for how long it takes."""
        return len(self.seconds) >= LEAST_QUERIES and sum(self.seconds) > MOST_SECONDS

    @property
    def recall(self) -> float:
        """Mean of all queries."""
        return float(np.mean(self.recalls))

    @property
    def ms(self) -> float:
        """The median."""
        return float(np.median(self.seconds)) * 1000

    @property
    def p99_ms(self) -> float:
        """Of the slowest hundredth."""
        return float(np.percentile(self.seconds, 99)) * 1000


def conditions(each: Gallery, number: int) -> Iterator[Condition]:
    """Yield what is searched for; *number* is the collection's in the ids."""
    facets = packed.Facets(each)
    everybody = np.ones(each.size, bool)
    yield Condition("none, 100 %", Filter(), everybody)
    for name, passes in facets.tags.items():
        yield Condition(f"tag {name}", Filter(tags_any=(name,)), passes)
    for share in packed.SHARES.values():
        passes = facets.quality >= 1 - share
        yield Condition(f"quality, {share:.1%}", Filter(min_quality=1 - share), passes)
    for share in packed.SHARES.values():
        yield captured(facets, share)
    for share in (0.01, 0.001):
        yield of_people(each, facets, share, number)
    yield Condition("named, 50 %", Filter(named=True), facets.named)
    both = Filter(named=True, tags_any=("near-tenth",), min_quality=0.5)
    passes = facets.named & facets.tags["near-tenth"] & (facets.quality >= 0.5)
    yield Condition("named, near-tenth and quality", both, passes)


def captured(facets: packed.Facets, share: float) -> Condition:
    """Narrow to a stretch of time from the middle on."""
    times = facets.captured_us
    first = int(np.quantile(times, 0.5 - share / 2))
    last = int(np.quantile(times, 0.5 + share / 2))
    wanted = Filter(
        captured_from=START + timedelta(microseconds=first),
        captured_before=START + timedelta(microseconds=last),
    )
    return Condition(f"captured, {share:.1%}", wanted, (times >= first) & (times < last))


def of_people(each: Gallery, facets: packed.Facets, share: float, number: int) -> Condition:
    """Narrow to people with a name who have so many faces together."""
    owners = packed.people(each)
    chosen = owners[: round(len(owners) * share / facets.named.mean())]
    ids = tuple(packed.uuid_of(packed.PERSON, number, int(owner)) for owner in chosen)
    return Condition(
        f"{len(ids):,} people, {share:.1%}", Filter(people=ids), np.isin(each.owners, chosen)
    )


def measure(
    database: Database, collection: Collection, each: Gallery, wanted: Condition, queries: int
) -> Mapping[Mode, Way]:
    """Search in all ways in turn."""
    rows = np.flatnonzero(wanted.passes)
    nearest, _ = exact(each.vectors[rows], each.queries[:queries], LIMIT)
    ways = {mode: Way() for mode in Mode}
    for mode in Mode:  # what is timed and sampled once, and what must come into the caches
        for number in range(2):
            ask(database, collection, each.queries[number], wanted, mode)
    for number, true in enumerate(nearest):
        for mode, way in ways.items():
            if way.is_slow:
                continue
            begin = perf_counter()
            found = ask(database, collection, each.queries[number], wanted, mode)
            way.seconds.append(perf_counter() - begin)
            got = [packed.row_of(match.neighbour.face_id) for match in found.matches]
            way.recalls.append(timing.recall([got], [rows[true]], LIMIT))
            way.kinds.add(found.index.kind + (" > exact" if found.index.fallback else ""))
    return ways


def ask(
    database: Database, collection: Collection, query: Embedding, wanted: Condition, mode: Mode
) -> Found:
    """Search once."""
    options = Options(limit=LIMIT, group_by=GroupBy.FACE, filter=wanted.filter, mode=mode)
    return find(database.services, [collection], [query], options)


HEADS = (
    "condition", "faces that pass", "router", "recall", "p50 / p99, ms", "exact: recall", "p50, ms",
    "index: recall", "p50, ms", "times the better", "",
)  # fmt: skip


def judge(ways: Mapping[Mode, Way]) -> tuple[float, bool]:
    """Return the router's time over the better way's, and whether the goals are reached."""
    router = ways[Mode.AUTO]
    right = [ways[mode].ms for mode in (Mode.EXACT, Mode.APPROXIMATE)
             if ways[mode].recall >= LEAST_RECALL]  # fmt: skip
    better = min(right, default=ways[Mode.EXACT].ms)
    in_time = router.ms <= max(MOST_TIMES * better, better + BETWEEN_MS)
    return router.ms / better, in_time and router.recall >= LEAST_RECALL


def row(wanted: Condition, ways: Mapping[Mode, Way]) -> tuple[list[str], bool]:
    """Return the cells of a condition, and whether the goals are reached."""
    router, looked, indexed = (ways[mode] for mode in (Mode.AUTO, Mode.EXACT, Mode.APPROXIMATE))
    times, reached = judge(ways)
    cells = [
        wanted.name,
        f"{wanted.passes.sum():,}",
        ", ".join(sorted(router.kinds)),
        f"{router.recall:.4f}",
        f"{router.ms:.1f} / {router.p99_ms:.1f}",
        f"{looked.recall:.4f}",
        f"{looked.ms:.1f}",
        f"{indexed.recall:.4f}",
        f"{indexed.ms:.1f}",
        f"{times:.2f}",
        "" if reached else "missed",
    ]
    return cells, reached


def main() -> int:
    """Measure all conditions; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=100)
    given = parser.parse_args()
    missed = 0
    with databases.database(given.data) as database:
        print("\n".join(timing.facts(database)))
        for size in given.sizes:
            each = gallery(given.data, given.kind, size, given.photos)
            collection = databases.prepare(database, each)
            number = databases.number_of(database, collection)
            print(f"\n{size:,} faces of set {given.kind}, {given.queries} queries\n")
            print(timing.table(HEADS, []))
            for wanted in conditions(each, number):
                ways = measure(database, collection, each, wanted, given.queries)
                cells, reached = row(wanted, ways)
                missed += not reached
                print(f"| {' | '.join(cells)} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
