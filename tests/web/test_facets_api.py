"""Tags, times, external ids and metadata of images and faces through the API."""

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

NOON = "2024-05-31T12:00:00Z"


def with_exif(picture: Any, taken: str) -> bytes:
    exif = Image.Exif()
    exif[0x8769] = {0x9003: taken}
    stream = BytesIO()
    Image.open(BytesIO(picture((10, 0)))).save(stream, "JPEG", exif=exif, quality=95)
    return stream.getvalue()


def told(client, image_id: str) -> tuple[Any, Any]:
    """Tags and time of an image; those of each face must be the same."""
    image = client.get(f"/v1/images/{image_id}").json
    for face in image["faces"]:
        assert (face["tags"], face["captured_at"]) == (image["tags"], image["captured_at"])
    return image["tags"], image["captured_at"]


def test_tags_and_the_time_of_a_form_are_those_of_all_its_photos(
    client, team: str, picture
) -> None:
    photos = picture((10, 0), (20, 0)), picture((30, 0))
    fields = {"tags": " vip, two words,vip", "captured_at": "2024-05-31T14:00+02:00"}

    items = client.upload(team, *photos, wait=5, **fields).json["items"]

    for item in items:
        assert told(client, item["image_id"]) == (["vip", "two words"], NOON)


def test_a_picture_as_the_whole_body_has_them_in_its_address(client, team: str, picture) -> None:
    item = client.post(
        f"/v1/collections/{team}/images",
        query_string={"tags": "a,b", "captured_at": "2024-05-31T12:00"},
        data=picture((10, 0)),
        content_type="image/png",
        headers={"Prefer": "wait=5"},
    ).json["items"][0]

    assert told(client, item["image_id"]) == (["a", "b"], NOON)


def test_a_photo_says_itself_when_it_was_taken_unless_the_sender_does(
    client, team: str, picture
) -> None:
    says = with_exif(picture, "2024:05:31 12:00:00")
    overruled = with_exif(picture, "2020:01:01 00:00:00")

    (by_exif,) = client.upload(team, says, wait=5).json["items"]
    (by_sender,) = client.upload(team, overruled, wait=5, captured_at=NOON).json["items"]

    assert told(client, by_exif["image_id"]) == ([], NOON)
    assert told(client, by_sender["image_id"]) == ([], NOON)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tags", "x" * 101),
        ("tags", ",".join(map(str, range(51)))),
        ("tags", "a\0"),
        ("captured_at", "2024"),
        ("captured_at", "1716000000"),
        ("captured_at", "1800-01-01"),
        ("captured_at", "9999-12-31T23:59:59-12:00"),
        ("captured_at", ""),
    ],
)
def test_what_cannot_be_stored_is_refused_and_named(
    client, team: str, picture, problem, field: str, value: str
) -> None:
    response = client.upload(team, picture((10, 0)), **{field: value})

    document = problem(response, 400, "invalid_request")
    assert [fault["field"] for fault in document["details"]["errors"]] == [field]
    assert client.get(f"/v1/collections/{team}/images").json["items"] == []


def test_a_file_in_the_place_of_a_text_and_a_text_twice_are_refused(
    client, team: str, picture, problem
) -> None:
    path = f"/v1/collections/{team}/images"

    def sent(**data: Any) -> Any:
        return client.post(path, data={"photos": (BytesIO(picture((10, 0))), "a.png"), **data})

    problem(sent(tags=(BytesIO(b"a"), "tags.txt")), 400, "invalid_request")
    problem(sent(captured_at=(BytesIO(b"a"), "x.txt")), 400, "invalid_request")
    problem(sent(tags=["a", "b"]), 400, "invalid_request")
    problem(client.get(f"{path}?tag=a&tag=b"), 400, "invalid_request")


def test_an_image_and_its_faces_are_changed_together(client, team: str) -> None:
    image = client.add(team, (10, 0), (20, 0))
    path = f"/v1/images/{image['id']}"
    change = {
        "tags": ["b", " a ", "b"], "captured_at": "2024-05-31T14:00:00+02:00",
        "external_id": "p-1", "metadata": {"n": [1]},
    }  # fmt: skip

    changed = client.patch(path, json=change).json

    assert changed == client.get(path).json
    assert (changed["external_id"], changed["metadata"]) == ("p-1", {"n": [1]})
    assert told(client, image["id"]) == (["b", "a"], NOON)


def test_what_a_change_leaves_out_stays_and_null_clears(client, team: str) -> None:
    image = client.add(team, (10, 0))
    path = f"/v1/images/{image['id']}"
    client.patch(path, json={"tags": ["a"], "captured_at": NOON, "external_id": "p-1"})

    client.patch(path, json={"metadata": {"n": 1}})
    assert told(client, image["id"]) == (["a"], NOON)
    client.patch(path, json={"captured_at": None, "external_id": None})
    assert told(client, image["id"]) == (["a"], None)
    client.patch(path, json={"tags": []})
    assert told(client, image["id"]) == ([], None)
    assert client.get(path).json["external_id"] is None
    assert client.patch(path, json={}).json == client.get(path).json


def test_a_waiting_photo_can_be_changed_and_its_faces_follow(
    client, bell, team: str, picture
) -> None:
    bell.workers = False
    (item,) = client.upload(team, picture((10, 0))).json["items"]
    client.patch(f"/v1/images/{item['image_id']}", json={"tags": ["late"]})

    bell.workers = True
    bell.ingest()

    assert client.get(f"/v1/images/{item['image_id']}").json["face_count"] == 1
    assert told(client, item["image_id"]) == (["late"], None)


@pytest.mark.parametrize(
    "change",
    [
        {"tags": None},
        {"tags": "a"},
        {"tags": [1]},
        {"tags": ["a,b"]},
        {"tags": [""]},
        {"metadata": None},
        {"captured_at": 0},
        {"captured_at": 1716000000},
        {"captured_at": "tomorrow"},
        {"external_id": ""},
        {"person": "Ada"},
    ],
)
def test_a_wrong_change_is_refused_and_changes_nothing(
    client, team: str, problem, change: dict[str, Any]
) -> None:
    image = client.add(team, (10, 0))
    path = f"/v1/images/{image['id']}"

    problem(client.patch(path, json=change), 400, "invalid_request")

    assert client.get(path).json == image


def test_a_face_takes_an_external_id_and_metadata(client, team: str) -> None:
    image = client.add(team, (10, 0), (20, 0))
    first, second = (f"/v1/faces/{face['id']}" for face in image["faces"])

    changed = client.patch(first, json={"external_id": "f-1", "metadata": {"n": 1}}).json
    kept = client.patch(first, json={"external_id": None}).json

    assert (changed["external_id"], changed["metadata"]) == ("f-1", {"n": 1})
    assert (kept["external_id"], kept["metadata"]) == (None, {"n": 1})
    assert client.get(second).json["metadata"] == {}


def test_an_external_id_in_use_is_a_conflict(client, team: str, problem) -> None:
    first, second = client.add(team, (10, 0)), client.add(team, (20, 0))
    for noun, one, other in (
        ("images", first["id"], second["id"]),
        ("faces", first["faces"][0]["id"], second["faces"][0]["id"]),
    ):
        client.patch(f"/v1/{noun}/{one}", json={"external_id": "x"})
        response = client.patch(f"/v1/{noun}/{other}", json={"external_id": "x"})
        problem(response, 409, "name_taken")


def test_what_is_not_there_cannot_be_changed(client, problem) -> None:
    nobody = "00000000-0000-0000-0000-000000000007"

    problem(client.patch(f"/v1/images/{nobody}", json={"tags": []}), 404, "image_not_found")
    problem(client.patch(f"/v1/faces/{nobody}", json={}), 404, "face_not_found")


def test_tags_and_the_time_of_a_face_are_changed_at_its_image(client, team: str, problem) -> None:
    face = client.add(team, (10, 0))["faces"][0]

    problem(client.patch(f"/v1/faces/{face['id']}", json={"tags": []}), 400, "invalid_request")


@pytest.mark.parametrize("noun", ["images", "faces"])
def test_lists_are_narrowed_by_tag_and_time(client, team: str, picture, noun: str) -> None:
    days = [client.upload(team, picture((n, 0)), tags=f"all,t{n}", captured_at=f"2024-05-{n:02}",
                          wait=5).json["items"][0]["image"]["id"] for n in (10, 20, 30)]  # fmt: skip
    client.add(team, (40, 0))

    def found(query: str) -> list[str]:
        listed = client.get(f"/v1/collections/{team}/{noun}?{query}").json["items"]
        return [each.get("image_id", each["id"]) for each in listed]

    assert found("tag=all") == days[::-1]
    assert found("tag=t20") == [days[1]]
    assert found("tag=ALL") == []
    assert found("captured_from=2024-05-20") == [days[2], days[1]]
    assert found("captured_before=2024-05-20") == [days[0]]
    assert found("tag=all&captured_from=2024-05-10T00:00:01Z&captured_before=2024-05-30") == [
        days[1]
    ]


def test_a_cursor_belongs_to_its_tag(client, team: str, picture, problem) -> None:
    for n in (10, 20):
        client.upload(team, picture((n, 0)), tags="a,b")
    path = f"/v1/collections/{team}/images"
    cursor = client.get(f"{path}?tag=a&limit=1").json["next_cursor"]

    assert len(client.get(f"{path}?tag=a&limit=1&cursor={cursor}").json["items"]) == 1
    problem(client.get(f"{path}?tag=b&limit=1&cursor={cursor}"), 400, "invalid_request")
