"""Connections to Postgres, set up for vectors and for our way of planning queries."""

from typing import Any, TypeAlias

import psycopg
from pgvector.psycopg import register_vector
from psycopg_pool import ConnectionPool, PoolTimeout

from core.errors import DatabaseUnavailable

Connection: TypeAlias = psycopg.Connection[Any]
Pool: TypeAlias = ConnectionPool[Connection]

OPTIONS = " ".join(
    [
        "-c plan_cache_mode=force_custom_plan",  # a generic plan cannot use a partial index
        "-c jit=off",  # compiling costs more than any query here takes
        "-c random_page_cost=1.1",  # the hot set is in memory
        "-c timezone=UTC",
    ]
)

POOLED = " ".join(
    [
        OPTIONS,
        "-c lock_timeout=30s",  # whoever waits holds a thread and a connection that others need
        # A process that hangs, or whose machine is gone, must not keep its locks for hours.
        "-c idle_in_transaction_session_timeout=60s",
    ]
)


def connect(database_url: str, *, autocommit: bool = False) -> Connection:
    """Open one connection, for commands and long maintenance.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached or refuses us.
    """
    try:
        conn: Connection = psycopg.connect(database_url, options=OPTIONS, autocommit=autocommit)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable("Postgres cannot be reached.") from error
    register_vector(conn)
    return conn


def open_pool(database_url: str, *, size: int) -> Pool:
    """Open a pool of up to *size* connections; the schema must have been migrated before.

    Raises:
        DatabaseUnavailable: No connection came within ten seconds.
    """
    pool: Pool = ConnectionPool(
        database_url,
        kwargs={"options": POOLED},
        configure=register_vector,
        check=ConnectionPool.check_connection,  # a restart of Postgres costs no request
        min_size=1,
        max_size=size,
        timeout=10,
        open=True,
    )
    try:
        pool.wait(timeout=10)
    except PoolTimeout as error:
        pool.close()
        raise DatabaseUnavailable("Postgres cannot be reached.") from error
    return pool
