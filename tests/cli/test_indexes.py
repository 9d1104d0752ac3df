"""``facesearch index``, with a worker and without one."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core import indexes, maintenance
from core.db import indexes as rows
from core.db import pool
from core.db.collections import Collection
from core.db.index_work import Action
from core.services import Services
from web.cli import following, main

Run = Callable[..., Result]


@pytest.fixture
def run(services: Services, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `facesearch index` with the settings of this test."""
    for name, value in services.settings.environment().items():
        monkeypatch.setenv(name, value)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(main, ["index", *(str(each) for each in arguments)])

    return invoke


@pytest.fixture
def filled(store: Callable[..., Any], collection: Collection, photo: Callable[[int], bytes]) -> str:
    """The name of a collection with three faces."""
    store(*(photo(number) for number in range(3)))
    return collection.name


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_without_a_worker_the_command_does_the_work(run: Run, filled: str) -> None:
    promoted = run("promote", filled, "--yes")
    status = told(run("status", filled, "--json"))
    listed = told(run("status", "--json"))
    rebuilt = told(run("rebuild", filled, "--json"))
    dropped = run("drop", filled)

    assert promoted.exit_code == 0, promoted.output
    assert promoted.stdout.startswith("trip: promote done in ")
    assert "3 faces: about 1 s (by a published rate)" in promoted.stderr
    assert status["table"]["layout"] == "own"
    assert [index["kind"] for index in status["indexes"]] == ["hnsw"]
    assert (status["estimate"]["action"], status["estimate"]["fits"]) == ("rebuild", True)
    assert [each["table"]["name"] for each in listed] == ["trip"]
    assert (rebuilt["action"], rebuilt["state"]) == ("rebuild", "done")
    assert dropped.exit_code == 0, dropped.output


def test_the_status_is_told_in_words(run: Run, filled: str) -> None:
    nothing = run("status")
    small = run("status", filled)
    run("promote", filled)
    large, listed = run("status", filled), run("status")

    assert nothing.stdout == "No collection has more than 50,000 faces or a table of its own.\n"
    assert "none: searched exactly" in small.stdout
    assert "to promote" in small.stdout
    assert "hnsw, " in large.stdout
    assert "promote done" in large.stdout
    assert "its own, " in listed.stdout


def test_what_makes_no_sense_is_refused_in_one_line(run: Run, filled: str) -> None:
    refused, unknown = run("build", filled), run("promote", "nobody")

    assert (refused.exit_code, unknown.exit_code) == (1, 1)
    assert "promote it first" in refused.stderr
    assert "There is no collection" in unknown.stderr


def test_work_can_be_left_to_a_worker(run: Run, filled: str, services: Services) -> None:
    left = run("promote", filled, "--no-wait")

    assert left.exit_code == 0, left.output
    assert "left to a worker" in left.stdout
    status = told(run("status", filled, "--json"))
    assert [work["state"] for work in status["open"]] == ["waiting"]
    with services.pool.connection() as conn:
        assert not rows.maintenance_is_locked(conn)


def test_a_worker_that_is_there_does_the_work_and_the_command_watches(
    run: Run, filled: str, services: Services, start_worker: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    worker = start_worker(services.settings)
    monkeypatch.setattr(following, "PATIENCE_S", 60)

    promoted = run("promote", filled)

    assert promoted.exit_code == 0, promoted.output
    assert "index maintenance did promote 'trip'" in worker.log.read_text()


def test_work_that_fails_says_why(run: Run, filled: str, services: Services) -> None:
    run("promote", filled)
    run("drop", filled)
    with services.pool.connection() as conn:
        (found,) = indexes.statuses(conn, least_faces=0)
        blocked = rows.index_name(found.table.collection_id, rows.Kind.HNSW)
        conn.execute(f"CREATE TABLE {blocked} ()")

    failed = run("build", filled)

    assert failed.exit_code == 1
    assert failed.stdout.startswith("trip: build failed. ")
    assert blocked in failed.stdout


def test_ctrl_c_stops_the_work_and_lets_it_wait(
    run: Run, filled: str, services: Services, collection: Collection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run("promote", filled)
    seen = threading.Event()
    show = following._show

    def interrupt(*given: Any) -> None:
        show(*given)
        if given[2].step is not None:
            seen.set()
            raise KeyboardInterrupt

    monkeypatch.setattr(following, "_show", interrupt)
    monkeypatch.setattr(maintenance.rows, "rebuild", _slow_rebuild)
    stopped = run("rebuild", filled)

    assert stopped.exit_code == 130, stopped.output
    assert seen.is_set()
    assert "it waits for a worker" in stopped.stderr
    with services.pool.connection() as conn:
        (work,) = indexes.status(conn, collection.id).open
        assert (work.action, work.state, work.attempts) == (Action.REBUILD, "waiting", 0)
        assert not rows.maintenance_is_locked(conn)


def _slow_rebuild(conn: pool.Connection, *_: Any, links: int | None) -> None:
    conn.execute("SELECT pg_sleep(60)")
