"""The search page, as a browser without scripts sees it."""

from collections.abc import Callable
from typing import Any

API = Any  # tests/web/conftest.py: Client
Visitor = Any  # tests/web/pages/conftest.py
Picture = Callable[..., bytes]

ANNA, BEN = 10, 20


def test_without_a_collection_the_search_leads_to_making_one(visitor: Visitor) -> None:
    assert "Make a collection" in visitor.read(visitor.get("/"))
    assert "Make the first collection" in visitor.read(visitor.get("/collections"))


def test_every_face_of_a_photo_is_searched(visitor: Visitor, client: API, picture: Picture) -> None:
    home = client.collection()["id"]
    anna = client.add(home, (ANNA, 0))["faces"][0]["id"]
    client.name(home, "Anna", anna)

    response = visitor.search(home, picture((ANNA, 1), (BEN, 0)))

    assert response.status_code == 200
    read = visitor.read(response)
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

    response = visitor.search(home, picture((ANNA, 0)), script=True)

    assert response.headers["X-Fragment"] == "1"
    assert "<html" not in response.text
    assert 'data-summary="1 face searched, 1 with a match."' in response.text


def test_the_threshold_of_a_search_can_be_chosen(
    visitor: Visitor, client: API, picture: Picture
) -> None:
    home = client.collection()["id"]
    client.add(home, (ANNA, 200))

    assert "1 unnamed match" in visitor.read(
        visitor.search(home, picture((ANNA, 0)), threshold="0,5")
    )
    assert "No match" in visitor.read(visitor.search(home, picture((ANNA, 0)), threshold="0.99"))
    wrong = visitor.search(home, picture((ANNA, 0)), threshold="7")
    assert (wrong.status_code, "from -1 to 1" in visitor.read(wrong)) == (400, True)


def test_a_photo_without_a_face_is_a_friendly_answer(
    visitor: Visitor, client: API, picture: Picture
) -> None:
    home = client.collection()["id"]

    response = visitor.search(home, picture((0, 0)))

    assert response.status_code == 200
    assert "No face was found in this photo" in visitor.read(response)


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
        assert (response.status_code, told in visitor.read(response)) == (status, True)
        assert 'id="search-form"' in response.text


def test_a_search_without_a_worker_can_be_tried_again(
    visitor: Visitor, client: API, bell: Any, picture: Picture
) -> None:
    home = client.collection()["id"]
    bell.workers = False

    response = visitor.search(home, picture((ANNA, 0)))

    assert response.status_code == 503
    assert "No worker answered" in visitor.read(response)
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

    assert "“empty one” holds no face yet" in visitor.read(visitor.get(f"/?collection={home}"))


def test_a_person_is_searched_with_and_given_what_was_found(visitor: Visitor, client: API) -> None:
    home = client.collection()["id"]
    first, second = (client.add(home, (ANNA, n))["faces"][0]["id"] for n in range(2))
    person = client.name(home, "Anna", first)["id"]

    found = visitor.get(f"/?collection={home}&person={person}")

    assert "This is Anna" in visitor.read(found)
    again = visitor.post(f"/people/{person}/faces", face=second)
    assert "Nothing to compare with" in visitor.read(again)
    assert "2 faces" in visitor.read(visitor.get(f"/people/{person}"))


def test_a_stored_face_is_searched_with(visitor: Visitor, client: API) -> None:
    home = client.collection()["id"]
    first, _ = (client.add(home, (ANNA, n))["faces"][0]["id"] for n in range(2))

    found = visitor.get(f"/?collection={home}&face={first}")

    assert "Searched with this face" in visitor.read(found)
    assert "1 unnamed match" in visitor.read(found)
