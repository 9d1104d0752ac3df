"""How the benchmarks of search count."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from benchmarks import timing
from benchmarks.gallery_database import Sizes
from benchmarks.search import groups
from benchmarks.search_filters import Way, judge
from benchmarks.search_growth import Cost, projected_row
from benchmarks.search_peers import FULL, Point, Side, equally_right, middle
from benchmarks.search_tenants import Tenant, tenants
from benchmarks.timing import Timing, Work
from core.db.search import GroupBy
from core.routing import Mode


def test_recall_is_the_share_of_the_true_rows_among_the_first_that_were_found() -> None:
    assert timing.recall([[1, 2, 3], [9]], [[1, 3, 7], [9]], 2) == 0.75


def test_recall_of_fewer_true_rows_than_wanted_can_still_be_whole() -> None:
    assert timing.recall([[5, 1]], [[5]], 10) == 1


def test_queries_without_anything_to_find_do_not_count() -> None:
    assert timing.recall([[5], [6]], [[], [7]], 10) == 0


def test_faces_of_a_person_with_a_name_are_one_row_and_others_stand_alone() -> None:
    owners = np.array([0, 0, 1, 1, 2])

    assert groups([1, 2, 0, 3, 4], owners=owners, group_by=GroupBy.PERSON) == [-1, 2, 3, -3]
    assert groups([1, 2, 0], owners=owners, group_by=GroupBy.FACE) == [1, 2, 0]


def test_sides_are_compared_at_the_first_width_that_finds_as_much() -> None:
    found = {10: 0.8, 40: 0.95, 80: 0.99}
    side = Side("a", 1, None, FULL, lambda width, _: Point(width, found[width], 1, None), [*found])

    assert equally_right(side, 0.95, 9) == 40
    assert equally_right(side, 0.999, 9) == 80


def test_the_middle_of_several_turns_is_shown() -> None:
    turns = [Point(10, 0.9, qps, 300) for qps in (50, 900, 100)]

    assert middle(turns) == Point(10, 0.9, 100, 300)


@pytest.mark.parametrize(
    ("router_ms", "router_recall", "index_recall", "reached"),
    [
        (14, 1.0, 1.0, True),
        (16, 1.0, 1.0, False),
        (16, 1.0, 0.9, True),  # the index is faster, and misses too much to be compared with
        (5, 0.98, 1.0, False),
    ],
)
def test_the_router_is_held_against_the_better_way_that_finds_enough(
    router_ms: float, router_recall: float, index_recall: float, reached: bool
) -> None:
    ways = {
        Mode.AUTO: Way([router_recall], [router_ms / 1000]),
        Mode.EXACT: Way([1.0], [0.030]),
        Mode.APPROXIMATE: Way([index_recall], [0.010]),
    }

    assert judge(ways)[1] is reached


def test_tenants_share_out_all_faces_by_zipfs_law() -> None:
    sizes = [each.size for each in tenants(1_000, 1_000_000, "B")]

    assert sum(sizes) == pytest.approx(1_000_000, rel=0.001)
    assert sizes[0] == pytest.approx(2 * sizes[1], abs=1)
    assert min(sizes) > 0


def test_a_tenant_draws_the_same_faces_each_time_and_others_than_its_queries() -> None:
    tenant = Tenant(3, 50, "B")

    assert np.array_equal(tenant.faces().vectors, tenant.faces().vectors)
    assert (tenant.queries(5) @ tenant.faces().vectors.T).max() < 0.9999


def test_the_projection_grows_bytes_evenly_and_searches_by_the_tenfold() -> None:
    def cost(faces: int, p50: float) -> Cost:
        search = Timing(p50, p50, p50, 1)
        return Cost(faces, "hnsw", search, search, 60.0, Sizes(faces * 2**10, 0, 0))

    row = projected_row(10_000_000, cost(100_000, 2), cost(1_000_000, 3))

    assert row[2] == "4.0 / 4.0"
    assert row[5] == f"{10_000_000 * 2**10 / 2**30:,.1f}"


@contextmanager
def counting() -> Iterator[Work]:
    """A client that answers at once."""
    yield lambda number: number


def test_clients_in_processes_of_their_own_ask_at_once() -> None:
    measured = timing.many_clients(counting, 2, queries=10, seconds=0.2)

    assert measured.qps > 100
    assert measured.p50 <= measured.p95 <= measured.p99
