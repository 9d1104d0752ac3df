"""Going on with a search, while faces come and go."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from core import paging, subjects
from core.db.search import GroupBy
from core.errors import BrokerUnavailable, CollectionNotFound, CursorExpired
from core.filters import Filter
from core.finding import Found, Options
from core.paging import OWNER_BYTES, Position

ME, YOU = b"m" * OWNER_BYTES, b"y" * OWNER_BYTES


@pytest.fixture
def album(crowd: Callable[..., Any]) -> Any:
    """Forty photos of two people each, some named."""
    made = crowd()
    for number in range(40):
        made.photo(number % 6, (number + 1) % 6, named=[0], noise=0.8)
    return made


def position(album: Any, **options: Any) -> Position:
    subject = subjects.of_vector(
        [album.collection], album.looks[1].tolist(), album.collection.space_id
    )
    asked = Options(limit=7, group_by=GroupBy.FACE, **options)
    return Position((album.collection.id,), subject, asked, {"kind": "vector"})


def page(album: Any, at: Position) -> tuple[Found, str | None]:
    (home,) = paging.homes_of(album.services, at)
    found = subjects.find(album.services, [home], at.subject, at.options)
    return found, paging.behind(album.services, ME, at, found)


@pytest.mark.parametrize("group_by", list(GroupBy))
def test_nothing_comes_twice_and_nothing_that_stays_is_lost(album: Any, group_by: GroupBy) -> None:
    at = position(album)
    at = Position(at.collections, at.subject, Options(limit=7, group_by=group_by), at.about)
    whole = subjects.find(
        album.services, [album.fresh()], at.subject, Options(limit=500, group_by=group_by)
    )
    before = [match.neighbour.key for match in whole.matches]
    keys: list[UUID] = []
    ranks: list[int] = []
    gone = set()
    cursor: str | None = ""
    while cursor is not None:
        if cursor:
            at = paging.find_position(album.services, ME, cursor)
            album.photo(1, 1, noise=0.1)  # the nearest of all: they come on the next page
            victim = album.faces[len(keys) % len(album.faces)].image_id
            gone |= {face.id for face in album.faces if face.image_id == victim} | {victim}
            album.delete(victim)
        found, cursor = page(album, at)
        keys += [match.neighbour.key for match in found.matches]
        ranks += [match.rank for match in found.matches]

    assert len(keys) == len(set(keys))
    assert set(before) - gone - set(album.people) <= set(keys)
    assert ranks == list(range(1, len(ranks) + 1))
    assert not found.more


def test_a_cursor_gives_the_same_page_again(album: Any) -> None:
    _, cursor = page(album, position(album, filter=Filter(named=False)))
    assert cursor is not None

    once, _ = page(album, paging.find_position(album.services, ME, cursor))
    again, _ = page(album, paging.find_position(album.services, ME, cursor))

    assert once.matches == again.matches
    assert {match.neighbour.person_id for match in once.matches} == {None}


def test_a_cursor_is_of_use_only_to_whoever_got_it_and_for_a_while(album: Any) -> None:
    _, cursor = page(album, position(album))
    assert cursor is not None
    with pytest.raises(CursorExpired):
        paging.find_position(album.services, YOU, cursor)
    with pytest.raises(CursorExpired):
        paging.find_together(album.services, ME, cursor)
    (key,) = album.services.broker.keys("facesearch:page:*")
    assert 0 < album.services.broker.ttl(key) <= paging.TTL_S

    album.services.broker.flushall()

    with pytest.raises(CursorExpired):
        paging.find_position(album.services, ME, cursor)


def test_after_the_last_match_there_is_no_cursor(album: Any) -> None:
    at = position(album, filter=Filter(people=(album.people[0],)), only_matches=True, threshold=0.9)

    found, cursor = page(album, at)

    assert (found.more, cursor) == (False, None)


def test_a_collection_that_was_deleted_is_missed(album: Any) -> None:
    at = position(album)

    with pytest.raises(CollectionNotFound):
        paging.homes_of(album.services, Position((UUID(int=7),), at.subject, at.options, at.about))


def test_without_the_broker_the_answer_says_that_there_is_more_and_no_cursor(
    album: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = album.services.broker.from_url("redis://127.0.0.1:1")
    monkeypatch.setattr(type(album.services.broker), "set", gone.set)
    monkeypatch.setattr(type(album.services.broker), "get", gone.get)

    found, cursor = page(album, position(album))

    assert (found.more, cursor) == (True, None)
    with pytest.raises(BrokerUnavailable):
        paging.find_position(album.services, ME, "anything")
