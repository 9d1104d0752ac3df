"""A full disk, a full queue and too many senders stop imports before anything is half-written."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from core.pressure import Pressure
from core.services import Services
from core.spool import Spool
from tests.importing import archive
from tests.web.bodies import chunked, form, offset, part
from web.app import create_app
from web.services import EXTENSION


@pytest.fixture
def path(team: str) -> str:
    return f"/v1/collections/{team}/imports"


@pytest.fixture
def photos(picture) -> dict[str, bytes]:
    return {f"{n}.png": picture((n, 0)) for n in (10, 20, 30)}


def test_a_full_disk_refuses_before_the_first_byte(
    client, path, problem, photos, monkeypatch: pytest.MonkeyPatch, services: Services
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2**20))

    for body in ({"data": archive(photos)}, chunked(archive(photos))):
        problem(client.post(path, content_type="application/zip", **body), 507, "disk_full")
    problem(client.post(path, **form(photos)), 507, "disk_full")

    kept = [file for file in services.settings.data_dir.rglob("imports/**/*") if file.is_file()]
    assert sum(file.stat().st_size for file in kept) == 0
    assert client.get(path).json["items"] == []


def test_a_disk_that_fills_up_meanwhile_keeps_what_came(
    client, asked, problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = asked("archive")["urls"]["self"]
    free = iter([2**40, 2**40, 0])
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=next(free)))
    monkeypatch.setattr("core.spool.LOOK_EVERY", 2**20)
    data = bytes(3 * 2**20)

    problem(part(client, address, 0, **chunked(data)), 507, "disk_full")

    assert offset(client, address) == 2 * 2**20


def test_a_write_that_finds_the_disk_full_is_told_as_such(
    client, asked, problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = asked("archive")
    address = made["urls"]["self"]

    def full(self: Spool, *_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "_copy", full)

    problem(part(client, address, 0, data=b"x"), 507, "disk_full")


@pytest.fixture
def small(services: Services, client, bell, key: str) -> Callable[..., Any]:
    """A client of a server with other limits, whose workers are away."""

    def start(**limits: int) -> Any:
        settings = services.settings.model_copy(update=limits)
        other = replace(services, settings=settings, pressure=Pressure())
        away = type(bell)(other)
        away.workers = False
        return type(client)(create_app(other, away), key)

    return start


def test_while_too_many_photos_wait_no_more_are_taken(
    small, client, problem, team, path, photos
) -> None:
    full = small(max_backlog=3)
    assert full.post(path, **form(photos)).status_code == 202
    open_import = client.post(path, json={"source": "files"}).json["urls"]["self"]
    new = small(max_backlog=3)

    for response in (
        new.post(path, **form({"x.png": photos["10.png"]})),
        new.post(f"{open_import}/photos", **form({"x.png": photos["10.png"]})),
        new.upload(team, photos["10.png"]),
    ):
        assert problem(response, 429, "backlog_full")["retryable"]
        assert response.headers["Retry-After"] == "5"
    assert len(client.get(path).json["items"]) == 2
    # What is not stored yet is none of the queue's business.
    assert new.post(path, data=archive(photos), content_type="application/zip").status_code == 202
    assert new.search(team, photos["10.png"]).status_code != 429


def test_one_import_does_not_fill_the_queue(small, problem, path, photos) -> None:
    full = small(import_ahead=3)
    address = full.post(path, json={"source": "files"}).json["urls"]["self"]
    assert full.post(f"{address}/photos", **form(photos)).status_code == 200

    refused = full.post(f"{address}/photos", **form({"x.png": b"x"}))

    assert "of this import" in problem(refused, 429, "backlog_full")["detail"]


@pytest.fixture
def no_place(app: Flask) -> Any:
    """The places for long requests, all taken."""
    places = app.extensions[EXTENSION].waiters
    while places.acquire(blocking=False):
        pass
    return places


def test_long_bodies_leave_room_for_other_requests(no_place, client, asked, problem) -> None:
    address = asked("archive")["urls"]["self"]

    for body in ({"data": bytes(2**20 + 1)}, chunked(b"x")):
        response = part(client, address, 0, **body)
        problem(response, 503, "server_busy")
        assert response.headers["Retry-After"] == "5"
    assert offset(client, address) == 0
    no_place.release()

    assert part(client, address, 0, data=bytes(2**20 + 1)).status_code == 204
    assert no_place.acquire(blocking=False), "the place was given back"


def test_photos_that_come_slowly_leave_room_for_other_requests(
    no_place, client, asked, problem, team, path, photos
) -> None:
    files = asked("files")["urls"]["self"]
    manifest = asked("manifest", format="ndjson")["urls"]["self"]

    def sent(path: str, field: str, photo: bytes) -> int:
        boundary, data = encode_multipart({field: FileStorage(BytesIO(photo), "a.png")})
        kind = f'multipart/form-data; boundary="{boundary}"'
        return client.post(path, data=data, content_type=kind).status_code

    def statuses(photo: bytes) -> list[int]:
        return [
            sent(f"{files}/photos", "photos", photo),
            sent(path, "photos", photo),
            sent(f"/v1/collections/{team}/images", "photos", photo),
            client.request("PUT", f"{manifest}/files/a.png", data=photo).status_code,
            sent(f"/v1/collections/{team}/search", "photo", photo),
        ]

    photo = photos["10.png"]
    large = photo + bytes(2**20)  # of which no photo here may be, if there is a place for it
    assert statuses(large) == [503, 503, 503, 503, 413]
    assert statuses(photo) == [200, 202, 202, 204, 200]
    no_place.release()

    assert statuses(large) == [200, 202, 413, 413, 413]
    assert no_place.acquire(blocking=False), "the place was given back"


def test_downloads_of_results_leave_room_for_other_requests(
    no_place, client, asked, problem
) -> None:
    results = asked("files")["urls"]["results"]

    response = client.get(f"{results}?format=csv")

    problem(response, 503, "server_busy")
    assert response.headers["Retry-After"] == "5"
    assert client.get(results).status_code == 200, "a page takes no place"
    no_place.release()
    download = client.get(f"{results}?format=csv", buffered=False)
    assert download.status_code == 200
    problem(client.get(f"{results}?format=ndjson"), 503, "server_busy")
    download.close()
    assert no_place.acquire(blocking=False), "the place was given back"
