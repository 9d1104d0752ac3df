"""Pages of collections and uploads, as a browser without scripts sees them."""

import re
from collections.abc import Callable
from datetime import date
from html import unescape
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest

from core import collections
from core.budget import Fit, Impostors, Steps
from core.db import collections as rows
from core.services import Services

API = Any  # tests/web/conftest.py: Client
Visitor = Any  # tests/web/pages/conftest.py
Picture = Callable[..., bytes]

ANNA, BEN = 10, 20


def test_a_collection_is_made_by_a_form(visitor: Visitor) -> None:
    response = visitor.post("/collections", name="  Summer   2026 ", pack="open")

    assert response.status_code == 200
    assert "The collection is ready" in visitor.read(response)
    assert "<h1>Summer 2026</h1>" in response.text
    assert "Summer 2026 (0 faces)" in visitor.read(visitor.get("/"))


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"name": " ", "pack": "open"}, 400, "A name has 1 to 200 characters."),
        ({"name": "x" * 201, "pack": "open"}, 400, "A name has 1 to 200 characters."),
        ({"name": "ok", "pack": "none"}, 422, "There is no such model pack"),
        ({"name": "there already", "pack": "open"}, 409, "This name is taken"),
    ],
)
def test_a_collection_that_cannot_be_made_says_why_beside_the_form(
    visitor: Visitor, client: API, fields: dict[str, str], status: int, told: str
) -> None:
    client.collection("there already")

    response = visitor.post("/collections", **fields)

    assert response.status_code == status
    assert told in visitor.read(response)
    assert 'action="/collections"' in response.text


def test_photos_are_uploaded_by_a_plain_form(
    visitor: Visitor, client: API, picture: Picture
) -> None:
    home = client.collection()["id"]
    photos = [
        (BytesIO(picture((ANNA, 0))), "anna.png"),
        (BytesIO(b"not a picture"), "notes.txt"),
        (BytesIO(picture((0, 0))), "nobody.png"),
    ]

    response = visitor.post(f"/collections/{home}/images", photos=photos)

    assert response.request.path.startswith("/jobs/")
    read = visitor.read(response)
    assert "3 of 3" in read
    assert "2 indexed" in read
    assert "1 refused" in read
    assert "anna.png Indexed" in read
    assert "notes.txt This is not a picture that can be read" in read
    assert "nobody.png No face was found" in read
    assert "photos a second" in read
    assert "limit" in read
    assert "1 face" in visitor.read(visitor.get(f"/collections/{home}"))


def test_an_upload_without_a_photo_is_told_beside_the_form(visitor: Visitor, client: API) -> None:
    home = client.collection()["id"]

    response = visitor.post(f"/collections/{home}/images", photos=(BytesIO(b""), ""))

    assert response.status_code == 400
    assert "Choose 1 to 5 photos at a time." in visitor.read(response)


def test_an_unfinished_upload_reloads_itself(
    visitor: Visitor, client: API, bell: Any, picture: Picture
) -> None:
    home = client.collection()["id"]
    bell.workers = False

    response = visitor.post(
        f"/collections/{home}/images", photos=(BytesIO(picture((ANNA, 0))), "anna.png")
    )

    assert '<noscript><meta http-equiv="refresh"' in response.text
    assert "1 to go" in visitor.read(response)
    job = visitor.get(response.request.path, **{"X-Fragment": "1"})
    assert job.headers["X-Fragment"] == "1"
    assert job.text.lstrip().startswith("<section")
    [image] = re.findall(r'href="(/images/[^"]+)"', response.text)
    assert "Waiting for a worker" in visitor.read(visitor.get(image))


def test_a_collection_is_changed(visitor: Visitor, client: API) -> None:
    home = client.collection("old")["id"]

    response = visitor.post(f"/collections/{home}", name="new", threshold="0.95")

    assert "<h1>new</h1>" in response.text
    made = client.get(f"/v1/collections/{home}").json
    assert made["name"] == "new"
    assert made["threshold"] == pytest.approx(0.95)
    assert made["threshold_source"] == "set by hand"


def test_a_quality_gate_is_chosen_by_form(visitor: Visitor, client: API) -> None:
    offered = visitor.get("/collections").text
    made = visitor.post("/collections", name="staff", pack="open", quality_gate="strict")
    home = made.request.path
    changed = visitor.post(home, name="staff", quality_gate="off")
    wrong = visitor.post(home, name="staff", quality_gate="none")

    assert re.findall(r'name="quality_gate" value="(\w+)"( checked)?', offered) == [
        ("off", ""),
        ("standard", " checked"),
        ("strict", ""),
    ]
    assert "quality gate strict" in visitor.read(made)
    assert "quality gate off" in visitor.read(changed)
    assert (wrong.status_code, "Choose one of the quality gates." in visitor.read(wrong)) == (
        *(400, True),
    )
    assert client.get(f"/v1{home}").json["quality_gate"] == "off"


def test_renaming_keeps_where_the_threshold_comes_from(visitor: Visitor, client: API) -> None:
    before = client.collection("old")
    shown = re.search(
        r'name="threshold"[^>]* value="([^"]+)"', visitor.get(f"/collections/{before['id']}").text
    )
    assert shown is not None

    visitor.post(f"/collections/{before['id']}", name="new", threshold=shown[1])

    after = client.get(f"/v1/collections/{before['id']}").json
    assert after["threshold_source"] == before["threshold_source"]


def calibrate(services: Services, collection_id: str, faces: int) -> None:
    """Say that a collection was calibrated down to FMR 1e-6 and holds so many faces."""
    impostors = Impostors(
        Steps(1e-4, (0.96, 0.95)), Fit(0.95, 1e-3, 0.005, 300), 10**6, 500, date(2026, 11, 24)
    )
    with services.pool.connection() as conn:
        home = collections.get(conn, UUID(collection_id))
        collections.change(
            conn,
            home.id,
            threshold=home.threshold,
            threshold_source=home.threshold_source,
            impostors=impostors,
        )
        rows.count(conn, home.id, faces=faces - home.face_count)


def test_a_budget_is_offered_once_there_is_a_calibration(
    visitor: Visitor, client: API, services: Services
) -> None:
    home = client.collection("trip")["id"]
    before = visitor.get(f"/collections/{home}")
    early = visitor.post(f"/collections/{home}", name="trip", policy="budget", one_in="100")
    calibrate(services, home, faces=200)

    after = visitor.get(f"/collections/{home}")

    assert re.search(r'value="budget"[^>]* disabled', before.text)
    assert 'facesearch calibrate "trip" --apply' in visitor.read(before)
    assert early.status_code == 409
    assert "Nobody can say which cosine that is" in visitor.read(early)
    assert not re.search(r'value="budget"[^>]* disabled', after.text)
    assert (
        "One in 100 is cosine 0.965 (extrapolated) now, and cosine 0.976 (extrapolated) with ten "
        "times the faces." in visitor.read(after)
    )


def test_a_budget_is_chosen_kept_and_ended(
    visitor: Visitor, client: API, services: Services
) -> None:
    before = client.collection("trip")
    path, form = f"/collections/{before['id']}", {"name": "trip", "one_in": "100"}
    calibrate(services, before["id"], faces=200)
    shown = str(round(before["threshold"], 4))

    chosen = visitor.post(path, policy="budget", threshold=shown, **form)
    budget = client.get(f"/v1{path}").json
    again = visitor.post(path, policy="budget", threshold=shown, **form)
    kept = client.get(f"/v1{path}").json
    visitor.post(path, policy="cosine", threshold=shown, **form)
    ended = client.get(f"/v1{path}").json

    assert "(one false alarm in 100 strangers)" in visitor.read(chosen)
    assert re.search(r'value="budget"[^>]* checked', again.text)
    assert budget["policy"]["one_in"] == kept["policy"]["one_in"] == 100
    assert budget["threshold"] == kept["threshold"] != before["threshold"]
    assert (ended["threshold"], ended["threshold_source"]) == (
        before["threshold"],
        before["threshold_source"],
    )


def test_a_collection_that_outgrew_its_calibration_says_so_and_can_be_renamed(
    visitor: Visitor, client: API, services: Services
) -> None:
    home = client.collection("trip")["id"]
    calibrate(services, home, faces=200)
    visitor.post(f"/collections/{home}", name="trip", policy="budget", one_in="100")
    with services.pool.connection() as conn:
        rows.count(conn, UUID(home), faces=100_000)

    shown = visitor.read(visitor.get(f"/collections/{home}"))
    renamed = visitor.post(f"/collections/{home}", name="new", policy="budget", one_in="100")
    stricter = visitor.post(f"/collections/{home}", name="new", policy="budget", one_in="200")

    assert "The collection has outgrown its calibration" in shown
    assert "one false alarm in 10 strangers instead of 100" in shown
    assert (renamed.status_code, stricter.status_code) == (200, 409)
    assert "<h1>new</h1>" in renamed.text


@pytest.mark.parametrize("wrong", ["", "1", "-5", "2.5", "1e3", "1000000001", "²", "9" * 5000])
def test_a_budget_is_a_number_of_strangers(visitor: Visitor, client: API, wrong: str) -> None:
    home = client.collection("trip")["id"]

    response = visitor.post(f"/collections/{home}", name="trip", policy="budget", one_in=wrong)

    assert response.status_code == 400
    assert "This is a number from 2 to 1,000,000,000." in visitor.read(response)


def test_a_collection_is_deleted_only_when_its_name_is_typed(visitor: Visitor, client: API) -> None:
    home = client.collection("precious")["id"]

    kept = visitor.post(f"/collections/{home}/delete", confirm="precios")
    gone = visitor.post(f"/collections/{home}/delete", confirm="precious")

    assert (kept.status_code, "Nothing was deleted" in visitor.read(kept)) == (400, True)
    assert "The collection was deleted" in visitor.read(gone)
    assert client.get(f"/v1/collections/{home}").status_code == 404


def test_photos_and_people_come_page_by_page(
    visitor: Visitor, client: API, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.pages.collections.PER_PAGE", 2)
    home = client.collection()["id"]
    for number in range(3):
        client.name(home, f"Anna {number}", client.add(home, (ANNA, number))["faces"][0]["id"])

    for path, row in ((f"/collections/{home}", "tile"), (f"/collections/{home}/people", "person")):
        first = visitor.get(path)
        [more] = re.findall(r'href="([^"]+)" data-more', first.text)
        second = visitor.get(unescape(more))
        assert len(re.findall(rf'class="{row}(?:-card)?" href', second.text)) == 1
        assert "data-more" not in second.text
