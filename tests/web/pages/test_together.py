"""Photos with several people on the page, as a browser without scripts sees them."""

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from core import paging, together

API = Any  # tests/web/conftest.py: Client
Visitor = Any  # tests/web/pages/conftest.py
Picture = Callable[..., bytes]

ANNA, BEN, CLEO = 10, 20, 30


@pytest.fixture
def home(client: API) -> str:
    """Anna and Ben named together; alike but unnamed together; Anna and Cleo; Ben alone."""
    made: str = client.collection("album", threshold=0.8)["id"]
    anna, ben = client.add(made, (ANNA, 0), (BEN, 0))["faces"]
    client.name(made, "Anna", anna["id"])
    client.name(made, "Ben", ben["id"])
    client.add(made, (ANNA, 40), (BEN, 60))
    _, cleo = client.add(made, (ANNA, 20), (CLEO, 0))["faces"]
    client.name(made, "Cleo", cleo["id"])
    client.add(made, (BEN, 10))
    return made


def page(visitor: Visitor, home: str, *fields: tuple[str, str]) -> Any:
    return visitor.get(f"/collections/{home}/together?{urlencode(fields)}")


def tiles(response: Any) -> int:
    return response.text.count('class="together-tile"')


def link(response: Any, words: str) -> str:
    """The link of these words."""
    (found,) = re.findall(rf'<a [^>]*href="([^"]*)"[^>]*>(?:<svg.*?</svg>)?{words}<', response.text)
    return unescape(found)


def person(client: API, home: str, name: str) -> str:
    [found] = client.get(f"/v1/collections/{home}/people?name={name}").json["items"]
    return str(found["id"])


def test_the_form_asks_for_people_and_offers_their_names(visitor: Visitor, home: str) -> None:
    response = page(visitor, home)

    assert response.status_code == 200
    assert response.text.count('name="who"') == 2
    assert response.text.count('name="not"') == 1
    assert re.findall(r'<option value="(\w+)"></option>', response.text) == ["Anna", "Ben", "Cleo"]
    assert "looked into" not in visitor.read(response)


def test_photos_of_two_people_are_shown_with_what_is_certain(visitor: Visitor, home: str) -> None:
    response = page(visitor, home, ("who", "anna"), ("who", "Ben"), ("not", ""))

    read = visitor.read(response)
    assert response.status_code == 200
    assert tiles(response) == 2
    assert "Anna Named Ben Named" in read
    assert "Anna 0.988 Ben 0.973" in read
    assert "Photos with Anna and Ben 2 photos 3 photos looked into, exactly Threshold 0.800" in read
    assert response.text.count('class="line is-named"') == 2
    assert response.text.count('class="line') == 4


def test_one_person_without_another_is_found(visitor: Visitor, home: str) -> None:
    response = page(visitor, home, ("who", "Anna"), ("not", "Ben"))

    assert tiles(response) == 1
    assert "Photos with Anna, without Ben 1 photo 3 photos looked" in visitor.read(response)


def test_whoever_was_found_by_name_stays_chosen_by_id(
    visitor: Visitor, client: API, home: str
) -> None:
    anna, cleo = person(client, home, "Anna"), person(client, home, "Cleo")

    response = page(visitor, home, ("who", "Anna"), ("not", "cleo"))

    assert f'name="who" value="{anna}" checked' in response.text
    assert f'name="not" value="{cleo}" checked' in response.text


def test_a_face_with_another_name_says_so(visitor: Visitor, client: API, home: str) -> None:
    twin = client.add(home, (ANNA, 5))["faces"][0]["id"]
    dora = client.name(home, "Dora", twin)["id"]

    response = page(visitor, home, ("who", "Anna"))

    assert f'This face has <a href="/people/{dora}">another name</a>' in response.text


def test_an_unknown_name_is_told_beside_its_field_and_stays_filled_in(
    visitor: Visitor, home: str
) -> None:
    response = page(visitor, home, ("who", "Anna"), ("who", "Zoë <b>"))

    assert response.status_code == 400
    assert "Nobody in this collection is called “Zoë &lt;b&gt;”." in response.text
    assert 'value="Zoë &lt;b&gt;"' in response.text
    assert 'aria-invalid="true"' in response.text
    assert tiles(response) == 0


def test_of_several_with_one_name_one_can_be_chosen(
    visitor: Visitor, client: API, home: str
) -> None:
    first = person(client, home, "Anna")
    other = client.name(home, "Anna")["id"]

    response = page(visitor, home, ("who", "Anna"), ("who", "Ben"))

    assert response.status_code == 400
    assert "Several people are called Anna. Which one?" in visitor.read(response)
    for each in (first, other):
        assert f'name="who" value="{each}">' in response.text
    assert tiles(page(visitor, home, ("who", first), ("who", "Ben"))) == 2


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ([("who", "Anna"), ("not", "anna")], "Anna cannot be in a photo and not in it."),
        ([("not", "Anna")], "Say who must be in the photo."),
        ([("who", f"x{each}") for each in range(21)], "Name up to 5 people on each side."),
        ([("who", "Anna"), ("since", "soon")], "Give a day"),
        ([("who", "Anna"), ("threshold", "2")], "A cosine is a number from -1 to 1."),
    ],
)
def test_what_makes_no_sense_says_so_above_the_form(
    visitor: Visitor, home: str, fields: list[tuple[str, str]], told: str
) -> None:
    response = page(visitor, home, *fields)

    assert response.status_code == 400
    assert told in visitor.read(response)
    assert "Find photos" in response.text


def test_six_people_are_too_many_and_stay_chosen(visitor: Visitor, client: API, home: str) -> None:
    for name in ("Dora", "Ed", "Fay"):
        client.name(home, name)
    everybody = [("who", name) for name in ("Anna", "Ben", "Cleo", "Dora", "Ed", "Fay")]

    response = page(visitor, home, *everybody)

    assert response.status_code == 400
    assert "Name up to 5 people on each side." in visitor.read(response)
    assert response.text.count(" checked>") == 6
    assert 'name="who" list' not in response.text


def test_a_person_without_a_face_cannot_be_looked_for(
    visitor: Visitor, client: API, home: str
) -> None:
    client.name(home, "Dora")

    response = page(visitor, home, ("who", "Dora"))

    assert response.status_code == 400
    assert "Dora has no face to search with." in visitor.read(response)


def test_nobody_together_says_so(visitor: Visitor, home: str) -> None:
    together = page(visitor, home, ("who", "Ben"), ("who", "Cleo"))
    without = page(visitor, home, ("who", "Cleo"), ("not", "Anna"))

    assert "No photo shows them together" in visitor.read(together)
    assert "No photo shows this" in visitor.read(without)
    assert (together.status_code, without.status_code) == (200, 200)


def test_filters_narrow_the_search_and_stay_filled_in(visitor: Visitor, home: str) -> None:
    response = page(
        visitor, home, ("who", "Anna"), ("tags", "party"), ("threshold", "0.9"), ("exact", "yes")
    )

    assert tiles(response) == 0
    assert 'name="tags" value="party"' in response.text
    assert 'value="0.9"' in response.text
    assert "(yours)" in response.text
    assert "drop a filter" in visitor.read(response)


def test_show_more_leads_through_all_photos_once(visitor: Visitor, client: API, home: str) -> None:
    for number in range(30):
        client.add(home, (ANNA, 50 + number), (BEN, 0))
    first = page(visitor, home, ("who", "Anna"), ("who", "Ben"), ("quality", "fair"))

    second = visitor.get(link(first, "Show more"))

    shown = [
        re.findall(r'class="thumb" href="/images/([^?]*)', each.text) for each in (first, second)
    ]
    assert [len(each) for each in shown] == [24, 8]
    assert len({*shown[0], *shown[1]}) == 32
    assert "Show more" not in visitor.read(second)
    assert "Further photos with Anna and Ben" in visitor.read(second)
    assert second.text.count(" checked>") == 2
    assert '<option value="fair" selected>' in second.text


def test_photos_that_were_not_looked_into_are_told_and_come_next(
    visitor: Visitor, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "MOST_MATCHES", 1)
    monkeypatch.setattr(together, "MOST_ROUNDS", 1)

    first = page(visitor, home, ("who", "Anna"))
    second = visitor.get(link(first, "Show more"))

    assert "Photos with Anna 1 photo looked into" in visitor.read(first)
    assert "There are further photos of Anna that were not looked into." in visitor.read(first)
    assert tiles(second) == 1


def test_an_index_that_may_miss_photos_is_told(
    visitor: Visitor, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = together.find
    monkeypatch.setattr(together, "find", lambda *asked: replace(find(*asked), exact=False))

    read = visitor.read(page(visitor, home, ("who", "Anna")))

    assert "looked into, by index" in read
    assert "An index picked the photos to look into" in read


def test_a_search_that_cannot_be_gone_on_with_says_so(
    visitor: Visitor, client: API, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(25):
        client.add(home, (ANNA, number))
    monkeypatch.setattr(paging, "MOST_SHOWN", 0)

    response = page(visitor, home, ("who", "Anna"))

    assert "this search cannot go on with them" in visitor.read(response)
    assert "Show more" not in visitor.read(response)


def test_an_old_cursor_or_one_of_other_people_says_so(
    visitor: Visitor, client: API, home: str
) -> None:
    for number in range(25):
        client.add(home, (ANNA, number))
    more = link(page(visitor, home, ("who", "Anna")), "Show more")
    anna, ben = person(client, home, "Anna"), person(client, home, "Ben")

    others = visitor.get(more.replace(anna, ben))
    gone = page(visitor, home, ("who", "Anna"), ("cursor", "gone"))

    for response in (others, gone):
        assert response.status_code == 410
        assert "too old to go on with" in visitor.read(response)


def test_people_can_be_chosen_among_all(visitor: Visitor, client: API, home: str) -> None:
    start = page(visitor, home, ("who", "Anna"), ("tags", "party"), ("not", ""))
    chooser = visitor.get(unescape(re.findall(r'href="([^"]*pick=not[^"]*)"', start.text)[0]))

    ben = person(client, home, "Ben")
    [taking] = re.findall(rf'class="person-card" href="([^"]*not={ben}[^"]*)"', chooser.text)
    chosen = visitor.get(unescape(taking))

    assert "Who must not be in the photo?" in visitor.read(chooser)
    assert f'name="not" value="{ben}" checked' in chosen.text
    assert f'name="who" value="{person(client, home, "Anna")}" checked' in chosen.text
    assert 'name="tags" value="party"' in chosen.text
    assert f'name="not" value="{ben}"' not in visitor.get(link(chooser, "Back")).text


def test_other_pages_lead_here(visitor: Visitor, client: API, home: str) -> None:
    anna = person(client, home, "Anna")

    from_person = visitor.get(link(visitor.get(f"/people/{anna}"), "Photos with others"))
    everybody = visitor.get(f"/collections/{home}/people")

    assert tiles(from_person) == 3
    assert link(everybody, "Photos with several people") == f"/collections/{home}/together"
    assert f'href="/collections/{home}/together"' in visitor.get("/").text


def test_a_collection_where_nobody_has_a_name_says_what_to_do(visitor: Visitor, team: str) -> None:
    response = page(visitor, team)

    assert "Nobody has a name yet" in visitor.read(response)
    assert "Find photos" not in response.text


def test_a_collection_that_is_not_there_is_not_found(visitor: Visitor) -> None:
    assert page(visitor, str(uuid4())).status_code == 404
