"""The history of people at a terminal: merging, splitting, looking back, undoing, rebuilding."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from core import gallery, people
from tests.histories import History
from web.cli import main
from web.cli.services import PARTLY

Run = Callable[..., Result]


@pytest.fixture
def run(history: History, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `facesearch people` with the settings of this test."""
    for name, value in history.services.settings.environment().items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(main, ["people", *map(str, arguments)])


def rows(result: Result) -> Any:
    assert result.exit_code in {0, PARTLY}, result.output
    return json.loads(result.stdout)


def test_people_are_merged_split_and_all_of_it_is_told_and_undone(
    history: History, run: Run
) -> None:
    one, two = history.faces[:2]
    ada, other = history.person("Ada", one), history.person("A. L.", two)

    merged = rows(run("merge", ada.id, other.id, "--json"))
    new = rows(run("split", ada.id, "Byron", "--face", one, "--json"))
    told = run("history", "-c", history.collection.name)
    [split, merge, *_] = rows(run("history", "-c", history.collection.name, "--json"))
    undone = run("undo", split["id"])
    again = run("undo", split["id"])

    assert (merged["face_count"], new["face_count"]) == (2, 1)
    assert "1 face went from A. L. to Ada" in told.output
    assert "A. L. was deleted" in told.output
    assert (split["kind"], merge["kind"]) == ("split", "merge")
    assert split["actor"] == "command line"
    assert undone.output.startswith("Taken back: 1 face, 1 person, 0 decisions.")
    assert history.owner(one) == ada.id
    assert (again.exit_code, again.stderr) == (
        1,
        "facesearch: Nothing is left of this change to undo.\n",
    )


def test_what_stays_as_it_is_is_told_with_an_exit_code(history: History, run: Run) -> None:
    one, two = history.faces[:2]
    history.person("Ada", one, two)
    first = history.last()
    history.person("Bob", one)
    second = history.last()

    part = rows(run("undo", first, "--face", two, "--json"))
    undone = run("undo", first)

    assert undone.exit_code == PARTLY
    assert f"face {one}: Another change moved the face since. (change {second})" in undone.output
    assert (part["faces"], part["left"]) == (1, [])


def test_the_history_of_one_person(history: History, run: Run) -> None:
    ada = history.person("Ada")
    history.person("Bob")

    found = rows(run("history", "-c", history.collection.name, "--person", ada.id, "--json"))

    assert [each["people"][0]["after"]["name"] for each in found] == ["Ada"]


def test_a_check_finds_damage_and_a_rebuild_mends_it(history: History, run: Run) -> None:
    face = history.faces[0]
    ada = history.person("Ada", face)
    sound = run("rebuild", "--check")
    with history.conn() as conn:
        conn.execute("UPDATE faces SET person_id = NULL WHERE id = %s", [face])

    checked = run("rebuild", "--check", "-c", history.collection.name)
    still_damaged = history.owner(face)
    mended = rows(run("rebuild", "--json"))

    assert (sound.exit_code, checked.exit_code) == (0, PARTLY)
    assert still_damaged is None
    assert mended["faces"] == 1
    assert history.owner(face) == ada.id


def test_an_empty_history_says_so(history: History, run: Run) -> None:
    assert run("history", "-c", history.collection.name).output == (
        "Nothing was done to people here yet.\n"
    )


def test_deleted_faces_and_people_leave_a_history_that_can_be_read(
    history: History, run: Run
) -> None:
    face: UUID = history.faces[0]
    ada = history.person("Ada", face)
    gallery.delete_face(history.services.pool, history.services.blobs, face)
    with history.conn() as conn:
        people.delete(conn, ada.id, actor="test")

    told = run("history", "-c", history.collection.name)

    assert "1 face got the name Ada" in told.output
    assert "Ada was deleted" in told.output
