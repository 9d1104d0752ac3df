"""Every query of faces.sql."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest

from core.db import collections, faces, people
from core.db.faces import NewFace
from core.db.pool import Connection
from core.faces import unit_embedding
from core.facets import Facets

NOBODY = UUID(int=7)
NOON = datetime(2024, 5, 31, 12, tzinfo=UTC)


def test_a_stored_face_comes_back_whole(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    image_id = make.image(collection_id)
    (face_id,) = make.faces(collection_id, [make.unit(1)], image_id=image_id)

    face = faces.get(conn, face_id)

    assert face is not None
    assert (face.collection_id, face.image_id, face.position) == (collection_id, image_id, 0)
    assert (face.box, face.landmarks) == ([10, 20, 110.5, 140.25], list(range(10)))
    assert (face.score, face.norm) == (0.875, 21.5)
    assert (face.yaw, face.pitch, face.roll) == (10, -5, 2)
    assert [face.quality, face.sharpness, face.brightness, face.size] == pytest.approx(
        [0.5, 0.6, 0.7, 0.8]
    )
    assert (face.person_id, face.person_name, face.external_id, face.metadata) == (
        *(None, None),
        *(None, {}),
    )


def test_a_face_knows_the_name_of_its_person(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    face_id = make.face(collection_id)
    ada = make.person(collection_id, "Ada", [face_id])

    face = faces.get(conn, face_id)

    assert face is not None
    assert (face.person_id, face.person_name) == (ada, "Ada")


def test_ids_are_new_and_sort_by_time(conn: Connection) -> None:
    ids = faces.new_ids(conn, 100)

    assert len(set(ids)) == 100
    assert ids == sorted(ids)
    assert faces.new_ids(conn, 0) == []


@pytest.mark.parametrize("dimension", [128, 512])
def test_embeddings_of_any_space_share_the_table_and_lose_no_more_than_half_precision(
    conn: Connection, make: Any, dimension: int
) -> None:
    vectors = {
        size: unit_embedding(np.random.default_rng(size).normal(size=size), size)[0]
        for size in (128, 512)
    }
    ids = {
        size: make.face(make.collection(dimension=size), vector) for size, vector in vectors.items()
    }

    stored = faces.embedding(conn, ids[dimension])

    assert stored is not None
    assert (stored.dtype, stored.shape) == (np.float32, (dimension,))
    assert np.dot(stored, vectors[dimension]) == pytest.approx(1, abs=1e-3)
    np.testing.assert_array_equal(stored, vectors[dimension].astype(np.float16))


@pytest.mark.parametrize("length", [0.5, 2.0, 0.0])
def test_a_vector_that_is_not_of_length_1_is_refused(
    conn: Connection, make: Any, length: float
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        make.face(make.collection(), make.unit(1) * np.float32(length))


def test_a_vector_that_is_not_finite_is_refused(make: Any) -> None:
    with pytest.raises(psycopg.errors.DataError):
        make.face(make.collection(), np.array([np.nan, 0, 0, 0], dtype=np.float32))


def test_an_image_has_one_face_at_each_position(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    image_id = make.image(collection_id)
    make.faces(collection_id, [make.unit(1)], image_id=image_id)

    with pytest.raises(psycopg.errors.UniqueViolation):
        make.faces(collection_id, [make.unit(0, 1)], image_id=image_id)


def test_nothing_is_stored_when_one_of_many_is_wrong(conn: Connection, make: Any) -> None:
    collection_id = make.collection()

    with pytest.raises(psycopg.errors.CheckViolation), conn.transaction():
        make.faces(collection_id, [make.unit(1), make.unit(1) * 3])

    assert faces.page(conn, collection_id, limit=10) == []


def test_no_face_is_no_trouble(conn: Connection) -> None:
    no_faces: list[NewFace] = []

    faces.insert_many(conn, no_faces)

    assert faces.of_images(conn, [], collection_ids=[]) == {}


def test_the_faces_of_images_come_in_order_of_position(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    first, second, empty = (make.image(collection_id) for _ in range(3))
    ids = make.faces(collection_id, [make.unit(1)] * 3, image_id=first)
    others = make.faces(collection_id, [make.unit(1)], image_id=second)

    found = faces.of_images(conn, [second, first, empty], collection_ids=[collection_id])

    assert {image: [face.id for face in them] for image, them in found.items()} == {
        first: ids,
        second: others,
    }


def test_pages_of_faces_are_newest_first_and_never_overlap(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    ids = [make.face(collection_id) for _ in range(5)]
    make.face(make.collection())

    first = faces.page(conn, collection_id, limit=3)
    second = faces.page(conn, collection_id, limit=3, after=first[-1].id)

    assert [face.id for face in first + second] == ids[::-1]


def test_a_page_of_faces_can_be_narrowed(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    hers, his, unnamed = (make.face(collection_id) for _ in range(3))
    ada = make.person(collection_id, "Ada", [hers])
    make.person(collection_id, "Bob", [his])
    conn.execute("UPDATE faces SET external_id = 'f-1' WHERE id = %s", [his])

    def found(**narrow: Any) -> set[UUID]:
        return {face.id for face in faces.page(conn, collection_id, limit=9, **narrow)}

    assert found(person_id=ada) == {hers}
    assert found(named=True) == {hers, his}
    assert found(named=False) == {unnamed}
    assert found(external_id="f-1") == {his}


def test_a_deleted_face_says_where_it_was(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    image_id = make.image(collection_id)
    (face_id,) = make.faces(collection_id, [make.unit(1)], image_id=image_id)
    ada = make.person(collection_id, face_ids=[face_id])

    assert faces.delete(conn, face_id) == faces.Removed(collection_id, image_id, hidden=False)
    assert faces.delete(conn, face_id) is None
    assert faces.get(conn, face_id) is None
    assert faces.embedding(conn, face_id) is None
    assert people.get(conn, ada) is not None


def test_facets_come_back_with_the_face(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    facets = Facets(["vip", "Ä b"], NOON)
    (face_id,) = make.faces(collection_id, [make.unit(1)], facets=facets)

    face = faces.get(conn, face_id)

    assert face is not None
    assert (face.tags, face.captured_at) == (["vip", "Ä b"], NOON)


def test_a_page_of_faces_can_be_narrowed_by_tag_and_by_time(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    later = NOON + timedelta(hours=1)
    (early,) = make.faces(collection_id, [make.unit(1)], facets=Facets(["a", "b"], NOON))
    (late,) = make.faces(collection_id, [make.unit(1)], facets=Facets(["b"], later))
    make.face(collection_id)

    def found(**narrow: Any) -> list[UUID]:
        return [face.id for face in faces.page(conn, collection_id, limit=9, **narrow)]

    assert found(tag="b") == [late, early]
    assert found(tag="a") == [early]
    assert found(captured_from=later) == [late]
    assert found(captured_before=later) == [early]
    assert found(tag="a", captured_from=later) == []


def test_the_faces_of_an_image_take_its_facets_and_no_others_do(
    conn: Connection, make: Any
) -> None:
    collection_id = make.collection()
    image_id = make.image(collection_id)
    theirs = make.faces(collection_id, [make.unit(1)] * 2, image_id=image_id)
    other = make.face(collection_id)

    facets = Facets(["new"], NOON)
    faces.repeat_facets(conn, collection_id=collection_id, image_id=image_id, facets=facets)

    found = {face.id: face.tags for face in faces.page(conn, collection_id, limit=9)}
    assert found == {theirs[0]: ["new"], theirs[1]: ["new"], other: []}


def test_faces_that_repeat_the_facets_already_are_not_written(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    facets = Facets(["a"], None)
    image_id = make.image(collection_id, facets=facets)
    make.faces(collection_id, [make.unit(1)], image_id=image_id, facets=facets)
    (place,) = conn.execute("SELECT ctid FROM faces WHERE image_id = %s", [image_id]).fetchall()

    faces.repeat_facets(conn, collection_id=collection_id, image_id=image_id, facets=facets)

    after = conn.execute("SELECT ctid FROM faces WHERE image_id = %s", [image_id]).fetchall()
    assert after == [place]


def test_a_changed_face_keeps_what_is_not_given(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    face = faces.get(conn, make.face(collection_id))
    assert face is not None

    assert faces.update(conn, face, external_id="f-1", metadata={"n": 1})
    assert faces.update(conn, face, external_id=None, metadata=None)
    kept = faces.get(conn, face.id)
    assert faces.update(conn, face, external_id="", metadata=None)
    cleared = faces.get(conn, face.id)

    assert kept is not None
    assert cleared is not None
    assert (kept.external_id, kept.metadata) == ("f-1", {"n": 1})
    assert (cleared.external_id, cleared.metadata) == (None, {"n": 1})
    faces.delete(conn, face.id)
    assert not faces.update(conn, face, external_id="f-2", metadata=None)


def test_an_external_id_of_a_face_is_unique_in_its_collection(conn: Connection, make: Any) -> None:
    collection_id = make.collection()
    first, second = (faces.get(conn, make.face(collection_id)) for _ in range(2))
    elsewhere = faces.get(conn, make.face(make.collection()))
    assert first is not None
    assert second is not None
    assert elsewhere is not None
    faces.update(conn, first, external_id="f-1", metadata=None)
    faces.update(conn, elsewhere, external_id="f-1", metadata=None)

    with pytest.raises(psycopg.errors.UniqueViolation):
        faces.update(conn, second, external_id="f-1", metadata=None)


def test_faces_of_a_new_collection_are_stored_without_reading_all_its_images_for_each(
    fresh_database: Any, connect: Any
) -> None:
    known, new = 300, 300
    with connect(fresh_database()) as setup:
        conn, make = setup.conn, setup.make
        old = make.collection()
        for _ in range(known):
            make.face(old)
        conn.commit()
        conn.execute("ANALYZE")
        conn.commit()
        fresh = make.collection()
        image_ids = [make.image(fresh) for _ in range(new)]
        conn.commit()
        before = tuples_read(conn)

        collections.hold(conn, [fresh])
        for image_id in image_ids:
            make.faces(fresh, [make.unit(1)], image_id=image_id)
        conn.commit()

        assert tuples_read(conn) - before < 5 * new


def tuples_read(conn: Connection) -> int:
    """Entries read in the indexes of images so far."""
    conn.execute("SELECT pg_stat_force_next_flush()")
    conn.commit()
    row = conn.execute(
        "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'images'"
    ).fetchone()
    conn.commit()
    assert row is not None
    return int(row[0])
