"""Every query of people.sql."""

import re
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest

from core.db import faces, people
from core.db.people import Moved
from core.db.pool import Connection

NOBODY = UUID(int=7)


def test_a_stored_person_comes_back_with_faces_counted(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    face_ids = make.faces(collection_id, [make.unit(1), make.unit(0, 1)])
    made = make.person(collection_id, "Ada", face_ids)
    conn.execute("UPDATE faces SET quality = 0.9 WHERE id = %s", [face_ids[1]])

    person = people.get(conn, made)

    assert person is not None
    assert (person.name, person.face_count, person.best_face_id) == ("Ada", 2, face_ids[1])


def test_an_unknown_person_is_none_everywhere(conn: Connection) -> None:
    assert people.get(conn, NOBODY) is None
    assert people.faces_of(conn, NOBODY, NOBODY) == []
    assert not people.delete(conn, NOBODY)
    assert not people.update(conn, NOBODY, name="x", external_id=None, metadata=None)


def test_a_person_needs_a_collection(make: Any) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        make.person(NOBODY)


def test_two_people_of_a_collection_may_share_a_name_but_no_external_id(
    conn: Connection, make: Any
) -> None:
    collection_id = make.collection()
    first, second = make.person(collection_id, "Ada"), make.person(collection_id, "Ada")
    people.update(conn, first, name=None, external_id="a", metadata=None)

    with pytest.raises(psycopg.errors.UniqueViolation):
        people.update(conn, second, name=None, external_id="a", metadata=None)


def test_pages_of_people_are_oldest_first_and_never_overlap(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    made = [make.person(collection_id) for _ in range(5)]
    make.person(make.collection())

    first = people.page(conn, collection_id, limit=3)
    second = people.page(conn, collection_id, limit=3, after=first[-1].id)

    assert [person.id for person in first + second] == made


def test_people_are_found_by_name_without_case_and_by_external_id(
    conn: Connection, make: Any
) -> None:
    collection_id = make.collection()
    ada, bob = make.person(collection_id, "Ada"), make.person(collection_id, "Bob")
    people.update(conn, bob, name=None, external_id="b", metadata=None)

    by_name = people.page(conn, collection_id, limit=9, name="ADA")
    by_external_id = people.page(conn, collection_id, limit=9, external_id="b")

    assert [person.id for person in by_name] == [ada]
    assert [person.id for person in by_external_id] == [bob]


def test_an_update_changes_what_is_given_and_an_empty_external_id_removes_it(
    conn: Connection, make: Any
) -> None:
    made = make.person(make.collection(), "Ada")
    people.update(conn, made, name=None, external_id="a", metadata={"born": 1815})

    people.update(conn, made, name="Ada Lovelace", external_id="", metadata=None)

    person = people.get(conn, made)
    assert person is not None
    assert (person.name, person.external_id) == ("Ada Lovelace", None)
    assert person.metadata == {"born": 1815}


def test_a_move_reports_who_really_moved_and_where_they_were(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    unnamed, hers, his = make.faces(collection_id, [make.unit(1)] * 3)
    ada = make.person(collection_id, "Ada", [hers])
    bob = make.person(collection_id, "Bob", [his])

    moved = people.move_faces(
        conn, collection_id=collection_id, face_ids=[unnamed, hers, his], person_id=ada
    )

    assert sorted(moved, key=str) == sorted(
        [Moved(unnamed, None, ada), Moved(his, bob, ada)], key=str
    )
    assert set(people.faces_of(conn, collection_id, ada)) == {unnamed, hers, his}


def test_a_move_leaves_faces_of_other_collections_alone(conn: Connection, make: Any) -> None:
    collection_id, other = make.collection(), make.collection()
    ada = make.person(collection_id)
    foreign = make.face(other)

    moved = people.move_faces(conn, collection_id=collection_id, face_ids=[foreign], person_id=ada)

    assert moved == []


def test_a_deleted_person_leaves_unnamed_faces(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    face_id = make.face(collection_id)
    ada = make.person(collection_id, face_ids=[face_id])

    assert people.delete(conn, ada)

    face = faces.get(conn, face_id)
    assert face is not None
    assert (face.person_id, face.person_name) == (None, None)


def test_a_centroid_is_the_mean_direction(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    face_ids = make.faces(collection_id, [make.unit(1), make.unit(0, 1)])
    person = people.get(conn, make.person(collection_id, face_ids=face_ids))
    assert person is not None

    centroid = people.centroid(conn, person)

    assert centroid is not None
    np.testing.assert_allclose(centroid, make.unit(1, 1), atol=1e-3)


def test_a_person_without_faces_has_no_centroid(conn: Connection, make: Any) -> None:
    person = people.get(conn, make.person(make.collection()))
    assert person is not None

    assert people.centroid(conn, person) is None


def test_a_held_person_is_not_locked_by_others_until_they_are_let_go(
    fresh_database: Any, connect: Any
) -> None:
    url = fresh_database()
    with connect(url) as setup:
        made = setup.make.person(setup.make.collection())
    with connect(url) as holder, connect(url) as other:
        assert people.hold(holder.conn, made)
        assert people.hold(other.conn, made)
        assert not people.hold(other.conn, NOBODY)
        assert not people.lock(other.conn, NOBODY)
        other.conn.execute("SET LOCAL lock_timeout = '50ms'")

        with pytest.raises(psycopg.errors.LockNotAvailable):
            people.lock(other.conn, made)


def test_the_best_face_is_the_first_entry_of_an_index(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    for name in ("Ada", "Bob"):
        make.person(collection_id, name, make.faces(collection_id, [make.unit(1)] * 300))
    conn.execute("ANALYZE faces, people")
    asked = {"collection_id": collection_id, "limit": 9}
    asked |= dict.fromkeys(("after", "external_id", "name"))

    explain = f"EXPLAIN {people.SQL['page']}"
    plan = "\n".join(row[0] for row in conn.execute(explain, asked))

    best = plan[plan.index("SubPlan 2") :]
    assert "Index Scan using faces_tail_" in best, plan
    assert len(set(re.findall(r" on (faces\w+)", best))) == 1, "other partitions are left alone"
