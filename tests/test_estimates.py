"""What building an index is said to take, before it starts."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from core import estimates
from core.db import pool
from core.db.index_work import Action
from core.db.indexes import Kind, Server, Table
from core.db.pool import Connection
from core.estimates import Estimate, duration, estimate, graph_bytes, index_bytes, memory_limit
from core.settings import MIB, Settings

GIB = 1024 * MIB
MILLION = 1_000_000


@pytest.fixture
def empty(fresh_database: Any) -> Iterator[Connection]:
    """A database without earlier builds."""
    with pool.connect(fresh_database()) as conn:
        yield conn


def table(faces: int, dimension: int = 512) -> Table:
    return Table(uuid4(), "large", "own", dimension, faces, faces, None, 0)


def settings(mib: int = 0) -> Settings:
    return Settings(_env_file=None, index_build_mib=mib)


def test_memory_and_disk_are_what_was_measured() -> None:
    small = 100_000
    assert graph_bytes(small, Kind.HNSW, 512) == pytest.approx(0.174e9, rel=0.01)
    assert graph_bytes(MILLION, Kind.HNSW, 512) == pytest.approx(2.249e9, rel=0.01)
    assert graph_bytes(MILLION, Kind.BIT, 512) == pytest.approx(0.778e9, rel=0.01)
    assert index_bytes(small, Kind.HNSW, 512) == pytest.approx(0.1366e9, rel=0.01)
    assert index_bytes(small, Kind.HNSW, 128) == pytest.approx(0.057e9, rel=0.02)
    assert index_bytes(MILLION, Kind.HNSW, 512) == pytest.approx(1.639e9, rel=0.01)
    assert index_bytes(MILLION, Kind.HNSW, 128) == pytest.approx(0.77e9, rel=0.1)
    assert index_bytes(MILLION, Kind.BIT, 512) == pytest.approx(0.37e9, rel=0.02)


def test_a_build_may_take_what_the_settings_say_or_a_third_of_what_the_server_counts_on() -> None:
    server = Server(cache_bytes=6 * GIB, workers=2)

    assert memory_limit(server, settings()) == 2 * GIB
    assert memory_limit(server, settings(512)) == 512 * MIB
    assert memory_limit(Server(0, 0), settings()) == estimates.LEAST_MEMORY


def test_a_build_is_given_what_it_needs_and_no_more_than_it_may_have(empty: Connection) -> None:
    small = estimates.build_limits(empty, table(50_000), Kind.HNSW, settings(8192))
    large = estimates.build_limits(empty, table(100 * MILLION), Kind.HNSW, settings(8192))

    assert graph_bytes(50_000, Kind.HNSW, 512) < small.memory_bytes < 200 * MIB
    assert large.memory_bytes == 8192 * MIB


def told(conn: Connection, faces: int, action: Action = Action.BUILD, mib: int = 8192) -> Estimate:
    return estimate(conn, table(faces), action, Kind.HNSW, settings(mib))


def test_before_the_first_build_the_time_is_a_published_rate(empty: Connection) -> None:
    found = told(empty, MILLION)

    assert (found.seconds, found.measured, found.fits) == (pytest.approx(1500), False, True)
    small = estimate(empty, table(MILLION, 128), Action.BUILD, Kind.BIT, settings(8192))
    assert small.seconds < found.seconds


def test_later_the_time_follows_what_was_measured_here(
    empty: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = estimates.work_rows.Measured(MILLION, 900.0)
    monkeypatch.setattr(estimates.work_rows, "latest_build", lambda *_: measured)

    same, tenfold = told(empty, MILLION), told(empty, 10 * MILLION, mib=32_768)

    assert (same.seconds, same.measured) == (pytest.approx(900), True)
    assert 9_000 < tenfold.seconds < 12_000, "each face walks a longer way"


def test_what_does_not_fit_into_memory_takes_longer_and_is_said(empty: Connection) -> None:
    fits, spills = told(empty, MILLION, mib=4096), told(empty, MILLION, mib=400)

    assert (fits.fits, spills.fits) == (True, False)
    assert spills.memory_limit_bytes == 400 * MIB
    assert 3 * fits.seconds < spills.seconds < estimates.SPILLED * fits.seconds


def test_promoting_copies_the_table_too_and_dropping_takes_nothing(empty: Connection) -> None:
    build, promote = told(empty, MILLION), told(empty, MILLION, Action.PROMOTE)
    drop = told(empty, MILLION, Action.DROP)

    assert promote.disk_bytes > 1.5 * build.disk_bytes
    assert promote.seconds > build.seconds
    assert (drop.memory_bytes, drop.disk_bytes, drop.seconds) == (0, 0, 0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "about 1 s"),
        (119, "about 119 s"),
        (300, "about 5 minutes"),
        (3 * 3600, "about 3.0 hours"),
    ],
)
def test_times_are_told_roughly(seconds: float, words: str) -> None:
    assert duration(seconds) == words
