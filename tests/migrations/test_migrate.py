"""Migrations against the real server."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from core import changes, promotion
from core.db import migrate, partitions, pool
from core.db.people import Details
from core.errors import DatabaseUnavailable, SetupError
from core.rebuilding import Rebuilt, rebuild
from migrations import dump

VERSIONS = Path(__file__).parents[2] / "migrations" / "versions"


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as conn:
        rows = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {row[0] for row in rows}


def test_an_empty_database_gets_the_whole_schema(empty_database: str) -> None:
    before = migrate.status(empty_database)

    reached = migrate.upgrade(empty_database)

    head = before[1]
    assert before[0] is None
    assert reached == head
    assert migrate.status(empty_database) == (head, head)
    assert {"collections", "faces", "images", "people"} <= tables(empty_database)


def test_a_second_run_does_nothing(fresh_database: Callable[[], str]) -> None:
    url = fresh_database()
    before = tables(url)

    migrate.upgrade(url)

    assert tables(url) == before


def test_two_at_once_both_succeed(empty_database: str) -> None:
    with ThreadPoolExecutor(2) as both:
        reached = list(both.map(migrate.upgrade, [empty_database] * 2))

    assert reached == [migrate.status(empty_database)[1]] * 2


def test_a_key_value_string_is_taken_as_well_as_a_url(empty_database: str) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(empty_database)

    migrate.upgrade(psycopg.conninfo.make_conninfo("", **parts))

    assert "faces" in tables(empty_database)


def test_a_database_newer_than_the_code_is_refused(fresh_database: Callable[[], str]) -> None:
    url = fresh_database()
    with psycopg.connect(url) as conn:
        conn.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(SetupError, match="newer than the code"):
        migrate.upgrade(url)


def test_a_missing_server_is_reported_as_such(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        migrate.upgrade(f"postgresql:///nowhere?host={tmp_path}")


@pytest.mark.parametrize(
    ("constant", "value", "words"),
    [
        ("OLDEST_SERVER", 99, "needs 99 or newer"),
        ("OLDEST_VECTOR", (99, 0, 0), "needs the extension pgvector 99.0.0"),
    ],
)
def test_servers_that_are_too_old_are_refused_with_the_cure(
    fresh_database: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    constant: str,
    value: object,
    words: str,
) -> None:
    monkeypatch.setattr(migrate, constant, value)

    with pytest.raises(SetupError, match=words):
        migrate.upgrade(fresh_database())


def test_revisions_form_one_line_and_are_named_by_their_number() -> None:
    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())

    numbers = sorted(script.revision for script in scripts)

    assert numbers == [f"{number:04d}" for number in range(1, len(scripts) + 1)]
    for script in scripts:
        before = f"{int(script.revision) - 1:04d}"
        assert script.down_revision == (None if before == "0000" else before)
        assert re.fullmatch(rf"{script.revision}_[a-z0-9_]+\.py", Path(script.path).name)


def test_a_migration_never_waits_long_for_a_lock_while_others_queue_behind_it(
    fresh_database: Callable[[], str],
) -> None:
    config = migrate._config()
    with migrate._engine(fresh_database()).connect() as connection:
        config.attributes["connection"] = connection

        command.upgrade(config, "head")

        limits = [
            connection.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("lock_timeout", "statement_timeout")
        ]
    assert limits == ["4s", "5s"]


def upgrade_to(url: str, revision: str) -> None:
    """Migrate as far as an earlier release did."""
    config = migrate._config()
    with migrate._engine(url).connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def old_collection(conn: psycopg.Connection[Any]) -> UUID:
    """A collection as the first release makes one."""
    space = f"sp_{'0' * 32}"
    conn.execute("INSERT INTO spaces VALUES (%s, 'open', 128, '{}')", [space])
    made = conn.execute(
        "INSERT INTO collections (name, space_id, threshold, threshold_source) "
        "VALUES ('old', %s, 0.9, 'a test') RETURNING id",
        [space],
    ).fetchone()
    assert made is not None
    return made[0]


def test_collections_of_before_there_were_gates_keep_every_face(empty_database: str) -> None:
    upgrade_to(empty_database, "0001")
    with psycopg.connect(empty_database) as conn:
        old_collection(conn)

    migrate.upgrade(empty_database)

    with psycopg.connect(empty_database) as conn:
        gates = conn.execute("SELECT name, quality_gate FROM collections").fetchall()
    assert gates == [("old", "off")]


def test_people_of_before_there_were_changes_are_in_the_history_as_they_are(
    empty_database: str,
) -> None:
    upgrade_to(empty_database, "0010")
    with psycopg.connect(empty_database) as conn:
        collection_id = old_collection(conn)
        conn.execute(
            "INSERT INTO people (collection_id, name, external_id) VALUES (%s, 'Ada', 'a')",
            [collection_id],
        )
        conn.execute("UPDATE collections SET person_count = 1")

    migrate.upgrade(empty_database)

    with pool.connect(empty_database) as conn:
        [noted] = changes.page(conn, collection_id, limit=9)
        assert rebuild(conn) == Rebuilt(collections=1)
    assert (noted.change.kind, noted.change.actor) == ("baseline", "migration")
    assert [person.after for person in noted.people] == [Details("Ada", "a", {})]


def test_a_partition_that_is_being_made_is_gone_on_with(empty_database: str) -> None:
    upgrade_to(empty_database, "0010")
    with pool.connect(empty_database, autocommit=True) as conn:
        collection_id = old_collection(conn)
        home = next(leaf.name for leaf in partitions.leaves(conn, collection_id) if leaf.home)
        partitions.create(conn, collection_id, home)

    migrate.upgrade(empty_database)

    with pool.connect(empty_database, autocommit=True) as conn:
        assert partitions.is_whole(conn, collection_id, home)
        promotion.promote(conn, collection_id)
        placed = partitions.placed(conn, collection_id)
    assert placed is not None
    assert placed.layout == "own"


def test_the_schema_file_shows_what_the_migrations_make(
    fresh_database: Callable[[], str],
) -> None:
    """Where it differs on purpose, `make schema` writes it anew."""
    assert dump.schema(fresh_database()) == dump.SNAPSHOT.read_text()
