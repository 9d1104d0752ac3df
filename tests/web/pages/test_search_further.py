"""Filters, next matches and reasons on the search page, as a browser without scripts sees them."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

API = Any  # tests/web/conftest.py: Client
Visitor = Any  # tests/web/pages/conftest.py
Picture = Callable[..., bytes]

ANNA, BEN = 10, 20


def link(response: Any, path: str) -> str:
    """The first link to this path."""
    (found, *_) = re.findall(rf'href="({re.escape(path)}[^"]*)"', response.text)
    return unescape(found)


@pytest.fixture
def home(client: API) -> str:
    """Anna named once, and 14 unnamed faces that look like her."""
    made: str = client.collection(threshold=0.9)["id"]
    first = client.add(made, (ANNA, 0))["faces"][0]["id"]
    client.name(made, "Anna", first)
    for number in range(1, 15):
        client.add(made, (ANNA, number))
    return made


def test_show_more_leads_through_all_matches_of_a_photo(
    visitor: Visitor, home: str, picture: Picture
) -> None:
    first = visitor.search(home, picture((ANNA, 0), (BEN, 0)))
    assert first.text.count('class="card ') == 24

    further = visitor.get(link(first, "/more"))

    assert "More results for face 1" in visitor.read(further)
    assert further.text.count('class="card ') == 3
    assert "Show more" not in visitor.read(further)
    alone = visitor.get(link(first, "/more"), **{"X-Fragment": "1"})
    assert (alone.headers["X-Fragment"], "<html" in alone.text) == ("1", False)


def test_show_more_works_for_stored_faces_and_people_too(
    visitor: Visitor, client: API, home: str
) -> None:
    (anna,) = client.get(f"/v1/collections/{home}/people").json["items"]

    first = visitor.get(f"/?collection={home}&person={anna['id']}")
    further = visitor.get(link(first, "/more"))

    assert first.text.count('class="card ') == 12
    assert further.text.count('class="card ') == 2
    assert "This is Anna" in visitor.read(further)


def test_a_crowd_shows_a_few_of_each_and_the_others_behind_more(
    visitor: Visitor, home: str, picture: Picture
) -> None:
    first = visitor.search(home, picture(*[(ANNA, 0)] * 13))
    assert first.text.count('class="card ') == 13 * 4

    further = visitor.get(link(first, "/more"))

    assert further.text.count('class="card ') == 11


def test_results_that_are_too_old_say_so(visitor: Visitor) -> None:
    for path in ("/more", "/why"):
        response = visitor.get(f"{path}?cursor=gone")

        assert response.status_code == 410
        assert "too old to go on with" in visitor.read(response)


def test_filters_narrow_the_search_of_a_photo_and_stay_filled_in(
    visitor: Visitor, home: str, picture: Picture
) -> None:
    named = visitor.search(home, picture((ANNA, 0)), named="yes", group="face")
    nobody = visitor.search(home, picture((ANNA, 0)), tags="party", since="2020-01-31")

    assert named.text.count('class="card ') == 1
    assert '<option value="yes" selected>' in named.text
    assert "No other face meets the filters" in visitor.read(nobody)
    assert 'value="party"' in nobody.text
    assert 'value="2020-01-31"' in nobody.text


def test_filters_narrow_the_search_of_a_stored_face(
    visitor: Visitor, client: API, home: str
) -> None:
    face = client.get(f"/v1/collections/{home}/faces").json["items"][0]["id"]

    found = visitor.get(f"/?collection={home}&face={face}&named=yes")

    assert found.text.count('class="card ') == 1
    assert f'<input type="hidden" name="face" value="{face}">' in found.text


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("named", "perhaps", "Choose one of the values"),
        ("group", "cluster", "Choose one of the values"),
        ("quality", "0.5", "Choose one of the values"),
        ("since", "yesterday", "Give a day"),
        ("until", "9999-12-31", "Give a day"),
        ("tags", "x" * 101, "A tag has 1 to 100 characters"),
        ("also", "x", "not an id"),
    ],
)
def test_a_filter_that_makes_no_sense_says_so(
    visitor: Visitor, home: str, picture: Picture, field: str, value: str, told: str
) -> None:
    beside = visitor.search(home, picture((ANNA, 0)), **{field: value})
    alone = visitor.get(f"/?collection={home}&face={home}&{field}={value}")

    assert beside.status_code == 400
    assert told in visitor.read(beside)
    assert alone.status_code == 400


def test_another_collection_can_be_searched_along(
    visitor: Visitor, client: API, home: str, picture: Picture
) -> None:
    other = client.collection("second", threshold=0.9)["id"]
    face = client.add(other, (BEN, 0))["faces"][0]["id"]

    found = visitor.search(home, picture((BEN, 0)), also=other)

    assert f"/v1/faces/{face}/crop" in found.text
    assert f'value="{other}" checked' in found.text
    assert f"/?collection={other}&amp;face={face}" in found.text


def test_why_tells_of_quality_near_misses_filters_and_how_it_was_searched(
    visitor: Visitor, client: API, home: str, picture: Picture
) -> None:
    client.add(home, (BEN, 0))
    found = visitor.search(home, picture((ANNA, 0)), named="yes")

    why = visitor.get(link(found, "/why"))

    read = visitor.read(why)
    assert "The face that was searched with is good" in read
    assert "No face comes close below it." in read
    assert "Of the 16 nearest faces without filters, 1 face meets all of them." in read
    assert "By the name: 15 faces left out, the nearest is Unnamed face" in read
    assert "Each of the 16 faces was compared or ruled out by your filters" in read
    part = visitor.get(link(found, "/why"), **{"X-Fragment": "1"})
    assert part.text.startswith("<section")


def test_why_nothing_was_found_shows_who_came_close(
    visitor: Visitor, client: API, home: str, picture: Picture
) -> None:
    found = visitor.search(home, picture((ANNA, 255)), threshold="0.99")

    assert "Why these?" in visitor.read(found)
    assert "too low" in visitor.read(visitor.get(link(found, "/why")))
