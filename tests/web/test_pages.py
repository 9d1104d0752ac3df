"""The pages for people, as a browser without scripts sees them."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg.types.json import Jsonb
from werkzeug.test import TestResponse

from core import access, errors
from core.services import Services
from web import pages
from web.pages import words

API = Any  # tests/web/conftest.py: Client
Picture = Callable[..., bytes]

ANNA, BEN = 10, 20
NASTY = "<script>alert(1)</script> & \"Söhne\" 'x'"
SOURCES = Path(pages.__file__).parents[2]


class Visitor:
    """Somebody who is logged in, with a browser that runs no scripts."""

    def __init__(self, app: Flask, link_token: str) -> None:
        self._client = app.test_client()
        assert self._client.get(f"/login?token={link_token}").status_code == 303

    def get(self, path: str, **headers: str) -> TestResponse:
        return self._client.get(path, headers=headers)

    def post(self, path: str, *, follow: bool = True, **fields: Any) -> TestResponse:
        return self._client.post(
            path,
            data=fields,
            headers={"Sec-Fetch-Site": "same-origin"},
            follow_redirects=follow,
        )

    def search(self, collection_id: str, photo: bytes, **fields: Any) -> TestResponse:
        return self.post("/", collection=collection_id, photo=(BytesIO(photo), "q.png"), **fields)


@pytest.fixture
def visitor(app: Flask, services: Services) -> Visitor:
    with services.pool.connection() as conn:
        return Visitor(app, access.create_login_token(conn, minutes=5))


def text(response: TestResponse) -> str:
    """What a person reads: no tags, single spaces."""
    body = re.sub(r"<(title|head|svg)\b.*?</\1>", " ", response.text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_somebody_who_is_not_logged_in_is_led_to_the_login(stranger: FlaskClient) -> None:
    for path in ("/", "/collections", "/system", f"/images/{uuid4()}"):
        response = stranger.get(path)
        assert (response.status_code, response.location) == (303, "/login")

    assert "facesearch login" in stranger.get("/login").text


def test_a_used_link_says_so(visitor: Visitor, stranger: FlaskClient) -> None:
    response = stranger.get("/login?token=used")

    assert response.status_code == 401
    assert "This link does not work any more" in response.text


def test_without_a_collection_the_search_leads_to_making_one(visitor: Visitor) -> None:
    assert "Make a collection" in text(visitor.get("/"))
    assert "Make the first collection" in text(visitor.get("/collections"))


def test_a_collection_is_made_by_a_form(visitor: Visitor) -> None:
    response = visitor.post("/collections", name="  Summer   2026 ", pack="open")

    assert response.status_code == 200
    assert "The collection is ready" in text(response)
    assert "<h1>Summer 2026</h1>" in response.text
    assert "Summer 2026 (0 faces)" in text(visitor.get("/"))


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
    assert told in text(response)
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
    read = text(response)
    assert "3 of 3" in read
    assert "2 indexed" in read
    assert "1 refused" in read
    assert "anna.png Indexed" in read
    assert "notes.txt This is not a picture that can be read" in read
    assert "nobody.png No face was found" in read
    assert "1 face" in text(visitor.get(f"/collections/{home}"))


def test_an_upload_without_a_photo_is_told_beside_the_form(visitor: Visitor, client: API) -> None:
    home = client.collection()["id"]

    response = visitor.post(f"/collections/{home}/images", photos=(BytesIO(b""), ""))

    assert response.status_code == 400
    assert "Choose 1 to 5 photos at a time." in text(response)


def test_an_unfinished_upload_reloads_itself(
    visitor: Visitor, client: API, bell: Any, picture: Picture
) -> None:
    home = client.collection()["id"]
    bell.workers = False

    response = visitor.post(
        f"/collections/{home}/images", photos=(BytesIO(picture((ANNA, 0))), "anna.png")
    )

    assert '<noscript><meta http-equiv="refresh"' in response.text
    assert "1 to go" in text(response)
    job = visitor.get(response.request.path, **{"X-Fragment": "1"})
    assert job.headers["X-Fragment"] == "1"
    assert job.text.lstrip().startswith("<section")
    [image] = re.findall(r'href="(/images/[^"]+)"', response.text)
    assert "Waiting for a worker" in text(visitor.get(image))


def test_every_face_of_a_photo_is_searched(visitor: Visitor, client: API, picture: Picture) -> None:
    home = client.collection()["id"]
    anna = client.add(home, (ANNA, 0))["faces"][0]["id"]
    client.name(home, "Anna", anna)

    response = visitor.search(home, picture((ANNA, 1), (BEN, 0)))

    assert response.status_code == 200
    read = text(response)
    assert "Face 1 Anna" in read
    assert "Face 2 No match" in read
    assert "Anna Match" in read
    assert "Nobody reaches the threshold" in read
    assert response.text.count('class="outline') == 2
    assert 'href="data:image/jpeg;base64,' in response.text
    assert f"/v1/faces/{anna}/crop" in response.text


def test_a_script_gets_the_results_alone(visitor: Visitor, client: API, picture: Picture) -> None:
    home = client.collection()["id"]
    client.add(home, (ANNA, 0))

    response = visitor._client.post(
        "/",
        data={"collection": home, "photo": (BytesIO(picture((ANNA, 0))), "q.png")},
        headers={"X-Fragment": "1", "Sec-Fetch-Site": "same-origin"},
    )

    assert response.headers["X-Fragment"] == "1"
    assert "<html" not in response.text
    assert 'data-summary="1 face searched, 1 with a match."' in response.text


def test_the_threshold_of_a_search_can_be_chosen(
    visitor: Visitor, client: API, picture: Picture
) -> None:
    home = client.collection()["id"]
    client.add(home, (ANNA, 200))

    assert "1 unnamed match" in text(visitor.search(home, picture((ANNA, 0)), threshold="0,5"))
    assert "No match" in text(visitor.search(home, picture((ANNA, 0)), threshold="0.99"))
    wrong = visitor.search(home, picture((ANNA, 0)), threshold="7")
    assert (wrong.status_code, "from -1 to 1" in text(wrong)) == (400, True)


def test_a_photo_without_a_face_is_a_friendly_answer(
    visitor: Visitor, client: API, picture: Picture
) -> None:
    home = client.collection()["id"]

    response = visitor.search(home, picture((0, 0)))

    assert response.status_code == 200
    assert "No face was found in this photo" in text(response)


def test_a_file_that_cannot_be_searched_says_why_beside_the_form(
    visitor: Visitor, client: API, picture: Picture
) -> None:
    home = client.collection()["id"]
    too_many_pixels = picture(*[(ANNA, 0)] * 11, height=1000)

    for photo, status, told in (
        (b"not a picture", 415, "This is not a picture that can be read"),
        (b"", 422, "This file is empty"),
        (too_many_pixels, 413, "This picture has too many pixels"),
    ):
        response = visitor.search(home, photo)
        assert (response.status_code, told in text(response)) == (status, True)
        assert 'id="search-form"' in response.text


def test_a_search_without_a_worker_can_be_tried_again(
    visitor: Visitor, client: API, bell: Any, picture: Picture
) -> None:
    home = client.collection()["id"]
    bell.workers = False

    response = visitor.search(home, picture((ANNA, 0)))

    assert response.status_code == 503
    assert "No worker answered" in text(response)
    assert "data-again" in response.text


def test_the_last_collection_is_remembered(visitor: Visitor, client: API) -> None:
    client.collection("first")
    second = client.collection("second")["id"]

    visitor.get(f"/?collection={second}")

    assert f'<option value="{second}" data-threshold="0.943" data-faces="0" selected>' in (
        visitor.get("/").text
    )


def test_an_empty_collection_leads_to_adding_photos(visitor: Visitor, client: API) -> None:
    home = client.collection("empty one")["id"]

    assert "“empty one” holds no face yet" in text(visitor.get(f"/?collection={home}"))


def test_a_face_is_named_and_unnamed_on_the_page_of_its_photo(
    visitor: Visitor, client: API
) -> None:
    home = client.collection()["id"]
    image = client.add(home, (ANNA, 0))
    face = image["faces"][0]["id"]

    named = visitor.post(f"/faces/{face}/name", name="Anna")

    assert named.request.path == f"/images/{image['id']}"
    assert "The face has a name now." in text(named)
    assert "Anna" in text(visitor.get(f"/collections/{home}/people"))
    unnamed = visitor.post(f"/faces/{face}/unname")
    assert "The face has no name any more." in text(unnamed)
    assert "Who is this?" in unnamed.text


def test_a_known_name_means_the_same_person_unless_a_new_one_is_asked_for(
    visitor: Visitor, client: API
) -> None:
    home = client.collection()["id"]
    faces = [client.add(home, (ANNA, number))["faces"][0]["id"] for number in range(3)]

    visitor.post(f"/faces/{faces[0]}/name", name="Anna")
    visitor.post(f"/faces/{faces[1]}/name", name="ANNA")
    visitor.post(f"/faces/{faces[2]}/name", name="Anna", **{"as": "new"})

    people = client.get(f"/v1/collections/{home}/people").json["items"]
    assert [(person["name"], person["face_count"]) for person in people] == [
        ("Anna", 2),
        ("Anna", 1),
    ]


def test_naming_is_written_down_as_done_by_the_session(
    visitor: Visitor, client: API, services: Services
) -> None:
    home = client.collection()["id"]
    face = client.add(home, (ANNA, 0))["faces"][0]["id"]

    visitor.post(f"/faces/{face}/name", name="Anna")

    with services.pool.connection() as conn:
        assert conn.execute("SELECT actor FROM assignment_events").fetchall() == [("session",)]


def test_a_person_is_searched_with_and_given_what_was_found(visitor: Visitor, client: API) -> None:
    home = client.collection()["id"]
    first, second = (client.add(home, (ANNA, n))["faces"][0]["id"] for n in range(2))
    person = client.name(home, "Anna", first)["id"]

    found = visitor.get(f"/?collection={home}&person={person}")

    assert "This is Anna" in text(found)
    again = visitor.post(f"/people/{person}/faces", face=second)
    assert "Nothing to compare with" in text(again)
    assert "2 faces" in text(visitor.get(f"/people/{person}"))


def test_a_stored_face_is_searched_with(visitor: Visitor, client: API) -> None:
    home = client.collection()["id"]
    first, _ = (client.add(home, (ANNA, n))["faces"][0]["id"] for n in range(2))

    found = visitor.get(f"/?collection={home}&face={first}")

    assert "Searched with this face" in text(found)
    assert "1 unnamed match" in text(found)


def test_a_long_answer_has_more(visitor: Visitor, client: API) -> None:
    home = client.collection()["id"]
    faces = [client.add(home, (ANNA, n))["faces"][0]["id"] for n in range(14)]

    first = visitor.get(f"/?collection={home}&face={faces[0]}")

    assert first.text.count('class="card ') == 12
    [more] = re.findall(r'class="button" href="(/\?[^"]+limit=24[^"]*)"', first.text)
    assert visitor.get(unescape(more)).text.count('class="card ') == 13


def test_a_person_is_renamed_and_deleted(visitor: Visitor, client: API) -> None:
    home = client.collection()["id"]
    face = client.add(home, (ANNA, 0))["faces"][0]["id"]
    person = client.name(home, "Ana", face)["id"]

    assert "Renamed." in text(visitor.post(f"/people/{person}", name="Anna"))
    deleted = visitor.post(f"/people/{person}/delete")

    assert "their faces stay" in text(deleted)
    assert client.get(f"/v1/faces/{face}").json["person"] is None


def test_a_face_and_a_photo_are_deleted(visitor: Visitor, client: API) -> None:
    home = client.collection()["id"]
    image = client.add(home, (ANNA, 0), (BEN, 0))

    kept = visitor.post(f"/faces/{image['faces'][0]['id']}/delete")
    gone = visitor.post(f"/images/{image['id']}/delete")

    assert "The face was deleted; the photo stays." in text(kept)
    assert "The photo was deleted." in text(gone)
    assert client.get(f"/v1/images/{image['id']}").status_code == 404


def test_a_photo_shows_the_faces_that_were_left_out(
    visitor: Visitor, client: API, services: Services
) -> None:
    image = client.add(client.collection()["id"], (ANNA, 0))["id"]
    left_out = [{"box": [1, 2, 30, 40], "score": 0.5, "reason": "exceeds_max_faces"}]
    with services.pool.connection() as conn:
        conn.execute("UPDATE images SET skipped_faces = %s", [Jsonb(left_out)])

    response = visitor.get(f"/images/{image}")

    assert "Face 2, not stored: Beyond the most faces per photo" in text(response)
    assert "outline is-unsearched" in response.text


def test_a_collection_is_changed(visitor: Visitor, client: API) -> None:
    home = client.collection("old")["id"]

    response = visitor.post(f"/collections/{home}", name="new", threshold="0.95")

    assert "<h1>new</h1>" in response.text
    made = client.get(f"/v1/collections/{home}").json
    assert made["name"] == "new"
    assert made["threshold"] == pytest.approx(0.95)
    assert made["threshold_source"] == "set by hand"


def test_renaming_keeps_where_the_threshold_comes_from(visitor: Visitor, client: API) -> None:
    before = client.collection("old")
    shown = re.search(
        r'name="threshold"[^>]* value="([^"]+)"', visitor.get(f"/collections/{before['id']}").text
    )
    assert shown is not None

    visitor.post(f"/collections/{before['id']}", name="new", threshold=shown[1])

    after = client.get(f"/v1/collections/{before['id']}").json
    assert after["threshold_source"] == before["threshold_source"]


def test_a_collection_is_deleted_only_when_its_name_is_typed(visitor: Visitor, client: API) -> None:
    home = client.collection("precious")["id"]

    kept = visitor.post(f"/collections/{home}/delete", confirm="precios")
    gone = visitor.post(f"/collections/{home}/delete", confirm="precious")

    assert (kept.status_code, "Nothing was deleted" in text(kept)) == (400, True)
    assert "The collection was deleted" in text(gone)
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


def test_names_and_file_names_are_never_markup(
    visitor: Visitor, client: API, picture: Picture
) -> None:
    home = client.collection(NASTY)["id"]
    nasty_file = NASTY.replace("/", "|")
    visitor.post(f"/collections/{home}/images", photos=(BytesIO(picture((ANNA, 0))), nasty_file))
    image = client.get(f"/v1/collections/{home}/images").json["items"][0]
    face = client.get(f"/v1/images/{image['id']}").json["faces"][0]["id"]
    visitor.post(f"/faces/{face}/name", name=NASTY)
    person = client.get(f"/v1/collections/{home}/people").json["items"][0]["id"]

    shown = [
        visitor.get(path)
        for path in (
            "/",
            "/collections",
            f"/collections/{home}",
            f"/collections/{home}/people",
            f"/people/{person}",
            f"/images/{image['id']}",
            f"/?collection={home}&person={person}",
        )
    ] + [visitor.search(home, picture((ANNA, 0)))]

    for page in shown:
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text


def test_no_page_holds_what_its_policy_forbids(
    visitor: Visitor, client: API, picture: Picture
) -> None:
    home = client.collection()["id"]
    image = client.add(home, (ANNA, 0))
    person = client.name(home, "Anna", image["faces"][0]["id"])["id"]

    for page in (
        visitor.get("/"),
        visitor.search(home, picture((ANNA, 0))),
        visitor.get("/collections"),
        visitor.get(f"/collections/{home}"),
        visitor.get(f"/people/{person}"),
        visitor.get(f"/images/{image['id']}"),
        visitor.get("/system"),
        visitor.get("/nothing"),
    ):
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        assert not re.search(r"<[^>]+\s(style|on\w+)=", page.text)
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style", page.text)
        assert not re.search(r"(src|href)=\"(https?:)?//", page.text)


def test_the_system_page_tells_what_is_missing(visitor: Visitor) -> None:
    read = text(visitor.get("/system"))

    assert "Something is missing" in read
    assert "Postgres 18" in read
    assert "None: photos wait and searches fail" in read
    assert "buffalo_l" in read
    assert "non-commercial research" in read


def test_an_api_key_is_shown_once_and_can_be_revoked(
    visitor: Visitor, stranger: FlaskClient
) -> None:
    made = visitor.post("/system/keys", name="importer")
    [key] = re.findall(r"fsk_[A-Za-z0-9_-]{43}", made.text)
    headers = {"Authorization": f"Bearer {key}"}

    assert stranger.get("/v1/collections", headers=headers).status_code == 200
    assert key not in visitor.get("/system").text
    assert visitor.post("/system/keys", name="importer").status_code == 409
    assert "does not work any more" in text(visitor.post("/system/keys/revoke", name="importer"))
    assert stranger.get("/v1/collections", headers=headers).status_code == 401


@pytest.mark.parametrize("noun", ["collections", "images", "people", "jobs"])
def test_what_is_not_there_is_a_page_that_says_so(visitor: Visitor, noun: str) -> None:
    response = visitor.get(f"/{noun}/{uuid4()}")

    assert response.status_code == 404
    assert response.mimetype == "text/html"
    assert "There is no such" in text(response)
    assert "To the search" in text(response)


def test_a_wrong_address_or_value_is_a_page_too(visitor: Visitor) -> None:
    assert "There is no such page" in text(visitor.get("/nothing"))
    wrong = visitor.get("/?collection=x")
    assert (wrong.status_code, "This could not be read" in text(wrong)) == (400, True)


def test_a_form_of_another_site_is_refused(visitor: Visitor) -> None:
    response = visitor._client.post(
        "/collections",
        data={"name": "x", "pack": "open"},
        headers={"Sec-Fetch-Site": "cross-site"},
    )

    assert response.status_code == 403
    assert "Sent from another site" in text(response)


def _all(family: type[errors.FaceSearchError]) -> Iterator[type[errors.FaceSearchError]]:
    yield family
    for kind in family.__subclasses__():
        yield from _all(kind)


def test_every_error_code_has_words() -> None:
    codes = {kind.code for kind in _all(errors.FaceSearchError)} | {"thing_not_found"}

    assert codes - words.ERRORS.keys() - words.REASONS.keys() == set()


def test_every_reason_that_core_gives_has_words() -> None:
    given = {
        "exceeds_max_faces",
        "bad_landmarks",
        "bad_embedding",
        "not_selected",
        "worker_lost",
        "no_usable_face",
    }
    for source in (SOURCES / "core").rglob("*.py"):
        given.update(re.findall(r'reason="([a-z_]+)"', source.read_text(encoding="utf-8")))

    assert {reason for reason in given if words.in_words(reason) is words.UNKNOWN} == set()


def test_every_note_has_words() -> None:
    used = set()
    for source in (SOURCES / "web" / "pages").glob("*.py"):
        used.update(re.findall(r'note="([a-z_]+)"|, "(face_[a-z]+)"\)', source.read_text("utf-8")))

    notes = {note for pair in used for note in pair if note}
    assert notes - words.NOTES.keys() == set()
