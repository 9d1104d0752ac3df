"""Doing work on indexes against a real Postgres, and seeing to what dead processes left."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from core import collections as collection_use
from core import estimates, index_policy, indexes, maintenance
from core.db import collections, index_work, pool
from core.db import indexes as rows
from core.db.index_work import Action, State, Work
from core.db.indexes import LINKS, Kind
from core.db.pool import Connection
from core.estimates import MORE_LINKS, NARROW_EF_SEARCH
from core.indexes import Status
from core.maintenance import POLICY, maintain
from core.settings import Settings


class Gallery:
    """A database with collections to be looked after."""

    def __init__(self, url: str, conn: Connection, make: Any) -> None:
        self.url, self.conn, self.make = url, conn, make
        self.settings = Settings(_env_file=None, promote_faces=5, database_url=url)

    def collection(self, faces: int) -> UUID:
        made: UUID = self.make.collection()
        self.make.faces(made, [self.make.unit(1, number) for number in range(faces)])
        return made

    def ask(self, collection_id: UUID, action: Action, kind: Kind = Kind.HNSW) -> Work:
        return indexes.ask(self.conn, collection_id, action, kind, actor="Ada")

    def status(self, collection_id: UUID) -> Status:
        return indexes.status(self.conn, collection_id)

    def kinds(self, collection_id: UUID) -> tuple[Kind, ...]:
        return self.status(collection_id).kinds

    def maintain(self, **settings: Any) -> list[str]:
        return maintain(self.conn, self.settings.model_copy(update=settings))


@pytest.fixture
def gallery(fresh_database: Callable[[], str], module_make: Any) -> Iterator[Gallery]:
    url = fresh_database()
    with pool.connect(url, autocommit=True) as conn:
        yield Gallery(url, conn, module_make(conn))


def test_a_collection_above_the_size_gets_its_table_and_index_and_a_small_one_stays(
    gallery: Gallery,
) -> None:
    large, small = gallery.collection(6), gallery.collection(5)

    first, again = gallery.maintain(), gallery.maintain()

    assert first == ["did promote 'collection 1'"]
    assert again == []
    assert gallery.kinds(large) == (Kind.HNSW,)
    assert gallery.status(small).table.layout == "tail"
    built, promoted = gallery.status(large).history
    assert (built.action, built.state, built.total) == (Action.BUILD, State.DONE, 6)
    assert (promoted.action, promoted.actor) == (Action.PROMOTE, POLICY)
    assert gallery.status(large).built_at(Kind.HNSW) == built.finished_at


def test_a_collection_that_grows_by_a_load_is_promoted_at_once_and_indexed_after_it(
    gallery: Gallery,
) -> None:
    large = gallery.collection(6)
    items = gallery.make.items(large, 3)

    during = gallery.maintain()
    kinds_during = gallery.kinds(large)
    gallery.conn.execute("UPDATE items SET state = 'indexed' WHERE id = ANY(%s)", [items])
    after = gallery.maintain()

    assert during == ["did promote 'collection 1'"]
    assert kinds_during == ()
    assert after == ["did build 'collection 1'"]
    assert gallery.kinds(large) == (Kind.HNSW,)


def test_whoever_asks_for_an_index_during_a_load_gets_it(gallery: Gallery) -> None:
    large = gallery.collection(6)
    gallery.make.items(large, 3)
    gallery.ask(large, Action.PROMOTE)

    gallery.maintain()

    assert gallery.kinds(large) == (Kind.HNSW,)


def test_what_was_asked_for_is_done_in_order(gallery: Gallery) -> None:
    small = gallery.collection(3)
    gallery.ask(small, Action.PROMOTE)
    gallery.maintain()
    gallery.ask(small, Action.BUILD, Kind.BIT)
    gallery.ask(small, Action.REBUILD)
    gallery.ask(small, Action.DROP)

    done = gallery.maintain()

    assert done == [f"did {action} 'collection 1'" for action in ("build", "rebuild", "drop")]
    assert gallery.kinds(small) == (Kind.BIT,)
    assert gallery.status(small).open == ()


def test_an_index_dropped_by_hand_stays_away(gallery: Gallery) -> None:
    large = gallery.collection(6)
    gallery.maintain()
    gallery.ask(large, Action.DROP)

    assert gallery.maintain() == ["did drop 'collection 1'"]
    assert gallery.maintain() == []
    assert gallery.kinds(large) == ()


def test_a_decayed_index_is_rebuilt_and_the_dead_rows_are_freed(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_policy, "LEAST_DEAD", 3)
    monkeypatch.setattr(index_policy, "REST", timedelta(0))
    large = gallery.collection(8)
    gallery.maintain()
    gallery.conn.execute(
        "ALTER TABLE " + rows.table_name(large) + " SET (autovacuum_enabled = off)"
    )
    gallery.conn.execute("UPDATE faces SET person_id = NULL WHERE collection_id = %s", [large])
    gallery.conn.execute("SELECT pg_stat_force_next_flush()")
    dead = gallery.status(large).table.dead

    done = gallery.maintain()

    assert (dead, done) == (8, ["did rebuild 'collection 1'"])
    gallery.conn.execute("SELECT pg_stat_force_next_flush()")
    assert gallery.status(large).table.dead == 0
    assert gallery.kinds(large) == (Kind.HNSW,)


@pytest.mark.parametrize(("chosen", "then"), [(None, NARROW_EF_SEARCH), (250, 250)])
def test_an_outgrown_index_is_rebuilt_with_more_links_and_searched_less_widely(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch, chosen: int | None, then: int
) -> None:
    large = gallery.collection(8)
    gallery.maintain()
    collection_use.change(gallery.conn, large, ef_search=chosen)
    (before,) = rows.indexes(gallery.conn, [large])
    monkeypatch.setattr(estimates, "MANY_FACES", 8)
    monkeypatch.setattr(index_policy, "REST", timedelta(0))

    done = gallery.maintain()

    assert done == ["did rebuild 'collection 1'"]
    (after,) = rows.indexes(gallery.conn, [large])
    assert (before.links, after.links, after.valid) == (LINKS, MORE_LINKS, True)
    assert collection_use.get(gallery.conn, large).ef_search == then
    assert gallery.maintain() == [], "once is enough"


def test_the_first_index_of_a_large_collection_has_more_links_at_once(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates, "MANY_FACES", 8)
    large = gallery.collection(8)

    gallery.maintain()

    assert [index.links for index in rows.indexes(gallery.conn, [large])] == [MORE_LINKS]
    assert collection_use.get(gallery.conn, large).ef_search == NARROW_EF_SEARCH


def test_work_that_fails_says_why_and_holds_up_nothing_else(gallery: Gallery) -> None:
    first, second = gallery.collection(6), gallery.collection(6)
    gallery.conn.execute(f"CREATE TABLE {rows.index_name(first, Kind.HNSW)} ()")

    done = gallery.maintain()

    assert done[0].startswith("could not promote 'collection 1': ")
    assert done[1:] == ["did promote 'collection 2'"]
    (failed,) = (w for w in gallery.status(first).history if w.state == State.FAILED)
    assert failed.detail is not None
    assert rows.index_name(first, Kind.HNSW) in failed.detail
    assert gallery.kinds(second) == (Kind.HNSW,)
    left = rows.table_name(first)
    assert gallery.maintain() == [f"dropped {left}"], "and it is not tried again at once"


@pytest.mark.parametrize("action", [Action.BUILD, Action.REBUILD])
def test_a_build_without_room_for_shared_memory_is_done_by_one_process(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch, action: Action
) -> None:
    large = gallery.collection(3)
    gallery.ask(large, Action.PROMOTE)
    gallery.maintain()
    if action is Action.BUILD:
        rows.drop(gallery.conn, large, Kind.HNSW)
    gallery.ask(large, action)
    name = "create" if action is Action.BUILD else "rebuild"
    build, helpers = getattr(rows, name), []

    def small_shm(conn: Connection, *given: Any, **more: Any) -> None:
        row = conn.execute("SHOW max_parallel_maintenance_workers").fetchone()
        assert row is not None
        helpers.append(row[0])
        if row[0] != "0":
            conn.execute(
                "DO $$ BEGIN RAISE EXCEPTION 'could not resize shared memory segment' "
                "USING ERRCODE = 'disk_full'; END $$"
            )
        build(conn, *given, **more)

    monkeypatch.setattr(rows, name, small_shm)
    gallery.maintain()

    (built, *_) = gallery.status(large).history
    assert (built.action, built.state, helpers[1:]) == (action, State.DONE, ["0"])
    assert built.detail is not None
    assert "shm_size" in built.detail


def test_while_somebody_is_at_it_everybody_else_leaves_at_once(gallery: Gallery) -> None:
    large = gallery.collection(6)
    waiting = gallery.ask(large, Action.PROMOTE)

    with pool.connect(gallery.url, autocommit=True) as other:
        assert rows.lock_maintenance(other)
        assert gallery.maintain() == []
        assert not maintenance.do_one(gallery.conn, waiting.id, gallery.settings)
        rows.unlock_maintenance(other)
    assert maintenance.do_one(gallery.conn, waiting.id, gallery.settings)

    assert gallery.kinds(large) == (Kind.HNSW,)
    assert not rows.maintenance_is_locked(gallery.conn)


def test_one_piece_of_work_can_be_done_without_the_rest(gallery: Gallery) -> None:
    first, second = gallery.collection(3), gallery.collection(3)
    gallery.ask(first, Action.PROMOTE)
    chosen = gallery.ask(second, Action.PROMOTE)

    maintenance.do_one(gallery.conn, chosen.id, gallery.settings)

    assert gallery.status(first).table.layout == "tail"
    assert gallery.status(second).table.layout == "own"


def test_work_of_a_process_that_died_is_done_by_the_next_and_given_up_in_the_end(
    gallery: Gallery,
) -> None:
    small = gallery.collection(3)
    for _ in range(maintenance.MOST_ATTEMPTS):
        work = gallery.ask(small, Action.PROMOTE)
        assert index_work.claim(gallery.conn, work.id) is not None
        maintenance.clean_up(gallery.conn)

    (given_up,) = gallery.status(small).history
    assert (given_up.state, given_up.attempts) == (State.FAILED, maintenance.MOST_ATTEMPTS)
    again = gallery.ask(small, Action.PROMOTE)
    index_work.claim(gallery.conn, again.id)
    gallery.maintain()

    assert gallery.status(small).table.layout == "own"


def test_work_that_went_on_after_its_process_had_died_is_done(gallery: Gallery) -> None:
    small = gallery.collection(3)
    gallery.ask(small, Action.PROMOTE)
    gallery.maintain()
    rows.drop(gallery.conn, small, Kind.HNSW)
    work = gallery.ask(small, Action.BUILD)
    index_work.claim(gallery.conn, work.id)
    rows.create(gallery.conn, small, Kind.HNSW, 4)

    assert gallery.maintain() == []

    (built, *_) = gallery.status(small).history
    assert (built.id, built.state) == (work.id, State.DONE)


def test_work_that_is_interrupted_waits_for_somebody_else(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = gallery.collection(3)
    work = gallery.ask(small, Action.PROMOTE)

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(maintenance.promotion, "promote", interrupt)
    with pytest.raises(KeyboardInterrupt):
        gallery.maintain()

    (waiting,) = gallery.status(small).open
    assert (waiting.id, waiting.state, waiting.attempts) == (work.id, State.WAITING, 0)
    assert not rows.maintenance_is_locked(gallery.conn)


def test_a_collection_that_is_deleted_meanwhile_takes_its_work_along(gallery: Gallery) -> None:
    small = gallery.collection(3)
    work = gallery.ask(small, Action.PROMOTE)
    assert index_work.claim(gallery.conn, work.id) is not None
    collections.delete(gallery.conn, small)

    said = maintenance.perform(gallery.conn, work, gallery.settings)

    assert said == "did not promote: the collection is gone"
    assert gallery.maintain() == []


def test_a_build_can_be_watched_while_it_runs(gallery: Gallery) -> None:
    large = gallery.collection(6)
    gallery.make.faces(large, [gallery.make.unit(number, 1) for number in range(3000)])
    seen: list[indexes.Step] = []

    def work() -> None:
        with pool.connect(gallery.url, autocommit=True) as conn:
            maintain(conn, gallery.settings)

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        step = gallery.status(large).step
        if step is not None:
            seen.append(step)
    thread.join()

    words = [step.words for step in seen]
    assert "copying the faces" in words
    assert "building the graph" in words
    # What is in the row stays at 0 while Postgres counts, and is seen for a moment after that.
    counts = [step.done for step in seen if step.words == "building the graph" and step.done]
    assert counts
    assert counts == sorted(counts)
    assert {step.total for step in seen if step.words == "building the graph"} <= {0, 3006}
