"""Stored images through the API."""

from dataclasses import replace
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from PIL import Image

from core.db import images
from core.gates import LIMITS, Gate
from core.services import Services


def test_images_are_listed_newest_first_and_filtered(client, bell, team: str, picture) -> None:
    first = client.add(team, (10, 0))
    client.upload(team, picture((20, 0)), external_id="HR-7")
    bell.workers = False
    client.upload(team, picture((30, 0)))
    path = f"/v1/collections/{team}/images"

    listed = client.get(path).json["items"]

    assert [each["state"] for each in listed] == ["waiting", "indexed", "indexed"]
    assert listed[2] == {key: value for key, value in first.items() if key != "faces"}
    assert len(client.get(f"{path}?state=indexed").json["items"]) == 2
    assert client.get(f"{path}?state=dead").json == {"items": [], "next_cursor": None}
    found = client.get(f"{path}?external_id=HR-7").json["items"]
    assert [each["external_id"] for each in found] == ["HR-7"]


def test_an_image_is_shown_with_its_faces_and_their_people(client, team: str) -> None:
    image = client.add(team, (10, 0), (20, 0))
    ada = client.name(team, "Ada", image["faces"][1]["id"])

    shown = client.get(f"/v1/images/{image['id']}").json

    assert (shown["width"], shown["height"], shown["format"]) == (200, 100, "png")
    assert [face["person"] for face in shown["faces"]] == [
        None,
        {"id": ada["id"], "name": "Ada"},
    ]


def test_the_original_comes_back_byte_for_byte(client, team: str, picture) -> None:
    photo = picture((10, 0), format="JPEG")
    image = client.upload(team, photo, wait=5).json["items"][0]["image"]

    response = client.get(image["original_url"])

    assert response.data == photo
    assert response.mimetype == "image/jpeg"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "private, no-store"
    assert response.headers["Content-Disposition"] == "inline; filename=0.jpeg"
    assert response.headers["X-Request-Id"]


def test_a_face_that_was_left_out_is_shown_with_its_box_and_reason(
    client, services, team: str, picture
) -> None:
    image = client.upload(team, picture((10, 0)), wait=5).json["items"][0]["image"]
    left_out = [{"box": [1.0, 2.0, 5.0, 9.0], "score": 0.5, "reason": "exceeds_max_faces"}]
    with services.pool.connection() as conn:
        images.finish(conn, UUID(image["id"]), state="indexed", skipped_faces=left_out)

    shown = client.get(f"/v1/images/{image['id']}").json

    assert shown["skipped_faces"] == [
        {
            "box": {"left": 1.0, "top": 2.0, "width": 4.0, "height": 7.0},
            "score": 0.5,
            "reason": "exceeds_max_faces",
            "reasons": ["exceeds_max_faces"],
        }
    ]


def test_a_face_that_the_gate_refuses_is_shown_with_all_its_reasons(
    client, picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    harsh = replace(LIMITS[Gate.STRICT], size=0.95, sharpness=0.95)
    monkeypatch.setitem(LIMITS, Gate.STRICT, harsh)
    strict = client.collection("strict", quality_gate="strict")["id"]

    image = client.upload(strict, picture((10, 0)), wait=5).json["items"][0]["image"]

    assert (image["state"], image["reason"], image["faces"]) == ("indexed", "no_usable_face", [])
    [left_out] = image["skipped_faces"]
    assert left_out["reason"] == "face_too_small"
    assert left_out["reasons"] == ["face_too_small", "blurred"]
    assert client.get(f"/v1/collections/{strict}").json["face_count"] == 0


def test_small_copies_may_be_kept_by_the_browser_and_by_nobody_else(
    client, team: str, picture
) -> None:
    image = client.upload(team, picture((10, 0)), wait=5).json["items"][0]["image"]

    thumbnail = client.get(image["thumbnail_url"])
    crop = client.get(image["faces"][0]["crop_url"])

    assert thumbnail.headers["Cache-Control"] == "private, max-age=3600"
    assert crop.headers["Cache-Control"] == "private, max-age=3600"


@pytest.mark.parametrize(
    "name",
    ["../../x.html", "C:\\dir\\x.html", 'a"; filename="x.html', "x\r\nSet-Cookie: a=b", "日本.svg"],
)
def test_a_file_name_cannot_do_harm(client, team: str, picture, name: str) -> None:
    item = client.post(
        f"/v1/collections/{team}/images",
        query_string={"filename": name},
        data=picture((10, 0)),
        content_type="image/png",
        headers={"Prefer": "wait=5"},
    ).json["items"][0]

    headers = client.get(item["image"]["original_url"]).headers

    disposition = headers["Content-Disposition"]
    assert headers["Content-Type"] == "image/png"
    assert disposition.rstrip('"').endswith(".png")
    assert "/" not in disposition
    assert "\n" not in disposition
    assert "Set-Cookie" not in headers


@pytest.mark.parametrize(("size", "longest"), [("small", 320), ("large", 1280)])
def test_small_copies_are_small(client, team: str, picture, size: str, longest: int) -> None:
    photo = picture(*[(n, 0) for n in range(1, 21)])
    image = client.upload(team, photo, wait=5).json["items"][0]["image"]

    response = client.get(f"{image['thumbnail_url']}?size={size}")

    assert response.mimetype in ("image/jpeg", "image/webp")
    assert max(Image.open(BytesIO(response.data)).size) == longest


def test_there_is_no_small_copy_before_a_worker_was_there(
    client, bell, problem, team: str, picture
) -> None:
    bell.workers = False
    image_id = client.upload(team, picture((10, 0))).json["items"][0]["image_id"]

    response = client.get(f"/v1/images/{image_id}/thumbnail")

    assert problem(response, 409, "not_ready")["retryable"] is True
    assert response.headers["Retry-After"] == "1"
    assert client.get(f"/v1/images/{image_id}/original").status_code == 200


def test_there_never_is_one_of_a_photo_that_cannot_be_decoded(
    client, problem, team: str, picture
) -> None:
    damaged = picture(*[(n, n) for n in range(1, 9)], height=400)[:-60]
    image_id = client.upload(team, damaged).json["items"][0]["image_id"]

    response = client.get(f"/v1/images/{image_id}/thumbnail")

    assert problem(response, 404, "blob_missing")["retryable"] is False


def test_a_file_that_was_lost_is_told_without_its_place(
    services: Services, client, problem, team: str
) -> None:
    image = client.add(team, (10, 0))
    for path in (services.settings.data_dir / "blobs").rglob("*"):
        if path.is_file():
            path.unlink()

    for url in (image["original_url"], image["thumbnail_url"], image["faces"][0]["crop_url"]):
        document = problem(client.get(url), 404, "blob_missing")
        assert str(services.settings.data_dir) not in str(document)


def test_a_deleted_image_takes_its_faces_and_files_along_and_may_be_deleted_twice(
    services: Services, client, problem, team: str
) -> None:
    image = client.add(team, (10, 0), (20, 0))
    path = f"/v1/images/{image['id']}"

    assert client.delete(path).status_code == 204
    again = client.delete(path)

    assert (again.status_code, again.data) == (204, b"")
    assert "Content-Type" not in again.headers
    problem(client.get(path), 404, "image_not_found")
    problem(client.get(f"/v1/faces/{image['faces'][0]['id']}"), 404, "face_not_found")
    team_now = client.get(f"/v1/collections/{team}").json
    assert (team_now["image_count"], team_now["face_count"]) == (0, 0)
    blobs = services.settings.data_dir / "blobs"
    assert not [each for each in blobs.rglob("*") if each.is_file()]


@pytest.mark.parametrize("query", ["size=huge", "size=", "width=3", "size=small&size=large&x=1"])
def test_a_wrong_parameter_is_named(client, problem, team: str, query: str) -> None:
    image = client.add(team, (10, 0))

    details: dict[str, Any] = problem(
        client.get(f"{image['thumbnail_url']}?{query}"), 400, "invalid_request"
    )["details"]

    assert details["errors"][0]["field"] in ("size", "width", "x")
