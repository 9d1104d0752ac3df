"""Every query of collections.sql."""

from typing import Any
from uuid import UUID

import psycopg
import pytest

from core import spaces
from core.db import collections
from core.db.pool import Connection

NOBODY = UUID(int=7)


def test_a_space_is_stored_once_however_often_it_is_kept(conn: Connection) -> None:
    space = spaces.space("open", 128, {"recogniser": "a digest"})

    collections.keep_space(conn, space)
    collections.keep_space(conn, space)

    row = conn.execute("SELECT pack, dimension, contract FROM spaces WHERE id = %s", [space.id])
    assert row.fetchall() == [("open", 128, dict(space.contract))]


def test_a_stored_collection_comes_back_whole(conn: Connection, make: Any) -> None:
    made = make.collection("trip", external_id="t-1")

    collection = collections.get(conn, made)

    assert collection is not None
    assert (collection.name, collection.external_id, collection.pack, collection.dimension) == (
        *("trip", "t-1"),
        *("open", 4),
    )
    assert (collection.image_count, collection.face_count, collection.person_count) == (0, 0, 0)
    assert collection.metadata == {"made by": "test"}
    assert collection.threshold == pytest.approx(0.5)


def test_a_collection_counts_its_people_live(conn: Connection, make: Any) -> None:
    made = make.collection()
    make.person(made, "Ada")
    make.person(made, "Bob")
    make.person(make.collection(), "Eve")

    collection = collections.get(conn, made)

    assert collection is not None
    assert collection.person_count == 2


@pytest.mark.parametrize("column", ["name", "external_id"])
def test_names_and_external_ids_of_collections_are_unique(make: Any, column: str) -> None:
    make.collection("trip", external_id="t-1")
    second = {"name": "other", "external_id": "t-2", column: {"name": "trip"}.get(column, "t-1")}

    with pytest.raises(psycopg.errors.UniqueViolation):
        make.collection(second["name"], external_id=second["external_id"])


def test_an_unknown_collection_is_none_everywhere(conn: Connection) -> None:
    assert collections.get(conn, NOBODY) is None
    assert collections.id_by_name(conn, "nobody") is None
    assert collections.delete(conn, NOBODY) is None
    assert not collections.lock(conn, NOBODY)
    collections.hold(conn, [NOBODY])


def test_a_collection_is_found_by_name(conn: Connection, make: Any) -> None:
    made = make.collection("trip")

    assert collections.id_by_name(conn, "trip") == made


def test_pages_of_collections_are_oldest_first_and_never_overlap(
    conn: Connection, make: Any
) -> None:
    made = [make.collection() for _ in range(5)]

    first = collections.page(conn, limit=3)
    second = collections.page(conn, limit=3, after=first[-1].id)

    assert [collection.id for collection in first + second] == made


def test_a_page_can_be_narrowed_to_an_external_id(conn: Connection, make: Any) -> None:
    make.collection(external_id="a")
    wanted = make.collection(external_id="b")

    found = collections.page(conn, limit=10, external_id="b")

    assert [collection.id for collection in found] == [wanted]


def test_an_update_leaves_alone_what_is_not_given(conn: Connection, make: Any) -> None:
    made = make.collection("trip", external_id="t-1")

    known = collections.update(
        conn,
        made,
        name=None,
        external_id=None,
        metadata={"year": 2026},
        threshold=None,
        threshold_source=None,
        quality_gate=None,
    )

    changed = collections.get(conn, made)
    assert known
    assert changed is not None
    assert (changed.name, changed.external_id, changed.metadata) == ("trip", "t-1", {"year": 2026})
    assert changed.quality_gate == "off"


def test_an_empty_external_id_removes_it(conn: Connection, make: Any) -> None:
    made = make.collection(external_id="t-1")

    collections.update(
        conn,
        made,
        name="new",
        external_id="",
        metadata=None,
        threshold=0.25,
        threshold_source="by hand",
        quality_gate="strict",
    )

    changed = collections.get(conn, made)
    assert changed is not None
    assert (changed.name, changed.external_id) == ("new", None)
    assert (changed.threshold, changed.threshold_source) == (0.25, "by hand")
    assert changed.quality_gate == "strict"


def test_there_is_no_budget_without_a_calibration(conn: Connection, make: Any) -> None:
    made = make.collection()

    with pytest.raises(psycopg.errors.CheckViolation):
        conn.execute("UPDATE collections SET alarm_budget = 10 WHERE id = %s", [made])


def test_counters_go_up_and_down(conn: Connection, make: Any) -> None:
    made = make.collection()

    collections.count(conn, made, images=3, faces=7)
    collections.count(conn, made, images=-1, faces=-2)

    collection = collections.get(conn, made)
    assert collection is not None
    assert (collection.image_count, collection.face_count) == (2, 5)


def test_a_counter_below_zero_is_refused(conn: Connection, make: Any) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        collections.count(conn, make.collection(), faces=-1)


def test_deleting_a_collection_takes_everything_in_it_and_nothing_else(
    conn: Connection, make: Any
) -> None:
    gone, kept = make.collection(), make.collection()
    for collection_id in (gone, kept):
        make.person(collection_id, face_ids=[make.face(collection_id)])
        make.items(collection_id, 2)
        collections.count(conn, collection_id, images=3)

    removed = collections.delete(conn, gone)

    assert removed == collections.Removed(
        image_count=3, face_count=1, person_count=1, layout="tail"
    )
    for table in ("images", "faces", "people", "jobs", "items"):
        left = conn.execute(f"SELECT DISTINCT collection_id FROM {table}").fetchall()  # noqa: S608
        assert left == [(kept,)], table


def test_a_held_collection_cannot_be_deleted_but_can_be_counted(
    fresh_database: Any, connect: Any
) -> None:
    url = fresh_database()
    with connect(url) as setup:
        made = setup.make.collection()
    with connect(url) as holder, connect(url) as other:
        collections.hold(holder.conn, [made])
        other.conn.execute("SET LOCAL lock_timeout = '50ms'")

        collections.count(other.conn, made, faces=1)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            collections.delete(other.conn, made)
