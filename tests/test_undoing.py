"""Changes are undone wholly or for some faces, also later, as far as nobody changed the same since."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from core import constraints, gallery, people
from core.constraints import link, not_face, not_person
from core.db.constraints import Kind as Said
from core.errors import AlreadyUndone, ChangeNotFound, InvalidRequest
from core.rebuilding import rebuild
from core.undoing import Left, Reason, Undone, undo
from tests.histories import ACTOR, History


@pytest.fixture
def take_back(history: History) -> Callable[..., Undone]:
    """Undo a change, by default the newest."""

    def call(change_id: UUID | None = None, *faces: UUID) -> Undone:
        wanted = change_id or history.last()
        with history.conn() as conn:
            return undo(conn, wanted, face_ids=faces or None, actor="who undoes")

    return call


def test_a_merge_is_undone_later_except_for_a_face_that_was_moved_since(
    history: History, take_back: Callable[..., Undone]
) -> None:
    first, second, third, fourth = history.faces[:4]
    ada = history.person("Ada", first)
    other = history.person("A. Lovelace", second, third, external_id="a", metadata={"born": 1815})
    with history.conn() as conn:
        people.merge(conn, ada.id, [other.id], actor=ACTOR)
    merged = history.last()
    carl = history.person("Carl", third, fourth)
    moved = history.last()

    undone = take_back(merged)

    assert (undone.faces, undone.people) == (1, 2)
    assert undone.left == (Left(Reason.MOVED_SINCE, third, change_id=moved),)
    owners = [history.owner(face) for face in (first, second, third)]
    assert owners == [ada.id, other.id, carl.id]
    with history.conn() as conn:
        again = people.get(conn, other.id)
        kept = people.get(conn, ada.id)
    assert (again.name, again.external_id, again.metadata) == (
        *("A. Lovelace", "a"),
        {"born": 1815},
    )
    assert (kept.external_id, kept.metadata) == (None, {})


def test_one_face_of_a_merge_goes_back_and_its_person_with_it(
    history: History, take_back: Callable[..., Undone]
) -> None:
    first, second, third = history.faces[:3]
    ada = history.person("Ada", first)
    other = history.person("Bob", second, third)
    with history.conn() as conn:
        people.merge(conn, ada.id, [other.id], actor=ACTOR)
    merged = history.last()

    part = take_back(merged, second)
    rest = take_back(merged)

    assert (part.faces, part.people) == (1, 1)
    assert (rest.faces, rest.people) == (1, 0)
    assert [history.owner(face) for face in (second, third)] == [other.id, other.id]


def test_a_split_is_undone_and_the_new_person_goes(
    history: History, take_back: Callable[..., Undone]
) -> None:
    first, second = history.faces[:2]
    ada = history.person("Ada", first, second)
    with history.conn() as conn:
        new = people.split(conn, ada.id, [second], name="Bob", actor=ACTOR)

    take_back()

    assert history.owner(second) == ada.id
    with history.conn() as conn:
        assert [each.id for each in people.page(conn, history.collection.id, limit=9)] == [ada.id]
        assert conn.execute("SELECT count(*) FROM people WHERE id = %s", [new.id]).fetchone() == (
            0,
        )


def test_a_person_with_faces_from_elsewhere_stays_and_is_told(
    history: History, take_back: Callable[..., Undone]
) -> None:
    first, second = history.faces[:2]
    ada = history.person("Ada", first)
    made = history.last()
    with history.conn() as conn:
        people.assign(conn, ada.id, [second], actor=ACTOR)

    undone = take_back(made)

    assert undone.left == (Left(Reason.HAS_FACES, person_id=ada.id),)
    assert [history.owner(face) for face in (first, second)] == [None, ada.id]


def test_an_edit_gives_back_only_what_is_still_as_it_left_it(
    history: History, take_back: Callable[..., Undone]
) -> None:
    ada = history.person("Ada", metadata={"born": 1815})
    with history.conn() as conn:
        people.change(conn, ada.id, name="Ada L.", metadata={"born": 1816}, actor=ACTOR)
    edited = history.last()
    with history.conn() as conn:
        people.change(conn, ada.id, name="Ada Lovelace", actor=ACTOR)
    renamed = history.last()

    undone = take_back(edited)

    assert undone.left == (Left(Reason.CHANGED_SINCE, person_id=ada.id, change_id=renamed),)
    with history.conn() as conn:
        now = people.get(conn, ada.id)
    assert (now.name, now.metadata) == ("Ada Lovelace", {"born": 1815})


def test_an_external_id_that_somebody_else_has_now_is_not_given_back(
    history: History, take_back: Callable[..., Undone]
) -> None:
    ada = history.person("Ada", external_id="a")
    with history.conn() as conn:
        people.delete(conn, ada.id, actor=ACTOR)
    deleted = history.last()
    history.person("Bob", external_id="a")

    undone = take_back(deleted)

    assert undone.left == (Left(Reason.EXTERNAL_ID_TAKEN, person_id=ada.id),)
    with history.conn() as conn:
        assert people.get(conn, ada.id).external_id is None


def test_a_face_whose_person_was_deleted_since_stays_unnamed_and_the_change_in_the_way_is_told(
    history: History, take_back: Callable[..., Undone]
) -> None:
    face = history.faces[0]
    ada = history.person("Ada", face)
    with history.conn() as conn:
        people.unassign(conn, ada.id, [face], actor=ACTOR)
    unnamed = history.last()
    with history.conn() as conn:
        people.delete(conn, ada.id, actor=ACTOR)
    deleted = history.last()

    blocked = take_back(unnamed)
    take_back(deleted)
    undone = take_back(unnamed)

    assert blocked.change_id is None
    assert blocked.left == (Left(Reason.PERSON_GONE, face, ada.id, deleted),)
    assert undone.faces == 1
    assert history.owner(face) == ada.id


def test_a_face_that_was_deleted_for_good_is_told(
    history: History, take_back: Callable[..., Undone]
) -> None:
    gone, stays = history.faces[:2]
    history.person("Ada", gone, stays)
    gallery.delete_face(history.services.pool, history.services.blobs, gone)

    undone = take_back()

    assert undone.left == (Left(Reason.GONE, gone),)
    assert undone.faces == 1


def test_a_later_decision_about_a_face_stands(
    history: History, take_back: Callable[..., Undone]
) -> None:
    face, other = history.faces[:2]
    ada = history.person("Ada", face, other)
    with history.conn() as conn:
        people.unassign(conn, ada.id, [face, other], actor=ACTOR)
    unnamed = history.last()
    with history.change() as (conn, decided):
        said = [not_person(face, ada.id), not_face(other)]
        constraints.add(conn, history.collection.id, said, change_id=decided)

    undone = take_back(unnamed)

    assert undone.change_id is None
    assert set(undone.left) == {
        Left(Reason.DECIDED_SINCE, face, ada.id, decided),
        Left(Reason.DECIDED_SINCE, other, ada.id, decided),
    }


def test_a_decision_that_is_undone_holds_no_longer_and_its_faces_come_back(
    history: History, take_back: Callable[..., Undone]
) -> None:
    first, second = history.faces[:2]
    ada = history.person("Ada", first)
    before = history.state()
    with history.change() as (conn, decided):
        said = [not_face(first), link(Said.CANNOT_LINK, first, second)]
        constraints.add(conn, history.collection.id, said, change_id=decided)

    undone = take_back()

    assert (undone.faces, undone.decisions) == (1, 2)
    assert history.owner(first) == ada.id
    assert history.state() == before


def test_a_decision_that_an_assignment_overruled_holds_again_when_that_is_undone(
    history: History, take_back: Callable[..., Undone]
) -> None:
    face = history.faces[0]
    ada = history.person("Ada")
    with history.change() as (conn, decided):
        said = [not_person(face, ada.id)]
        constraints.add(conn, history.collection.id, said, change_id=decided)
    with history.conn() as conn:
        people.assign(conn, ada.id, [face], actor=ACTOR)
        overruled = constraints.of_faces(conn, history.collection.id, [face])

    take_back()

    assert overruled == []
    with history.conn() as conn:
        [again] = constraints.of_faces(conn, history.collection.id, [face])
    assert again.said == not_person(face, ada.id)


def test_what_is_undone_cannot_be_undone_again_but_the_undo_can(
    history: History, take_back: Callable[..., Undone]
) -> None:
    face = history.faces[0]
    ada = history.person("Ada", face)
    made = history.last()
    undone = take_back(made)

    with pytest.raises(AlreadyUndone):
        take_back(made)
    with pytest.raises(AlreadyUndone):
        take_back(made, face)
    redone = take_back(undone.change_id)

    assert (redone.faces, redone.people) == (1, 1)
    assert history.owner(face) == ada.id
    assert take_back(made).faces == 1
    assert history.owner(face) is None


def test_an_undo_without_any_effect_leaves_no_trace(
    history: History, take_back: Callable[..., Undone]
) -> None:
    history.person("Ada", history.faces[0])
    made = history.last()
    gallery.delete_face(history.services.pool, history.services.blobs, history.faces[0])
    take_back(made)
    count = len(history.page())

    again = take_back(made)

    assert (again.change_id, again.left) == (None, (Left(Reason.GONE, history.faces[0]),))
    assert len(history.page()) == count


def test_what_a_change_has_no_part_in_and_baselines_are_refused(
    history: History, take_back: Callable[..., Undone]
) -> None:
    history.person("Ada", history.faces[0])
    made = history.last()
    with history.conn() as conn:
        conn.execute(
            "INSERT INTO people (collection_id, name) VALUES (%s, 'Old')", [history.collection.id]
        )
        rebuild(conn)

    with pytest.raises(InvalidRequest, match="no part of this change"):
        take_back(made, history.faces[1])
    with pytest.raises(InvalidRequest, match="before changes were kept"):
        take_back()
    with pytest.raises(ChangeNotFound):
        take_back(uuid4())


def test_of_two_who_undo_the_same_at_once_one_does(
    history: History, take_back: Callable[..., Undone]
) -> None:
    history.person("Ada", *history.faces[:4])
    made = history.last()

    def attempt(_: int) -> int:
        try:
            return take_back(made).faces
        except AlreadyUndone:
            return 0

    with ThreadPoolExecutor(4) as them:
        faces = sorted(them.map(attempt, range(4)))

    assert faces == [0, 0, 0, 4]
    with history.conn() as conn:
        assert rebuild(conn, check=True).differences == 0
