"""Photos on their way in through the API."""

from collections.abc import Callable
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from core.services import Services


@pytest.fixture
def team(client) -> str:
    made: str = client.collection()["id"]
    return made


@pytest.fixture
def cut_off(picture: Callable[..., bytes]) -> bytes:
    """A photo whose header is fine: only a worker finds out."""
    return picture(*[(n, n) for n in range(1, 9)], height=400)[:-60]


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
        "waiting": 0, "running": 0, "indexed": 2, "skipped": 1, "rejected": 2, "dead": 0,
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


@pytest.mark.parametrize(
    ("photo", "status", "code"),
    [
        (b"", 422, "image_empty"),
        (b"hello", 415, "unsupported_format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported_format"),
        (b"RIFF\xff\0\0\0WEBPVP8 ", 422, "image_truncated"),
        (b"\x89PNG\r\n\x1a\n" + bytes(30), 422, "image_corrupt"),
    ],
)
def test_one_photo_that_cannot_be_used_is_a_problem_and_no_job(
    services: Services, client, problem, team: str, photo: bytes, status: int, code: str
) -> None:
    problem(client.upload(team, photo), status, code)

    with services.pool.connection() as conn:
        assert conn.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_a_photo_of_too_many_bytes_is_refused(client, problem, team: str) -> None:
    response = client.post(
        f"/v1/collections/{team}/images", data=bytes(2**20 + 1), content_type="image/jpeg"
    )

    details = problem(response, 413, "file_too_large")["details"]
    assert details == {"bytes": 2**20 + 1, "max_bytes": 2**20}


def test_a_photo_of_too_many_pixels_is_refused_by_its_header(
    client, problem, team: str, picture
) -> None:
    response = client.upload(team, picture(height=11_000))

    details = problem(response, 413, "image_too_large")["details"]
    assert details == {"width": 100, "height": 11_000, "max_pixels": 1_000_000}


def test_one_photo_that_a_worker_refuses_while_somebody_waits_is_a_problem(
    client, problem, team: str, cut_off: bytes
) -> None:
    response = client.upload(team, cut_off, wait=5)

    details = problem(response, 422, "image_truncated")["details"]
    image = client.get(f"/v1/images/{details['image_id']}").json
    assert (image["state"], image["reason"]) == ("rejected", "image_truncated")


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


def test_an_external_id_in_use_is_refused_and_nothing_is_stored(
    client, problem, team: str, picture
) -> None:
    client.upload(team, picture((10, 0)), external_id="123")

    response = client.upload(team, picture((20, 0)), external_id="123")

    problem(response, 409, "name_taken")
    assert client.get(f"/v1/collections/{team}").json["image_count"] == 1


def test_the_field_may_be_called_photo(client, team: str, picture) -> None:
    data = {"photo": (BytesIO(picture((10, 0))), "ada.png")}

    response = client.post(f"/v1/collections/{team}/images", data=data)

    assert response.status_code == 202
    assert response.json["items"][0]["key"] == "ada.png"


@pytest.mark.parametrize(
    "fields",
    [
        {"external_id": "123"},
        {"metadata": "{}"},
    ],
)
def test_what_belongs_to_one_photo_is_refused_with_two(
    client, problem, team: str, picture, fields: dict[str, str]
) -> None:
    response = client.upload(team, picture((10, 0)), picture((20, 0)), **fields)

    assert "one photo" in problem(response, 400, "invalid_request")["detail"]


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": "not json"},
        {"metadata": "[1]"},
        {"metadata": '"text"'},
        {"metadata": '{"a": NaN}'},
        {"metadata": '{"a": 1e999}'},
        {"metadata": '{"a": "\\u0000"}'},
        {"metadata": '{"\\u0000": 1}'},
        {"metadata": '{"a": "\\ud800"}'},
        {"metadata": '{"a":' * 5000 + "1" + "}" * 5000},
        {"metadata": '{"a":' * 60 + "1" + "}" * 60},
        {"metadata": '{"a": ' + "9" * 5000 + "}"},
        {"metadata": '{"a": "' + "x" * 70_000 + '"}'},
        {"external_id": ""},
        {"external_id": "x" * 201},
        {"external_id": "a\0b"},
        {"unknown": "field"},
        {"photos": "text"},
    ],
    ids=lambda fields: str(fields)[:40],
)
def test_a_field_that_is_wrong_is_named(
    client, problem, team: str, picture, fields: dict[str, str]
) -> None:
    data: dict[str, Any] = {"photo": (BytesIO(picture((10, 0))), "ada.png"), **fields}

    response = client.post(f"/v1/collections/{team}/images", data=data)

    faults = problem(response, 400, "invalid_request")["details"]["errors"]
    assert faults[0]["field"].split(".")[0] == next(iter(fields))
    assert faults[0]["message"]
    assert client.get(f"/v1/collections/{team}").json["image_count"] == 0


def test_a_form_without_a_photo_is_refused(client, problem, team: str) -> None:
    path = f"/v1/collections/{team}/images"

    problem(client.post(path, data={"external_id": "1"}, content_type="multipart/form-data"), 400,
            "invalid_request")  # fmt: skip
    problem(client.post(path, data=b"", content_type="multipart/form-data"), 400,
            "invalid_request")  # fmt: skip
    problem(client.post(path, data=b"x", content_type="multipart/form-data; boundary=y"), 400,
            "invalid_request")  # fmt: skip


@pytest.mark.parametrize(
    "content_type", [None, "application/json", "text/plain", "application/x-www-form-urlencoded"]
)
def test_another_content_type_is_refused(client, problem, team: str, content_type) -> None:
    response = client.post(f"/v1/collections/{team}/images", data=b"{}", content_type=content_type)

    problem(response, 415, "unsupported_media_type")


def test_too_many_photos_are_refused(client, problem, team: str, picture) -> None:
    response = client.upload(team, *[picture((n, 0)) for n in range(1, 7)])

    assert "at most 5" in problem(response, 400, "invalid_request")["detail"]


def test_a_request_of_too_many_parts_is_refused(client, problem, team: str) -> None:
    response = client.upload(team, *[b"x"] * 60)

    problem(response, 413, "request_too_large")


@pytest.mark.parametrize("announced", [True, False])
def test_a_request_that_is_too_large_is_refused(
    client, problem, team: str, announced: bool
) -> None:
    # As gunicorn says it.
    chunked = {} if announced else {"Transfer-Encoding": "chunked"}

    response = client.post(
        f"/v1/collections/{team}/images",
        input_stream=BytesIO(bytes(4 * 2**20)),
        content_type="image/png",
        content_length=4 * 2**20 if announced else None,
        headers=chunked,
        environ_overrides={"wsgi.input_terminated": True},
    )

    assert problem(response, 413, "request_too_large")["details"] == {"max_bytes": 3 * 2**20}


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


def test_a_full_disk_refuses_before_anything_is_stored(
    services: Services, client, problem, monkeypatch: pytest.MonkeyPatch, team: str, picture
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))

    response = client.upload(team, picture((10, 0)))

    assert problem(response, 507, "disk_full")["retryable"] is True
    assert client.get(f"/v1/collections/{team}").json["image_count"] == 0


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
