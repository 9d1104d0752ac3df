"""Every query of arrivals.sql."""

from typing import Any
from uuid import UUID

import psycopg
import pytest

from core.db import arrivals, collections
from core.db.pool import Connection


def new_ids(conn: Connection, count: int) -> list[UUID]:
    return [row[0] for row in conn.execute("SELECT uuidv7() FROM generate_series(1, %s)", [count])]


@pytest.fixture
def home(make: Any) -> UUID:
    """A collection with somebody in it."""
    made: UUID = make.collection()
    make.person(made)
    return made


def test_faces_are_taken_oldest_first_until_they_are_done(conn: Connection, home: UUID) -> None:
    first, second, third = new_ids(conn, 3)
    arrivals.note(conn, {third: home, first: home, second: home})

    assert arrivals.take(conn, home, 2) == [first, second]
    assert arrivals.take(conn, home, 2) == [first, second]
    arrivals.done(conn, [first, second])
    assert arrivals.take(conn, home, 2) == [third]


def test_faces_of_collections_without_people_are_not_noted(
    conn: Connection, make: Any, home: UUID
) -> None:
    nobody = make.collection()
    named, unnamed = new_ids(conn, 2)

    arrivals.note(conn, {named: home, unnamed: nobody})

    assert arrivals.take(conn, home, 9) == [named]
    assert arrivals.take(conn, nobody, 9) == []
    assert home in arrivals.collections_with(conn)
    assert nobody not in arrivals.collections_with(conn)


def test_a_collection_whose_arrivals_are_done_has_none(conn: Connection, home: UUID) -> None:
    (face_id,) = new_ids(conn, 1)
    arrivals.note(conn, {face_id: home})

    arrivals.done(conn, [face_id])

    assert home not in arrivals.collections_with(conn)


def test_a_face_arrives_once(conn: Connection, home: UUID) -> None:
    (face_id,) = new_ids(conn, 1)
    arrivals.note(conn, {face_id: home})

    with pytest.raises(psycopg.errors.UniqueViolation):
        arrivals.note(conn, {face_id: home})


def test_arrivals_go_with_their_collection(conn: Connection, home: UUID) -> None:
    arrivals.note(conn, {new_ids(conn, 1)[0]: home})

    collections.delete(conn, home)

    assert conn.execute("SELECT count(*) FROM arrivals").fetchone() == (0,)


def test_what_somebody_else_is_at_is_left_to_them(fresh_database: Any, connect: Any) -> None:
    url = fresh_database()
    with connect(url) as first, connect(url) as second:
        home = first.make.collection()
        first.make.person(home)
        face_ids = new_ids(first.conn, 3)
        arrivals.note(first.conn, dict.fromkeys(face_ids, home))
        first.conn.commit()

        assert arrivals.take(first.conn, home, 2) == face_ids[:2]
        assert arrivals.take(second.conn, home, 2) == face_ids[2:]
