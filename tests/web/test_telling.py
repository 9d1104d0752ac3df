"""Changes in words."""

import pytest

from core import constraints, people
from core.changes import Kind
from core.constraints import link, not_face, not_person
from core.db.constraints import Kind as Said
from tests.histories import ACTOR, History
from web import telling


def test_every_kind_of_change_has_a_title() -> None:
    assert set(telling.TITLES) == set(Kind)


def test_people_and_moves_are_told_by_name(history: History) -> None:
    one, two = history.faces[:2]
    ada, bob = history.person("Ada", one, two), history.person("Bob")
    with history.conn() as conn:
        people.change(conn, ada.id, name="Ada L.", external_id="a", metadata={"x": 1}, actor=ACTOR)
        people.assign(conn, bob.id, [one], actor=ACTOR)
        people.unassign(conn, bob.id, [one], actor=ACTOR)
        people.delete(conn, bob.id, actor=ACTOR)

    told = [telling.lines(each) for each in history.page()]

    assert told == [
        ["Bob was deleted"],
        ["1 face of Bob became unnamed"],
        ["1 face went from Ada L. to Bob"],
        ["Ada is called Ada L. now and has the external id a and has other metadata"],
        ["Bob was made"],
        ["Ada was made", "2 faces got the name Ada L."],
    ]


def test_decisions_are_told_and_that_they_hold_no_longer(history: History) -> None:
    one, two = history.faces[:2]
    ada = history.person("Ada")
    said = [not_face(two), not_person(one, ada.id), link(Said.CANNOT_LINK, one, two)]
    with history.change() as (conn, change_id):
        constraints.add(conn, history.collection.id, said, change_id=change_id)
    with history.conn() as conn:
        people.assign(conn, ada.id, [one], actor=ACTOR)

    assigned, decided = history.page()[:2]

    assert telling.lines(assigned) == [
        "1 face got the name Ada",
        "it holds no longer that a face is not Ada",
    ]
    assert telling.lines(decided) == [
        "two faces are two people",
        "a face is no face",
        "a face is not Ada",
    ]


def test_what_is_too_much_is_counted(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "MOST_LINES", 1)
    with history.change() as (conn, change_id):
        for name in ("Ada", "Bob", "Carl"):
            people.create(conn, history.collection.id, name=name, actor=ACTOR, within=change_id)

    [told] = history.page()

    assert telling.lines(told) == ["Ada was made", "and 2 more people"]
