"""People picked by names and ids, for photos that show several of them."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from core import people, picking
from core.errors import InvalidRequest
from core.picking import MOST_TEXTS, Pick


@pytest.fixture
def album(crowd: Callable[..., Any]) -> Any:
    """P0 to P5, and a second P1."""
    made = crowd()
    with made.services.pool.connection() as conn:
        other = people.create(conn, made.collection.id, name="P1", actor="test")
    made.people.append(other.id)
    return made


def pick(album: Any, *texts: object) -> list[Pick]:
    with album.services.pool.connection() as conn:
        return picking.pick(conn, album.collection.id, list(map(str, texts)))


def ids(picks: Sequence[Pick]) -> list[list[UUID]]:
    return [[person.id for person in each.people] for each in picks]


def test_people_are_picked_by_name_in_any_case_and_by_id(album: Any) -> None:
    first, third = album.people[0], album.people[3]

    assert ids(pick(album, " p0 ", third)) == [[first], [third]]


def test_nobody_is_picked_twice_and_blanks_say_nothing(album: Any) -> None:
    first = album.people[0]

    assert ids(pick(album, "P0", "", first, "p0", "  ")) == [[first]]


def test_a_name_that_several_have_means_all_of_them(album: Any) -> None:
    [made] = pick(album, "P1")

    assert [person.id for person in made.people] == [album.people[1], album.people[6]]
    assert made.only is None


@pytest.mark.parametrize("text", ["Nobody", str(uuid4()), "P0\0", "P", "%"])
def test_a_text_that_is_nobodys_name_means_nobody(album: Any, text: str) -> None:
    assert ids(pick(album, text)) == [[]]


def test_nobody_of_another_collection_is_picked(album: Any, crowd: Callable[..., Any]) -> None:
    other = crowd()

    assert ids(pick(album, other.people[0])) == [[]]


def test_a_party_has_everybody_in_the_order_of_the_texts(album: Any) -> None:
    made = picking.party(pick(album, "P2", "P0"), pick(album, "P3"))

    assert [person.id for person in made.present] == [album.people[2], album.people[0]]
    assert [person.id for person in made.absent] == [album.people[3]]


def test_every_fault_of_a_party_is_told(album: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        picking.party(pick(album, "P0", "Zoe"), pick(album, "P1"))

    unknown, several = caught.value.details["errors"]
    assert unknown["message"] == "Nobody in this collection is called “Zoe”."
    assert str(album.people[1]) in several["message"]
    assert str(album.people[6]) in several["message"]


@pytest.mark.parametrize(
    ("present", "absent", "told"),
    [
        (["P0", "P2"], ["p2"], "P2 cannot be in a photo and not in it."),
        ([], ["P0"], "Say who must be in the photo."),
        ([], [], "Say who must be in the photo."),
    ],
)
def test_a_party_that_makes_no_sense_is_refused(
    album: Any, present: list[str], absent: list[str], told: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        picking.party(pick(album, *present), pick(album, *absent))

    assert str(caught.value) == told


def test_too_many_people_are_refused(album: Any) -> None:
    six = [album.people[each] for each in range(6)]

    for present, absent in ((six, []), (["P0"], [*six[1:], album.people[6]])):
        with pytest.raises(InvalidRequest, match="up to 5 people"):
            picking.party(pick(album, *present), pick(album, *absent))
    with pytest.raises(InvalidRequest, match="up to 5 people"):
        pick(album, *range(MOST_TEXTS + 1))
