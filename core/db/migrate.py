"""Bringing a database to the schema of this code, by Alembic, from an installed wheel too."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from core.db.versions import OLDEST_SERVER, OLDEST_VECTOR, parse, show
from core.errors import DatabaseUnavailable, SetupError

ADVISORY_LOCK = 0x66616365
WAIT_FOR_OTHER_S = 600


def upgrade(database_url: str) -> str:
    """Run the migrations that are missing; two at once are safe. Return the revision reached.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached.
        SetupError: Postgres or pgvector is too old, or the database is newer than this code.
    """
    with _alone(database_url) as conn:
        _require_server(conn)
        _require_available_vector(conn)
        engine = _engine(database_url)
        config = _config()
        _require_known(_current(engine), ScriptDirectory.from_config(config))
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        _require_installed_vector(conn)
        return str(_current(engine))


def status(database_url: str) -> tuple[str | None, str]:
    """Return the revision that the database has, None when it has none, and the one of this code.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached.
    """
    _connect(database_url).close()
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None, "there is a first revision"
    return _current(_engine(database_url)), head


def _config() -> Config:
    config = Config()
    folder = str(resources.files("migrations"))
    # configparser reads % as the start of an interpolation.
    config.set_main_option("script_location", folder.replace("%", "%%"))
    return config


def _engine(database_url: str) -> Engine:
    # Any libpq string is taken, so libpq opens the connections and SQLAlchemy never parses it.
    return create_engine(
        "postgresql+psycopg://", creator=lambda: _connect(database_url), poolclass=NullPool
    )


def _connect(database_url: str, *, autocommit: bool = False) -> psycopg.Connection:
    try:
        return psycopg.connect(database_url, autocommit=autocommit)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable("Postgres cannot be reached.") from error


def _current(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


@contextmanager
def _alone(database_url: str) -> Iterator[psycopg.Connection]:
    """Hold the lock that one migrator at a time has, on a connection of its own.

    It is asked for again and again: a statement that waits for it holds a snapshot, and a
    concurrent index build of the other migrator would wait for that one for ever.
    """
    end = time.monotonic() + WAIT_FOR_OTHER_S
    with _connect(database_url, autocommit=True) as conn:
        while conn.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK]).fetchone() != (
            True,
        ):
            if time.monotonic() > end:
                raise SetupError("Another migration has been running for too long; see to it.")
            time.sleep(0.2)
        yield conn


def _require_server(conn: psycopg.Connection) -> None:
    major = conn.info.server_version // 10_000
    if major < OLDEST_SERVER:
        raise SetupError(
            f"This is Postgres {major}; facesearch needs {OLDEST_SERVER} or newer: upgrade it."
        )


def _require_available_vector(conn: psycopg.Connection) -> None:
    row = conn.execute(
        "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'"
    ).fetchone()
    if row is None or parse(row[0]) < OLDEST_VECTOR:
        found = f"{row[0]} there" if row else "none there"
        raise SetupError(
            f"Postgres needs the extension pgvector {show(OLDEST_VECTOR)} or newer, and it has "
            f"{found}: install it on the database server."
        )


def _require_installed_vector(conn: psycopg.Connection) -> None:
    row = conn.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
    assert row is not None, "the first migration creates it"
    if parse(row[0]) < OLDEST_VECTOR:
        raise SetupError(
            f"This database uses pgvector {row[0]}; facesearch needs {show(OLDEST_VECTOR)} or "
            "newer: run ALTER EXTENSION vector UPDATE."
        )


def _require_known(revision: str | None, scripts: ScriptDirectory) -> None:
    known = {script.revision for script in scripts.walk_revisions()}
    if revision is not None and revision not in known:
        raise SetupError(
            f"The database has revision {revision}, which this version of facesearch does not "
            "know: it is newer than the code; install the newer facesearch."
        )
