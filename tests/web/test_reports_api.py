"""Reports through the API: asked for, looked at, cancelled, forgotten."""

from threading import Event
from typing import Any
from uuid import uuid4

import pytest

from core import reporting
from core.reports.registry import REPORTS
from tests.casts import Cast, directions, near
from web.services import EXTENSION


@pytest.fixture
def reports(client, town: Cast, bell):
    """Ask for reports of the town, and make them; returns them by name."""
    bell.workers = False  # the town has a threshold of its own, which only its services know

    def make(*names: str) -> dict[str, dict[str, Any]]:
        response = client.post(
            f"/v1/collections/{town.collection.id}/reports", json={"names": list(names)}
        )
        assert response.status_code == 202, response.text
        reporting.work(town.services, lambda: None, Event())
        ids = {each["name"]: each["id"] for each in response.json["items"]}
        return {name: client.get(f"/v1/reports/{ids[name]}").json for name in names}

    return make


@pytest.fixture
def waiting(client, town: Cast, bell) -> dict[str, Any]:
    """A report that nobody makes."""
    bell.workers = False
    [asked] = client.post(
        f"/v1/collections/{town.collection.id}/reports", json={"names": ["health"]}
    ).json["items"]
    return asked


def test_all_reports_are_asked_for_at_once_and_none_twice(client, town: Cast, bell) -> None:
    bell.workers = False
    path = f"/v1/collections/{town.collection.id}/reports"

    asked, again = client.post(path), client.post(path, json={"names": ["health"]})

    assert (asked.status_code, again.status_code) == (202, 202)
    assert {each["name"] for each in asked.json["items"]} == set(REPORTS)
    assert {each["state"] for each in asked.json["items"]} == {"waiting"}
    assert {each["actor"] for each in asked.json["items"]} == {"key:tests"}
    [health] = again.json["items"]
    assert health["id"] in {each["id"] for each in asked.json["items"]}


def test_a_report_tells_what_it_found_with_faces_and_names(client, town: Cast, reports) -> None:
    report = reports("two-names")["two-names"]

    [found] = client.get(f"/v1/reports/{report['id']}/findings").json["items"]

    assert (report["state"], report["findings"], report["new"]) == ("done", 1, 0)
    assert report["summary"]["kinds"] == {"one_person": 1}
    assert (found["position"], found["kind"], found["new"]) == (0, "one_person", False)
    assert {side["person"]["name"] for side in found["sides"]} == {"Eve", "Eva"}
    assert [side["face_count"] for side in found["sides"]] == [4, 4]
    assert found["sentence"].startswith(("Eve and Eva look like", "Eva and Eve look like"))
    face = found["sides"][0]["faces"][0]
    assert face["crop_url"] == f"/v1/faces/{face['id']}/crop"
    assert set(found["facts"]) == {"mean_cosine", "best_cosine", "least_cosine"}


def test_versions_are_listed_newest_first_in_pages(client, town: Cast, reports) -> None:
    first, other, second = (reports(name)[name]["id"] for name in ("health", "two-names", "health"))
    path = f"/v1/collections/{town.collection.id}/reports"

    page = client.get(path, query_string={"limit": 2}).json
    rest = client.get(path, query_string={"limit": 2, "cursor": page["next_cursor"]}).json
    health = client.get(path, query_string={"name": "health"}).json

    assert [each["id"] for each in page["items"]] == [second, other]
    assert [each["id"] for each in rest["items"]] == [first]
    assert [each["id"] for each in health["items"]] == [second, first]
    assert rest["next_cursor"] is None


def test_what_is_new_and_what_is_gone_is_told_apart(client, town: Cast, reports) -> None:
    reports("two-names")
    town.add(near(directions(4)[0], 0.9, 4, seed=20), "Anna")
    eva = [face for face, owner in town.owners().items() if owner == town.people["Eva"]]
    town.give("Eve", eva)

    second = reports("two-names")["two-names"]

    root = f"/v1/reports/{second['id']}"
    new = client.get(f"{root}/findings", query_string={"new": "true"}).json["items"]
    gone = client.get(f"{root}/gone").json["items"]
    assert (second["new"], second["gone"]) == (1, 1)
    assert [{side["person"]["name"] for side in each["sides"]} for each in new] == [{"Ann", "Anna"}]
    assert [{side["person"]["name"] for side in each["sides"]} for each in gone] == [{"Eve", "Eva"}]


def test_somebody_who_was_deleted_keeps_the_name_in_old_reports(
    client, town: Cast, reports
) -> None:
    report = reports("two-names")["two-names"]
    client.delete(f"/v1/people/{town.people['Eva']}")

    [found] = client.get(f"/v1/reports/{report['id']}/findings").json["items"]

    told = {side["person"]["name"]: side["person"]["present"] for side in found["sides"]}
    assert told == {"Eve": True, "Eva": False}


def test_findings_come_in_pages_and_by_kind(client, town: Cast, reports) -> None:
    town.add(near(directions(4)[0], 0.9, 4, seed=20), "Anna")
    report = reports("two-names")["two-names"]
    path = f"/v1/reports/{report['id']}/findings"

    page = client.get(path, query_string={"limit": 1}).json
    rest = client.get(path, query_string={"limit": 1, "cursor": page["next_cursor"]}).json
    none = client.get(path, query_string={"kind": "gossip"}).json

    assert [each["position"] for each in page["items"] + rest["items"]] == [0, 1]
    assert rest["next_cursor"] is None
    assert none["items"] == []


def test_a_report_is_cancelled_and_then_forgotten(client, problem, waiting: dict[str, Any]) -> None:
    path = f"/v1/reports/{waiting['id']}"

    early = client.delete(path)
    cancelled = client.post(f"{path}/cancel")
    deleted, again = client.delete(path), client.delete(path)

    problem(early, 409, "wrong_state")
    assert (cancelled.status_code, cancelled.json["state"]) == (200, "cancelled")
    assert (deleted.status_code, again.status_code) == (204, 204)
    problem(client.get(path), 404, "report_not_found")


def test_unknown_reports_and_collections_are_problems(client, problem, town: Cast) -> None:
    path = f"/v1/collections/{town.collection.id}/reports"

    unknown = problem(client.post(path, json={"names": ["gossip"]}), 400, "invalid_request")
    problem(client.get(path, query_string={"name": "gossip"}), 400, "invalid_request")
    problem(client.post(path, json={"names": []}), 400, "invalid_request")
    problem(client.post(f"/v1/collections/{uuid4()}/reports"), 404, "collection_not_found")
    for ending in ("", "/findings", "/gone"):
        problem(client.get(f"/v1/reports/{uuid4()}{ending}"), 404, "report_not_found")
    problem(client.post(f"/v1/reports/{uuid4()}/cancel"), 404, "report_not_found")

    assert "there are duplicates, two-names" in unknown["detail"]


def test_the_same_key_asks_once(client, town: Cast, bell) -> None:
    bell.workers = False
    path = f"/v1/collections/{town.collection.id}/reports"
    key = {"Idempotency-Key": "nightly"}

    first = client.post(path, json={"names": ["health"]}, headers=key)
    client.post(f"/v1/reports/{first.json['items'][0]['id']}/cancel")
    again = client.post(path, json={"names": ["health"]}, headers=key)

    assert again.json == first.json
    assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("form", "media_type", "begins"),
    [
        ("json", "application/json", b"{"),
        ("csv", "text/csv", b"position,kind,"),
        ("html", "text/html", b"<!doctype html>"),
        ("pdf", "application/pdf", b"%PDF-"),
    ],
)
def test_a_report_can_be_had_as_a_file(
    client, reports, form: str, media_type: str, begins: bytes
) -> None:
    report = reports("two-names")["two-names"]

    file = client.get(f"/v1/reports/{report['id']}/file", query_string={"format": form})

    day = report["finished_at"][:10]
    assert (file.status_code, file.mimetype) == (200, media_type)
    assert file.data.startswith(begins)
    assert file.headers["Content-Disposition"] == f'attachment; filename="two-names-{day}.{form}"'


def test_the_findings_of_a_file_are_those_of_the_api(client, reports) -> None:
    path = f"/v1/reports/{reports('two-names')['two-names']['id']}"

    [listed] = client.get(f"{path}/findings").json["items"]
    [written] = client.get(f"{path}/file", query_string={"format": "json"}).json["items"]

    for side in listed["sides"]:
        del side["thumbnail_url"]
        for face in side["faces"]:
            del face["crop_url"]
    assert written == listed


def test_files_of_what_is_not_made_and_of_other_forms_are_problems(
    client, problem, waiting: dict[str, Any]
) -> None:
    path = f"/v1/reports/{waiting['id']}/file"

    problem(client.get(path, query_string={"format": "pdf"}), 409, "wrong_state")
    problem(client.get(path, query_string={"format": "docx"}), 400, "invalid_request")
    problem(client.get(path), 400, "invalid_request")
    problem(
        client.get(f"/v1/reports/{uuid4()}/file", query_string={"format": "csv"}),
        *(404, "report_not_found"),
    )


def test_files_leave_room_for_other_requests(client, problem, reports, app) -> None:
    path = f"/v1/reports/{reports('two-names')['two-names']['id']}/file"
    places = app.extensions[EXTENSION].waiters
    while places.acquire(blocking=False):
        pass

    busy = client.get(path, query_string={"format": "csv"})
    places.release()
    with client.get(path, query_string={"format": "csv"}) as sent:
        first = sent.status_code
    with client.get(path, query_string={"format": "csv"}) as sent:
        second = sent.status_code

    problem(busy, 503, "server_busy")
    assert (first, second) == (200, 200)
