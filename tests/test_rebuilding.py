"""The present state can be made again from the events, whatever was done."""

import random
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from core import constraints, gallery, people
from core.constraints import link, not_face, not_person
from core.db.constraints import Kind as Said
from core.db.constraints import Statement
from core.errors import (
    AlreadyUndone,
    CollectionNotFound,
    InvalidRequest,
    NameTaken,
)
from core.rebuilding import Rebuilt, rebuild
from core.undoing import undo
from tests.histories import ACTOR, History


class Somebody:
    """Does random things to the people of a collection."""

    def __init__(self, history: History, seed: int) -> None:
        self.history = history
        self.random = random.Random(seed)  # noqa: S311

    def deeds(self) -> list[Callable[[], object]]:
        return [
            *[self.create] * 3,
            *[self.assign] * 3,
            self.edit,
            self.unassign,
            self.merge,
            self.split,
            self.delete,
            *[self.decide] * 3,
        ]

    def some_faces(self) -> list[UUID]:
        with self.history.conn() as conn:
            known = conn.execute("SELECT id FROM faces ORDER BY id").fetchall()
        return [row[0] for row in self.random.sample(known, min(len(known), 2))]

    def somebody(self, count: int = 1) -> list[UUID]:
        with self.history.conn() as conn:
            known = people.page(conn, self.history.collection.id, limit=99)
        return [each.id for each in self.random.sample(known, min(len(known), count))]

    def create(self) -> None:
        key = self.random.choice([None, "a", "b"])
        number = self.random.randrange(1000)
        self.history.person(
            f"P{number}", *self.some_faces(), external_id=key, metadata={str(number % 3): number}
        )

    def edit(self) -> None:
        for person_id in self.somebody():
            with self.history.conn() as conn:
                people.change(
                    conn,
                    person_id,
                    name=f"Q{self.random.randrange(1000)}",
                    external_id=self.random.choice(["", "a", "c"]),
                    actor=ACTOR,
                )

    def assign(self) -> None:
        for person_id in self.somebody():
            with self.history.conn() as conn:
                people.assign(conn, person_id, self.some_faces(), actor=ACTOR)

    def unassign(self) -> None:
        for person_id in self.somebody():
            with self.history.conn() as conn:
                faces = gallery.faces(conn, self.history.collection.id, limit=2, named=True)
                people.unassign(conn, person_id, [face.id for face in faces], actor=ACTOR)

    def merge(self) -> None:
        chosen = self.somebody(3)
        if len(chosen) > 1:
            with self.history.conn() as conn:
                people.merge(conn, chosen[0], chosen[1:], actor=ACTOR)

    def split(self) -> None:
        for person_id in self.somebody():
            with self.history.conn() as conn:
                faces = gallery.faces(
                    conn, self.history.collection.id, limit=1, person_id=person_id
                )
                people.split(conn, person_id, [f.id for f in faces], name="new", actor=ACTOR)

    def delete(self) -> None:
        for person_id in self.somebody():
            with self.history.conn() as conn:
                people.delete(conn, person_id, actor=ACTOR)

    def decide(self) -> None:
        said: list[Statement] = []
        if len(faces := self.some_faces()) == 2:
            said.append(link(self.random.choice([Said.MUST_LINK, Said.CANNOT_LINK]), *faces))
        said += [
            not_person(face, person) for face in self.some_faces()[:1] for person in self.somebody()
        ]
        if self.random.random() < 0.3:
            said += [not_face(face) for face in self.some_faces()[:1]]
        with self.history.change() as (conn, change_id):
            constraints.add(conn, self.history.collection.id, said, change_id=change_id)

    def undo(self) -> None:
        known = self.history.page()
        if not known:
            return
        change = self.random.choice(known[:20])
        with self.history.conn() as conn:
            undo(conn, change.change.id, actor=ACTOR)

    def undo_in_part(self) -> None:
        with self.history.conn() as conn:
            known = conn.execute("SELECT change_id, face_id FROM assignment_events").fetchall()
            if known:
                change_id, face_id = self.random.choice(known)
                undo(conn, change_id, face_ids=[face_id], actor=ACTOR)

    def delete_face(self) -> None:
        if self.random.random() < 0.1:
            for face_id in self.some_faces()[:1]:
                gallery.delete_face(
                    self.history.services.pool, self.history.services.blobs, face_id
                )

    def do(self, deed: Callable[[], object]) -> None:
        try:
            deed()
        except (NameTaken, AlreadyUndone, InvalidRequest):
            return


def assert_sound(history: History) -> None:
    """What must hold at any time."""
    with history.conn() as conn:
        assert rebuild(conn, check=True) == Rebuilt(collections=1)
        wrong = conn.execute(
            """
            SELECT faces.id FROM faces
              JOIN constraints ON constraints.face_id = faces.id AND withdrawn_by IS NULL
             WHERE kind = 'not_person' AND constraints.person_id = faces.person_id
                OR kind = 'not_face' AND (faces.person_id IS NOT NULL OR NOT hidden)
            """
        ).fetchall()
    assert wrong == []


@pytest.mark.parametrize("seed", range(3))
def test_after_hundreds_of_random_changes_and_undos_the_events_tell_the_present_state(
    history: History, seed: int
) -> None:
    one = Somebody(history, seed)
    deeds = [*one.deeds(), *[one.undo] * 4, *[one.undo_in_part] * 3, one.delete_face]

    for number in range(250):
        one.do(one.random.choice(deeds))
        if number % 10 == 0:
            assert_sound(history)

    before = history.state()
    with history.conn() as conn:
        assert rebuild(conn) == Rebuilt(collections=1)
    assert history.state() == before
    assert len(history.page()) > 100


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_undone_at_once_was_never_there_and_undoing_that_brings_it_back(
    history: History, seed: int
) -> None:
    one = Somebody(history, seed)

    for _ in range(60):
        before, last = history.state(), [each.change.id for each in history.page()[:1]]
        one.do(one.random.choice(one.deeds()))
        after = history.state()
        changed = [each.change.id for each in history.page()[:1]]
        if changed == last:
            assert after == before
            continue
        with history.conn() as conn:
            taken_back = undo(conn, changed[0], actor=ACTOR)
            assert taken_back.left == ()
        assert history.state() == before
        with history.conn() as conn:
            assert taken_back.change_id is not None
            assert undo(conn, taken_back.change_id, actor=ACTOR).left == ()
        assert history.state() == after


def test_damage_is_mended(history: History) -> None:
    first, second, third, hidden = history.faces[:4]
    ada = history.person("Ada", first, second, external_id="a", metadata={"born": 1815})
    bob = history.person("Bob", third, external_id="b")
    with history.change() as (conn, change_id):
        constraints.add(conn, history.collection.id, [not_face(hidden)], change_id=change_id)
    before = history.state()
    with history.conn() as conn:
        conn.execute("UPDATE faces SET person_id = %s WHERE id = %s", [bob.id, first])
        conn.execute("UPDATE faces SET person_id = %s WHERE id = %s", [bob.id, history.faces[5]])
        conn.execute("UPDATE faces SET hidden = NOT hidden WHERE id IN (%s, %s)", [hidden, second])
        conn.execute("UPDATE people SET external_id = 'x' WHERE id = %s", [ada.id])
        conn.execute("UPDATE people SET external_id = 'a', name = 'B' WHERE id = %s", [bob.id])
        conn.execute("UPDATE collections SET person_count = 9, face_count = 9")
        conn.execute("UPDATE images SET face_count = 0")

    with history.conn() as conn:
        checked = rebuild(conn, history.collection.id, check=True)
        damaged = history.state()
        mended = rebuild(conn, history.collection.id)

    assert damaged != before
    assert checked == mended
    assert (mended.people, mended.faces, mended.hidden, mended.counters) == (2, 2, 2, 5)
    assert history.state() == before


def test_somebody_who_is_missing_is_made_again_and_who_was_deleted_goes(history: History) -> None:
    ada = history.person("Ada", history.faces[0], metadata={"born": 1815})
    gone = history.person("Gone")
    with history.conn() as conn:
        people.delete(conn, gone.id, actor=ACTOR)
    before = history.state()
    with history.conn() as conn:
        conn.execute("DELETE FROM people WHERE id = %s", [ada.id])
        conn.execute(
            "INSERT INTO people (id, collection_id, name) VALUES (%s, %s, 'Gone')",
            [gone.id, history.collection.id],
        )

    with history.conn() as conn:
        mended = rebuild(conn)

    assert (mended.people, mended.faces) == (2, 1)
    assert history.state() == before


def test_somebody_whom_no_event_names_is_kept_and_noted(history: History) -> None:
    with history.conn() as conn:
        conn.execute(
            "INSERT INTO people (collection_id, name) VALUES (%s, 'Old')", [history.collection.id]
        )
        conn.execute("UPDATE collections SET person_count = 1")

    with history.conn() as conn:
        first, second = rebuild(conn), rebuild(conn)

    assert first == Rebuilt(collections=1, adopted=1)
    assert second == Rebuilt(collections=1)
    [noted] = history.page()
    assert (noted.change.kind, noted.change.actor) == ("baseline", "rebuild")


def test_a_collection_that_is_not_there_cannot_be_rebuilt(history: History) -> None:
    with history.conn() as conn, pytest.raises(CollectionNotFound):
        rebuild(conn, uuid4())
