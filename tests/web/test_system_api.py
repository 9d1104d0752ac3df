"""Health, limits and packs."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from core import workers_seen
from core.services import Services, services_for
from core.workers_seen import WorkerSeen
from web.app import create_app


@pytest.fixture
def worker(services: Services) -> WorkerSeen:
    """A worker that is ready for the open pack."""
    space_id = services.manifest.pack("open").space.id
    seen = WorkerSeen("gpu-1", 7, True, (space_id,), "cpu", time.time())
    workers_seen.announce(services.broker, seen)
    return seen


@pytest.fixture
def without_broker(services: Services, tmp_path: Path) -> Iterator[Services]:
    url = f"unix://{tmp_path}/none.sock"
    with services_for(services.settings.model_copy(update={"broker_url": url})) as without:
        yield without


def test_anybody_may_ask_whether_it_works(stranger: FlaskClient, worker: WorkerSeen) -> None:
    response = stranger.get("/v1/health")

    assert response.status_code == 200
    assert response.json == {
        "status": "ok", "database": True, "broker": True, "workers": True, "details": None,
    }  # fmt: skip


def test_without_a_ready_worker_it_works_but_not_well(
    services: Services, stranger: FlaskClient, worker: WorkerSeen
) -> None:
    workers_seen.announce(services.broker, replace(worker, ready=False))

    response = stranger.get("/v1/health")

    assert (response.status_code, response.json["status"]) == (200, "degraded")
    assert response.json["workers"] is False


def test_without_the_database_it_is_down(services: Services, stranger: FlaskClient) -> None:
    services.pool.close()

    response = stranger.get("/v1/health")

    assert (response.status_code, response.json["status"]) == (503, "down")
    assert (response.json["database"], response.json["broker"]) == (False, True)


def test_without_the_broker_it_is_down(without_broker: Services, bell) -> None:
    response = create_app(without_broker, bell).test_client().get("/v1/health")

    assert (response.status_code, response.json["status"]) == (503, "down")
    assert (response.json["database"], response.json["broker"]) == (True, False)


def test_whoever_may_in_sees_more(client, bell, worker: WorkerSeen, picture) -> None:
    bell.workers = False
    client.upload(client.collection()["id"], picture((10, 0)))

    details = client.get("/v1/health").json["details"]

    assert (details["waiting_photos"], details["running_photos"]) == (1, 0)
    assert details["workers"] == [
        {"name": "gpu-1", "ready": True, "device": "cpu", "spaces": list(worker.spaces)}
    ]
    assert details["version"]
    assert details["findings"] == []


def test_whoever_may_in_sees_what_is_wrong_with_the_database(client, pgvector) -> None:
    pgvector("0.8.4")

    [finding] = client.get("/v1/health").json["details"]["findings"]

    assert finding["level"] == "warning"
    assert "This database uses pgvector 0.8.4" in finding["what"]
    assert finding["cure"] == "Run ALTER EXTENSION vector UPDATE in this database."


def test_a_wrong_key_sees_what_anybody_sees(stranger: FlaskClient) -> None:
    response = stranger.get("/v1/health", headers={"Authorization": "Bearer fsk_wrong"})

    assert (response.status_code, response.json["details"]) == (200, None)


def test_the_limits_are_those_of_the_settings(services: Services, client) -> None:
    limits = client.get("/v1/limits").json

    assert limits["photo_bytes"] == 2**20
    assert limits["photo_pixels"] == 10**6
    assert limits["request_bytes"] == 3 * 2**20
    assert limits["photos_per_request"] == 5
    assert limits["faces_per_photo"] == services.settings.max_faces_per_photo
    assert limits["import_bytes"] == 64 * 2**30
    assert limits["import_entries"] == services.settings.max_archive_entries
    assert limits["import_unpacked_bytes"] == 1024 * 2**30
    assert limits["photos_waiting"] == services.settings.max_backlog
    assert limits["photos_waiting_of_import"] == services.settings.import_ahead
    assert {"jpeg", "png", "heic"} <= set(limits["formats"])


def test_the_packs_say_their_terms_and_whether_a_worker_has_them(
    services: Services, client, worker: WorkerSeen
) -> None:
    packs = {pack["name"]: pack for pack in client.get("/v1/packs").json["items"]}

    assert set(packs) == set(services.manifest.packs)
    assert packs["open"]["default"] is True
    assert packs["open"]["ready"] is True
    assert packs["buffalo_l"]["ready"] is False
    assert packs["buffalo_l"]["licence"]["commercial"] is False
    assert packs["open"]["space_id"] == services.manifest.pack("open").space.id


def test_without_the_broker_the_packs_are_still_listed(
    without_broker: Services, bell, key: str
) -> None:
    client = create_app(without_broker, bell).test_client()

    response = client.get("/v1/packs", headers={"Authorization": f"Bearer {key}"})

    assert not any(pack["ready"] for pack in response.json["items"])
