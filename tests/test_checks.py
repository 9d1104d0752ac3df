"""What is wrong with a database is found before it hurts, and each finding names a cure that works."""

import logging
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from core import checks, findings
from core.checks import Checked
from core.collections import create
from core.db import checks as rows
from core.db import pool
from core.db.migrate import upgrade
from core.db.pool import Connection
from core.errors import DatabaseUnavailable, SetupError
from core.findings import Finding, Level
from core.inference.packs import load_manifest
from core.local import postgres, temporary
from core.settings import Settings


@pytest.fixture
def settings(fresh_database: Callable[[], str]) -> Settings:
    return Settings(_env_file=None, database_url=fresh_database(), promote_faces=1000)


@pytest.fixture
def own(settings: Settings) -> Iterator[Connection]:
    """A connection to a database of the test's own, where each statement stands for itself."""
    assert settings.database_url is not None
    with pool.connect(settings.database_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def family(own: Connection, settings: Settings) -> UUID:
    return create(own, load_manifest(settings).pack("open"), name="family").id


def troubles(conn: Connection, settings: Settings) -> list[Finding]:
    return findings.troubles(checks.database(conn, settings))


def the_one(conn: Connection, settings: Settings) -> Finding:
    [finding] = troubles(conn, settings)
    return finding


def test_a_migrated_embedded_database_is_fit(own: Connection, settings: Settings) -> None:
    found = checks.database(own, settings)

    assert findings.troubles(found) == []
    assert "Postgres 18" in {each.what for each in found}


def test_nothing_is_left_of_the_memory_that_was_tried(own: Connection) -> None:
    assert rows.allocates(own, checks.BUILD_MEMORY)

    assert own.execute("SELECT to_regclass('facesearch_memory_test')").fetchone() == (None,)
    assert own.execute("SHOW maintenance_work_mem").fetchone() != ("128MB",)


def test_a_build_that_would_get_no_shared_memory_is_foretold(
    own: Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    if own.execute("SHOW dynamic_shared_memory_type").fetchone() == ("mmap",):
        pytest.skip("this machine has no /dev/shm to speak of")
    monkeypatch.setattr(checks, "BUILD_MEMORY", 1 << 40)

    finding = the_one(own, settings)

    assert finding.level is Level.WARNING
    assert "cannot get 1,048,576 MB of shared memory" in finding.what
    assert "shm_size" in finding.cure


def test_an_account_that_may_create_no_table_is_told(own: Connection, settings: Settings) -> None:
    own.execute("CREATE ROLE reader")
    try:
        own.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        own.execute("SET ROLE reader")

        assert "may not create tables" in the_one(own, settings).what
    finally:
        own.execute("RESET ROLE")
        own.execute("DROP OWNED BY reader; DROP ROLE reader")


@pytest.mark.parametrize(
    ("version", "level", "what"),
    [
        ("0.8.3", Level.ERROR, "uses pgvector 0.8.3, and the server has"),
        ("0.8.4", Level.WARNING, "uses pgvector 0.8.4, and the server has"),
        ("99.0", Level.WARNING, "was made for pgvector 99.0, and the server has"),
    ],
)
def test_another_version_of_the_extension_than_of_its_library_is_told(
    own: Connection, settings: Settings, version: str, level: Level, what: str
) -> None:
    own.execute("UPDATE pg_extension SET extversion = %s WHERE extname = 'vector'", [version])

    finding = findings.troubles(checks.database(own, settings))[0]

    assert finding.level is level
    assert what in finding.what
    wanted = "Install pgvector 99.0" if version == "99.0" else "ALTER EXTENSION vector UPDATE"
    assert wanted in finding.cure


@pytest.mark.parametrize(
    ("constant", "value", "what", "cure"),
    [
        ("OLDEST_SERVER", 99, "needs 99 or newer", "Upgrade the server."),
        ("OLDEST_VECTOR", (99, 0), "needs 99.0 or newer", "postgresql-18-pgvector"),
    ],
)
def test_a_server_that_is_too_old_is_an_error(
    own: Connection,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    constant: str,
    value: object,
    what: str,
    cure: str,
) -> None:
    monkeypatch.setattr(checks, constant, value)

    finding = the_one(own, settings)

    assert finding.level is Level.ERROR
    assert what in finding.what
    assert cure in finding.cure


@pytest.mark.parametrize(
    ("revision", "level", "cure"),
    [
        ("0001", Level.ERROR, "facesearch migrate"),
        ("9999", Level.WARNING, "newer facesearch"),
    ],
)
def test_a_schema_of_another_release_is_told(
    own: Connection, settings: Settings, revision: str, level: Level, cure: str
) -> None:
    own.execute("UPDATE alembic_version SET version_num = %s", [revision])

    finding = the_one(own, settings)

    assert finding.level is level
    assert cure in finding.cure


def test_an_empty_database_is_to_be_migrated(empty_database: str, settings: Settings) -> None:
    with pytest.raises(SetupError, match=r"no pgvector\. Run `facesearch migrate`"):
        checks.require(
            settings.model_copy(update={"database_url": empty_database}), logging.getLogger()
        )


@pytest.mark.parametrize("setting", ["jit = on", "plan_cache_mode = auto"])
def test_settings_that_get_lost_on_the_way_are_noticed(
    own: Connection, settings: Settings, setting: Any
) -> None:
    own.execute(f"SET {setting}")

    assert "ALTER ROLE" in the_one(own, settings).cure


def test_an_index_whose_build_failed_is_found_and_the_cure_works(
    own: Connection, settings: Settings, family: UUID
) -> None:
    for _ in range(2):
        own.execute("INSERT INTO people (collection_id, name) VALUES (%s, 'Ada')", [family])
    with pytest.raises(psycopg.errors.UniqueViolation):
        own.execute("CREATE UNIQUE INDEX CONCURRENTLY one_of_a_name ON people (name)")

    finding = the_one(own, settings)
    own.execute(statement(finding))

    assert "one_of_a_name is broken" in finding.what
    assert troubles(own, settings) == []


@pytest.mark.parametrize("has_partition", [True, False])
def test_a_collection_that_is_not_where_its_row_says_is_found_and_the_cure_works(
    own: Connection, settings: Settings, family: UUID, has_partition: bool
) -> None:
    if has_partition:
        make_partition(own, family)
    else:
        own.execute("UPDATE collections SET layout = 'own'")

    finding = the_one(own, settings)
    own.execute(statement(finding))

    assert "The row of the collection family" in finding.what
    assert troubles(own, settings) == []


def test_a_large_partition_without_a_usable_index_is_found(
    own: Connection, settings: Settings, family: UUID
) -> None:
    make_partition(own, family)
    own.execute("UPDATE collections SET layout = 'own', face_count = 1000")
    assert troubles(own, settings) == []

    own.execute("UPDATE collections SET face_count = 1001")

    finding = the_one(own, settings)
    assert "family has no usable index" in finding.what
    assert finding.cure == f"Run `facesearch index build {family}`."
    own.execute(
        f"CREATE INDEX ON faces_c_{family.hex}"
        " USING hnsw ((embedding::halfvec(128)) halfvec_cosine_ops)"
    )
    assert troubles(own, settings) == []


def test_what_somebody_works_on_is_no_trouble(
    own: Connection, settings: Settings, family: UUID
) -> None:
    make_partition(own, family)
    own.execute("UPDATE collections SET layout = 'own', face_count = 1001")

    own.execute(
        "INSERT INTO index_work (collection_id, action, actor) VALUES (%s, 'build', 'a test')",
        [family],
    )

    assert troubles(own, settings) == []


@pytest.fixture
def poor(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server with settings as nobody should have them, and a search index."""
    usual = postgres.machine_settings
    unwise = {
        "shared_buffers": "1MB",
        "max_connections": "20",
        "max_wal_size": "1GB",
        "work_mem": "4MB",
        "max_parallel_maintenance_workers": "0",
    }
    monkeypatch.setattr(postgres, "machine_settings", lambda folder: usual(folder) | unwise)
    with temporary.postgres() as server:
        server.create_database()
        upgrade(server.url)
        with psycopg.connect(server.url) as conn:
            conn.execute("CREATE TABLE stand_in (embedding halfvec(512))")
            conn.execute(
                "INSERT INTO stand_in SELECT (SELECT array_agg(random() + 0 * (n + m))::halfvec "
                "FROM generate_series(1, 512) AS m) FROM generate_series(1, 1000) AS n"
            )
            conn.execute("CREATE INDEX ON stand_in USING hnsw (embedding halfvec_cosine_ops)")
        yield server.url


def test_unwise_settings_are_all_told_and_stop_nobody(
    poor: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(_env_file=None, database_url=poor)

    checks.require(settings, logging.getLogger("tests"))

    told = caplog.text
    assert "Postgres allows 17 connections" in told
    assert "work_mem is 4 MB" in told
    assert "shared_buffers only 1 MB" in told
    assert "max_wal_size is 1,024 MB" in told
    assert "builds indexes on one core" in told
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_errors_stop_a_process_and_name_the_cure(own: Connection, settings: Settings) -> None:
    own.execute("UPDATE pg_extension SET extversion = '0.8.2' WHERE extname = 'vector'")

    with pytest.raises(SetupError, match=r"pgvector 0\.8\.2.* Run ALTER EXTENSION vector UPDATE"):
        checks.require(settings, logging.getLogger())


def test_a_database_that_is_away_is_reported_as_such(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(checks, "PATIENCE_S", 0.3)
    away = settings.model_copy(update={"database_url": f"postgresql:///x?host={tmp_path}"})

    with pytest.raises(DatabaseUnavailable):
        checks.require(away, logging.getLogger())


def test_whoever_asks_often_gets_what_was_found_a_little_earlier(
    own: Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = Checked(settings)
    assert findings.troubles(checked.findings(own)) == []
    own.execute("UPDATE alembic_version SET version_num = '9999'")
    assert findings.troubles(checked.findings(own)) == []

    monkeypatch.setattr(checks, "KEPT_S", 0)
    later = Checked(settings)

    assert len(findings.troubles(later.findings(own))) == 1
    own.execute("UPDATE alembic_version SET version_num = '0001'")
    assert findings.troubles(later.findings(own))[0].level is Level.ERROR


def make_partition(conn: Connection, collection_id: UUID) -> None:
    conn.execute(
        f"CREATE TABLE faces_c_{collection_id.hex} PARTITION OF faces "
        f"FOR VALUES IN ('{collection_id}')"
    )


def statement(finding: Finding) -> Any:
    """The SQL that a cure tells a person to run."""
    return finding.cure.removeprefix("Run ").partition(";")[0].removesuffix(".")
