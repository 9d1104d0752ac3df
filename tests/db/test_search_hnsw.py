"""Search by HNSW, and the indexes that it needs, against the real ones."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from psycopg import sql

from core.db import collections, faces, pool, search
from core.db.pool import Connection
from core.db.search import Neighbour, Query
from core.search import maintain_indexes

MANY, DIMENSION = 2000, 128


def query(collection_id: UUID, embedding: Any, **options: Any) -> Query:
    standard = Query(collection_id, embedding, threshold=0.5, limit=10, by_person=True)
    return replace(standard, **options)


class Large:
    """A collection of `MANY` random faces of 40 people and nobody, with its index."""

    def __init__(self, conn: Connection, make: Any) -> None:
        self.conn = conn
        random = np.random.default_rng(7).normal(size=(MANY, DIMENSION)).astype(np.float32)
        self.vectors = random / np.linalg.norm(random, axis=1, keepdims=True)
        self.id: UUID = make.collection("large", dimension=DIMENSION)
        self.small: UUID = make.collection("small", dimension=DIMENSION)
        self.faces = make.faces(self.id, list(self.vectors[: MANY // 2]))
        self.faces += make.faces(self.id, list(self.vectors[MANY // 2 :]))
        make.faces(self.small, list(self.vectors[:5]))
        for number in range(40):
            make.person(self.id, f"person {number}", self.faces[number * 10 : number * 10 + 10])

    def query(self, number: int, **options: Any) -> Query:
        """The face of this number, a little turned."""
        near = self.vectors[number] + 0.2 * self.vectors[(number + 1) % MANY]
        return query(self.id, near / np.linalg.norm(near), **options)


@pytest.fixture(scope="module")
def large(database_url: str, module_make: Any) -> Iterator[Large]:
    with pool.connect(database_url, autocommit=True) as conn:
        made = Large(conn, module_make(conn))
        done = maintain_indexes(conn, exact_max=MANY - 1)
        assert done == [f"built {search.index_name(made.id)}"]
        yield made
        for collection_id in (made.id, made.small):
            collections.delete(conn, collection_id)
        maintain_indexes(conn, exact_max=MANY)


def nearest(large: Large, asked: Query, *, ef_search: int = 100) -> list[Neighbour]:
    with search.bounded(large.conn, timeout_s=10, ef_search=ef_search):
        return search.hnsw(large.conn, asked)


def test_hnsw_finds_what_exact_finds(large: Large) -> None:
    numbers = range(0, MANY, 40)

    pairs = [
        (nearest(large, large.query(n))[0], search.exact(large.conn, large.query(n))[0])
        for n in numbers
    ]

    assert [fast.face_id for fast, _ in pairs] == [true.face_id for _, true in pairs]
    assert [fast.cosine for fast, _ in pairs] == pytest.approx([true.cosine for _, true in pairs])


def test_hnsw_groups_and_leaves_out_as_exact_does(large: Large) -> None:
    first, second = large.faces[0], large.faces[10]
    person = faces.get(large.conn, first).person_id  # type: ignore[union-attr]

    without_face = nearest(large, large.query(10, without_face=second))
    without_person = nearest(large, large.query(0, without_person=person))
    by_face = nearest(large, large.query(0, by_person=False, limit=20))

    assert second not in {neighbour.face_id for neighbour in without_face}
    assert person not in {neighbour.person_id for neighbour in without_person}
    assert without_person, "unnamed faces stay"
    assert len({neighbour.face_id for neighbour in by_face}) == 20


@pytest.mark.parametrize("by_person", [True, False])
@pytest.mark.parametrize("limit", [1, 5])
def test_many_faces_of_one_person_do_not_hide_the_others_from_hnsw(
    large: Large, limit: int, by_person: bool
) -> None:
    faces_of_one = search.LEAST_CANDIDATES * 3
    with large.conn.transaction(force_rollback=True):
        people_ids = {row[0] for row in large.conn.execute("SELECT id FROM people")}
        crowd = search.exact(large.conn, large.query(0, by_person=False, limit=faces_of_one))
        one = people_ids.pop()
        large.conn.execute(
            "UPDATE faces SET person_id = %s WHERE id = ANY(%s)",
            [one, [neighbour.face_id for neighbour in crowd]],
        )
        asked = large.query(0, limit=limit, by_person=by_person)

        fast, true = nearest(large, asked), search.exact(large.conn, asked)

    assert len(fast) == limit
    assert (fast[0].person_id, fast[0].margin) == (one, pytest.approx(true[0].margin))
    assert [n.face_id for n in fast] == [n.face_id for n in true]


def test_hnsw_really_uses_the_index_of_the_collection(large: Large) -> None:
    def scans() -> int:
        large.conn.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        row = large.conn.execute(
            "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = %s",
            [search.index_name(large.id)],
        ).fetchone()
        assert row is not None
        return int(row[0])

    before = scans()
    nearest(large, large.query(1))

    assert scans() == before + 1


def test_hnsw_keeps_the_settings_of_its_transaction_to_itself(large: Large) -> None:
    nearest(large, large.query(1), ef_search=55)

    settings = large.conn.execute(
        "SELECT current_setting('enable_sort'), current_setting('hnsw.ef_search')"
    ).fetchone()
    assert settings == ("on", "40")


def test_an_index_is_ready_for_its_collection_alone(large: Large) -> None:
    assert search.index_is_ready(large.conn, large.id)
    assert not search.index_is_ready(large.conn, large.small)


def test_nothing_is_done_while_the_indexes_are_as_wanted(large: Large) -> None:
    assert maintain_indexes(large.conn, exact_max=MANY - 1) == []
    assert maintain_indexes(large.conn, exact_max=MANY + 1) == [], "built and dropped in turns"


def test_two_never_maintain_indexes_at_once(large: Large, database_url: str) -> None:
    with pool.connect(database_url, autocommit=True) as other:
        assert not search.lock_maintenance(other), "the fixture's connection holds it"
        assert maintain_indexes(other, exact_max=1) == []


def test_an_index_that_nobody_wants_is_dropped_and_a_broken_one_is_built_anew(
    fresh_database: Any, connect: Any
) -> None:
    url = fresh_database()
    with connect(url) as setup:
        grown, shrunk, empty = (setup.make.collection() for _ in range(3))
        for collection_id in (grown, shrunk):
            setup.make.faces(collection_id, [setup.make.unit(1)] * 8)
        collections.count(setup.conn, empty, faces=8)
    with pool.connect(url, autocommit=True) as conn:
        maintain_indexes(conn, exact_max=5)
        conn.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass",
            [search.index_name(grown)],
        )
        conn.execute("DELETE FROM faces WHERE collection_id = %s", [shrunk])
        collections.count(conn, shrunk, faces=-8)

        done = maintain_indexes(conn, exact_max=5)

        assert done == [
            f"dropped {search.index_name(shrunk)}",
            f"built {search.index_name(grown)}",
        ]
        assert search.index_is_ready(conn, grown)
        assert not search.index_is_ready(conn, shrunk)
        collections.delete(conn, grown)
        assert maintain_indexes(conn, exact_max=5) == [f"dropped {search.index_name(grown)}"]


def test_an_index_that_cannot_be_built_is_reported_and_holds_up_no_other(
    fresh_database: Any, connect: Any
) -> None:
    url = fresh_database()
    with connect(url) as setup:
        first, second = (setup.make.collection() for _ in range(2))
        for collection_id, faces in ((first, 8), (second, 9)):
            setup.make.faces(collection_id, [setup.make.unit(1)] * faces)
    blocked, built = search.index_name(first), search.index_name(second)
    with pool.connect(url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE TABLE {} ()").format(sql.Identifier(blocked)))

        failed, done = maintain_indexes(conn, exact_max=5)

        assert failed.startswith(f"could not build {blocked}: ")
        assert done == f"built {built}"
        assert search.index_is_ready(conn, second)
