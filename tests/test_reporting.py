"""Reports as jobs: asked for, made, cancelled, kept in versions."""

from dataclasses import replace
from threading import Event, Thread
from time import sleep
from typing import Any
from uuid import uuid4

import pytest

from core import collections, reporting
from core.db import reports as rows
from core.db.pool import Connection
from core.db.reports import Report
from core.errors import CollectionNotFound, InvalidRequest, ReportNotFound, WrongState
from core.reports import registry
from core.reports.finding import Finding, Outcome, Side
from tests.casts import Cast, directions, near
from tests.conftest import RecordingDoorbell

NAMES = list(registry.REPORTS)


def ask(town: Cast, doorbell: RecordingDoorbell, *names: str) -> list[Report]:
    return reporting.ask(town.services, doorbell, town.collection.id, names or NAMES, actor="test")


def work(town: Cast) -> None:
    reporting.work(town.services, lambda: None, Event())


def latest(town: Cast) -> dict[str, Report]:
    return {each.name: each for each in rows.latest(town.conn, town.collection.id)}


def test_all_reports_of_a_collection_are_made(town: Cast, doorbell: RecordingDoorbell) -> None:
    asked = ask(town, doorbell)

    work(town)

    made = latest(town)
    assert {each.name for each in asked} == set(made) == set(NAMES)
    assert doorbell.report_rings == 1
    assert made["two-names"].findings == 1
    assert made["unnamed"].findings == 1
    assert made["health"].summary["people"] == 4
    assert all(each.started_at and each.finished_at for each in made.values())
    assert rows.open_ones(town.conn, town.collection.id) == []


def test_whoever_asks_twice_gets_the_report_that_waits(
    town: Cast, doorbell: RecordingDoorbell
) -> None:
    first, second = ask(town, doorbell, "health"), ask(town, doorbell, "health")

    assert [each.id for each in first] == [each.id for each in second]


def test_unknown_reports_and_collections_are_refused(
    town: Cast, doorbell: RecordingDoorbell
) -> None:
    with pytest.raises(InvalidRequest, match="no report 'gossip'"):
        ask(town, doorbell, "gossip")
    with pytest.raises(CollectionNotFound):
        reporting.ask(town.services, doorbell, uuid4(), ["health"], actor="test")
    with pytest.raises(ReportNotFound):
        reporting.get(town.conn, uuid4())


def test_a_version_tells_what_is_new_and_what_is_gone(
    town: Cast, doorbell: RecordingDoorbell
) -> None:
    ask(town, doorbell, "two-names")
    work(town)
    first = latest(town)["two-names"]
    town.add(near(directions(4)[0], 0.9, 4, seed=20), "Anna")
    eva = [face for face, owner in town.owners().items() if owner == town.people["Eva"]]
    town.give("Eve", eva)

    ask(town, doorbell, "two-names")
    work(town)

    second = latest(town)["two-names"]
    found = reporting.findings(town.conn, second, limit=10)
    gone = rows.gone(town.conn, second, limit=10)
    assert (first.findings, first.added, first.gone) == (1, 0, 0)
    assert (second.findings, second.added, second.gone) == (1, 1, 1)
    assert second.previous_id == first.id
    assert [each.is_new for each in found] == [True]
    assert {side["person_id"] for side in gone[0].sides} == {
        str(town.people["Eve"]),
        str(town.people["Eva"]),
    }


def test_what_is_cancelled_while_it_waits_is_not_made(
    town: Cast, doorbell: RecordingDoorbell
) -> None:
    (asked,) = ask(town, doorbell, "health")

    assert reporting.cancel(town.conn, asked.id).state == "cancelled"
    work(town)

    assert reporting.get(town.conn, asked.id).state == "cancelled"
    assert latest(town) == {}


def test_what_is_cancelled_while_it_is_made_leaves_no_findings(
    town: Cast, doorbell: RecordingDoorbell, monkeypatch: pytest.MonkeyPatch
) -> None:
    (asked,) = ask(town, doorbell, "unnamed")

    def make(material: object) -> Outcome:
        reporting.cancel(town.conn, asked.id)
        finding = Finding("group", (uuid4(),), 1.0, (Side((uuid4(),), 1),))
        return Outcome.ranked([finding])

    monkeypatch.setattr(registry, "REPORTS", {"unnamed": make})
    work(town)

    found = reporting.get(town.conn, asked.id)
    assert found.state == "cancelled"
    assert reporting.findings(town.conn, found, limit=10) == []


def test_the_groups_of_the_last_report_are_stored_however_long_that_takes(
    town: Cast, doorbell: RecordingDoorbell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "TOLD_EVERY_S", 0)
    (asked,) = ask(town, doorbell, "unnamed")

    work(town)

    groups = town.conn.execute(
        "SELECT count(cluster_id), count(DISTINCT cluster_id) FROM faces WHERE person_id IS NULL"
    )
    assert reporting.get(town.conn, asked.id).state == "done"
    assert groups.fetchone() == (3, 1)


def test_a_collection_that_is_deleted_while_its_report_is_stored_waits_and_goes(
    town: Cast, doorbell: RecordingDoorbell, monkeypatch: pytest.MonkeyPatch
) -> None:
    (asked,) = ask(town, doorbell, "two-names")
    finish, deleting = rows.finish, []

    def delete() -> None:
        identity = town.collection.id
        collections.delete(town.services.pool, town.services.blobs, identity, confirm=str(identity))

    def slowly(conn: Connection, *args: Any) -> None:
        deleting.append(Thread(target=delete))
        deleting[0].start()
        while not town.conn.execute(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        ).fetchone():
            sleep(0.01)
        finish(conn, *args)

    monkeypatch.setattr(rows, "finish", slowly)
    work(town)
    deleting[0].join()

    with pytest.raises(ReportNotFound):
        reporting.get(town.conn, asked.id)


def test_a_report_that_fails_says_why_and_the_others_are_made(
    town: Cast, doorbell: RecordingDoorbell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(material: object) -> Outcome:
        raise ZeroDivisionError

    monkeypatch.setattr(
        registry, "REPORTS", {"unnamed": broken, "health": registry.REPORTS["health"]}
    )
    asked = {each.name: each for each in ask(town, doorbell, "unnamed", "health")}

    work(town)

    failed = reporting.get(town.conn, asked["unnamed"].id)
    assert (failed.state, failed.detail) == ("failed", "It failed: ZeroDivisionError.")
    assert latest(town)["health"].id == asked["health"].id


def test_a_process_that_ends_leaves_its_reports_to_others(
    town: Cast, doorbell: RecordingDoorbell
) -> None:
    (asked,) = ask(town, doorbell, "health")
    ending = Event()

    class Ends(Event):
        """Set as soon as somebody works."""

        def is_set(self) -> bool:
            if rows.open_ones(town.conn, town.collection.id)[0].attempts:
                self.set()
            return super().is_set()

    reporting.work(town.services, lambda: None, Ends())
    left = reporting.get(town.conn, asked.id)
    reporting.work(town.services, lambda: None, ending)

    assert (left.state, left.attempts) == ("waiting", 0)
    assert reporting.get(town.conn, asked.id).state == "done"


def test_a_report_that_processes_die_of_is_given_up(
    town: Cast, doorbell: RecordingDoorbell
) -> None:
    (asked,) = ask(town, doorbell, "health")
    for _ in range(reporting.MOST_ATTEMPTS):
        assert rows.claim(town.conn, lease=uuid4(), lease_s=0, most_attempts=3)

    work(town)
    reporting.ask_for_due(town.services)

    assert reporting.get(town.conn, asked.id).detail == reporting.LOST


def test_reports_wait_by_themselves_when_their_time_has_come(town: Cast) -> None:
    first = reporting.ask_for_due(town.services)
    again = reporting.ask_for_due(town.services)
    work(town)
    made = reporting.ask_for_due(town.services)
    town.conn.execute("UPDATE reports SET finished_at = finished_at - interval '25 hours'")
    due = reporting.ask_for_due(town.services)

    assert (first, again, made, due) == (len(NAMES), 0, 0, len(NAMES))
    assert {each.actor for each in rows.open_ones(town.conn, town.collection.id)} == {"schedule"}


def test_no_report_is_made_by_itself_where_nobody_wants_that(town: Cast) -> None:
    off = town.services.settings.model_copy(update={"report_hours": 0})
    assert reporting.ask_for_due(replace(town.services, settings=off)) == 0


def test_only_the_newest_versions_are_kept(town: Cast, doorbell: RecordingDoorbell) -> None:
    for _ in range(4):
        ask(town, doorbell, "health")
        work(town)
    rows.forget(town.conn, keep=2)

    kept = reporting.page(town.conn, town.collection.id, limit=10)
    assert len(kept) == 2
    assert kept[0].previous_id == kept[1].id
    assert kept[1].previous_id is None


def test_a_report_that_is_over_can_be_deleted_and_one_that_waits_cannot(
    town: Cast, doorbell: RecordingDoorbell
) -> None:
    (asked,) = ask(town, doorbell, "health")
    with pytest.raises(WrongState):
        reporting.delete(town.conn, asked.id)
    work(town)

    reporting.delete(town.conn, asked.id)
    reporting.delete(town.conn, asked.id)

    assert reporting.page(town.conn, town.collection.id, limit=10) == []


def test_a_worker_that_helps_calls_another_one_once(
    town: Cast, doorbell: RecordingDoorbell, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(town, doorbell, "unnamed")
    slices, rings = [True, True, False], []
    monkeypatch.setattr(reporting, "_make_some", lambda *_: False)
    monkeypatch.setattr(reporting.Builder, "help", lambda _: slices.pop(0))

    reporting.work(town.services, lambda: rings.append(1), Event())

    assert (len(rings), slices) == (1, [])
