"""The history tells who did what and when, newest first."""

from uuid import uuid4

import pytest

from core import changes, collections, constraints, gallery, people
from core.changes import Kind, Now
from core.constraints import not_face
from core.db.changes import Flow
from core.db.people import Details
from core.errors import ChangeNotFound
from core.undoing import undo
from tests.histories import ACTOR, History


def test_each_thing_that_is_done_is_one_change_of_its_kind(history: History) -> None:
    one, two, three = history.faces[:3]
    with history.conn() as conn:
        ada = history.person("Ada", one)
        bob = history.person("Bob")
        people.change(conn, ada.id, name="Ada L.", actor=ACTOR)
        people.assign(conn, ada.id, [two, three], actor="key robot")
        people.unassign(conn, ada.id, [three], actor=ACTOR)
        people.split(conn, ada.id, [two], name="Carl", actor=ACTOR)
        people.merge(conn, bob.id, [ada.id], actor=ACTOR)
        people.delete(conn, bob.id, actor=ACTOR)
    with history.conn() as conn:
        undo(conn, history.last(), actor=ACTOR)

    kinds = [each.change.kind for each in reversed(history.page())]

    assert kinds == [
        *("create", "create", "edit", "assign", "unassign"),
        *("split", "merge", "delete", "undo"),
    ]
    [assigned] = [each for each in history.page() if each.change.kind == "assign"]
    assert assigned.change.actor == "key robot"


def test_what_changes_nothing_is_no_change(history: History) -> None:
    face = history.faces[0]
    ada = history.person("Ada", face)
    with history.conn() as conn:
        people.assign(conn, ada.id, [face], actor=ACTOR)
        people.unassign(conn, ada.id, [history.faces[1]], actor=ACTOR)
        people.change(conn, ada.id, name="Ada", actor=ACTOR)

    assert [each.change.kind for each in history.page()] == ["create"]


def test_a_change_tells_from_whom_to_whom_also_when_they_are_gone(history: History) -> None:
    one, two = history.faces[:2]
    ada = history.person("Ada", one, two)
    bob = history.person("Bob")
    with history.conn() as conn:
        people.assign(conn, bob.id, [one], actor=ACTOR)
        moved = history.last()
        people.delete(conn, bob.id, actor=ACTOR)

    deleted, assigned = history.page()[:2]

    assert assigned.flows == (Flow(moved, ada.id, bob.id, 1),)
    assert (assigned.names[bob.id].name, assigned.names[bob.id].present) == ("Bob", False)
    [person] = deleted.people
    assert (person.before, person.after) == (Details("Bob", None, {}), None)


def test_pages_follow_each_other_and_one_person_has_their_own(history: History) -> None:
    ada = history.person("Ada", history.faces[0])
    bob = history.person("Bob", history.faces[0])
    with history.change() as (conn, change_id):
        said = [constraints.not_person(history.faces[2], ada.id)]
        constraints.add(conn, history.collection.id, said, change_id=change_id)
    with history.conn() as conn:
        first = changes.page(conn, history.collection.id, limit=2)
        second = changes.page(conn, history.collection.id, limit=2, before=first[-1].change.id)

    assert [each.change.kind for each in first + second] == ["decide", "create", "create"]
    of_ada = [each.change.id for each in history.page(person_id=ada.id)]
    of_bob = [each.change.id for each in history.page(person_id=bob.id)]
    assert of_ada == [each.change.id for each in first + second]
    assert of_bob == [first[1].change.id]


def test_a_change_says_where_its_faces_are_now(history: History) -> None:
    stays, moves, back, gone = history.faces[:4]
    ada = history.person("Ada", stays, moves, back, gone)
    made = history.last()
    bob = history.person("Bob", moves)
    by_bob = history.last()
    with history.conn() as conn:
        undo(conn, made, face_ids=[back], actor=ACTOR)
    gallery.delete_face(history.services.pool, history.services.blobs, gone)

    with history.conn() as conn:
        found = changes.get(conn, made)

    now = {face.face_id: (face.now, face.moved_by) for face in found.faces}
    assert now[stays] == (Now.LEFT, made)
    assert now[moves] == (Now.MOVED, by_bob)
    assert now[back] == (Now.BACK, history.last())
    assert now[gone][0] is Now.GONE
    assert found.face_count == 4
    assert found.summary.names[ada.id].name == "Ada"
    assert bob.id not in found.summary.names
    assert found.summary.change.undone_by == [history.last()]


def test_decisions_are_told_with_the_change_that_made_them(history: History) -> None:
    face = history.faces[0]
    with history.change() as (conn, change_id):
        constraints.add(conn, history.collection.id, [not_face(face)], change_id=change_id)

    [decided] = history.page()[0].decided

    assert (decided.kind, decided.face_id, decided.withdrawn) == ("not_face", face, False)


def test_several_steps_can_be_one_change(history: History) -> None:
    one, two = history.faces[:2]
    with history.change(Kind.DECIDE) as (conn, change_id):
        ada = people.create(conn, history.collection.id, name="Ada", actor=ACTOR, within=change_id)
        people.assign(conn, ada.id, [one, two], actor=ACTOR, within=change_id)
        people.split(conn, ada.id, [two], name="Bob", actor=ACTOR, within=change_id)
    before = len(history.page())

    with history.conn() as conn:
        undo(conn, change_id, actor=ACTOR)
        assert people.page(conn, history.collection.id, limit=9) == []

    assert before == 1


def test_of_many_people_of_one_change_the_first_are_told_and_all_are_counted(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "MOST_PEOPLE", 2)
    with history.change() as (conn, change_id):
        for name in ("Ada", "Bob", "Carl"):
            people.create(conn, history.collection.id, name=name, actor=ACTOR, within=change_id)

    [told] = history.page()

    assert [person.after.name for person in told.people if person.after] == ["Ada", "Bob"]
    assert told.person_count == 3


def test_a_collection_takes_its_history_along(history: History) -> None:
    face, other = history.faces[:2]
    history.person("Ada", face)
    with history.change() as (conn, change_id):
        constraints.add(conn, history.collection.id, [not_face(other)], change_id=change_id)
    with history.conn() as conn:
        undo(conn, change_id, actor=ACTOR)

    collections.delete(
        history.services.pool,
        history.services.blobs,
        history.collection.id,
        confirm=str(history.collection.id),
    )

    with history.conn() as conn:
        for table in ("changes", "person_events", "constraints", "assignment_events"):
            left = conn.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
            assert left == (0,)


def test_an_unknown_change_is_an_error(history: History) -> None:
    with history.conn() as conn, pytest.raises(ChangeNotFound):
        changes.get(conn, uuid4())
