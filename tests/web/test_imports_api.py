"""Imports through the API: made, followed, ended, and what they leave in the collection."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from core.services import Services

NOWHERE = "01a20cb7-189f-74ac-9927-7f7cea50a24d"
VERBS = ["start", "pause", "resume", "cancel", "retry"]


@pytest.fixture
def ask(client, team: str) -> Callable[..., Any]:
    """Ask for an import of the team by JSON."""

    def send(source: str = "files", **more: Any) -> Any:
        return client.post(f"/v1/collections/{team}/imports", json={"source": source, **more})

    return send


# --- made ----------------------------------------------------------------------------------------


def test_an_import_that_is_asked_for_waits_for_what_is_sent(ask, team: str) -> None:
    response = ask(name="Summer", external_id="s-1", tags=["sea"], metadata={"roll": 7})

    assert response.status_code == 201
    made = response.json
    assert response.headers["Location"] == made["urls"]["self"] == f"/v1/imports/{made['id']}"
    assert (made["collection_id"], made["name"], made["external_id"]) == (team, "Summer", "s-1")
    assert (made["source"], made["state"], made["limit"]) == ("files", "receiving", "sender")
    assert (made["done"], made["bytes_received"], made["closed_at"]) == (0, 0, None)
    assert made["options"]["tags"] == ["sea"]
    assert made["options"]["metadata"] == {"roll": 7}
    assert made["options"]["on_duplicate"] == "skip"
    assert sum(made["counts"].values()) == 0


def test_one_without_a_name_is_called_by_its_source_and_the_time(ask) -> None:
    assert ask("archive").json["name"].startswith("archive of 20")


def test_the_same_external_id_gives_the_same_import(ask) -> None:
    first = ask(external_id="s-1")

    again = ask(external_id="s-1", name="called otherwise")

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json["id"] == first.json["id"]
    assert again.headers["Location"] == first.headers["Location"]


def test_of_many_who_ask_at_once_with_one_external_id_one_makes_it(
    app: Flask, client, key: str, team: str
) -> None:
    def send(_: int) -> Any:
        other = type(client)(app, key)
        wish = {"source": "files", "external_id": "s-1"}
        return other.post(f"/v1/collections/{team}/imports", json=wish)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, range(12)))

    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert len({answer.json["id"] for answer in answers}) == 1


def test_an_external_id_of_another_kind_of_import_is_refused(ask, problem) -> None:
    ask(external_id="s-1")

    problem(ask("archive", external_id="s-1"), 409, "name_taken")
    problem(ask(external_id="s-1", tags=["other"]), 409, "name_taken")


def test_each_caller_is_written_down(ask, services: Services) -> None:
    made = ask().json

    with services.pool.connection() as conn:
        [actor] = conn.execute("SELECT actor FROM imports WHERE id = %s", [made["id"]]).fetchone()
    assert actor == "key:tests"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"source": "letter"}, "source"),
        ({}, "source"),
        ({"source": "folder"}, "path"),
        ({"source": "archive", "path": "/srv"}, "path"),
        ({"source": "manifest"}, "format"),
        ({"source": "archive", "format": "csv"}, "format"),
        ({"source": "manifest", "format": "xml"}, "format"),
        ({"source": "files", "bytes": 5}, "bytes"),
        ({"source": "archive", "bytes": 0}, "bytes"),
        ({"source": "files", "sha256": "0" * 64}, "sha256"),
        ({"source": "archive", "sha256": "0" * 63}, "sha256"),
        ({"source": "files", "dry_run": True}, "dry_run"),
        ({"source": "files", "on_duplicate": "replace"}, "on_duplicate"),
        ({"source": "files", "tags": ["a,b"]}, "tags"),
        ({"source": "files", "captured_at": "1700-01-01"}, "captured_at"),
        ({"source": "files", "speed": "high"}, "speed"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(client, problem, team, body, field) -> None:
    response = client.post(f"/v1/collections/{team}/imports", json=body)

    faults = problem(response, 400, "invalid_request")["details"]["errors"]
    assert [fault["field"] for fault in faults] == [field]
    assert client.get(f"/v1/collections/{team}/imports").json["items"] == []


def test_options_beside_json_are_refused(client, problem, team: str) -> None:
    path = f"/v1/collections/{team}/imports?dry_run=true"

    problem(client.post(path, json={"source": "archive"}), 400, "invalid_request")


def test_a_collection_that_is_not_there_is_not_found(client, problem) -> None:
    path = f"/v1/collections/{NOWHERE}/imports"

    problem(client.post(path, json={"source": "files"}), 404, "collection_not_found")
    problem(client.get(path), 404, "collection_not_found")


def test_more_bytes_than_are_taken_are_refused_when_they_are_announced(
    ask, client, problem
) -> None:
    most = client.get("/v1/limits").json["import_bytes"]
    assert most == 64 * 2**30

    refused = problem(ask("archive", bytes=most + 1), 413, "upload_too_large")

    assert refused["details"] == {"max_bytes": most}


def test_more_bytes_than_fit_on_the_disk_are_refused_when_they_are_announced(
    ask, problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2**30))

    problem(ask("archive", bytes=2**30), 507, "disk_full")
    assert ask("archive", bytes=2**20).status_code == 201


def test_imports_are_listed_newest_first_in_pages(ask, client, team: str) -> None:
    made = [ask(name=f"n{n}").json["id"] for n in range(5)]
    path = f"/v1/collections/{team}/imports?limit=2"

    pages, cursor = [], None
    while not pages or cursor:
        page = client.get(path + (f"&cursor={cursor}" if cursor else "")).json
        pages.append([each["id"] for each in page["items"]])
        cursor = page["next_cursor"]

    assert pages == [made[:2:-1], made[2:0:-1], made[:1]]


# --- folders of the server -----------------------------------------------------------------------


@pytest.fixture
def allowed(services: Services, tmp_path_factory: pytest.TempPathFactory, picture) -> Path:
    """A folder of the server that imports may read, with two photos and junk."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "Ada_Lovelace").mkdir()
    (folder / "Ada_Lovelace" / "1.png").write_bytes(picture((10, 0)))
    (folder / "note.txt").write_text("no photo")
    (folder / ".hidden").write_text("nothing")
    # Frozen, so that no test changes it by accident.
    object.__setattr__(services.settings, "import_folders", str(folder))
    return folder


def test_a_folder_of_the_server_starts_at_once(ask, client, allowed: Path) -> None:
    made = ask("folder", path=str(allowed), people_by_folder=True)

    assert made.status_code == 201
    done = client.get(made.json["urls"]["self"]).json
    assert (done["state"], done["total"], done["passed_over"]) == ("done", 2, 1)
    assert (done["counts"]["indexed"], done["counts"]["rejected"]) == (1, 1)
    assert done["reasons"] == {"unsupported_format": 1}
    assert done["bytes_received"] is None
    assert done["bytes_read"] > 0
    [person] = client.get(f"/v1/collections/{done['collection_id']}/people").json["items"]
    assert (person["name"], person["face_count"]) == ("Ada Lovelace", 1)


def test_a_folder_below_an_allowed_one_may_be_named_relatively(ask, client, allowed) -> None:
    made = ask("folder", path="Ada_Lovelace").json

    assert client.get(made["urls"]["self"]).json["counts"]["indexed"] == 1


def test_other_folders_are_refused(ask, problem, allowed: Path) -> None:
    deep = "/".join(["a" * 200] * 15)
    problem(ask("folder", path=deep), 422, "source_missing")
    problem(ask("folder", path="a" * 4097), 400, "invalid_request")
    for path in ("/etc", str(allowed.parent), f"{allowed}/../", "../"):
        problem(ask("folder", path=path), 403, "source_not_allowed")
    problem(ask("folder", path=f"{allowed}/nothing"), 422, "source_missing")


# --- followed and ended --------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_import_has_no_verbs(client, problem, verb: str) -> None:
    problem(client.post(f"/v1/imports/{NOWHERE}/{verb}"), 404, "import_not_found")


@pytest.mark.parametrize("path", ["", "/results", "/events", "/results?format=csv"])
def test_an_unknown_import_is_not_found(client, problem, path: str) -> None:
    problem(client.get(f"/v1/imports/{NOWHERE}{path}"), 404, "import_not_found")


@pytest.fixture
def waiting(ask, client, bell, picture) -> dict[str, Any]:
    """An import with two photos that no worker has taken."""
    bell.workers = False
    made = ask().json
    files = [(BytesIO(picture((n, 0))), f"{n}.png") for n in (10, 20)]
    response = client.post(f"{made['urls']['self']}/photos", data={"photos": files})
    assert response.status_code == 200, response.text
    return client.get(made["urls"]["self"]).json


def test_a_paused_import_is_not_indexed_until_it_goes_on(client, bell, waiting) -> None:
    address = waiting["urls"]["self"]
    paused = client.post(f"{address}/pause").json
    assert (paused["state"], paused["limit"]) == ("paused", None)
    bell.workers = True
    bell.ingest()
    assert client.get(address).json["counts"]["waiting"] == 2

    resumed = client.post(f"{address}/resume").json

    assert resumed["counts"]["indexed"] == 2
    assert client.post(f"{address}/start").json["state"] == "done"


def test_a_cancelled_import_keeps_what_is_indexed_and_nothing_else(
    client, bell, team: str, waiting
) -> None:
    address = waiting["urls"]["self"]

    cancelled = client.post(f"{address}/cancel").json

    assert (cancelled["state"], cancelled["reason"]) == ("cancelled", "cancelled")
    assert cancelled["counts"]["skipped"] == 2
    assert cancelled["reasons"] == {"cancelled": 2}
    assert client.get(f"/v1/collections/{team}").json["image_count"] == 0
    assert client.post(f"{address}/cancel").json == cancelled


@pytest.mark.parametrize("verb", ["start", "pause", "resume", "retry"])
def test_a_cancelled_import_does_nothing_more(client, problem, waiting, verb: str) -> None:
    address = waiting["urls"]["self"]
    client.post(f"{address}/cancel")

    problem(client.post(f"{address}/{verb}"), 409, "wrong_state")


def test_what_failed_is_tried_again(client, bell, services: Services, waiting) -> None:
    address = waiting["urls"]["self"]
    client.post(f"{address}/start")
    with services.pool.connection() as conn:
        conn.execute("UPDATE items SET state = 'failed', reason = 'processing_failed'")
        conn.execute("UPDATE images SET state = 'dead'")
    assert client.get(address).json["state"] == "done"
    bell.workers = True

    assert client.post(f"{address}/retry").json == {"retried": 2}

    done = client.get(address).json
    assert (done["state"], done["counts"]["indexed"], done["reasons"]) == ("done", 2, {})


def test_what_killed_its_workers_is_tried_again_only_when_asked(
    client, bell, services: Services, waiting
) -> None:
    address = waiting["urls"]["self"]
    with services.pool.connection() as conn:
        conn.execute("UPDATE items SET state = 'dead', reason = 'worker_lost'")
        conn.execute("UPDATE images SET state = 'dead'")
    bell.workers = True

    assert client.post(f"{address}/retry", json={}).json == {"retried": 0}
    assert client.post(f"{address}/retry", json={"dead": True}).json == {"retried": 2}


def test_an_import_that_is_over_can_be_forgotten_and_its_images_stay(
    client, bell, problem, team: str, waiting
) -> None:
    address = waiting["urls"]["self"]
    problem(client.delete(address), 409, "wrong_state")
    bell.workers = True
    bell.ingest()
    client.post(f"{address}/start")

    assert client.delete(address).status_code == 204

    problem(client.get(address), 404, "import_not_found")
    assert client.delete(address).status_code == 204
    assert client.get(f"/v1/collections/{team}").json["image_count"] == 2


def test_a_finished_import_says_what_it_cost(client, bell, waiting) -> None:
    bell.workers = True
    bell.ingest()
    client.post(f"{waiting['urls']['self']}/start")

    done = client.get(waiting["urls"]["self"]).json

    assert (done["state"], done["total"], done["done"]) == ("done", 2, 2)
    assert done["closed_at"] >= done["created_at"]
    assert (done["rate"], done["eta_s"], done["limit"], done["advice"]) == (None,) * 4
    assert (done["throughput"]["photos"], done["throughput"]["faces"]) == (2, 2)
    assert done["throughput"]["photos_per_second"] > 0


def test_an_import_says_that_it_waits_for_workers(client, waiting) -> None:
    assert (waiting["state"], waiting["limit"]) == ("running", "no_worker")
    assert "facesearch status" in waiting["advice"]


def test_the_import_of_a_collection_that_is_deleted_goes_with_it(
    client, problem, team: str, waiting, picture
) -> None:
    address = waiting["urls"]["self"]
    assert client.delete(f"/v1/collections/{team}?confirm={team}").status_code == 200

    problem(client.get(address), 404, "import_not_found")
    problem(
        client.post(f"{address}/photos", data={"photos": (BytesIO(picture((30, 0))), "30.png")}),
        404,
        "import_not_found",
    )
