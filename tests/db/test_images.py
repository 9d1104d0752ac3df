"""Every query of images.sql."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from core.db import images
from core.db.pool import Connection
from core.facets import Facets

NOBODY = UUID(int=7)
DIGEST = bytes(range(32))
NOON = datetime(2024, 5, 31, 12, tzinfo=UTC)


def test_a_stored_image_comes_back_whole_and_waits(conn: Connection, make: Any) -> None:
    collection_id = make.collection()

    image = images.get(conn, make.image(collection_id, sha256=DIGEST, external_id="p-1"))

    assert image is not None
    assert (image.collection_id, image.sha256, image.external_id) == (collection_id, DIGEST, "p-1")
    assert (image.state, image.reason, image.face_count, image.finished_at) == (
        *("waiting", None),
        *(0, None),
    )
    assert (image.format, image.bytes, image.width, image.height) == ("jpeg", 1234, 640, 480)


def test_the_same_bytes_are_not_stored_twice_in_a_collection(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    first = make.image(collection_id, sha256=DIGEST)

    again = images.insert(
        conn,
        collection_id=collection_id,
        sha256=DIGEST,
        external_id=None,
        metadata={},
        filename=None,
        format="png",
        bytes=1,
        width=1,
        height=1,
    )

    known = images.by_bytes(conn, collection_id, DIGEST)
    assert again is None
    assert known is not None
    assert known.id == first


def test_another_collection_may_have_the_same_bytes(conn: Connection, make: Any) -> None:
    first, second = make.collection(), make.collection()
    make.image(first, sha256=DIGEST)

    assert images.by_bytes(conn, second, DIGEST) is None
    make.image(second, sha256=DIGEST)


def test_an_external_id_is_unique_in_its_collection(make: Any) -> None:
    collection_id = make.collection()
    make.image(collection_id, external_id="p-1")
    make.image(make.collection(), external_id="p-1")

    with pytest.raises(psycopg.errors.UniqueViolation):
        make.image(collection_id, external_id="p-1")


def test_an_image_needs_a_collection(make: Any) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        make.image(NOBODY)


def test_many_returns_those_that_exist(conn: Connection, make: Any) -> None:
    made = make.image(make.collection())

    assert set(images.many(conn, [made, NOBODY])) == {made}


def test_pages_of_images_are_newest_first_and_never_overlap(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    made = [make.image(collection_id) for _ in range(5)]
    make.image(make.collection())

    first = images.page(conn, collection_id, limit=3)
    second = images.page(conn, collection_id, limit=3, after=first[-1].id)

    assert [image.id for image in first + second] == made[::-1]


def test_a_page_can_be_narrowed_to_a_state_or_an_external_id(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    done, waiting = make.image(collection_id), make.image(collection_id, external_id="p-1")
    images.finish(conn, done, state="indexed")

    indexed = images.page(conn, collection_id, limit=9, state="indexed")
    named = images.page(conn, collection_id, limit=9, external_id="p-1")

    assert [image.id for image in indexed] == [done]
    assert [image.id for image in named] == [waiting]


def test_only_waiting_images_are_locked_for_indexing(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    waiting, done = make.image(collection_id), make.image(collection_id)
    images.finish(conn, done, state="indexed")

    assert images.lock_waiting(conn, [waiting, done, NOBODY]) == {waiting: Facets([], None)}


def test_finishing_sets_the_state_and_keeps_the_headers_size_unless_told(
    conn: Connection, make: Any
) -> None:
    collection_id = make.collection()
    decoded, refused = make.image(collection_id), make.image(collection_id)

    images.finish(conn, decoded, state="indexed", face_count=2, width=480, height=640)
    images.finish(conn, refused, state="rejected", reason="image_corrupt", detail="It is damaged.")

    found = images.many(conn, [decoded, refused])
    assert (found[decoded].width, found[decoded].height, found[decoded].face_count) == (480, 640, 2)
    assert (found[refused].width, found[refused].state) == (640, "rejected")
    assert (found[refused].reason, found[refused].detail) == ("image_corrupt", "It is damaged.")
    assert found[refused].finished_at is not None


def test_a_given_up_image_can_wait_again(conn: Connection, make: Any) -> None:
    made = make.image(make.collection())
    images.finish(conn, made, state="dead", reason="worker_lost", detail="Its worker died.")

    images.wait_again(conn, made)

    image = images.get(conn, made)
    assert image is not None
    assert (image.state, image.reason, image.detail, image.finished_at) == (
        *("waiting", None),
        *(None, None),
    )


def test_deleting_an_image_takes_its_faces_and_says_what_is_left_to_do(
    conn: Connection, make: Any
) -> None:
    collection_id = make.collection()
    made = make.image(collection_id, sha256=DIGEST)
    make.faces(collection_id, [make.unit(1), make.unit(0, 1)], image_id=made)
    images.change_face_count(conn, made, 3)
    images.change_face_count(conn, made, -1)

    removed = images.delete(conn, made)

    assert removed == images.Removed(collection_id, DIGEST, 2)
    assert images.get(conn, made) is None
    assert conn.execute("SELECT count(*) FROM faces").fetchone() == (0,)
    assert images.delete(conn, made) is None


def test_bytes_are_in_use_while_any_collection_has_them(conn: Connection, make: Any) -> None:
    first = make.image(make.collection(), sha256=DIGEST)
    second = make.image(make.collection(), sha256=DIGEST)

    images.delete(conn, first)
    assert images.bytes_in_use(conn, DIGEST)
    images.delete(conn, second)
    assert not images.bytes_in_use(conn, DIGEST)


def test_two_transactions_with_the_same_bytes_go_one_after_the_other(
    fresh_database: Any, connect: Any
) -> None:
    url = fresh_database()
    passed = threading.Event()

    def follow() -> None:
        with connect(url) as second:
            images.lock_bytes(second.conn, DIGEST)
            passed.set()

    follower = threading.Thread(target=follow)
    with connect(url) as first, connect(url) as other:
        images.lock_bytes(first.conn, DIGEST)
        images.lock_bytes(other.conn, DIGEST[::-1])  # other bytes: no waiting
        follower.start()
        assert not passed.wait(0.2)
        first.conn.commit()
        assert passed.wait(10)
    follower.join()


def test_a_held_image_cannot_be_deleted_by_others(fresh_database: Any, connect: Any) -> None:
    url = fresh_database()
    with connect(url) as setup:
        made = setup.make.image(setup.make.collection())
    with connect(url) as holder, connect(url) as other:
        images.hold(holder.conn, made)
        other.conn.execute("SET LOCAL lock_timeout = '50ms'")

        with pytest.raises(psycopg.errors.LockNotAvailable):
            images.delete(other.conn, made)


def test_facets_are_stored_and_locked_for_indexing(conn: Connection, make: Any) -> None:
    facets = Facets(["vip", "Ä b"], NOON)
    image_id = make.image(make.collection(), facets=facets)

    image = images.get(conn, image_id)

    assert image is not None
    assert (image.tags, image.captured_at) == (["vip", "Ä b"], NOON)
    assert images.lock_waiting(conn, [image_id]) == {image_id: facets}


def test_a_page_can_be_narrowed_by_tag_and_by_time(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    early = make.image(collection_id, facets=Facets(["a", "b"], NOON))
    late = make.image(collection_id, facets=Facets(["b"], NOON + timedelta(hours=1)))
    make.image(collection_id)

    def found(**narrow: Any) -> list[UUID]:
        return [image.id for image in images.page(conn, collection_id, limit=9, **narrow)]

    assert found(tag="b") == [late, early]
    assert found(tag="a") == [early]
    assert found(tag="A") == []
    assert found(captured_from=NOON) == [late, early]
    assert found(captured_from=NOON + timedelta(seconds=1)) == [late]
    assert found(captured_before=NOON + timedelta(hours=1)) == [early]
    assert found(tag="b", captured_from=NOON, captured_before=NOON) == []


def test_a_change_touches_what_is_given_and_returns_what_faces_repeat(
    conn: Connection, make: Any
) -> None:
    image_id = make.image(make.collection(), external_id="p-1", facets=Facets(["a"], NOON))
    nothing: dict[str, Any] = dict.fromkeys(("external_id", "metadata", "tags", "captured_at"))

    def changed(**given: Any) -> Facets | None:
        return images.update(conn, image_id, **{**nothing, "no_captured_at": False, **given})

    assert changed() == Facets(["a"], NOON)
    assert changed(tags=["b", "c"]) == Facets(["b", "c"], NOON)
    assert changed(no_captured_at=True) == Facets(["b", "c"], None)
    assert changed(tags=[], captured_at=NOON) == Facets([], NOON)
    changed(external_id="", metadata={"n": 1})
    image = images.get(conn, image_id)
    assert image is not None
    assert (image.external_id, image.metadata) == (None, {"n": 1})
    assert images.update(conn, NOBODY, **nothing, no_captured_at=False) is None


def test_hashes_come_in_order_of_the_images_with_their_sizes(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    first, _, third = (make.image(collection_id) for _ in range(3))
    elsewhere = make.image(make.collection())
    images.finish(conn, third, state="indexed", picture_hash=DIGEST[::-1], width=480, height=640)
    for image_id in (first, elsewhere):
        images.finish(conn, image_id, state="indexed", picture_hash=DIGEST)

    found = images.picture_hashes(conn, collection_id)

    assert [found.image_id(row) for row in range(len(found.ids))] == [first, third]
    assert [bytes(row) for row in found.hashes] == [DIGEST, DIGEST[::-1]]
    assert found.sizes.tolist() == [[640, 480], [480, 640]]


def test_a_collection_without_hashes_has_empty_arrays(conn: Connection, make: Any) -> None:
    found = images.picture_hashes(conn, make.collection())

    assert (found.ids.shape, found.hashes.shape, found.sizes.shape) == ((0, 16), (0, 32), (0, 2))


def test_a_hash_has_32_bytes(conn: Connection, make: Any) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        images.finish(conn, make.image(make.collection()), state="indexed", picture_hash=b"short")


def test_images_without_a_hash_are_those_indexed_and_kept_until_they_were_looked_at(
    conn: Connection, make: Any
) -> None:
    collection_id = make.collection()
    hashed, unreadable, older, waiting = (make.image(collection_id) for _ in range(4))
    crops = make.image(collection_id)
    for image_id in (hashed, unreadable, older):
        images.finish(conn, image_id, state="indexed")
    images.finish(conn, crops, state="indexed", kept="crops")

    def left(limit: int = 9) -> list[UUID]:
        ours = {hashed, unreadable, older, waiting, crops}
        return [each.id for each in images.without_hash(conn, limit=limit) if each.id in ours]

    assert left() == [hashed, unreadable, older]
    images.keep_hashes(conn, {hashed: DIGEST, unreadable: None, NOBODY: DIGEST})
    images.keep_hashes(conn, {hashed: None})

    assert left() == [older]
    assert images.picture_hashes(conn, collection_id).hashes.tolist() == [list(DIGEST)]


def test_the_same_bytes_are_found_in_other_collections_only(conn: Connection, make: Any) -> None:
    here, there, elsewhere = (make.collection() for _ in range(3))
    ours = make.image(here, sha256=DIGEST)
    make.image(here)
    others = [make.image(home, sha256=DIGEST) for home in (there, elsewhere)]

    found = images.same_bytes(conn, here)

    assert [(each.image_id, each.other_image_id) for each in found] == [
        (ours, others[0]),
        (ours, others[1]),
    ]
    assert [each.other_collection_id for each in found] == [there, elsewhere]
    assert images.same_bytes(conn, make.collection()) == []
