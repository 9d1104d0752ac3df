"""`facesearch imports`: looking at imports and steering them, here and on a server."""

import csv
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import Result

from core.settings import CLIENT_KEY, CLIENT_SERVER
from tests.cli.conftest import Ingesting, told
from web.cli.services import PARTLY


def begun(somewhere: Ingesting, folder: Path, *options: str) -> str:
    """Send two photos and a letter; return the id of their import."""
    somewhere.folder(folder, range(2))
    (folder / "letter.txt").write_bytes(b"Dear Sir or Madam")
    return str(told(somewhere(folder, "--no-wait", "--json", *options))["import_id"])


def shown(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_they_are_listed_and_shown(somewhere: Ingesting, tmp_path: Path) -> None:
    first = begun(somewhere, tmp_path / "one")
    second = begun(somewhere, tmp_path / "two", "--name", "Second")

    listed = shown(somewhere.run("imports", "list", "-c", somewhere.home.name, "--json"))
    newest = somewhere.run("imports", "list", "-c", somewhere.home.name, "--limit", "1")
    one = shown(somewhere.run("imports", "show", first, "--json"))
    for_people = somewhere.run("imports", "show", first)

    assert [(each["id"], each["name"]) for each in listed] == [(second, "Second"), (first, "one")]
    assert second in newest.stdout
    assert first not in newest.stdout
    assert one == listed[1]
    assert (one["state"], one["done"], one["total"]) == ("running", 1, 3)
    assert one["counts"]["waiting"] == 2
    assert "1 of 3" in for_people.stdout
    assert "2 waiting, 1 rejected" in for_people.stdout


def test_the_same_is_shown_of_a_server_and_of_the_system_here(
    ingesting: Ingesting, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    import_id = begun(ingesting, tmp_path / "one")
    here = shown(ingesting.run("imports", "show", import_id, "--json"))
    rows_here = ingesting.run("imports", "results", import_id, "--json").stdout
    request.getfixturevalue("server")

    there = shown(ingesting.run("imports", "show", import_id, "--json"))

    moving = {"created_at", "rate", "eta_s"}  # how a moment is written, and what passes
    assert {name: there[name] for name in there.keys() - moving} == {
        name: here[name] for name in here.keys() - moving
    }
    assert ingesting.run("imports", "results", import_id, "--json").stdout == rows_here


def test_results_are_for_people_for_programs_and_for_spreadsheets(
    somewhere: Ingesting, tmp_path: Path
) -> None:
    import_id = begun(somewhere, tmp_path / "one")

    for_people = somewhere.run("imports", "results", import_id).stdout.splitlines()
    lines = somewhere.run("imports", "results", import_id, "--json").stdout.splitlines()
    table = list(
        csv.DictReader(somewhere.run("imports", "results", import_id, "--csv").stdout.splitlines())
    )
    refused = somewhere.run("imports", "results", import_id, "--refused").stdout
    waiting = somewhere.run("imports", "results", import_id, "--state", "waiting").stdout

    assert for_people[0] == "000.png\twaiting"
    assert for_people[2].startswith("letter.txt\trejected\tunsupported_format ")
    assert [json.loads(line)["key"] for line in lines] == ["000.png", "001.png", "letter.txt"]
    assert [row["key"] for row in table] == ["000.png", "001.png", "letter.txt"]
    assert table[2]["reason"] == "unsupported_format"
    assert [line.split("\t")[0] for line in refused.splitlines()] == ["letter.txt"]
    assert [line.split("\t")[0] for line in waiting.splitlines()] == ["000.png", "001.png"]


def test_one_is_paused_resumed_and_watched_to_its_end(somewhere: Ingesting, tmp_path: Path) -> None:
    import_id = begun(somewhere, tmp_path / "one")

    paused = shown(somewhere.run("imports", "pause", import_id, "--json"))
    resumed = shown(somewhere.run("imports", "resume", import_id, "--json"))
    with somewhere.worker():
        watched = somewhere.run("imports", "watch", import_id)
        for_programs = somewhere.run("imports", "watch", import_id, "--json")

    assert (paused["state"], resumed["state"]) == ("paused", "running")
    assert watched.exit_code == for_programs.exit_code == PARTLY
    assert "3 photos: " in watched.stdout
    assert told(for_programs)["states"] == {"indexed": 2, "rejected": 1}


def test_one_is_cancelled_and_forgotten(somewhere: Ingesting, tmp_path: Path) -> None:
    import_id = begun(somewhere, tmp_path / "one")

    too_early = somewhere.run("imports", "delete", import_id)
    cancelled = shown(somewhere.run("imports", "cancel", import_id, "--json"))
    deleted = somewhere.run("imports", "delete", import_id)
    gone = somewhere.run("imports", "show", import_id)

    assert "This import is not over; cancel it first." in too_early.stderr
    assert cancelled["state"] == "cancelled"
    assert deleted.stdout == f"{import_id} is forgotten.\n"
    assert f"There is no import {import_id}." in gone.stderr
    assert [each.exit_code for each in (too_early, deleted, gone)] == [1, 0, 1]


def test_what_failed_is_tried_again(somewhere: Ingesting, tmp_path: Path) -> None:
    import_id = begun(somewhere, tmp_path / "one")
    with somewhere.worker():
        somewhere.run("imports", "watch", import_id)
    with somewhere.services.pool.connection() as conn:
        conn.execute("UPDATE items SET state = 'dead', reason = 'worker_lost' WHERE position = 0")
        conn.execute(
            "UPDATE images SET state = 'dead' FROM items WHERE image_id = images.id AND position = 0"
        )

    none = somewhere.run("imports", "retry", import_id)
    one = somewhere.run("imports", "retry", import_id, "--dead", "--json")

    assert none.stdout == "0 items wait again.\n"
    assert shown(one) == {"retried": 1}


def test_an_unknown_one_is_one_sentence(somewhere: Ingesting) -> None:
    unknown = uuid4()

    for words in (("show",), ("results",), ("watch",), ("pause",), ("cancel",), ("retry",)):
        result = somewhere.run("imports", *words, str(unknown))
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.endswith(f"facesearch: There is no import {unknown}.\n")


def test_the_variables_of_a_client_are_no_wrong_settings_here(
    ingesting: Ingesting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CLIENT_SERVER, "https://faces.example.org")
    monkeypatch.setenv(CLIENT_KEY, "fs_x")

    assert ingesting.run("collections", "list").exit_code == 0
    assert CLIENT_KEY not in ingesting.services.settings.environment()


ODD = "a [/x] :smile: [b]"


def test_a_name_is_shown_as_it_is(somewhere: Ingesting, tmp_path: Path) -> None:
    import_id = begun(somewhere, tmp_path / "one", "--name", ODD)

    listed = somewhere.run("imports", "list", "-c", somewhere.home.name)
    one = somewhere.run("imports", "show", import_id)

    for each in (listed, one):
        assert each.exit_code == 0, each.output
        assert ODD in " ".join(each.stdout.split())


def test_a_cell_that_a_spreadsheet_would_compute_is_text(
    somewhere: Ingesting, tmp_path: Path
) -> None:
    folder = somewhere.folder(tmp_path / "one", range(1))
    (folder / "000.png").rename(folder / "=1+1.png")
    import_id = str(told(somewhere(folder, "--no-wait", "--json"))["import_id"])

    table = somewhere.run("imports", "results", import_id, "--csv").stdout.splitlines()

    assert [row["key"] for row in csv.DictReader(table)] == ["'=1+1.png"]


def test_one_that_somebody_cancels_is_not_all_right(somewhere: Ingesting, tmp_path: Path) -> None:
    folder = somewhere.folder(tmp_path / "one", range(2))
    import_id = str(told(somewhere(folder, "--no-wait", "--json"))["import_id"])
    somewhere.run("imports", "cancel", import_id)

    watched = somewhere.run("imports", "watch", import_id)

    assert watched.exit_code == PARTLY
