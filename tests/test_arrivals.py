"""New faces that contradict what is there, or may be somebody who is known."""

from collections.abc import Callable
from threading import Event
from uuid import UUID

import pytest

from core import arrivals, constraints, reviews
from core.changes import Kind, begin
from core.db import arrivals as rows
from core.db.reviews import Item
from tests.casts import THRESHOLD, Cast, directions, near

WHO = directions(6)


@pytest.fixture
def town(cast: Callable[[], Cast]) -> Cast:
    made = cast()
    for number, name in enumerate(["Ann", "Bob", "Eve"]):
        made.add(near(WHO[number], 0.9, 4, seed=number), name)
    return made


def arrive(town: Cast, faces: list[UUID]) -> list[Item]:
    """Let faces be new, look at them, and return what is asked."""
    with town.conn.transaction():
        rows.note(town.conn, dict.fromkeys(faces, town.collection.id))
    arrivals.look_at_new(town.services, Event())
    return reviews.page(town.conn, town.collection.id, limit=50)


def test_a_face_with_the_name_of_somebody_else_is_asked_about(town: Cast) -> None:
    (new,) = town.add(near(WHO[0], 0.9, 1, seed=20), "Bob")

    (item,) = arrive(town, [new])

    assert (item.source, item.kind, item.state) == ("arrival", "somebody_else", "open")
    people = [UUID(side["person_id"]) for side in item.sides]
    assert people == [town.people[name] for name in ("Bob", "Ann", "Bob")]
    assert item.facts["other_mean"] > THRESHOLD > item.facts["own_mean"]


def test_somebody_new_who_looks_like_somebody_known_is_asked_about_once(town: Cast) -> None:
    new = town.add(near(WHO[2], 0.9, 1, seed=21), "Eva")

    (item,) = arrive(town, new)

    assert item.kind == "one_person"
    assert {UUID(side["person_id"]) for side in item.sides} == {
        town.people["Eve"],
        town.people["Eva"],
    }


@pytest.mark.parametrize(("cosine", "asked"), [(0.95, 0), (0.5, 1), (0.3, 0)])
def test_an_unnamed_face_is_asked_about_where_it_is_unsure_who_it_is(
    town: Cast, cosine: float, asked: int
) -> None:
    # A person's faces are at 0.9 of their direction, and so are cosines to them.
    new = town.add(near(WHO[1], cosine, 1, seed=22))

    found = arrive(town, new)

    assert len(found) == asked
    assert all(each.kind == "suggested" for each in found)


def test_faces_that_fit_raise_no_question_and_are_looked_at_once(town: Cast) -> None:
    new = [*town.add(near(WHO[0], 0.9, 2, seed=23), "Ann"), *town.add(directions(2, seed=24))]

    assert arrive(town, new) == []
    assert rows.collections_with(town.conn) == []


def test_what_was_decided_is_not_asked(town: Cast) -> None:
    (new,) = town.add(near(WHO[1], 0.5, 1, seed=22))
    with town.conn.transaction():
        change = begin(town.conn, town.collection.id, Kind.DECIDE, "test")
        said = constraints.not_person(new, town.people["Bob"])
        constraints.add(town.conn, town.collection.id, [said], change_id=change)

    assert arrive(town, [new]) == []


def test_faces_that_are_gone_are_struck_out(town: Cast) -> None:
    (new,) = town.add(near(WHO[0], 0.9, 1, seed=20), "Bob")
    town.conn.execute("DELETE FROM faces WHERE id = %s", [new])

    assert arrive(town, [new]) == []
    assert rows.collections_with(town.conn) == []


def test_more_than_are_looked_at_at_once_are_all_looked_at(
    town: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "COMPARED_AT_ONCE", 3)
    new = town.add(near(WHO[0], 0.9, 8, seed=25), "Ann")
    rows.note(town.conn, dict.fromkeys(new, town.collection.id))

    assert arrivals.look_at_new(town.services, Event()) == 8
    assert rows.collections_with(town.conn) == []


def test_two_new_people_who_are_one_are_asked_about_once(town: Cast) -> None:
    new = [
        *town.add(near(WHO[4], 0.9, 1, seed=30), "Joe"),
        *town.add(near(WHO[4], 0.9, 1, seed=31), "Joseph"),
    ]

    (item,) = arrive(town, new)

    assert item.kind == "one_person"
    assert {UUID(side["person_id"]) for side in item.sides} == {
        town.people["Joe"],
        town.people["Joseph"],
    }
