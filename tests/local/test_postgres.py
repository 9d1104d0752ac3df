"""The embedded Postgres: how its cluster comes to be, and its settings for a machine."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from core.errors import SetupError
from core.local import postgres, temporary
from core.local.postgres import GIB, MIB, Postgres, machine_settings
from core.local.process import Child, wait_ready


@pytest.fixture
def server() -> Iterator[Postgres]:
    with temporary.folder() as folder:
        yield Postgres(folder / "cluster", folder / "postgres", durable=False)


def run_once(server: Postgres, statement: str) -> object:
    child = Child(server.prepare(), server.folder.with_name("postgres.log"))
    try:
        wait_ready(child, server.answers, seconds=60)
        server.create_database()
        with psycopg.connect(server.url, autocommit=True) as conn:
            cursor = conn.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchone() if cursor.description else None
    finally:
        assert child.stop()


def test_a_second_start_finds_what_the_first_one_stored(server: Postgres) -> None:
    run_once(server, "CREATE TABLE kept AS SELECT 7 AS value")

    assert run_once(server, "SELECT value FROM kept") == (7,)


def test_text_is_unicode_and_sorted_the_same_on_every_machine(server: Postgres) -> None:
    found = run_once(
        server,
        "SELECT pg_encoding_to_char(encoding), datlocprovider, datlocale FROM pg_database "
        "WHERE datname = current_database()",
    )

    assert found == ("UTF8", "b", "C.UTF-8")


def test_a_cluster_whose_making_was_cut_off_is_made_anew(server: Postgres) -> None:
    making = server.folder.with_name("cluster.making")
    making.mkdir()
    (making / "PG_VERSION").write_text("18\n")

    assert run_once(server, "SELECT 1") == (1,)
    assert not making.exists()


def test_a_cluster_of_another_version_is_refused_and_left_alone(server: Postgres) -> None:
    server.folder.mkdir()
    (server.folder / "PG_VERSION").write_text("17\n")

    with pytest.raises(SetupError, match=r"was made by Postgres 17 and this is Postgres 18"):
        server.prepare()

    assert [path.name for path in server.folder.iterdir()] == ["PG_VERSION"]


def test_a_folder_that_is_no_cluster_is_refused(server: Postgres) -> None:
    server.folder.mkdir()

    with pytest.raises(SetupError, match="is not a database of Postgres"):
        server.prepare()


@pytest.mark.parametrize("pid", ["1", "999999999", "nonsense"])
def test_a_pid_file_of_a_server_that_is_gone_does_not_stop_the_start(
    server: Postgres, pid: str
) -> None:
    """After a restart of a container its number may belong to any other process."""
    run_once(server, "SELECT 1")
    (server.folder / "postmaster.pid").write_text(f"{pid}\n{server.folder}\n")

    assert run_once(server, "SELECT 1") == (1,)


@pytest.mark.parametrize(
    ("memory", "buffers", "work"),
    [
        (GIB // 4, "128MB", "32MB"),
        (8 * GIB, "2048MB", "32MB"),
        (64 * GIB, "16384MB", "64MB"),
        (256 * GIB, "16384MB", "64MB"),
    ],
)
def test_memory_settings_follow_the_machine(
    tmp_path: Path, memory: int, buffers: str, work: str
) -> None:
    settings = machine_settings(tmp_path / "cluster", memory=memory)

    assert (settings["shared_buffers"], settings["work_mem"]) == (buffers, work)


@pytest.mark.parametrize(
    ("huge", "used"), [(0, "off"), (2 * GIB, "off"), (3 * GIB, "try"), (None, "off")]
)
def test_huge_pages_are_used_where_the_buffers_fit_into_those_that_are_reserved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, huge: int | None, used: str
) -> None:
    monkeypatch.setattr(postgres, "reserved", lambda: GIB)

    settings = machine_settings(tmp_path / "cluster", memory=8 * GIB, huge=huge)

    assert settings["huge_pages"] == used


@pytest.mark.parametrize(("cores", "builders", "parallel"), [(1, "1", "2"), (16, "8", "16")])
def test_index_builds_get_half_of_the_cores(
    tmp_path: Path, cores: int, builders: str, parallel: str
) -> None:
    settings = machine_settings(tmp_path / "cluster", cores=cores)

    assert settings["max_parallel_maintenance_workers"] == builders
    assert settings["max_parallel_workers"] == parallel


def test_what_was_in_memory_is_there_again_after_a_restart(server: Postgres) -> None:
    """By the extension's own worker: since the second start nobody has asked for the table."""
    made = "CREATE TABLE hot AS SELECT generate_series(1, 100000) AS number"
    run_once(server, f"CREATE EXTENSION pg_buffercache; {made}")

    missing = run_once(
        server,
        """
        CREATE PROCEDURE wait_for_it() LANGUAGE plpgsql AS $$
        BEGIN
            FOR tenth IN 1..300 LOOP
                EXIT WHEN (SELECT count(*) FROM pg_buffercache
                            WHERE relfilenode = pg_relation_filenode('hot'))
                          >= pg_relation_size('hot') / 8192;
                PERFORM pg_sleep(0.1);
                ASSERT tenth < 300;
            END LOOP;
        END $$;
        CALL wait_for_it()
        """,
    )

    assert missing is None


def test_a_container_with_little_shared_memory_can_build_indexes(tmp_path: Path) -> None:
    small = machine_settings(tmp_path / "cluster", memory=8 * GIB, shared_memory=64 * MIB)
    large = machine_settings(tmp_path / "cluster", memory=8 * GIB, shared_memory=4 * GIB)

    assert small["dynamic_shared_memory_type"] == "mmap"
    assert "dynamic_shared_memory_type" not in large


def test_the_log_of_changes_never_fills_a_small_disk(tmp_path: Path) -> None:
    settings = machine_settings(tmp_path / "cluster", free_disk=2 * GIB)

    assert settings["max_wal_size"] == "512MB"
