"""Connections to Postgres, set up for vectors and for our way of planning queries."""

import select
from typing import Any, TypeAlias

import psycopg
from pgvector.psycopg import register_vector
from psycopg_pool import ConnectionPool, PoolTimeout

from core.errors import DatabaseUnavailable, DiskFull, FaceSearchError, SetupError

Connection: TypeAlias = psycopg.Connection[Any]
Pool: TypeAlias = ConnectionPool[Connection]

OPTIONS = " ".join(
    [
        "-c plan_cache_mode=force_custom_plan",  # a plan for all collections fits none
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


def connect_plainly(database_url: str, *, autocommit: bool = False) -> Connection:
    """Open one connection that cannot read vectors, for a database of which nothing is known.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached or refuses us.
    """
    try:
        return psycopg.connect(database_url, options=OPTIONS, autocommit=autocommit)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable("Postgres cannot be reached.") from error


def connect(database_url: str, *, autocommit: bool = False) -> Connection:
    """Open one connection, for commands and long maintenance.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached or refuses us.
        SetupError: The database was never migrated.
    """
    conn = connect_plainly(database_url, autocommit=autocommit)
    try:
        register_vector(conn)
    except psycopg.ProgrammingError as error:
        conn.close()
        raise SetupError("This database has no pgvector: run `facesearch migrate`.") from error
    return conn


def open_pool(database_url: str, *, size: int) -> Pool:
    """Open a pool of up to *size* connections; the schema must have been migrated before.

    Raises:
        DatabaseUnavailable: No connection came within ten seconds.
        SetupError: The database was never migrated.
    """
    pool: Pool = ConnectionPool(
        database_url,
        kwargs={"options": POOLED},
        configure=register_vector,
        check=_require_alive,  # a restart of Postgres costs no request
        min_size=1,
        max_size=size,
        timeout=10,
        open=True,
    )
    try:
        pool.wait(timeout=10)
    except PoolTimeout as error:
        pool.close()
        connect(database_url).close()  # says what the pool's threads only log
        raise DatabaseUnavailable("Postgres cannot be reached.") from error
    return pool


def _require_alive(conn: Connection) -> None:
    """Ask the server whether it is there only if something came in unasked, such as its goodbye.

    To ask each time is one of the five ways to the server and back that a search takes.
    """
    waiting = select.poll()
    waiting.register(conn.fileno(), select.POLLIN)
    if waiting.poll(0):
        ConnectionPool.check_connection(conn)


def expected(error: psycopg.OperationalError) -> FaceSearchError:
    """Put a failure of Postgres, or a pool without a free connection, into our words.

    A lock that was not given in time and a session that the server ended are among them: whatever
    it was, the same request may succeed later.
    """
    if isinstance(error, psycopg.errors.DiskFull):
        return DiskFull("The database's disk is full.")
    if isinstance(error, PoolTimeout):
        return DatabaseUnavailable("Too many requests use the database now.")
    return DatabaseUnavailable("The database cannot answer now.")
