"""Photos that are refused: each with its own reason, and nothing of them is kept."""

from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest

from core.services import Services


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


def test_an_external_id_in_use_is_refused_and_nothing_is_stored(
    client, problem, team: str, picture
) -> None:
    client.upload(team, picture((10, 0)), external_id="123")

    response = client.upload(team, picture((20, 0)), external_id="123")

    problem(response, 409, "name_taken")
    assert client.get(f"/v1/collections/{team}").json["image_count"] == 1


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


@pytest.mark.parametrize("field", ["photo", "photos"])
def test_a_file_name_in_the_place_of_a_file_is_explained(
    client, problem, team: str, field: str
) -> None:
    response = client.post(
        f"/v1/collections/{team}/images",
        data={field: "ada.jpg"},
        content_type="multipart/form-data",
    )

    assert "as a file" in problem(response, 400, "invalid_request")["detail"]


def test_a_photo_that_killed_its_workers_is_a_problem_for_whoever_waits(
    services: Services, client, bell, problem, monkeypatch: pytest.MonkeyPatch, team, picture
) -> None:
    def die() -> None:
        with services.pool.connection() as conn:
            conn.execute("UPDATE images SET state = 'dead', reason = 'worker_lost', detail = 'So.'")

    monkeypatch.setattr(bell, "ingest", die)

    response = client.upload(team, picture((10, 0)), wait=5)

    assert problem(response, 422, "worker_lost")["details"]["image_id"]


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


def test_a_full_disk_refuses_before_anything_is_stored(
    services: Services, client, problem, monkeypatch: pytest.MonkeyPatch, team: str, picture
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))

    response = client.upload(team, picture((10, 0)))

    assert problem(response, 507, "disk_full")["retryable"] is True
    assert client.get(f"/v1/collections/{team}").json["image_count"] == 0
