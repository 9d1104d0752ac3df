"""Photos on their way in through the API."""

from io import BytesIO

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart


def test_a_photo_is_stored_before_the_answer_and_indexed_after_it(
    client, bell, team: str, picture
) -> None:
    bell.workers = False

    response = client.upload(team, picture((10, 0)))

    assert response.status_code == 202
    (item,) = response.json["items"]
    assert item["state"] == "waiting"
    assert item["key"] == "0.png"
    assert item["deduplicated"] is False
    assert item["image"] is None
    assert response.headers["Location"] == response.json["poll"]
    image = client.get(f"/v1/images/{item['image_id']}").json
    assert (image["state"], image["faces"]) == ("waiting", [])
    assert client.get(response.json["poll"]).json["state"] == "waiting"

    bell.workers = True
    bell.ingest()

    assert client.get(response.json["poll"]).json["state"] == "done"
    assert client.get(f"/v1/images/{item['image_id']}").json["face_count"] == 1


def test_whoever_prefers_to_wait_gets_the_faces(client, team: str, picture) -> None:
    response = client.upload(team, picture((10, 0), (20, 0)), wait=10)

    assert response.status_code == 201
    assert response.headers["Preference-Applied"] == "wait=10"
    (item,) = response.json["items"]
    assert item["state"] == "indexed"
    faces = item["image"]["faces"]
    assert [face["index"] for face in faces] == [0, 1]
    assert faces[0]["box"] == {"left": 0.0, "top": 0.0, "width": 90.0, "height": 90.0}
    assert faces[0]["quality"]["yaw"] == -8.0
    assert faces[0]["person"] is None
    assert len(faces[0]["landmarks"]) == 5


def test_whoever_waited_in_vain_gets_the_job(client, bell, team: str, picture) -> None:
    bell.workers = False

    response = client.upload(team, picture((10, 0)), wait=1)

    assert response.status_code == 202
    assert response.headers["Preference-Applied"] == "wait=1"
    assert response.json["items"][0]["state"] == "waiting"


def test_a_request_that_may_not_wait_is_answered_at_once(app, client, team: str, picture) -> None:
    waiters = app.extensions["facesearch"].waiters
    while waiters.acquire(blocking=False):
        pass

    response = client.upload(team, picture((10, 0)), wait=10)

    assert response.status_code == 202
    assert "Preference-Applied" not in response.headers


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=3", "wait=3"),
        ("respond-async, wait=3", "wait=3"),
        ("WAIT = 3", "wait=3"),
        ('wait="3"', "wait=3"),
        ("wait=999", "wait=60"),
        ("wait=0", None),
        ("wait=-1", None),
        ("wait=soon", None),
        ("await=3", None),
        ("wait=3.5", None),
    ],
)
def test_only_a_sensible_preference_is_applied(
    client, team: str, picture, prefer: str, applied: str | None
) -> None:
    data = {"photos": (BytesIO(picture((10, 0))), "a.png")}

    response = client.post(f"/v1/collections/{team}/images", data=data, headers={"Prefer": prefer})

    assert response.headers.get("Preference-Applied") == applied


def test_several_photos_keep_their_order_and_their_fate(
    client, team: str, picture, cut_off: bytes
) -> None:
    first = picture((10, 0))

    response = client.upload(team, first, b"no picture", cut_off, first, picture(), wait=10)

    assert response.status_code == 201
    items = response.json["items"]
    assert [item["key"] for item in items] == [f"{n}.png" for n in range(5)]
    assert [item["position"] for item in items] == [0, 1, 2, 3, 4]
    assert [item["state"] for item in items] == [
        "indexed", "rejected", "rejected", "skipped", "indexed",
    ]  # fmt: skip
    assert [item["reason"] for item in items] == [
        None, "unsupported_format", "image_truncated", "duplicate_image", "no_face_found",
    ]  # fmt: skip
    assert items[1]["image_id"] is None
    assert items[3]["image_id"] == items[0]["image_id"]
    assert [item["deduplicated"] for item in items] == [False, False, False, True, False]
    counts = client.get(response.json["poll"]).json["counts"]
    assert counts == {
        "waiting": 0, "running": 0, "indexed": 2, "skipped": 1, "rejected": 2, "failed": 0, "dead": 0,
    }  # fmt: skip


def test_the_same_bytes_give_the_first_image_again(client, team: str, picture) -> None:
    photo = picture((10, 0))
    first = client.upload(team, photo, wait=5).json["items"][0]

    again = client.upload(team, photo, wait=5).json["items"][0]
    at_once = client.upload(team, photo).json["items"][0]

    assert first["deduplicated"] is False
    assert (again["deduplicated"], at_once["deduplicated"]) == (True, True)
    assert again["image_id"] == at_once["image_id"] == first["image_id"]
    assert again["image"]["faces"] == first["image"]["faces"]
    assert client.get(f"/v1/collections/{team}").json["image_count"] == 1


def test_the_same_bytes_in_another_collection_are_another_image(client, team, picture) -> None:
    photo = picture((10, 0))
    other = client.collection("other")["id"]

    mine = client.upload(team, photo, wait=5).json["items"][0]
    theirs = client.upload(other, photo, wait=5).json["items"][0]

    assert theirs["deduplicated"] is False
    assert mine["image_id"] != theirs["image_id"]
    assert client.delete(f"/v1/images/{mine['image_id']}").status_code == 204
    assert client.get(theirs["image"]["original_url"]).data == photo


def test_a_photo_without_a_face_is_no_problem(client, team: str, picture) -> None:
    response = client.upload(team, picture((0, 0)), wait=5)

    assert response.status_code == 201
    (item,) = response.json["items"]
    assert (item["state"], item["reason"]) == ("indexed", "no_face_found")
    assert item["image"]["faces"] == []


def test_a_photo_can_be_the_whole_body(client, team: str, picture) -> None:
    response = client.post(
        f"/v1/collections/{team}/images?filename=ada.png&external_id=HR-7",
        data=picture((10, 0)),
        content_type="image/png",
        headers={"Prefer": "wait=5"},
    )

    assert response.status_code == 201
    image = response.json["items"][0]["image"]
    assert (image["filename"], image["external_id"]) == ("ada.png", "HR-7")


def test_one_photo_may_carry_an_external_id_and_metadata(client, team: str, picture) -> None:
    fields = {"external_id": "123", "metadata": '{"taken": {"by": "Zoë"}, "n": [1, 2.5, null]}'}

    client.upload(team, picture((10, 0)), **fields)

    query = {"external_id": "123"}
    (image,) = client.get(f"/v1/collections/{team}/images", query_string=query).json["items"]
    assert image["external_id"] == "123"
    assert image["metadata"] == {"taken": {"by": "Zoë"}, "n": [1, 2.5, None]}


def test_the_field_may_be_called_photo(client, team: str, picture) -> None:
    data = {"photo": (BytesIO(picture((10, 0))), "ada.png")}

    response = client.post(f"/v1/collections/{team}/images", data=data)

    assert response.status_code == 202
    assert response.json["items"][0]["key"] == "ada.png"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../etc/passwd", "../../etc/passwd"),
        ("a\0b.png", "a\ufffdb.png"),
        ("日本 \u202e.png", "日本 \u202e.png"),
        ("x" * 300, "x" * 255),
        ("<script>.png", "<script>.png"),
    ],
)
def test_any_file_name_is_taken_and_echoed(client, team: str, picture, sent, shown) -> None:
    data = {"photo": (BytesIO(picture((10, 0))), sent)}

    item = client.post(
        f"/v1/collections/{team}/images", data=data, headers={"Prefer": "wait=5"}
    ).json["items"][0]

    assert item["key"] == shown
    assert client.get(item["image"]["original_url"]).status_code == 200


def test_a_broker_that_is_away_only_delays(client, bell, team: str, picture) -> None:
    bell.broker = False

    assert client.upload(team, picture((10, 0))).status_code == 202


def test_no_uploaded_byte_is_spooled_to_a_disk(
    app, monkeypatch: pytest.MonkeyPatch, client, team: str, picture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a photo was about to be written to a temporary file")

    for name in ("TemporaryFile", "SpooledTemporaryFile", "NamedTemporaryFile"):
        monkeypatch.setattr(f"tempfile.{name}", refuse)
        monkeypatch.setattr(f"werkzeug.formparser.{name}", refuse, raising=False)

    photo = FileStorage(BytesIO(picture((10, 0)) + bytes(900_000)), "a.png")
    boundary, body = encode_multipart({"photo": photo})
    response = client.post(
        f"/v1/collections/{team}/search",
        data=body,
        content_type=f"multipart/form-data; boundary={boundary}",
    )

    assert response.status_code == 200
