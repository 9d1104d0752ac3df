"""Names for faces: moves are all or nothing, and each leaves an event."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from core import collections, gallery, people
from core.db.collections import Collection
from core.enrolment import PersonRef
from core.errors import (
    CollectionNotFound,
    FaceNotFound,
    InvalidRequest,
    NameTaken,
    PersonNotFound,
    WrongCollection,
)
from core.intake import accept
from core.offers import Upload
from core.services import Services

NOBODY = UUID(int=7)


@pytest.fixture
def faces(
    services: Services, collection: Collection, store: Any, photo: Callable[[int], bytes]
) -> list[UUID]:
    """Four unnamed faces."""
    store(*(photo(n) for n in range(4)))
    with services.pool.connection() as conn:
        return [face.id for face in gallery.faces(conn, collection.id, limit=9)]


def events(services: Services) -> list[Any]:
    with services.pool.connection() as conn:
        return conn.execute(
            "SELECT face_id, previous_person_id, person_id, actor FROM assignment_events"
            " ORDER BY id"
        ).fetchall()


def owners(services: Services, faces: list[UUID]) -> list[UUID | None]:
    with services.pool.connection() as conn:
        return [gallery.face(conn, face_id).person_id for face_id in faces]


def test_a_person_is_made_with_faces(
    services: Services, collection: Collection, faces: list[UUID]
) -> None:
    with services.pool.connection() as conn:
        ada = people.create(conn, collection.id, name="Ada", face_ids=faces[:2], actor="key robot")

    assert (ada.name, ada.face_count) == ("Ada", 2)
    assert owners(services, faces) == [ada.id, ada.id, None, None]
    assert set(events(services)) == {(face_id, None, ada.id, "key robot") for face_id in faces[:2]}


def test_a_person_with_an_unknown_face_is_not_made(
    services: Services, collection: Collection, faces: list[UUID]
) -> None:
    with services.pool.connection() as conn, pytest.raises(FaceNotFound):
        people.create(conn, collection.id, name="Ada", face_ids=[faces[0], NOBODY], actor="test")

    with services.pool.connection() as conn:
        assert people.page(conn, collection.id, limit=9) == []
    assert owners(services, faces) == [None] * 4


def test_a_person_needs_a_collection_and_an_external_id_of_their_own(
    services: Services, collection: Collection
) -> None:
    with services.pool.connection() as conn:
        people.create(conn, collection.id, name="Ada", external_id="a", actor="test")

        with pytest.raises(NameTaken):
            people.create(conn, collection.id, name="Bob", external_id="a", actor="test")
        with pytest.raises(CollectionNotFound):
            people.create(conn, NOBODY, name="Bob", actor="test")


def test_assigning_takes_faces_from_whoever_had_them(
    services: Services, collection: Collection, faces: list[UUID]
) -> None:
    with services.pool.connection() as conn:
        ada = people.create(conn, collection.id, name="Ada", face_ids=faces[:2], actor="test")
        bob = people.create(conn, collection.id, name="Bob", actor="test")

        bob = people.assign(conn, bob.id, [faces[1], faces[2]], actor="test")

    assert bob.face_count == 2
    assert owners(services, faces) == [ada.id, bob.id, bob.id, None]
    assert set(events(services)[2:]) == {
        (faces[1], ada.id, bob.id, "test"),
        (faces[2], None, bob.id, "test"),
    }


def test_assigning_what_is_theirs_already_is_no_event(
    services: Services, collection: Collection, faces: list[UUID]
) -> None:
    with services.pool.connection() as conn:
        ada = people.create(conn, collection.id, name="Ada", face_ids=faces[:1], actor="test")
        people.assign(conn, ada.id, faces[:1], actor="test")

    assert len(events(services)) == 1


def test_a_face_of_another_collection_is_refused_and_nothing_moves(
    services: Services,
    collection: Collection,
    faces: list[UUID],
    store: Any,
    photo: Callable[[int], bytes],
) -> None:
    with services.pool.connection() as conn:
        other = collections.create(conn, services.manifest.pack("open"), name="other")
    store(photo(1), into=other)
    with services.pool.connection() as conn:
        (foreign,) = gallery.faces(conn, other.id, limit=9)
        ada = people.create(conn, collection.id, name="Ada", actor="test")

        with pytest.raises(WrongCollection):
            people.assign(conn, ada.id, [faces[0], foreign.id], actor="test")

    assert owners(services, [*faces, foreign.id]) == [None] * 5


def test_unassigning_leaves_faces_of_others_where_they_are(
    services: Services, collection: Collection, faces: list[UUID]
) -> None:
    with services.pool.connection() as conn:
        ada = people.create(conn, collection.id, name="Ada", face_ids=faces[:2], actor="test")
        bob = people.create(conn, collection.id, name="Bob", face_ids=faces[2:3], actor="test")

        ada = people.unassign(conn, ada.id, [faces[0], faces[2], NOBODY], actor="test")

    assert ada.face_count == 1
    assert owners(services, faces) == [None, ada.id, bob.id, None]


def test_a_deleted_person_leaves_their_faces_unnamed_and_an_event_for_each(
    services: Services, collection: Collection, faces: list[UUID]
) -> None:
    with services.pool.connection() as conn:
        ada = people.create(conn, collection.id, name="Ada", face_ids=faces[:2], actor="test")
        people.delete(conn, ada.id, actor="somebody")
        people.delete(conn, ada.id, actor="somebody")

    assert owners(services, faces) == [None] * 4
    assert sorted(events(services)[2:]) == sorted(
        (face_id, ada.id, None, "somebody") for face_id in faces[:2]
    )


def test_a_change_leaves_the_rest_alone(services: Services, collection: Collection) -> None:
    with services.pool.connection() as conn:
        ada = people.create(
            conn, collection.id, name="Ada", external_id="a", metadata={"born": 1815}, actor="test"
        )
        changed = people.change(conn, ada.id, name="Ada Lovelace", actor="test")
        cleared = people.change(conn, ada.id, external_id="", actor="test")

    assert (changed.name, changed.external_id, changed.metadata) == (
        *("Ada Lovelace", "a"),
        {"born": 1815},
    )
    assert cleared.external_id is None


def test_merged_people_are_one_who_keeps_their_own_details(
    services: Services, collection: Collection, faces: list[UUID]
) -> None:
    with services.pool.connection() as conn:
        ada = people.create(
            conn,
            collection.id,
            name="Ada",
            metadata={"born": 1815},
            face_ids=faces[:1],
            actor="test",
        )
        others = [
            people.create(
                conn, collection.id, name="A.", external_id=key, metadata=data, face_ids=[face],
                actor="test",
            )
            for key, data, face in (
                ("a", {"born": 1, "city": "London"}, faces[1]),
                ("b", {"city": "Paris", "cat": True}, faces[2]),
            )
        ]  # fmt: skip

        merged = people.merge(conn, ada.id, [each.id for each in others], actor="test")

        assert [each.id for each in people.page(conn, collection.id, limit=9)] == [ada.id]
        assert collections.get(conn, collection.id).person_count == 1
    assert (merged.name, merged.external_id, merged.face_count) == ("Ada", "a", 3)
    assert merged.metadata == {"born": 1815, "city": "London", "cat": True}
    assert owners(services, faces) == [ada.id, ada.id, ada.id, None]


def test_a_merge_with_nobody_or_a_stranger_changes_nothing(
    services: Services, collection: Collection, faces: list[UUID]
) -> None:
    with services.pool.connection() as conn:
        ada = people.create(conn, collection.id, name="Ada", face_ids=faces[:1], actor="test")
        bob = people.create(conn, collection.id, name="Bob", face_ids=faces[1:2], actor="test")
        other = collections.create(conn, services.manifest.pack("open"), name="other")
        stranger = people.create(conn, other.id, name="Eve", actor="test")

        with pytest.raises(InvalidRequest):
            people.merge(conn, ada.id, [ada.id], actor="test")
        with pytest.raises(PersonNotFound):
            people.merge(conn, ada.id, [bob.id, NOBODY], actor="test")
        with pytest.raises(WrongCollection):
            people.merge(conn, ada.id, [bob.id, stranger.id], actor="test")
    assert owners(services, faces) == [ada.id, bob.id, None, None]


def test_photos_that_wait_with_the_name_of_somebody_merged_count_for_who_is_left(
    services: Services, collection: Collection, doorbell: Any, photo: Callable[[int], bytes]
) -> None:
    upload = Upload("new.png", photo(7), person=PersonRef(name="A. Lovelace"))
    accept(services, doorbell, collection.id, [upload])
    with services.pool.connection() as conn:
        [other] = people.page(conn, collection.id, limit=9)
        ada = people.create(conn, collection.id, name="Ada", actor="test")

        people.merge(conn, ada.id, [other.id], actor="test")

        waiting = conn.execute("SELECT person_id FROM items WHERE state = 'waiting'").fetchall()
    assert waiting == [(ada.id,)]


def test_a_split_makes_somebody_new_of_some_faces(
    services: Services, collection: Collection, faces: list[UUID]
) -> None:
    with services.pool.connection() as conn:
        ada = people.create(conn, collection.id, name="Ada", face_ids=faces[:3], actor="test")

        new = people.split(conn, ada.id, faces[1:3], name="Bob", actor="test")

        assert people.get(conn, ada.id).face_count == 1
        assert collections.get(conn, collection.id).person_count == 2
        with pytest.raises(InvalidRequest):
            people.split(conn, ada.id, [faces[3]], name="Carl", actor="test")
        with pytest.raises(InvalidRequest):
            people.split(conn, ada.id, [], name="Carl", actor="test")
    assert (new.name, new.face_count) == ("Bob", 2)
    assert owners(services, faces) == [ada.id, new.id, new.id, None]


def test_unknown_people_are_errors(services: Services) -> None:
    with services.pool.connection() as conn:
        for call in (
            lambda: people.get(conn, NOBODY),
            lambda: people.change(conn, NOBODY, name="x", actor="test"),
            lambda: people.assign(conn, NOBODY, [], actor="test"),
            lambda: people.unassign(conn, NOBODY, [], actor="test"),
            lambda: people.merge(conn, NOBODY, [UUID(int=8)], actor="test"),
            lambda: people.split(conn, NOBODY, [UUID(int=8)], name="x", actor="test"),
        ):
            with pytest.raises(PersonNotFound):
                call()


def test_two_that_name_the_same_faces_at_once_leave_events_that_tell_the_truth(
    services: Services, collection: Collection, faces: list[UUID]
) -> None:
    with services.pool.connection() as conn:
        both = [people.create(conn, collection.id, name=n, actor="test") for n in ("Ada", "Bob")]

    def take(person: Any) -> None:
        for _ in range(5):
            with services.pool.connection() as conn:
                people.assign(conn, person.id, faces, actor="test")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(take, both))

    for face_id, owner in zip(faces, owners(services, faces), strict=True):
        told: UUID | None = None
        for event_face, previous, new, _ in events(services):
            if event_face == face_id:
                assert previous == told
                told = new
        assert told == owner
