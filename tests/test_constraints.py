"""What somebody decided about faces holds until somebody decides otherwise."""

from typing import Any
from uuid import uuid4

import pytest

from core import collections, constraints, gallery, people
from core.constraints import link, not_face, not_person
from core.db.constraints import Kind, Statement
from core.errors import FaceNotFound, InvalidRequest, PersonNotFound, WrongCollection
from tests.histories import ACTOR, History


def decide(history: History, *said: Statement) -> int:
    with history.change() as (conn, change_id):
        return constraints.add(conn, history.collection.id, said, change_id=change_id)


def holding(history: History) -> set[Statement]:
    with history.conn() as conn:
        found = constraints.of_faces(conn, history.collection.id, history.faces)
    return {each.said for each in found}


def test_decisions_are_read_as_they_were_made(history: History) -> None:
    one, two, three = history.faces[:3]
    ada = history.person("Ada")
    said = [
        link(Kind.MUST_LINK, two, one),
        link(Kind.CANNOT_LINK, one, three),
        not_person(one, ada.id),
        not_face(three),
    ]

    new = decide(history, *said)

    assert (new, decide(history, *said)) == (4, 0)
    assert holding(history) == set(said)
    with history.conn() as conn:
        all_of_it = constraints.of_collection(conn, history.collection.id)
    assert all_of_it.must_link == ((min(one, two), max(one, two)),)
    assert all_of_it.cannot_link == ((min(one, three), max(one, three)),)
    assert all_of_it.not_person == ((one, ada.id),)
    assert all_of_it.not_face == (three,)


def test_of_a_link_and_its_opposite_the_last_word_counts(history: History) -> None:
    one, two = history.faces[:2]
    decide(history, link(Kind.MUST_LINK, one, two))

    decide(history, link(Kind.CANNOT_LINK, two, one))

    assert holding(history) == {link(Kind.CANNOT_LINK, one, two)}


def test_a_face_that_is_not_somebody_is_taken_from_them_alone(history: History) -> None:
    one, two = history.faces[:2]
    ada, bob = history.person("Ada", one), history.person("Bob", two)

    decide(history, not_person(one, ada.id), not_person(two, ada.id))

    assert [history.owner(one), history.owner(two)] == [None, bob.id]


def test_a_face_that_is_none_is_nowhere_and_not_counted(history: History) -> None:
    face = history.faces[0]
    ada = history.person("Ada", face)
    with history.conn() as conn:
        image_id = gallery.face(conn, face).image_id

    decide(history, not_face(face))

    with history.conn() as conn:
        hidden = gallery.face(conn, face)
        home = collections.get(conn, history.collection.id)
        image = gallery.image(conn, image_id)
        listed = gallery.faces(conn, history.collection.id, limit=99)
        now = people.get(conn, ada.id)
    assert (hidden.hidden, hidden.person_id) == (True, None)
    assert home.face_count == len(listed) == 7
    assert image.image.face_count == len(image.faces) == 1
    assert (now.face_count, now.best_face_id) == (0, None)


def test_a_hidden_face_that_is_deleted_is_not_taken_from_the_counters_again(
    history: History,
) -> None:
    face = history.faces[0]
    decide(history, not_face(face))

    gallery.delete_face(history.services.pool, history.services.blobs, face)

    with history.conn() as conn:
        assert collections.get(conn, history.collection.id).face_count == 7


def test_who_assigns_a_face_overrules_what_was_decided_against_it(history: History) -> None:
    one, two, three = history.faces[:3]
    ada = history.person("Ada", three)
    decide(
        history,
        not_person(one, ada.id),
        not_face(two),
        link(Kind.CANNOT_LINK, one, three),
        link(Kind.CANNOT_LINK, one, history.faces[4]),
    )

    with history.conn() as conn:
        now = people.assign(conn, ada.id, [one, two], actor=ACTOR)

    assert now.face_count == 3
    assert holding(history) == {link(Kind.CANNOT_LINK, one, history.faces[4])}
    with history.conn() as conn:
        assert not gallery.face(conn, two).hidden
        assert collections.get(conn, history.collection.id).face_count == 8


def test_who_is_merged_hands_on_whose_faces_are_not_theirs(history: History) -> None:
    one, two, three = history.faces[:3]
    ada, other = history.person("Ada", one), history.person("A.", two)
    decide(history, not_person(three, other.id), not_person(one, other.id))

    with history.conn() as conn:
        people.merge(conn, ada.id, [other.id], actor=ACTOR)

    assert not_person(three, ada.id) in holding(history)
    assert not_person(one, ada.id) not in holding(history)


def test_people_are_apart_when_a_face_of_each_is(history: History) -> None:
    one, two, three = history.faces[:3]
    ada, bob = history.person("Ada", one), history.person("Bob", two)
    history.person("Carl", three)
    decide(history, link(Kind.CANNOT_LINK, one, two), link(Kind.CANNOT_LINK, two, history.faces[5]))

    with history.conn() as conn:
        pairs = constraints.between_people(conn, history.collection.id)

    assert pairs == {(min(ada.id, bob.id), max(ada.id, bob.id))}


def test_an_import_does_not_overrule(history: History) -> None:
    one, two = history.faces[:2]
    ada = history.person("Ada")
    decide(history, not_person(one, ada.id))

    with history.conn() as conn:
        assert constraints.forbids(conn, history.collection.id, one, ada.id)
        assert not constraints.forbids(conn, history.collection.id, two, ada.id)


def test_what_is_not_there_and_what_is_elsewhere_is_refused(
    history: History, store: Any, photo: Any
) -> None:
    face = history.faces[0]
    with history.conn() as conn:
        other = collections.create(conn, history.services.manifest.pack("open"), name="other")
        stranger = people.create(conn, other.id, name="Eve", actor=ACTOR)
    store(photo(9), into=other)
    with history.conn() as conn:
        foreign = gallery.faces(conn, other.id, limit=1)[0].id

    with pytest.raises(InvalidRequest):
        link(Kind.MUST_LINK, face, face)
    with pytest.raises(FaceNotFound):
        decide(history, link(Kind.MUST_LINK, face, uuid4()))
    with pytest.raises(PersonNotFound):
        decide(history, not_person(face, uuid4()))
    with pytest.raises(WrongCollection):
        decide(history, not_face(foreign))
    with pytest.raises(WrongCollection):
        decide(history, not_person(face, stranger.id))
    assert holding(history) == set()
