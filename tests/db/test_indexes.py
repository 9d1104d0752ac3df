"""Indexes of a collection's own table, and the queue of work on them, against a real Postgres."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from core import promotion
from core.db import index_work, indexes, pool
from core.db.index_work import Action, State
from core.db.indexes import Kind
from core.db.pool import Connection

FACES = 40


@pytest.fixture
def url(fresh_database: Any) -> str:
    made: str = fresh_database()
    return made


@pytest.fixture
def conn(url: str) -> Iterator[Connection]:
    with pool.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def own(conn: Connection, module_make: Any) -> UUID:
    """A collection of `FACES` faces with a table of its own and no index."""
    make = module_make(conn)
    made: UUID = make.collection("large")
    make.faces(made, [make.unit(1, number) for number in range(FACES)])
    promotion.promote(conn, made)
    return made


def definition(conn: Connection, name: str) -> str:
    row = conn.execute("SELECT pg_get_indexdef(%s::regclass)", [name]).fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize(
    ("kind", "expression"),
    [
        (Kind.HNSW, "(embedding)::halfvec(4)) halfvec_cosine_ops"),
        (Kind.BIT, "binary_quantize((embedding)::halfvec(4)))::bit(4)) bit_hamming_ops"),
    ],
)
def test_an_index_is_built_on_the_own_table_and_dropped(
    conn: Connection, own: UUID, kind: Kind, expression: str
) -> None:
    indexes.create(conn, own, kind, 4)

    made = definition(conn, indexes.index_name(own, kind))
    assert expression in made
    assert f"ON public.{indexes.table_name(own)} USING hnsw" in made
    assert indexes.is_valid(conn, own, kind)
    (index,) = indexes.indexes(conn, [own])
    assert (index.kind, index.valid) == (kind, True)
    assert index.bytes > 0

    indexes.drop(conn, own, kind)
    assert indexes.indexes(conn, [own]) == []


def test_a_broken_build_does_not_count_and_is_in_nobodys_way(conn: Connection, own: UUID) -> None:
    with pytest.raises(psycopg.errors.DataException):
        indexes.create(conn, own, Kind.HNSW, 5)  # every vector has 4 numbers
    (broken,) = indexes.indexes(conn, [own])
    useless = indexes.useless(conn)

    indexes.create(conn, own, Kind.HNSW, 4)

    assert not broken.valid
    assert useless == [indexes.index_name(own, Kind.HNSW)]
    assert indexes.is_valid(conn, own, Kind.HNSW)
    assert indexes.useless(conn) == []


def test_a_rebuilt_index_keeps_its_name_and_leaves_nothing_behind(
    conn: Connection, own: UUID
) -> None:
    indexes.create(conn, own, Kind.HNSW, 4)
    name = indexes.index_name(own, Kind.HNSW)
    before = conn.execute("SELECT %s::regclass::oid", [name]).fetchone()

    indexes.rebuild(conn, own, Kind.HNSW)

    assert conn.execute("SELECT %s::regclass::oid", [name]).fetchone() != before
    assert indexes.is_valid(conn, own, Kind.HNSW)
    assert indexes.useless(conn) == []


def test_what_a_broken_rebuild_and_earlier_versions_left_is_useless(
    conn: Connection, own: UUID
) -> None:
    indexes.create(conn, own, Kind.HNSW, 4)
    left = f"{indexes.index_name(own, Kind.HNSW)}_ccnew1"
    legacy = f"faces_hnsw_{uuid4().hex}"
    conn.execute(f"CREATE INDEX {left} ON {indexes.table_name(own)} (norm)")
    conn.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [left])
    conn.execute(f"CREATE INDEX {legacy} ON faces_tail_0 (norm)")

    assert indexes.useless(conn) == sorted([left, legacy])
    for name in indexes.useless(conn):
        indexes.drop_by_name(conn, name)

    assert indexes.useless(conn) == []
    assert indexes.is_valid(conn, own, Kind.HNSW)


def test_a_table_tells_its_size_and_its_dead_rows(conn: Connection, own: UUID) -> None:
    conn.execute("UPDATE faces SET person_id = NULL WHERE collection_id = %s", [own])
    conn.execute("SELECT pg_stat_force_next_flush()")

    table = indexes.table(conn, own)

    assert table is not None
    assert (table.layout, table.faces, table.dimension) == ("own", FACES, 4)
    assert table.heap_bytes is not None
    assert table.heap_bytes > 0
    assert table.dead == FACES


def test_tables_are_those_with_a_table_or_work_or_many_faces(
    conn: Connection, own: UUID, module_make: Any
) -> None:
    make = module_make(conn)
    small, large, working = (make.collection() for _ in range(3))
    make.faces(small, [make.unit(1)])
    make.faces(large, [make.unit(1)] * 3)
    make.faces(working, [make.unit(1)])
    index_work.insert(
        conn, collection_id=working, action=Action.PROMOTE, kind=Kind.HNSW, actor="a test"
    )

    found = indexes.tables(conn, least_faces=2)
    second = indexes.tables(conn, least_faces=2, limit=1, after=found[0].collection_id)

    assert [table.collection_id for table in found] == [own, large, working]
    assert [table.layout for table in found] == ["own", "tail", "tail"]
    assert [table.collection_id for table in second] == [large]
    assert indexes.table(conn, uuid4()) is None


def test_only_one_session_changes_indexes_and_others_can_see_that(
    conn: Connection, url: str
) -> None:
    with pool.connect(url, autocommit=True) as other:
        assert not indexes.maintenance_is_locked(other)
        assert indexes.lock_maintenance(conn)
        assert indexes.maintenance_is_locked(other)
        assert not indexes.lock_maintenance(other)
        indexes.unlock_maintenance(conn)
        assert not indexes.maintenance_is_locked(other)
        assert indexes.lock_maintenance(other)


def test_the_lock_of_another_database_is_not_ours(conn: Connection, fresh_database: Any) -> None:
    with pool.connect(fresh_database(), autocommit=True) as elsewhere:
        assert indexes.lock_maintenance(elsewhere)
        assert not indexes.maintenance_is_locked(conn)
        assert indexes.lock_maintenance(conn)


def test_a_build_has_the_memory_and_the_helpers_it_was_given(conn: Connection) -> None:
    indexes.prepare_build(conn, memory_bytes=100 * 1024 * 1024, workers=1)

    settings = conn.execute(
        "SELECT current_setting('maintenance_work_mem'), "
        "current_setting('max_parallel_maintenance_workers'), current_setting('statement_timeout')"
    ).fetchone()
    assert settings == ("100MB", "1", "0")


def asked(conn: Connection, collection_id: UUID, action: Action = Action.BUILD) -> UUID | None:
    return index_work.insert(
        conn, collection_id=collection_id, action=action, kind=Kind.HNSW, actor="a test"
    )


def test_the_same_work_waits_once(conn: Connection, own: UUID) -> None:
    first = asked(conn, own)

    assert first is not None
    assert asked(conn, own) is None
    assert asked(conn, own, Action.DROP) is not None
    index_work.finish(conn, first, State.DONE)
    assert asked(conn, own) is not None


def test_the_oldest_work_is_claimed_first_and_a_named_one_before_all(
    conn: Connection, own: UUID
) -> None:
    first, second, third = (
        asked(conn, own, a) for a in (Action.BUILD, Action.DROP, Action.REBUILD)
    )

    named = index_work.claim(conn, third)
    oldest = index_work.claim(conn)

    assert named is not None
    assert (named.id, named.state, named.attempts) == (third, State.RUNNING, 1)
    assert oldest is not None
    assert oldest.id == first
    assert [work.id for work in index_work.open_work(conn, own)] == [first, third, second]
    assert {work.id for work in index_work.left_running(conn)} == {first, third}
    assert index_work.claim(conn, third) is None, "it runs already"


def test_only_the_newest_closed_work_is_kept(conn: Connection, own: UUID) -> None:
    for _ in range(4):
        work_id = asked(conn, own)
        assert work_id is not None
        index_work.finish(conn, work_id, State.FAILED, "no room")
    waiting = asked(conn, own)

    index_work.forget(conn, keep=2)

    kept = index_work.history(conn, own, limit=10)
    assert [work.detail for work in kept] == ["no room"] * 2
    assert kept[0].id == work_id
    assert [work.id for work in index_work.open_work(conn, own)] == [waiting]


def test_work_goes_with_its_collection(conn: Connection, own: UUID) -> None:
    work_id = asked(conn, own)
    assert work_id is not None

    conn.execute("DELETE FROM collections WHERE id = %s", [own])

    assert index_work.get(conn, work_id) is None


def test_the_latest_long_build_of_the_same_kind_and_dimension_is_the_measure(
    conn: Connection, own: UUID
) -> None:
    for seconds, faces in ((100, 1000), (30, 500), (0, 7)):
        conn.execute(
            "INSERT INTO index_work (collection_id, action, state, total, actor, started_at, "
            "finished_at) VALUES (%s, 'build', 'done', %s, 'a test', now(), "
            "now() + make_interval(secs => %s))",
            [own, faces, seconds],
        )

    found = index_work.latest_build(conn, Kind.HNSW, 4)

    assert found == index_work.Measured(1000, 100.0)
    assert index_work.latest_build(conn, Kind.BIT, 4) is None
    assert index_work.latest_build(conn, Kind.HNSW, 512) is None
