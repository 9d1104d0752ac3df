"""The history of people through the API: merging, splitting, looking back, undoing."""

from typing import Any
from uuid import uuid4

import pytest


@pytest.fixture
def faces(client, team: str) -> list[str]:
    """Ids of three faces."""
    image = client.add(team, (10, 0), (20, 0), (30, 0))
    return [face["id"] for face in image["faces"]]


@pytest.fixture
def person(client, team: str):
    """Make somebody with these faces; returns the person."""

    def make(name: str, *faces: str) -> dict[str, Any]:
        made: dict[str, Any] = client.post(
            f"/v1/collections/{team}/people", json={"name": name, "face_ids": list(faces)}
        ).json
        return made

    return make


def history(client, team: str, **query: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(
        f"/v1/collections/{team}/changes", query_string=query
    ).json["items"]
    return items


def owner(client, face_id: str) -> str | None:
    found = client.get(f"/v1/faces/{face_id}").json["person"]
    return None if found is None else found["name"]


def test_a_merge_can_be_looked_at_and_undone(client, team: str, faces: list[str], person) -> None:
    ada, other = person("Ada", faces[0]), person("A. L.", faces[1])

    merged = client.post(f"/v1/people/{ada['id']}/merge", json={"person_ids": [other["id"]]})
    told = history(client, team)[0]
    shown = client.get(f"/v1/changes/{told['id']}").json
    undone = client.post(f"/v1/changes/{told['id']}/undo")

    assert (merged.status_code, merged.json["face_count"]) == (200, 2)
    assert (told["kind"], told["actor"]) == ("merge", "key:tests")
    [move] = told["moves"]
    assert move["previous_person"] == {"id": other["id"], "name": "A. L.", "present": False}
    assert (move["person"]["name"], move["faces"]) == ("Ada", 1)
    assert [each["after"] for each in told["people"]] == [None]
    [face] = shown["faces"]
    assert (face["face_id"], face["now"], face["moved_by"]) == (faces[1], "left", told["id"])
    assert undone.status_code == 200
    assert (undone.json["faces"], undone.json["people"], undone.json["left"]) == (1, 1, [])
    assert owner(client, faces[1]) == "A. L."
    [undo, merge] = history(client, team)[:2]
    assert (undo["undoes"], merge["undone_by"]) == (told["id"], [undone.json["change_id"]])


def test_a_split_is_undone_for_some_faces(client, team: str, faces: list[str], person) -> None:
    ada = person("Ada", *faces)

    split = client.post(
        f"/v1/people/{ada['id']}/split", json={"name": "Byron", "face_ids": faces[1:]}
    )
    change = history(client, team)[0]["id"]
    part = client.post(f"/v1/changes/{change}/undo", json={"face_ids": [faces[1]]})

    assert (split.status_code, split.json["name"], split.json["face_count"]) == (201, "Byron", 2)
    assert part.json["faces"] == 1
    assert [owner(client, face) for face in faces] == ["Ada", "Ada", "Byron"]


def test_what_was_changed_since_stays_and_says_why(
    client, team: str, faces: list[str], person
) -> None:
    person("Ada", faces[0])
    first = history(client, team)[0]["id"]
    person("Bob", faces[0])
    second = history(client, team)[0]["id"]

    undone = client.post(f"/v1/changes/{first}/undo").json

    [moved] = undone["left"]
    assert (moved["reason"], moved["face_id"], moved["change_id"]) == (
        *("moved_since", faces[0]),
        second,
    )
    assert moved["detail"] == "Another change moved the face since."


def test_nothing_is_undone_twice_except_by_the_same_key(
    client, problem, team: str, faces: list[str], person
) -> None:
    person("Ada", faces[0])
    change = history(client, team)[0]["id"]
    headers = {"Idempotency-Key": "undo-1"}

    once, again = (client.post(f"/v1/changes/{change}/undo", headers=headers) for _ in range(2))

    assert once.json == again.json
    assert again.headers["Idempotency-Replayed"] == "true"
    problem(client.post(f"/v1/changes/{change}/undo"), 409, "already_undone")


def test_the_history_of_one_person_is_theirs_and_comes_in_pages(
    client, team: str, faces: list[str], person
) -> None:
    ada = person("Ada", faces[0])
    person("Bob", faces[1])
    client.patch(f"/v1/people/{ada['id']}", json={"name": "Ada Lovelace"})
    path = f"/v1/collections/{team}/changes"

    first = client.get(path, query_string={"limit": 2}).json
    second = client.get(path, query_string={"limit": 2, "cursor": first["next_cursor"]}).json

    kinds = [each["kind"] for each in first["items"] + second["items"]]
    assert (kinds, second["next_cursor"]) == (["edit", "create", "create"], None)
    hers = history(client, team, person_id=ada["id"])
    assert [each["kind"] for each in hers] == ["edit", "create"]
    assert hers[0]["people"][0]["before"]["name"] == "Ada"


def test_wrong_requests_are_refused(client, problem, team: str, faces: list[str], person) -> None:
    ada = person("Ada", faces[0])
    change = history(client, team)[0]["id"]

    merge, split = f"/v1/people/{ada['id']}/merge", f"/v1/people/{ada['id']}/split"
    problem(client.post(merge, json={"person_ids": [ada["id"]]}), 400, "invalid_request")
    problem(client.post(merge, json={"person_ids": [str(uuid4())]}), 404, "person_not_found")
    problem(client.post(split, json={"name": "B", "face_ids": [faces[1]]}), 400, "invalid_request")
    problem(
        client.post(f"/v1/changes/{change}/undo", json={"face_ids": [faces[1]]}),
        400,
        "invalid_request",
    )
    problem(client.get(f"/v1/changes/{uuid4()}"), 404, "change_not_found")
    problem(client.post(f"/v1/changes/{uuid4()}/undo"), 404, "change_not_found")
    problem(client.get(f"/v1/collections/{uuid4()}/changes"), 404, "collection_not_found")
