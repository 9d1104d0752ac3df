"""Names that come with photos: who is meant, and which face is theirs."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from core import enrolment, people
from core.db import collections as collection_rows
from core.db.collections import Collection
from core.enrolment import PersonRef, prominent
from core.faces import Box
from core.import_wishes import Options
from core.offers import OnDuplicate
from core.services import Services
from tests.importing import Importing
from tests.queues import Queue, assert_counters_are_true

Photo = Callable[[int], bytes]


def test_folders_are_the_names_of_people(importing: Importing, photo: Photo, queue: Queue) -> None:
    importing.of_archive(
        {"Ada_Lovelace/1.png": photo(1), "Ada Lovelace/2.png": photo(2), "top.png": photo(3)},
        Options(people_by_folder=True),
    )

    importing.run()

    assert importing.named() == [
        ("Ada Lovelace/2.png", "Ada Lovelace", None),
        ("Ada_Lovelace/1.png", "Ada Lovelace", None),
    ]
    assert importing.sql("SELECT name FROM people") == [("Ada Lovelace",)]
    events = importing.sql("SELECT actor, previous_person_id FROM assignment_events")
    assert events == [("import", None)] * 2
    assert_counters_are_true(queue)


def test_the_most_prominent_face_gets_the_name(
    importing: Importing, photo: Photo, fake_pipeline: Any
) -> None:
    fake_pipeline.faces = 3
    importing.of_archive({"Ada/1.png": photo(1)}, Options(people_by_folder=True))

    importing.run()

    [(position,)] = importing.sql("SELECT position FROM faces WHERE person_id IS NOT NULL")
    assert position == 1, "of three of one size that in the middle"


def test_an_update_of_a_photo_that_still_waits_names_its_face(
    importing: Importing, photo: Photo
) -> None:
    importing.of_archive({"1.png": photo(1)})
    importing.of_archive(
        {"Ada/1.png": photo(1)}, Options(OnDuplicate.UPDATE, people_by_folder=True)
    )
    importing.read()
    importing.read()

    importing.index()

    assert importing.named() == [("1.png", "Ada", None)]


@pytest.mark.parametrize(
    ("boxes", "chosen"),
    [
        ([(0, 0, 10, 10)], 0),
        ([(0, 0, 10, 10), (40, 0, 60, 20)], 1),
        ([(0, 0, 21, 21), (40, 0, 60, 20), (90, 0, 110, 20)], 1),
        ([(0, 0, 60, 60), (80, 20, 100, 40), (140, 20, 160, 40)], 0),
        ([(5, 5, 5, 5), (5, 5, 5, 5)], 0),
    ],
    ids=["alone", "larger", "in the middle", "much larger", "without extent"],
)
def test_the_face_that_a_photo_is_of_is_large_and_near_the_middle(
    boxes: list[Box], chosen: int
) -> None:
    assert prominent(boxes) == chosen


def test_whoever_is_called_the_same_is_the_same_person_unless_an_id_tells_them_apart(
    services: Services, collection: Collection
) -> None:
    by_id = PersonRef("A-1", "Ada")
    with services.pool.connection() as conn:
        collection_rows.hold(conn, [collection.id])
        first, made = enrolment.people(
            conn,
            collection.id,
            [PersonRef("", "Ada"), by_id, PersonRef("A-1"), PersonRef("A-2", "Ada")],
        )
        again, none_made = enrolment.people(
            conn, collection.id, [PersonRef("A-1", "Eve"), PersonRef("", "Ada")]
        )

    assert (made, none_made) == (3, 0)
    assert first[by_id] == first[PersonRef("A-1")] == again[PersonRef("A-1", "Eve")]
    assert again[PersonRef("", "Ada")] == first[PersonRef("", "Ada")]
    assert len(set(first.values())) == 3
    with services.pool.connection() as conn:
        assert people.get(conn, first[by_id]).name == "Ada"


def test_two_at_once_make_nobody_twice(services: Services, collection: Collection) -> None:
    names = [PersonRef("", f"person {n}") for n in range(20)]
    start = threading.Barrier(4)

    def make(wanted: list[PersonRef]) -> None:
        start.wait()
        with services.pool.connection() as conn:
            collection_rows.hold(conn, [collection.id])
            _, made = enrolment.people(conn, collection.id, wanted)
            collection_rows.count(conn, collection.id, people=made)

    threads = [threading.Thread(target=make, args=[names[::step]]) for step in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with services.pool.connection() as conn:
        assert len(people.page(conn, collection.id, limit=100)) == 20
        assert conn.execute("SELECT person_count FROM collections").fetchall() == [(20,)]


def test_whoever_is_deleted_meanwhile_gets_no_face(
    importing: Importing, queue: Queue, photo: Photo, fake_pipeline: Any
) -> None:
    importing.of_archive({"Ada/1.png": photo(1)}, Options(people_by_folder=True))
    importing.read()

    def leave(photos: Any) -> None:
        with importing.services.pool.connection() as conn:
            [found] = people.page(conn, importing.home.id, limit=2)
            people.delete(conn, found.id, actor="test")

    fake_pipeline.before = leave
    importing.index()

    assert importing.named() == []
    assert importing.sql("SELECT state FROM items") == [("indexed",)]
    assert_counters_are_true(queue)
