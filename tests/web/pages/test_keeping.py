"""Pages of collections that keep no photos: calm places instead of broken pictures."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

Visitor = Any  # tests/web/pages/conftest.py
Client = Any  # tests/web/conftest.py
Picture = Callable[..., bytes]

ADA = 10
PICTURE = re.compile(r'src="(/v1/[^"]+)"')


@pytest.fixture
def filled(client: Client) -> Callable[[str], dict[str, str]]:
    """Make a collection with a named face; return ids of collection, image, face and person."""

    def make(keeps: str) -> dict[str, str]:
        home = client.collection(keeps, keeps=keeps, threshold=0.8)["id"]
        image = client.add(home, (ADA, 0))
        face = image["faces"][0]["id"]
        person = client.name(home, "Ada", face)
        return {"home": home, "image": image["id"], "face": face, "person": person["id"]}

    return make


def pages(visitor: Visitor, made: dict[str, str], query: bytes) -> dict[str, TestResponse]:
    """Return every page that shows the photo, its face or its person."""
    home, image, face, person = (made[key] for key in ("home", "image", "face", "person"))
    found = {
        path: visitor.get(path)
        for path in (
            "/collections",
            f"/collections/{home}",
            f"/collections/{home}/people",
            f"/images/{image}",
            f"/people/{person}",
            f"/?collection={home}&face={face}",
            f"/?collection={home}&person={person}",
            f"/collections/{home}/together?who={person}",
        )
    }
    found["search"] = visitor.search(home, query)
    return found


@pytest.mark.parametrize(
    ("keeps", "shown"),
    [("originals", {"crop", "thumbnail"}), ("crops", {"crop"}), ("vectors", set())],
)
def test_every_picture_on_a_page_is_there(
    visitor: Visitor,
    client: Client,
    filled: Callable[[str], dict[str, str]],
    picture: Picture,
    keeps: str,
    shown: set[str],
) -> None:
    made = filled(keeps)
    client.add(made["home"], (ADA, 30))

    found = pages(visitor, made, picture((ADA, 20)))

    sources = {source for page in found.values() for source in PICTURE.findall(page.text)}
    assert {page.status_code for page in found.values()} == {200}
    assert {client.get(source).status_code for source in sources} <= {200}
    assert {re.sub(r"\?.*", "", source).rpartition("/")[2] for source in sources} == shown


@pytest.mark.parametrize("keeps", ["crops", "vectors"])
def test_the_page_of_a_photo_says_why_there_is_none(
    visitor: Visitor, filled: Callable[[str], dict[str, str]], keeps: str
) -> None:
    made = filled(keeps)
    page = visitor.get(f"/images/{made['image']}")
    words = visitor.read(page)

    assert ("Only crops of its faces are kept" in words) == (keeps == "crops")
    assert ("No picture is kept" in words) == (keeps == "vectors")
    assert "/original" not in page.text, "there is nothing to download"
    assert 'class="outline' in page.text, "where its face was is shown all the same"


def test_an_original_can_be_fetched_from_the_page(
    visitor: Visitor, filled: Callable[[str], dict[str, str]]
) -> None:
    made = filled("originals")

    page = visitor.get(f"/images/{made['image']}")

    assert f"/v1/images/{made['image']}/original" in page.text
    assert "is kept" not in visitor.read(page)


def test_what_is_kept_is_chosen_for_a_new_collection_and_changed_later(
    visitor: Visitor, client: Client
) -> None:
    made = visitor.post("/collections", name="Visitors", pack="open", keeps="vectors")
    (listed,) = client.get("/v1/collections").json["items"]
    path = f"/collections/{listed['id']}"
    changed = visitor.post(path, name="Visitors", keeps="crops")
    untouched = visitor.post(path, name="Guests")

    assert listed["keeps"] == "vectors"
    assert "keeps no pictures" in visitor.read(made)
    assert "keeps crops of faces only" in visitor.read(changed)
    assert "once a later photo is indexed" in visitor.read(changed)
    assert "keeps crops of faces only" in visitor.read(untouched)


def test_a_made_up_choice_is_refused_and_nothing_is_made(visitor: Visitor, client: Client) -> None:
    refused = visitor.post("/collections", name="Visitors", pack="open", keeps="everything")

    assert refused.status_code == 400
    assert "Choose what is kept of photos" in visitor.read(refused)
    assert client.get("/v1/collections").json["items"] == []
