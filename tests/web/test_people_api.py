"""People through the API."""

from typing import Any
from uuid import uuid4

import pytest


@pytest.fixture
def faces(client, team: str) -> list[str]:
    """Ids of three faces."""
    image = client.add(team, (10, 0), (20, 0), (30, 0))
    return [face["id"] for face in image["faces"]]


def owner(client, face_id: str) -> str | None:
    person = client.get(f"/v1/faces/{face_id}").json["person"]
    return None if person is None else person["name"]


def test_a_person_is_made_with_their_faces(client, team: str, faces: list[str]) -> None:
    response = client.post(
        f"/v1/collections/{team}/people",
        json={"name": "Ada", "external_id": "HR-7", "metadata": {"a": 1}, "face_ids": faces[:2]},
    )

    assert response.status_code == 201
    ada = response.json
    assert (ada["name"], ada["external_id"], ada["face_count"]) == ("Ada", "HR-7", 2)
    assert ada["best_face_id"] in faces[:2]
    assert ada["crop_url"] == f"/v1/faces/{ada['best_face_id']}/crop"
    assert client.get(f"/v1/people/{ada['id']}").json == ada
    assert [owner(client, face) for face in faces] == ["Ada", "Ada", None]
    assert client.get(f"/v1/collections/{team}").json["person_count"] == 1


def test_two_people_may_have_one_name_but_not_one_external_id(client, problem, team: str) -> None:
    path = f"/v1/collections/{team}/people"
    assert client.post(path, json={"name": "Ada", "external_id": "1"}).status_code == 201

    assert client.post(path, json={"name": "Ada"}).status_code == 201
    response = client.post(path, json={"name": "Eve", "external_id": "1"})

    assert problem(response, 409, "name_taken")["details"] == {"field": "external_id"}


@pytest.mark.parametrize("unknown", ["face", "foreign"])
def test_a_person_is_not_made_when_one_face_cannot_be_given(
    client, problem, team: str, faces: list[str], unknown: str
) -> None:
    if unknown == "face":
        other, status, code = str(uuid4()), 404, "face_not_found"
    else:
        image = client.add(client.collection("other")["id"], (40, 0))
        other, status, code = image["faces"][0]["id"], 409, "wrong_collection"

    response = client.post(
        f"/v1/collections/{team}/people", json={"name": "Ada", "face_ids": [faces[0], other]}
    )

    problem(response, status, code)
    assert client.get(f"/v1/collections/{team}/people").json["items"] == []
    assert owner(client, faces[0]) is None


def test_people_are_found_by_name_and_external_id(client, team: str) -> None:
    path = f"/v1/collections/{team}/people"
    for name, external_id in (("Ada", "1"), ("ADA", "2"), ("Eve", "3")):
        client.post(path, json={"name": name, "external_id": external_id})

    def names(**query: str) -> list[str]:
        return [each["name"] for each in client.get(path, query_string=query).json["items"]]

    assert names() == ["Ada", "ADA", "Eve"]
    assert names(name="ada") == ["Ada", "ADA"]
    assert names(name="ad") == []
    assert names(external_id="3") == ["Eve"]


def test_a_face_moves_from_one_person_to_another_and_back_to_nobody(
    client, team: str, faces: list[str]
) -> None:
    ada = client.name(team, "Ada", faces[0])
    eve = client.name(team, "Eve", faces[1])

    given = client.post(f"/v1/people/{eve['id']}/faces", json={"face_ids": [faces[0], faces[2]]})

    assert given.status_code == 200
    assert given.json["face_count"] == 3
    assert client.get(f"/v1/people/{ada['id']}").json["face_count"] == 0
    assert client.get(f"/v1/people/{ada['id']}").json["crop_url"] is None

    path = f"/v1/people/{eve['id']}/faces/{faces[0]}"
    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 204
    assert [owner(client, face) for face in faces] == [None, "Eve", "Eve"]


def test_a_face_of_somebody_else_is_not_taken_away(client, team: str, faces: list[str]) -> None:
    client.name(team, "Ada", faces[0])
    eve = client.name(team, "Eve")

    assert client.delete(f"/v1/people/{eve['id']}/faces/{faces[0]}").status_code == 204

    assert owner(client, faces[0]) == "Ada"


def test_taking_a_face_from_nobody_is_an_error(client, problem, faces: list[str]) -> None:
    response = client.delete(f"/v1/people/{uuid4()}/faces/{faces[0]}")

    problem(response, 404, "person_not_found")


def test_a_person_is_changed(client, problem, team: str) -> None:
    ada = client.name(team, "Ada")
    client.post(f"/v1/collections/{team}/people", json={"name": "Eve", "external_id": "1"})
    path = f"/v1/people/{ada['id']}"

    changed = client.patch(path, json={"name": "Ada L.", "metadata": {"x": []}}).json

    assert (changed["name"], changed["metadata"]) == ("Ada L.", {"x": []})
    problem(client.patch(path, json={"external_id": "1"}), 409, "name_taken")
    problem(client.patch(path, json={"name": None}), 400, "invalid_request")
    assert client.patch(path, json={"external_id": "2"}).json["external_id"] == "2"
    assert client.patch(path, json={"external_id": None}).json["external_id"] is None
    problem(client.patch(f"/v1/people/{uuid4()}", json={"name": "x"}), 404, "person_not_found")


def test_the_faces_of_a_deleted_person_stay(client, problem, team: str, faces: list[str]) -> None:
    ada = client.name(team, "Ada", *faces)
    path = f"/v1/people/{ada['id']}"

    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 204

    problem(client.get(path), 404, "person_not_found")
    assert [owner(client, face) for face in faces] == [None, None, None]
    assert client.get(f"/v1/collections/{team}").json["face_count"] == 3


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x" * 201},
        {"name": "a\0b"},
        {"name": 7},
        {"name": ["Ada"]},
        {"name": "Ada", "face_ids": "none"},
        {"name": "Ada", "face_ids": ["none"]},
        {"name": "Ada", "face_ids": [7]},
        {"name": "Ada", "face_ids": [str(uuid4())] * 501},
        {"name": "Ada", "metadata": []},
        {"name": "Ada", "collection_id": str(uuid4())},
    ],
    ids=lambda body: str(body)[:40],
)
def test_a_person_that_makes_no_sense_is_refused(
    client, problem, team: str, body: dict[str, Any]
) -> None:
    problem(client.post(f"/v1/collections/{team}/people", json=body), 400, "invalid_request")


def test_nobody_is_made_in_no_collection(client, problem) -> None:
    response = client.post(f"/v1/collections/{uuid4()}/people", json={"name": "Ada"})

    problem(response, 404, "collection_not_found")


def test_giving_no_face_is_refused(client, problem, team: str) -> None:
    ada = client.name(team, "Ada")

    response = client.post(f"/v1/people/{ada['id']}/faces", json={"face_ids": []})

    problem(response, 400, "invalid_request")
