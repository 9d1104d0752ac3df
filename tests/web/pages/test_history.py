"""The history of people on pages: looking back, undoing, merging and splitting, without scripts."""

from typing import Any

import pytest

API = Any  # tests/web/conftest.py: Client
Visitor = Any  # tests/web/pages/conftest.py

ANNA, BEN = 10, 20


@pytest.fixture
def home(client: API) -> str:
    made: str = client.collection()["id"]
    return made


@pytest.fixture
def anna(client: API, home: str) -> dict[str, Any]:
    """A person with three faces."""
    faces = [client.add(home, (ANNA, number))["faces"][0]["id"] for number in range(3)]
    person = client.name(home, "Anna", *faces)
    return {**person, "faces": faces}


def newest(client: API, home: str) -> str:
    found: str = client.get(f"/v1/collections/{home}/changes").json["items"][0]["id"]
    return found


def owner(client: API, face: str) -> str | None:
    person = client.get(f"/v1/faces/{face}").json["person"]
    return None if person is None else person["name"]


def test_somebody_is_found_by_name_and_merged_and_the_page_can_undo_it(
    visitor: Visitor, client: API, home: str, anna: dict[str, Any]
) -> None:
    face = client.add(home, (BEN, 0))["faces"][0]["id"]
    other = client.name(home, "Anne", face)

    found = visitor.get(f"/people/{anna['id']}?same=ANNE")
    merged = visitor.post(f"/people/{anna['id']}/merge", person=other["id"])
    undone = visitor.post(
        f"/changes/{newest(client, home)}/undo", collection=home, person=anna["id"]
    )

    assert "Merge into Anna" in visitor.read(found)
    assert "They are one person now." in visitor.read(merged)
    assert "1 face went from Anne to Anna" in visitor.read(merged)
    assert undone.request.path == f"/collections/{home}/history"
    assert "History of Anna" in visitor.read(undone)
    assert "Undone." in visitor.read(undone)
    assert owner(client, face) == "Anne"


def test_a_name_that_nobody_else_has_is_told(visitor: Visitor, anna: dict[str, Any]) -> None:
    page = visitor.read(visitor.get(f"/people/{anna['id']}?same=Anna"))

    assert "Nobody else here is called Anna." in page


def test_chosen_faces_become_somebody_new(
    visitor: Visitor, client: API, home: str, anna: dict[str, Any]
) -> None:
    refused = visitor.post(f"/people/{anna['id']}/split", name="Berta")
    split = visitor.post(f"/people/{anna['id']}/split", name="Berta", face=anna["faces"][:2])

    assert refused.status_code == 400
    assert "Choose at least one face" in visitor.read(refused)
    assert "This is the new person." in visitor.read(split)
    assert [owner(client, face) for face in anna["faces"]] == ["Berta", "Berta", "Anna"]


def test_a_change_is_undone_for_one_face_on_its_page(
    visitor: Visitor, client: API, home: str, anna: dict[str, Any]
) -> None:
    change = newest(client, home)

    page = visitor.post(f"/changes/{change}/undo", face=anna["faces"][0])

    assert page.request.path == f"/changes/{change}"
    read = visitor.read(page)
    assert "Named faces" not in read
    assert "Made a person" in read
    assert read.count("Unchanged since") == 2
    assert "Taken back" in read
    assert owner(client, anna["faces"][0]) is None


def test_what_stays_is_told_with_a_way_to_the_change_in_between(
    visitor: Visitor, client: API, home: str, anna: dict[str, Any]
) -> None:
    change = newest(client, home)
    client.name(home, "Berta", anna["faces"][0])
    between = newest(client, home)

    page = visitor.post(f"/changes/{change}/undo", collection=home)

    assert page.status_code == 200
    assert "Undone, but for this" in visitor.read(page)
    assert "Another change moved the face since." in visitor.read(page)
    assert f'href="/changes/{between}"' in page.text


def test_what_was_undone_cannot_be_undone_again(
    visitor: Visitor, client: API, home: str, anna: dict[str, Any]
) -> None:
    change = newest(client, home)
    visitor.post(f"/changes/{change}/undo", collection=home)

    again = visitor.post(f"/changes/{change}/undo", collection=home)

    assert again.status_code == 409
    assert "Nothing is left to undo" in visitor.read(again)


def test_the_history_of_a_collection_comes_in_pages(
    visitor: Visitor, client: API, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.pages.changes.PER_PAGE", 2)
    for name in ("Anna", "Berta", "Carla"):
        client.post(f"/v1/collections/{home}/people", json={"name": name})

    first = visitor.get(f"/collections/{home}/history")
    following = first.text.partition("before=")[2].partition('"')[0]
    second = visitor.get(f"/collections/{home}/history?before={following}")

    assert "Carla was made" in visitor.read(first)
    assert "Anna was made" not in visitor.read(first)
    assert "Anna was made" in visitor.read(second)


def test_the_history_of_somebody_who_was_deleted_can_be_read(
    visitor: Visitor, client: API, home: str, anna: dict[str, Any]
) -> None:
    client.delete(f"/v1/people/{anna['id']}")

    page = visitor.read(visitor.get(f"/collections/{home}/history?person={anna['id']}"))

    assert "History of Anna" in page
    assert "Anna was deleted" in page
    assert "To the person" not in page


def test_a_new_collection_has_no_history(visitor: Visitor, home: str) -> None:
    page = visitor.read(visitor.get(f"/collections/{home}/history"))

    assert "Nothing was done to people here yet." in page
