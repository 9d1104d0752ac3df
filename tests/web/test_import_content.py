"""Every way of sending something to an import, whole and in parts, and how each is refused."""

import json
import tarfile
from hashlib import sha256
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest

from core.services import Services
from core.spool import Spool
from tests.importing import archive
from tests.web.bodies import INDEXED, broken, chunked, form, keys

MANIFEST = "application/x-ndjson"


def tar(photos: dict[str, bytes], mode: str = "w") -> bytes:
    stream = BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as packed:
        for name, data in photos.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, BytesIO(data))
    return stream.getvalue()


def lines(*items: dict[str, Any]) -> bytes:
    return "".join(f"{json.dumps(item)}\n" for item in items).encode()


@pytest.fixture
def path(team: str) -> str:
    return f"/v1/collections/{team}/imports"


@pytest.fixture
def photos(picture) -> dict[str, bytes]:
    return {f"{n}.png": picture((n, 0)) for n in (10, 20, 30)}


# --- archives and manifests as the body ----------------------------------------------------------


@pytest.mark.parametrize(
    ("media_type", "pack"),
    [
        ("application/zip", archive),
        ("application/x-tar", tar),
        ("application/gzip", lambda photos: tar(photos, "w:gz")),
        ("application/octet-stream", archive),
    ],
)
@pytest.mark.parametrize("announced", [True, False])
def test_an_archive_as_the_body_is_an_import(
    client, path, photos, media_type: str, pack, announced: bool
) -> None:
    data = pack(photos)
    body = {"data": data} if announced else chunked(data)

    response = client.post(f"{path}?name=Summer", content_type=media_type, **body)

    assert response.status_code == 202, response.text
    made = response.json
    assert response.headers["Location"] == made["urls"]["self"]
    assert (made["name"], made["source"], made["state"]) == ("Summer", "archive", "done")
    assert (made["bytes_expected"], made["bytes_received"]) == (len(data), len(data))
    assert keys(client, made) == INDEXED


def test_a_body_may_be_larger_than_other_requests(client, path, services: Services) -> None:
    size = (services.settings.max_request_mib + 1) * 2**20

    response = client.post(path, data=bytes(size), content_type="application/zip")

    assert response.status_code == 202
    assert response.json["bytes_received"] == size
    assert (response.json["state"], response.json["reason"]) == ("failed", "archive_unreadable")


def test_an_archive_that_is_not_the_one_that_was_meant_is_not_read(client, path, photos) -> None:
    data = archive(photos)
    send = {"data": data, "content_type": "application/zip"}

    wrong = client.post(f"{path}?sha256={'0' * 64}", **send).json
    right = client.post(f"{path}?sha256={sha256(data).hexdigest().upper()}", **send).json

    assert (wrong["state"], wrong["reason"], wrong["done"]) == ("failed", "sha256_mismatch", 0)
    assert (right["state"], right["done"]) == ("done", 3)


def test_a_manifest_may_wait_for_its_files(client, path, photos) -> None:
    body = lines({"key": "a/10.png"}, {"key": "20.png", "person": {"name": "Ada"}}, {"key": "gone"})
    made = client.post(f"{path}?hold=true", data=body, content_type=MANIFEST)
    assert made.status_code == 201
    address = made.json["urls"]["self"]
    assert (made.json["state"], made.json["bytes_received"]) == ("receiving", len(body))

    for name, photo in (("a/10.png", "10.png"), ("20.png", "20.png")):
        sent = client.request("PUT", f"{address}/files/{name}", data=photos[photo])
        assert sent.status_code == 204, sent.text
    done = client.post(f"{address}/start").json

    assert (done["state"], done["total"]) == ("done", 3)
    assert keys(client, done) == [
        ("a/10.png", "indexed"),
        ("20.png", "indexed"),
        ("gone", "rejected"),
    ]
    [ada] = client.get(f"/v1/collections/{done['collection_id']}/people").json["items"]
    assert (ada["name"], ada["face_count"]) == ("Ada", 1)


def test_a_manifest_in_csv_is_read_too(client, path, problem) -> None:
    body = b"key,tags\r\ngone.png,a\r\n"

    made = client.post(path, data=body, content_type="text/csv; charset=utf-8").json

    assert (made["options"]["format"], made["reasons"]) == ("csv", {"source_missing": 1})


def test_the_name_of_a_file_is_that_of_the_manifest_however_it_is_composed(
    client, path, asked, photos
) -> None:
    made = asked("manifest", format="ndjson")
    address = made["urls"]["self"]
    # As macOS spells it, and as everybody else does.
    client.request("PUT", f"{address}/files/e\u0301te\u0301.png", data=photos["10.png"])
    client.request("PUT", f"{address}/content", data=lines({"key": "\u00e9t\u00e9.png"}))

    done = client.post(f"{address}/start").json

    assert done["counts"]["indexed"] == 1


def test_only_a_manifest_waits_for_files(client, path, problem, photos) -> None:
    response = client.post(
        f"{path}?hold=true", data=archive(photos), content_type="application/zip"
    )

    problem(response, 400, "invalid_request")


@pytest.mark.parametrize("announced", [True, False])
def test_nothing_is_no_import(client, path, problem, announced: bool) -> None:
    body = {"data": b""} if announced else chunked(b"")

    problem(client.post(path, content_type="application/zip", **body), 400, "invalid_request")

    assert client.get(path).json["items"] == []


@pytest.mark.parametrize("media_type", [None, "text/plain", "image/png", "application/x-rar"])
def test_another_media_type_is_refused(client, path, problem, media_type) -> None:
    problem(client.post(path, data=b"x", content_type=media_type), 415, "unsupported_media_type")


# --- photos in a form ----------------------------------------------------------------------------


def test_photos_in_a_form_are_a_whole_import(client, path, photos) -> None:
    sent = {f"Ada/{name}": data for name, data in photos.items()}

    response = client.post(path, **form(sent, name="Summer", tags="a,b", people_by_folder="true"))

    assert response.status_code == 202, response.text
    done = response.json
    assert (done["source"], done["name"], done["state"]) == ("files", "Summer", "done")
    assert done["counts"]["indexed"] == 3
    assert done["bytes_received"] == sum(map(len, photos.values()))
    [image, *_] = client.get(f"/v1/collections/{done['collection_id']}/images").json["items"]
    assert image["tags"] == ["a", "b"]
    [ada] = client.get(f"/v1/collections/{done['collection_id']}/people").json["items"]
    assert (ada["name"], ada["face_count"]) == ("Ada", 3)


def test_photos_under_a_known_external_id_are_not_taken_again(client, path, photos) -> None:
    first = client.post(path, **form(photos, external_id="s-1"))

    again = client.post(path, **form(photos, external_id="s-1"))

    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json == first.json


def test_photos_in_a_form_say_what_is_known_of_each(client, path, asked, photos) -> None:
    made = asked("files", tags=["all"])
    facts = [
        {"person": {"name": "Ada"}, "tags": ["one"], "external_id": "x-1", "metadata": {"roll": 1}},
        {"captured_at": "2024-05-31", "sha256": sha256(photos["20.png"]).hexdigest()},
        {"sha256": "0" * 64},
    ]

    response = client.post(
        f"{made['urls']['self']}/photos", **form(photos, items=json.dumps(facts))
    )

    assert response.status_code == 200, response.text
    items = response.json["items"]
    assert [(item["key"], item["state"], item["reason"]) for item in items] == [
        ("10.png", "waiting", None), ("20.png", "waiting", None),
        ("30.png", "rejected", "sha256_mismatch"),
    ]  # fmt: skip
    first = client.get(f"/v1/images/{items[0]['image_id']}").json
    assert (first["tags"], first["external_id"], first["metadata"]) == (
        ["one", "all"], "x-1", {"roll": 1},
    )  # fmt: skip
    assert first["faces"][0]["person"]["name"] == "Ada"
    second = client.get(f"/v1/images/{items[1]['image_id']}").json
    assert second["captured_at"] == "2024-05-31T00:00:00Z"


def test_a_key_that_comes_again_gives_the_item_of_before(client, asked, photos) -> None:
    address = asked("files")["urls"]["self"]
    first = client.post(f"{address}/photos", **form(photos)).json["items"]

    other = {"10.png": photos["20.png"], "new.png": photos["10.png"]}
    again = client.post(f"{address}/photos", **form(other)).json["items"]

    assert [item["position"] for item in again] == [0, 3]
    assert (again[0]["image_id"], again[0]["state"]) == (first[0]["image_id"], "indexed")
    assert again[0]["faces"] == 1
    assert (again[1]["state"], again[1]["reason"]) == ("skipped", "duplicate_image")


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"items": "[]"}, "items"),
        ({"items": "[{}, {}, {}, {}]"}, "items"),
        ({"items": '[{}, {}, {"person": {}}]'}, "name"),
        ({"items": '[{}, {}, {"size": 1}]'}, "items.2.size"),
        ({"items": "no JSON"}, "items"),
        ({"on_duplicate": "maybe"}, "on_duplicate"),
        ({"dry_run": "true"}, "dry_run"),
        ({"photos": "10.png"}, "photos"),
    ],
)
def test_a_form_that_does_not_fit_is_refused_whole(
    client, path, problem, photos, fields: dict[str, str], what: str
) -> None:
    sent = form(photos) if "photos" not in fields else {"data": {}}
    sent["data"].update(fields)
    sent["content_type"] = "multipart/form-data"

    assert what in problem(client.post(path, **sent), 400, "invalid_request")["detail"]

    assert client.get(path).json["items"] == []


def test_too_many_photos_in_one_form_are_refused(client, path, problem) -> None:
    response = client.post(path, **form({f"{n}.png": b"x" for n in range(6)}))

    assert "at most 5" in problem(response, 400, "invalid_request")["detail"]


def test_photos_of_one_name_are_refused(client, path, problem, photos) -> None:
    files = [(BytesIO(data), "photo.png") for data in photos.values()]

    response = client.post(path, data={"photos": files})

    assert "file names" in problem(response, 400, "invalid_request")["detail"]


def test_names_are_kept_to_the_last_character(client, path, problem, picture) -> None:
    long = "a/" * 497 + "1.png"

    made = client.post(path, **form({long: picture((10, 0))})).json

    assert keys(client, made) == [(long, "indexed")]
    problem(client.post(path, **form({f"{'a' * 1001}": b"x"})), 400, "invalid_request")


def test_an_import_that_was_started_takes_no_more_photos(client, problem, asked, photos) -> None:
    address = asked("files")["urls"]["self"]
    client.post(f"{address}/photos", **form(photos))
    assert client.post(f"{address}/start").json["state"] == "done"

    problem(client.post(f"{address}/photos", **form(photos)), 409, "wrong_state")


def test_photos_are_sent_to_imports_of_files_only(client, problem, asked, photos) -> None:
    address = asked("archive")["urls"]["self"]

    problem(client.post(f"{address}/photos", **form(photos)), 409, "wrong_state")


def test_a_file_that_is_larger_than_a_photo_is_refused(client, asked, problem) -> None:
    address = asked("manifest", format="csv")["urls"]["self"]

    for body in ({"data": bytes(2**20 + 1)}, chunked(bytes(2**20 + 1))):
        refused = problem(
            client.request("PUT", f"{address}/files/a.png", **body), 413, "upload_too_large"
        )
        assert refused["details"] == {"max_bytes": 2**20}


def test_a_file_that_breaks_off_is_not_there(client, asked, services: Services) -> None:
    made = asked("manifest", format="csv")
    response = client.request(
        "PUT",
        f"{made['urls']['self']}/files/a.png",
        **broken(b"half", 8),
    )

    assert response.status_code == 400
    spool = Spool(services.settings, UUID(made["id"]))
    assert [each for each in spool.folder.rglob("*") if each.is_file()] == []
