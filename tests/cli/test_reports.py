"""Reports and the review inbox at a terminal: made, shown, written into files, decided."""

import csv
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from core import reporting, workers_seen
from core.reports.registry import REPORTS
from core.workers_seen import WorkerSeen
from tests.casts import Cast, directions, near
from web.cli import main, report_following
from web.cli.services import PARTLY

Run = Callable[..., Result]


@pytest.fixture
def run(town: Cast, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `facesearch` with the settings of the town."""
    for name, value in town.services.settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.fixture
def worker(town: Cast) -> Iterator[None]:
    """A worker that makes reports of the town, in a thread."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            reporting.work(town.services, lambda: None, stop)
            time.sleep(0.05)

    workers_seen.announce(
        town.services.broker, WorkerSeen("here", 1, True, (town.collection.space_id,), "cpu", 0.0)
    )
    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.fixture
def report(run: Run, town: Cast, worker: None) -> Run:
    """Make a report of the town."""
    return lambda name, *options: run("report", name, "-c", town.collection.name, *options)


def told(result: Result) -> Any:
    assert result.exit_code in {0, PARTLY}, result.output
    return json.loads(result.stdout)


def test_a_report_is_made_and_told_in_sentences(report: Run) -> None:
    made = report("two-names")

    assert made.exit_code == 0, made.output
    lines = made.stdout.splitlines()
    assert lines[0].startswith("Two names: One person who is in the collection")
    assert any(line.split() == ["Findings", "1", "finding"] for line in lines)
    assert lines[-1].startswith(("1. Eve and Eva look like", "1. Eva and Eve look like"))


def test_what_is_new_is_marked_or_told_alone(report: Run, town: Cast) -> None:
    report("two-names")
    town.add(near(directions(4)[0], 0.9, 4, seed=20), "Anna")

    everything, new = report("two-names"), report("two-names", "--new")

    lines = everything.stdout.splitlines()
    assert "2 findings: 1 new since " in everything.stdout
    assert any(line.startswith(("1. new: ", "2. new: ")) for line in lines)
    assert "look like one person" not in new.stdout  # it is the third version


def test_a_long_report_says_how_much_more_there_is(
    report: Run, town: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.add(near(directions(4)[0], 0.9, 4, seed=20), "Anna")
    monkeypatch.setattr("web.cli.report_printing.SHOWN", 1)

    made = report("two-names")

    assert made.stdout.count("look like one person") == 1
    assert "... and 1 more;" in made.stdout


def test_health_is_told_in_numbers(report: Run) -> None:
    made = report("health")

    assert "Pairs of one person that match" in made.stdout
    assert "once in 1,000 searches" in made.stdout


def test_a_report_is_written_into_files(report: Run, tmp_path: Path) -> None:
    files = {form: tmp_path / "new" / f"names.{form}" for form in ("csv", "html", "pdf")}

    made = report("two-names", *(each for form in files for each in (f"--{form}", files[form])))

    assert made.exit_code == 0, made.output
    with files["csv"].open(newline="") as stream:
        [row] = csv.DictReader(stream)
    assert {row["name_1"], row["name_2"]} == {"Eve", "Eva"}
    assert files["html"].read_bytes().startswith(b"<!doctype html>")
    assert files["pdf"].read_bytes().startswith(b"%PDF-")
    assert len(list((tmp_path / "new").iterdir())) == 3
    assert f"Two names is in {files['pdf']}." in made.stderr


def test_json_is_the_report_with_its_findings(report: Run) -> None:
    one = told(report("two-names", "--json"))
    every = told(report("all", "--json"))

    assert (one["name"], len(one["items"])) == ("two-names", 1)
    assert {each["name"] for each in every} == set(REPORTS)


def test_a_file_holds_one_report(report: Run, tmp_path: Path) -> None:
    refused = report("all", "--csv", tmp_path / "all.csv")

    assert refused.exit_code == 2
    assert "A file holds one report" in refused.stderr


def test_without_a_worker_it_waits_and_says_so(run: Run, town: Cast) -> None:
    waits = run("report", "health", "-c", town.collection.name)
    [listed] = told(run("reports", "list", "-c", town.collection.name, "--json"))

    assert waits.exit_code == 1
    assert waits.stderr.startswith("facesearch: No worker is up: what was asked for waits")
    assert (listed["name"], listed["state"]) == ("health", "waiting")


def test_a_report_can_be_made_here(run: Run, town: Cast) -> None:
    made = told(run("report", "health", "-c", town.collection.name, "--here", "--json"))

    assert made["summary"]["people"] == 4
    assert made["actor"] == "command line"


def test_ctrl_c_lets_it_wait_again(run: Run, town: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*given: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(report_following, "_show", interrupt)

    stopped = run("report", "health", "-c", town.collection.name, "--here")

    assert stopped.exit_code == 130
    assert "Stopped here" in stopped.stderr


def test_a_report_is_asked_for_shown_cancelled_and_forgotten(run: Run, town: Cast) -> None:
    home = town.collection.name
    [asked] = told(run("report", "health", "-c", home, "--no-wait", "--json"))
    again = run("report", "health", "-c", home, "--no-wait")

    early = run("reports", "show", asked["id"])
    cancelled = run("reports", "cancel", asked["id"])
    listed = run("reports", "list", "-c", home)
    deleted = run("reports", "delete", asked["id"])

    assert again.stdout == f"health is waiting: {asked['id']}\n"
    assert early.stdout == "health is waiting.\n"
    assert cancelled.stdout == "health is cancelled.\n"
    assert "cancelled" in listed.stdout
    assert deleted.stdout == f"{asked['id']} is forgotten.\n"
    assert run("reports", "list", "-c", home).stdout == "No report was asked for yet.\n"
    assert run("reports", "show", asked["id"]).exit_code == 1


def test_the_newest_version_is_shown_by_its_name(run: Run, report: Run, town: Cast) -> None:
    made = told(report("two-names", "--json"))

    shown = told(run("reports", "show", "two-names", "-c", town.collection.name, "--json"))
    never = run("reports", "show", "health", "-c", town.collection.name)
    whose = run("reports", "show", "two-names")

    assert shown == made
    assert (never.exit_code, whose.exit_code) == (1, 2)
    assert never.stderr == "facesearch: There is no report 'health' that was made.\n"


def test_a_report_that_fails_is_exit_code_1(report: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(material: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("core.reports.registry.REPORTS", {**REPORTS, "health": broken})

    alone, beside = report("health"), report("all")

    assert (alone.exit_code, beside.exit_code) == (1, PARTLY)
    assert "facesearch: Health is failed. It failed: ZeroDivisionError." in alone.stderr
    assert "Two names: " in beside.stdout


def test_questions_are_listed_shown_and_decided(run: Run, report: Run, town: Cast) -> None:
    report("two-names")
    [item] = told(run("review", "list", "-c", town.collection.name, "--json"))
    listed = run("review", "list", "-c", town.collection.name)
    shown = run("review", "show", item["id"])

    decided = told(run("review", "decide", "same", item["id"], "--json"))
    over = run("review", "show", item["id"])

    assert item["question"] in {"Are Eve and Eva one person?", "Are Eva and Eve one person?"}
    assert item["question"] in listed.stdout
    assert shown.stdout.startswith(item["question"])
    assert "  same: merge " in shown.stdout
    assert decided[0]["state"] == "decided"
    assert f"change {decided[0]['change_id']}" in over.stdout
    assert run("review", "list", "-c", town.collection.name).stdout == "Nothing is to be decided.\n"
    undone = run("people", "undo", decided[0]["change_id"])
    assert undone.exit_code == 0, undone.output


def test_several_are_decided_and_each_refusal_is_told(run: Run, report: Run, town: Cast) -> None:
    town.add(near(directions(4)[0], 0.9, 4, seed=20), "Anna")
    report("two-names")
    first, second = told(run("review", "list", "-c", town.collection.name, "--json"))
    nowhere = uuid4()

    decided = run("review", "decide", "different", first["id"], nowhere, second["id"])
    again = told(run("review", "decide", "same", first["id"], "--json"))

    assert decided.exit_code == PARTLY
    assert decided.stdout.count(" is decided; change ") == 2
    assert decided.stderr == f"{nowhere}: There is no review item {nowhere}.\n"
    assert again[0]["detail"] == "This was decided already."


def test_a_question_is_put_off(run: Run, report: Run, town: Cast) -> None:
    report("two-names")
    [item] = told(run("review", "list", "-c", town.collection.name, "--json"))

    later = run("review", "later", item["id"])

    waiting = told(run("review", "list", "-c", town.collection.name, "--state", "later", "--json"))
    assert later.stdout == f"{item['id']} is later.\n"
    assert [each["id"] for each in waiting] == [item["id"]]
