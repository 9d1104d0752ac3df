"""Connections: what they are set to, and that nobody waits or holds locks for ever."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from core.db import pool
from core.db.pool import Pool


@pytest.fixture
def hasty(fresh_database: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """A pool with a hundredth of the real limits."""
    monkeypatch.setattr(pool, "POOLED", pool.POOLED.replace("0s", "00ms"))
    opened = pool.open_pool(fresh_database(), size=2)
    yield opened
    opened.close()


def test_whoever_waits_for_a_lock_gives_up_and_the_holder_is_not_disturbed(hasty: Pool) -> None:
    with hasty.connection() as holder, ThreadPoolExecutor(1) as threads:
        holder.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        holder.execute("SELECT pg_advisory_xact_lock(1)")

        def wait() -> None:
            with hasty.connection() as waiting:
                waiting.execute("SELECT pg_advisory_xact_lock(1)")

        with pytest.raises(psycopg.errors.LockNotAvailable):
            threads.submit(wait).result(10)
        assert holder.execute("SELECT 1").fetchone() == (1,)


def test_a_session_that_idles_in_a_transaction_loses_its_locks(hasty: Pool) -> None:
    conn = hasty.getconn()
    conn.execute("SELECT pg_advisory_xact_lock(1)")

    with hasty.connection() as other:
        other.execute("SET LOCAL lock_timeout = '10s'")
        other.execute("SELECT pg_advisory_xact_lock(1)")
        other.rollback()

    with pytest.raises(psycopg.Error):
        conn.execute("SELECT 1")
    hasty.putconn(conn)


def test_long_maintenance_may_wait_and_pooled_connections_may_not(database_url: str) -> None:
    with pool.connect(database_url) as conn:
        assert conn.execute("SHOW lock_timeout").fetchone() == ("0",)
    opened = pool.open_pool(database_url, size=1)
    with opened.connection() as conn:
        assert conn.execute("SHOW lock_timeout").fetchone() == ("30s",)
        assert conn.execute("SHOW plan_cache_mode").fetchone() == ("force_custom_plan",)
    opened.close()


def test_a_session_that_the_server_ended_costs_no_request(fresh_database: Any) -> None:
    url = fresh_database()
    opened = pool.open_pool(url, size=1)
    with opened.connection() as conn:
        ended = conn.info.backend_pid

    with pool.connect(url) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [ended])

    with opened.connection() as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
        assert conn.info.backend_pid != ended
    opened.close()
