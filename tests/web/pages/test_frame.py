"""What holds for every page: login, errors, escaping, the policy; and the system page."""

import re
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from core import workers_seen
from core.services import Services
from core.workers_seen import WorkerSeen

API = Any  # tests/web/conftest.py: Client
Visitor = Any  # tests/web/pages/conftest.py
Picture = Callable[..., bytes]

ANNA, BEN = 10, 20
NASTY = "<script>alert(1)</script> & \"Söhne\" 'x'"


def test_somebody_who_is_not_logged_in_is_led_to_the_login(stranger: FlaskClient) -> None:
    for path in ("/", "/collections", "/system", f"/images/{uuid4()}"):
        response = stranger.get(path)
        assert (response.status_code, response.location) == (303, "/login")

    assert "facesearch login" in stranger.get("/login").text


def test_a_used_link_says_so(visitor: Visitor, stranger: FlaskClient) -> None:
    response = stranger.get("/login?token=used")

    assert response.status_code == 401
    assert "This link does not work any more" in response.text


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
            f"/collections/{home}/together?who={person}",
            f"/images/{image['id']}",
            f"/?collection={home}&person={person}",
        )
    ] + [visitor.search(home, picture((ANNA, 0)))]

    for page in shown:
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text


def test_what_cannot_be_stored_is_refused_or_made_harmless(
    visitor: Visitor, client: API, picture: Picture
) -> None:
    home = client.collection()["id"]
    face = client.add(home, (ANNA, 0))["faces"][0]["id"]
    person = client.name(home, "Anna", face)["id"]

    for path in (
        "/collections",
        f"/collections/{home}",
        f"/people/{person}",
        f"/faces/{face}/name",
        "/system/keys",
        "/system/keys/revoke",
    ):
        assert visitor.post(path, name="a\0b", pack="open").status_code == 400, path
    odd_name = "a\x01b" + "c" * 1000 + ".png"
    sent = visitor.post(
        f"/collections/{home}/images", photos=(BytesIO(picture((BEN, 0))), odd_name)
    )
    assert "1 of 1" in visitor.read(sent)


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
    read = visitor.read(visitor.get("/system"))

    assert "Something is missing" in read
    assert "Postgres 18" in read
    assert "None: photos wait and searches fail" in read
    assert "buffalo_l" in read
    assert "non-commercial research" in read
    assert re.search(r"All \d+ checks of the database passed", read)


def test_the_system_page_tells_what_is_wrong_with_the_database_and_the_cure(
    visitor: Visitor, services: Services, pgvector: Callable[[str], None]
) -> None:
    pgvector("0.8.4")
    worker = WorkerSeen("gpu-1", 7, True, (), "cpu", time.time())
    workers_seen.announce(services.broker, worker)

    read = visitor.read(visitor.get("/system"))

    assert "Running, with warnings" in read
    assert "This database uses pgvector 0.8.4, and the server has" in read
    assert "Run ALTER EXTENSION vector UPDATE in this database." in read


def test_an_api_key_is_shown_once_and_can_be_revoked(
    visitor: Visitor, stranger: FlaskClient
) -> None:
    made = visitor.post("/system/keys", name="importer")
    [key] = re.findall(r"fsk_[A-Za-z0-9_-]{43}", made.text)
    headers = {"Authorization": f"Bearer {key}"}

    assert stranger.get("/v1/collections", headers=headers).status_code == 200
    assert key not in visitor.get("/system").text
    assert visitor.post("/system/keys", name="importer").status_code == 409
    assert "does not work any more" in visitor.read(
        visitor.post("/system/keys/revoke", name="importer")
    )
    assert stranger.get("/v1/collections", headers=headers).status_code == 401


@pytest.mark.parametrize("noun", ["collections", "images", "people", "jobs"])
def test_what_is_not_there_is_a_page_that_says_so(visitor: Visitor, noun: str) -> None:
    response = visitor.get(f"/{noun}/{uuid4()}")

    assert response.status_code == 404
    assert response.mimetype == "text/html"
    assert "There is no such" in visitor.read(response)
    assert "To the search" in visitor.read(response)


def test_a_wrong_address_or_value_is_a_page_too(visitor: Visitor) -> None:
    assert "There is no such page" in visitor.read(visitor.get("/nothing"))
    wrong = visitor.get("/?collection=x")
    assert (wrong.status_code, "This could not be read" in visitor.read(wrong)) == (400, True)


def test_a_form_of_another_site_is_refused(visitor: Visitor) -> None:
    response = visitor.post("/collections", site="cross-site", name="x", pack="open")

    assert response.status_code == 403
    assert "Sent from another site" in visitor.read(response)
