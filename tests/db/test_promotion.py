"""Promotion against a real server: while others write, search, hold locks, and while it is cut off."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from threading import Event
from time import sleep
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest
from psycopg import sql

from core import people, promotion
from core.db import collections, faces, images, indexes, partitions, pool
from core.db.indexes import Kind, table_name
from core.db.pool import Connection
from core.errors import CollectionNotFound, DatabaseBusy

STEPS = [
    *("create", "copy", "copy_missing", "vacuum", "add_foreign_key", "validate_foreign_key"),
    *("exclude", "validate_exclusion", "keep_vacuum_away", "begin_move", "delete_moved"),
    *("stop_everybody", "attach", "forget_exclusion"),
]
FACES, DIMENSION = 60, 4


@pytest.fixture
def url(fresh_database: Callable[[], str]) -> str:
    return fresh_database()


@pytest.fixture
def conn(url: str) -> Iterator[Connection]:
    with pool.connect(url, autocommit=True) as opened:
        yield opened


@pytest.fixture
def make(conn: Connection, module_make: Any) -> Any:
    return module_make(conn)


@pytest.fixture
def neighbours(conn: Connection, make: Any) -> list[UUID]:
    """Other collections, in this home leaf and in others."""
    made = [make.collection() for _ in range(20)]
    for collection_id in made:
        make.faces(collection_id, [make.unit(1)] * 3)
    return made


@pytest.fixture
def collection_id(neighbours: list[UUID], conn: Connection, make: Any) -> UUID:
    made: UUID = make.collection()
    ids = [face_id for _ in range(FACES // 3) for face_id in make.faces(made, [make.unit(1)] * 3)]
    make.person(made, "Ada", ids[: FACES // 2])
    faces.set_hidden(conn, made, ids[-1:], hidden=True)
    return made


def contents(conn: Connection) -> list[tuple[Any, ...]]:
    return conn.execute("SELECT faces.*::text FROM faces ORDER BY id").fetchall()


def places(conn: Connection, collection_id: UUID) -> set[str]:
    found = conn.execute(
        "SELECT DISTINCT tableoid::regclass::text FROM faces WHERE collection_id = %s",
        [collection_id],
    )
    return {row[0] for row in found}


def traces(conn: Connection) -> int:
    """Tables, functions, triggers and constraints that only a promotion in progress has."""
    row = conn.execute(
        r"""
        SELECT (SELECT count(*) FROM pg_class WHERE relkind = 'r' AND NOT relispartition
                                                AND relname LIKE 'faces\_c\_%')
             + (SELECT count(*) FROM pg_proc WHERE proname LIKE 'faces\_c\_%')
             + (SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'faces\_c\_%')
             + (SELECT count(*) FROM pg_constraint WHERE conname LIKE 'faces\_not\_%'
                                                      OR conname LIKE '%\_only')
        """
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_promotion_moves_one_collection_and_changes_no_face(
    conn: Connection, collection_id: UUID, neighbours: list[UUID]
) -> None:
    before = contents(conn)
    homes = {each: places(conn, each) for each in neighbours}
    steps: list[tuple[str, int, int]] = []

    promotion.promote(conn, collection_id, report=lambda *step: steps.append(step))

    assert contents(conn) == before
    assert places(conn, collection_id) == {table_name(collection_id)}
    assert {each: places(conn, each) for each in neighbours} == homes
    assert partitions.placed(conn, collection_id) == partitions.Placed("own", FACES)
    assert traces(conn) == 0
    assert [step for step, *_ in steps] == sorted(
        (step for step, *_ in steps), key=["copy", "check", "switch"].index
    )
    assert steps[-1] == ("switch", 1, 1)


def test_an_own_collection_is_left_alone(conn: Connection, collection_id: UUID) -> None:
    promotion.promote(conn, collection_id)
    before = conn.execute("SELECT %s::regclass::oid", [table_name(collection_id)]).fetchone()

    promotion.promote(conn, collection_id)

    after = conn.execute("SELECT %s::regclass::oid", [table_name(collection_id)]).fetchone()
    assert after == before


def test_attaching_reads_the_home_leaf_and_no_other_table(
    conn: Connection, collection_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices: list[str] = []
    conn.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
    attach = partitions.attach

    def loudly(conn: Connection, collection_id: UUID) -> None:
        conn.execute("SET LOCAL client_min_messages = debug1")
        attach(conn, collection_id)

    monkeypatch.setattr(partitions, "attach", loudly)
    promotion.promote(conn, collection_id)

    implied = [text for text in notices if text.endswith("is implied by existing constraints")]
    assert len(implied) == 1 + 7, "the new table, and all leaves but its home"
    assert len([text for text in notices if text.startswith("verifying table")]) == 1
    assert not [text for text in notices if "foreign key" in text or "building index" in text]


def test_the_index_is_built_before_anybody_searches_the_new_table(
    conn: Connection, collection_id: UUID
) -> None:
    seen = []

    def build(conn: Connection, table: str) -> None:
        indexes.create(conn, collection_id, Kind.HNSW, DIMENSION)
        seen.append((table, places(conn, collection_id) == {table}))

    promotion.promote(conn, collection_id, build=build)

    assert seen == [(table_name(collection_id), False)]
    assert indexes.is_valid(conn, collection_id, Kind.HNSW)


class Writer:
    """Adds, names and deletes faces of a collection, and knows what must be there in the end."""

    def __init__(self, url: str, make: Any, collection_id: UUID, seed: int) -> None:
        self.url, self.make, self.id = url, make, collection_id
        self.random = np.random.default_rng(seed)
        self.images: dict[UUID, list[UUID]] = {}
        self.owners: dict[UUID, UUID | None] = {}
        self.writes = 0

    def run(self, over: Event) -> None:
        with pool.connect(self.url) as conn:
            make = self.make(conn)
            self.person = people.create(conn, self.id, name="Bob", actor="test").id
            conn.commit()
            while not over.is_set():
                acts = (self.add, self.add, self.name, self.drop, self.erase)
                acts[self.random.integers(len(acts))](conn, make)
                conn.commit()
                self.writes += 1

    def one_of(self, ids: list[UUID]) -> UUID:
        return ids[self.random.integers(len(ids))]

    def add(self, conn: Connection, make: Any) -> None:
        collections.hold(conn, [self.id])
        image_id = make.image(self.id)
        ids = make.faces(self.id, [make.unit(1)] * 2, image_id=image_id)
        self.images[image_id] = ids
        self.owners.update(dict.fromkeys(ids))

    def name(self, conn: Connection, make: Any) -> None:
        if self.owners:
            face_id = self.one_of(list(self.owners))
            people.assign(conn, self.person, [face_id], actor="test")
            self.owners[face_id] = self.person

    def drop(self, conn: Connection, make: Any) -> None:
        if self.images:
            image_id = self.one_of(list(self.images))
            collections.hold(conn, [self.id])
            images.delete(conn, image_id)
            for face_id in self.images.pop(image_id):
                self.owners.pop(face_id, None)

    def erase(self, conn: Connection, make: Any) -> None:
        if self.owners:
            face_id = self.one_of(list(self.owners))
            collections.hold(conn, [self.id])
            faces.delete(conn, face_id)
            del self.owners[face_id]


class Reader:
    """Counts, as searches do, the faces that nobody touches, and notes each wrong count."""

    def __init__(self, url: str, collection_id: UUID, present: int) -> None:
        self.url, self.id, self.present = url, collection_id, present
        self.wrong: list[int] = []
        self.reads = 0

    def run(self, over: Event) -> None:
        with pool.connect(self.url, autocommit=True) as conn:
            while not over.is_set():
                row = conn.execute(
                    "SELECT count(*) FROM faces WHERE collection_id = %s AND external_id LIKE %s",
                    [self.id, "kept %"],
                ).fetchone()
                assert row is not None
                self.reads += 1
                if row[0] != self.present:
                    self.wrong.append(row[0])


def run_during(action: Callable[[], object], workers: Sequence[Writer | Reader]) -> None:
    """Start *workers*, do *action* amid them, and raise what one of them raised."""
    over = Event()
    with ThreadPoolExecutor(len(workers)) as threads:
        running = [threads.submit(worker.run, over) for worker in workers]
        try:
            over.wait(0.3)
            action()
            over.wait(0.3)
        finally:
            over.set()
        for each in running:
            each.result()


def test_writers_and_searches_go_on_and_nothing_is_lost_or_there_twice(
    url: str,
    conn: Connection,
    module_make: Any,
    collection_id: UUID,
    neighbours: list[UUID],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(promotion, "BATCH", 7)
    conn.execute("UPDATE faces SET external_id = 'kept ' || id")
    before = dict(conn.execute("SELECT id, person_id FROM faces").fetchall())
    writers = [Writer(url, module_make, collection_id, seed) for seed in range(3)]
    readers = [Reader(url, collection_id, FACES), Reader(url, neighbours[0], 3)]

    run_during(lambda: promotion.promote(conn, collection_id), [*writers, *readers])

    expected = before | {key: who for writer in writers for key, who in writer.owners.items()}
    found = conn.execute("SELECT id, person_id FROM faces").fetchall()
    assert len(found) == len(expected)
    assert dict(found) == expected
    assert places(conn, collection_id) == {table_name(collection_id)}
    assert [reader.wrong for reader in readers] == [[], []]
    assert min(each.writes for each in writers) > 0
    assert min(each.reads for each in readers) > 0
    assert traces(conn) == 0


def name_face(conn: Connection, face_id: UUID) -> None:
    person_id = conn.execute("SELECT id FROM people").fetchone()[0]  # type: ignore[index]
    people.assign(conn, person_id, [face_id], actor="test")


def describe_face(conn: Connection, face_id: UUID) -> None:
    face = faces.get(conn, face_id)
    assert face is not None
    faces.update(conn, face, external_id=None, metadata={"hair": "grey"})


def is_done_or_waits(running: Future[None], worker: Connection, conn: Connection) -> bool:
    waiting = conn.execute(
        "SELECT cardinality(pg_blocking_pids(%s)) > 0", [worker.info.backend_pid]
    ).fetchone()
    return running.done() or waiting == (True,)


@pytest.mark.parametrize("step", ["copy", "copy_missing"])
@pytest.mark.parametrize("change", [name_face, describe_face, faces.delete])
def test_a_face_that_changes_just_when_it_is_copied_is_moved_as_it_is_then(
    url: str,
    conn: Connection,
    collection_id: UUID,
    step: str,
    change: Callable[[Connection, UUID], object],
) -> None:
    """Unless the copy locks what it reads, a change fails, and a deleted face stays in the new table."""
    (home,) = places(conn, collection_id)
    partitions.create(conn, collection_id, home)
    (face_id,) = conn.execute(
        "SELECT id FROM faces WHERE collection_id = %s AND person_id IS NULL LIMIT 1",
        [collection_id],
    ).fetchone()  # type: ignore[misc]

    def change_it() -> None:
        change(writer, face_id)
        writer.commit()

    with pool.connect(url) as writer, pool.connect(url) as copier, ThreadPoolExecutor(1) as threads:
        if step == "copy":
            partitions.copy(copier, collection_id, home, after=None, limit=FACES)
        else:
            partitions.copy_missing(copier, collection_id, home)
        changing = threads.submit(change_it)
        while not is_done_or_waits(changing, writer, conn):
            sleep(0.01)
        copier.commit()
        changing.result()
    changed = contents(conn)
    promotion.promote(conn, collection_id, patience_s=5.0)

    assert contents(conn) == changed
    assert places(conn, collection_id) == {table_name(collection_id)}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_promotion_that_is_cut_off_has_changed_nothing_and_the_next_one_ends_it(
    url: str, conn: Connection, collection_id: UUID, step: str, when: str
) -> None:
    before = contents(conn)
    original = getattr(partitions, step)

    def cut_off(cut: Connection, *args: Any, **options: Any) -> None:
        if when == "after":
            original(cut, *args, **options)
        conn.execute("SELECT pg_terminate_backend(%s)", [cut.info.backend_pid])
        cut.execute("SELECT 1")

    with pytest.MonkeyPatch.context() as patch, closing(pool.connect(url, autocommit=True)) as cut:
        patch.setattr(partitions, step, cut_off)
        with pytest.raises(psycopg.OperationalError):
            promotion.promote(cut, collection_id)

    assert contents(conn) == before
    promotion.promote(conn, collection_id)
    assert contents(conn) == before
    assert places(conn, collection_id) == {table_name(collection_id)}
    assert traces(conn) == 0


def cut_off_at(url: str, conn: Connection, collection_id: UUID, step: str) -> None:
    def cut_off(cut: Connection, *args: Any, **options: Any) -> None:
        conn.execute("SELECT pg_terminate_backend(%s)", [cut.info.backend_pid])
        cut.execute("SELECT 1")

    with pytest.MonkeyPatch.context() as patch, closing(pool.connect(url, autocommit=True)) as cut:
        patch.setattr(partitions, step, cut_off)
        with suppress(psycopg.OperationalError):
            promotion.promote(cut, collection_id)


def test_what_a_cut_off_promotion_left_is_gone_on_with(
    url: str, conn: Connection, collection_id: UUID, make: Any
) -> None:
    cut_off_at(url, conn, collection_id, "keep_vacuum_away")
    left = conn.execute("SELECT %s::regclass::oid", [table_name(collection_id)]).fetchone()
    make.faces(collection_id, [make.unit(1)])
    before = contents(conn)

    promotion.promote(conn, collection_id)

    now = conn.execute("SELECT %s::regclass::oid", [table_name(collection_id)]).fetchone()
    assert (now, contents(conn)) == (left, before)


def test_what_a_cut_off_promotion_left_is_not_gone_on_with_after_a_change_of_the_schema(
    url: str, conn: Connection, collection_id: UUID
) -> None:
    cut_off_at(url, conn, collection_id, "keep_vacuum_away")
    conn.execute("ALTER TABLE faces ADD COLUMN later integer")

    promotion.promote(conn, collection_id)

    assert places(conn, collection_id) == {table_name(collection_id)}


def test_what_nobody_goes_on_with_is_dropped_and_what_is_to_be_gone_on_with_is_not(
    url: str, conn: Connection, collection_id: UUID, make: Any
) -> None:
    cut_off_at(url, conn, collection_id, "keep_vacuum_away")
    assert traces(conn) > 0
    conn.execute(
        "INSERT INTO index_work (collection_id, action, actor) VALUES (%s, 'promote', 'test')",
        [collection_id],
    )
    assert promotion.drop_orphans(conn) == []
    conn.execute("DELETE FROM index_work")

    assert promotion.drop_orphans(conn) == [collection_id]

    assert traces(conn) == 0
    make.faces(collection_id, [make.unit(1)])


def test_two_never_promote_one_collection_at_once(
    url: str, conn: Connection, collection_id: UUID
) -> None:
    with pool.connect(url, autocommit=True) as other:
        assert partitions.lock(other, collection_id)

        with pytest.raises(DatabaseBusy, match="already"):
            promotion.promote(conn, collection_id)
        assert promotion.drop_orphans(conn) == []


@pytest.mark.parametrize("held", ["faces", "images"])
def test_a_long_reader_is_waited_for_in_small_portions_and_for_so_long_only(
    url: str, conn: Connection, collection_id: UUID, held: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promotion, "FREEZE_S", 0.1)
    before = contents(conn)
    with pool.connect(url) as reader:
        reader.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(held)))

        with pytest.raises(DatabaseBusy):
            promotion.promote(conn, collection_id, patience_s=0.5)
        assert contents(conn) == before

    promotion.promote(conn, collection_id)
    assert contents(conn) == before


def test_tables_that_differ_are_not_exchanged(
    conn: Connection, collection_id: UUID, neighbours: list[UUID]
) -> None:
    before = contents(conn)

    def damage(conn: Connection, table: str) -> None:
        name = sql.Identifier(table)
        one = sql.SQL("(SELECT id FROM {} ORDER BY id LIMIT 1)").format(name)
        conn.execute(sql.SQL("UPDATE {} SET quality = 0 WHERE id = {}").format(name, one))

    with pytest.raises(DatabaseBusy):
        promotion.promote(conn, collection_id, build=damage, patience_s=0.3)

    assert contents(conn) == before
    assert table_name(collection_id) not in places(conn, collection_id)


def test_faces_of_a_partition_keep_their_foreign_keys(
    conn: Connection, collection_id: UUID, make: Any
) -> None:
    promotion.promote(conn, collection_id)
    image_id, person_id, face_id = conn.execute(
        "SELECT image_id, person_id, id FROM faces WHERE collection_id = %s AND person_id IS NOT NULL",
        [collection_id],
    ).fetchone()  # type: ignore[misc]

    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        make.faces(collection_id, [make.unit(1)], image_id=UUID(int=7))
    people.delete(conn, person_id, actor="test")
    nobody = conn.execute("SELECT count(*) FROM faces WHERE person_id IS NOT NULL").fetchone()
    images.delete(conn, image_id)

    assert nobody == (0,)
    assert faces.get(conn, face_id) is None


def test_a_collection_that_is_deleted_amid_its_promotion_leaves_nothing(
    url: str, conn: Connection, collection_id: UUID
) -> None:
    def delete(conn: Connection, table: str) -> None:
        with pool.connect(url) as other:
            assert collections.lock(other, collection_id)
            collections.delete(other, collection_id)

    with pytest.raises(CollectionNotFound):
        promotion.promote(conn, collection_id, build=delete)

    assert traces(conn) == 0


def test_an_unknown_collection_cannot_be_promoted(conn: Connection) -> None:
    with pytest.raises(CollectionNotFound):
        promotion.promote(conn, UUID(int=7))


def test_the_partition_of_a_deleted_collection_is_dropped_with_the_other_orphans(
    url: str, conn: Connection, collection_id: UUID, neighbours: list[UUID]
) -> None:
    promotion.promote(conn, collection_id)

    gone = collections.delete(conn, collection_id)

    assert gone == collections.Removed(0, FACES, 1, "own")
    assert places(conn, collection_id) == set()
    with pool.connect(url) as reader:
        reader.execute("SELECT count(*) FROM faces")
        with pytest.raises(DatabaseBusy):
            promotion.drop_orphans(conn, patience_s=0.3)
    assert promotion.drop_orphans(conn) == [collection_id]
    assert conn.execute("SELECT to_regclass(%s)", [table_name(collection_id)]).fetchone() == (None,)
    assert len(contents(conn)) == 3 * len(neighbours)


def test_whatever_knows_its_collection_looks_into_one_partition(
    url: str, conn: Connection, collection_id: UUID
) -> None:
    promotion.promote(conn, collection_id)
    image_id, person_id, face_id = conn.execute(
        "SELECT image_id, person_id, id FROM faces WHERE collection_id = %s AND person_id IS NOT NULL",
        [collection_id],
    ).fetchone()  # type: ignore[misc]

    def partitions_of(action: Callable[[Connection], object]) -> set[str]:
        with pool.connect(url) as session:
            session.execute("SELECT 1")  # opens a transaction, so that those of core nest in it
            action(session)
            found = session.execute(
                r"""
                SELECT class.relname FROM pg_locks JOIN pg_class AS class ON class.oid = relation
                 WHERE pid = pg_backend_pid() AND class.relkind = 'r' AND class.relispartition
                """
            ).fetchall()
            session.rollback()
        return {row[0] for row in found}

    looks: list[Callable[[Connection], object]] = [
        lambda session: faces.get(session, face_id),
        lambda session: faces.embedding(session, face_id),
        lambda session: faces.delete(session, face_id),
        lambda session: faces.of_images(session, [image_id], collection_ids=[collection_id]),
        lambda session: people.get(session, person_id),
        lambda session: people.page(session, collection_id, limit=5),
        lambda session: people.unassign(session, person_id, [face_id], actor="test"),
        lambda session: people.delete(session, person_id, actor="test"),
    ]
    assert [partitions_of(look) for look in looks] == [{table_name(collection_id)}] * len(looks)
