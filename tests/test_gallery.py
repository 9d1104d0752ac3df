"""Looking at what is stored, and deleting it with all its files."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from core import collections, gallery, people
from core.blobs import Kind
from core.db.collections import Collection
from core.errors import (
    BlobMissing,
    FaceNotFound,
    ImageNotFound,
    JobNotFound,
    NameTaken,
    NotReady,
)
from core.intake import accept
from core.offers import Upload
from core.services import Services
from core.stored_pictures import unpack

Photo = Callable[[int], bytes]
NOBODY = UUID(int=7)


def files(services: Services) -> dict[str, int]:
    root = services.settings.data_dir / "blobs"
    return {
        kind.value: sum(1 for path in (root / kind.value).rglob("*") if path.is_file())
        for kind in Kind
    }


def faces_of(services: Services, image_id: UUID) -> list[UUID]:
    with services.pool.connection() as conn:
        return [face.id for face in gallery.image(conn, image_id).faces]


def test_a_photo_comes_back_byte_for_byte(services: Services, store: Any, photo: Photo) -> None:
    (image_id,) = store(photo(1))

    image, data = gallery.photo(services.pool, services.blobs, image_id)

    assert (image.id, data) == (image_id, photo(1))


def test_small_copies_and_crops_are_there_once_a_photo_is_indexed(
    services: Services, store: Any, photo: Photo
) -> None:
    (image_id,) = store(photo(1))
    (face_id,) = faces_of(services, image_id)

    def small(kind: Kind) -> bytes:
        return gallery.small_copy(services.pool, services.blobs, image_id, kind)

    assert small(Kind.THUMBNAIL) == b"thumbnail"
    assert small(Kind.PREVIEW) == b"preview"
    assert unpack(gallery.crop(services.pool, services.blobs, face_id)).shape == (150, 150, 3)


def test_a_waiting_photo_has_no_small_copy_yet_and_a_refused_one_never(
    services: Services,
    doorbell: Any,
    collection: Collection,
    store: Any,
    fake_pipeline: Any,
    photo: Photo,
) -> None:
    fake_pipeline.refuse = {photo(2)}
    (refused,) = store(photo(2))
    receipt = accept(services, doorbell, collection.id, [Upload("a.png", photo(1))])
    waiting = receipt.items[0].image_id
    assert waiting is not None

    with pytest.raises(NotReady):
        gallery.small_copy(services.pool, services.blobs, waiting, Kind.THUMBNAIL)
    with pytest.raises(BlobMissing):
        gallery.small_copy(services.pool, services.blobs, refused, Kind.THUMBNAIL)


def test_a_stored_embedding_is_a_unit_vector(services: Services, store: Any, photo: Photo) -> None:
    (image_id,) = store(photo(1))
    (face_id,) = faces_of(services, image_id)

    with services.pool.connection() as conn:
        vector = gallery.embedding(conn, face_id)

    assert vector.shape == (128,)
    assert vector @ vector == pytest.approx(1, abs=1e-3)


def test_unknown_ids_are_errors_of_their_own(services: Services) -> None:
    pool, blobs = services.pool, services.blobs
    with pool.connection() as conn:
        for call, error in (
            (lambda: gallery.image(conn, NOBODY), ImageNotFound),
            (lambda: gallery.face(conn, NOBODY), FaceNotFound),
            (lambda: gallery.embedding(conn, NOBODY), FaceNotFound),
            (lambda: gallery.job(conn, NOBODY), JobNotFound),
            (lambda: gallery.photo(pool, blobs, NOBODY), ImageNotFound),
            (lambda: gallery.small_copy(pool, blobs, NOBODY, Kind.PREVIEW), ImageNotFound),
            (lambda: gallery.crop(pool, blobs, NOBODY), FaceNotFound),
        ):
            with pytest.raises(error):
                call()


def test_deleting_what_is_not_there_is_fine(services: Services) -> None:
    gallery.delete_image(services.pool, services.blobs, NOBODY)
    gallery.delete_face(services.pool, services.blobs, NOBODY)


def test_deleting_an_image_takes_its_faces_its_files_and_its_count(
    services: Services, collection: Collection, store: Any, photo: Photo
) -> None:
    gone, kept = store(photo(1), photo(2))

    gallery.delete_image(services.pool, services.blobs, gone)

    with services.pool.connection() as conn:
        counted = collections.get(conn, collection.id)
        assert [image.id for image in gallery.images(conn, collection.id, limit=9)] == [kept]
    assert (counted.image_count, counted.face_count) == (1, 1)
    assert files(services) == {"photos": 1, "thumbnails": 1, "previews": 1, "crops": 1}


def test_deleting_an_image_keeps_the_file_while_another_collection_has_the_bytes(
    services: Services, store: Any, photo: Photo
) -> None:
    with services.pool.connection() as conn:
        other = collections.create(conn, services.manifest.pack("open"), name="other")
    (first,) = store(photo(1))
    (second,) = store(photo(1), into=other)

    gallery.delete_image(services.pool, services.blobs, first)
    assert gallery.photo(services.pool, services.blobs, second)[1] == photo(1)
    assert files(services)["crops"] == 1

    gallery.delete_image(services.pool, services.blobs, second)
    assert files(services) == {"photos": 0, "thumbnails": 0, "previews": 0, "crops": 0}


def test_a_deleted_photo_can_be_sent_again(services: Services, store: Any, photo: Photo) -> None:
    (first,) = store(photo(1))
    gallery.delete_image(services.pool, services.blobs, first)

    (again,) = store(photo(1))

    assert again != first
    assert gallery.photo(services.pool, services.blobs, again)[1] == photo(1)


def test_deleting_a_face_keeps_its_image_and_every_count_true(
    services: Services, collection: Collection, store: Any, fake_pipeline: Any, photo: Photo
) -> None:
    fake_pipeline.faces = 3
    (image_id,) = store(photo(1))
    gone, *left = faces_of(services, image_id)

    gallery.delete_face(services.pool, services.blobs, gone)

    with services.pool.connection() as conn:
        image = gallery.image(conn, image_id)
        counted = collections.get(conn, collection.id)
    assert [face.id for face in image.faces] == left
    assert (image.image.face_count, counted.face_count, counted.image_count) == (2, 2, 1)
    assert files(services)["crops"] == 2


def test_faces_and_items_can_be_paged(
    services: Services, collection: Collection, store: Any, photo: Photo
) -> None:
    images = store(*(photo(n) for n in range(3)))
    with services.pool.connection() as conn:
        ids = [face.id for face in gallery.faces(conn, collection.id, limit=9)]
        ada = people.create(conn, collection.id, name="Ada", face_ids=ids[:1], actor="test")

        hers = gallery.faces(conn, collection.id, limit=9, person_id=ada.id)
        unnamed = gallery.faces(conn, collection.id, limit=9, named=False)
        (job_id,) = conn.execute("SELECT id FROM jobs").fetchone()
        items = gallery.items(conn, job_id, limit=9, after=0)

    assert [face.id for face in hers] == ids[:1]
    assert [face.id for face in unnamed] == ids[1:]
    assert [item.image_id for item in items] == images[1:]


def test_a_change_of_an_image_reaches_its_faces_and_no_others(
    services: Services, store: Any, fake_pipeline: Any, photo: Photo
) -> None:
    fake_pipeline.faces = 2
    image_id, other = store(photo(1), photo(2))
    taken = datetime(2024, 5, 31, tzinfo=UTC)

    with services.pool.connection() as conn:
        changed = gallery.change_image(
            conn, image_id, external_id="p-1", metadata={"n": 1}, tags=["a"], captured_at=taken
        )
        untouched = gallery.image(conn, other)
        cleared = gallery.change_image(conn, image_id, external_id="", no_captured_at=True)

    assert (changed.image.external_id, changed.image.metadata) == ("p-1", {"n": 1})
    assert (changed.image.tags, changed.image.captured_at) == (["a"], taken)
    assert [(face.tags, face.captured_at) for face in changed.faces] == [(["a"], taken)] * 2
    assert [(face.tags, face.captured_at) for face in untouched.faces] == [([], None)] * 2
    assert (cleared.image.external_id, cleared.image.metadata) == (None, {"n": 1})
    assert [(face.tags, face.captured_at) for face in cleared.faces] == [(["a"], None)] * 2


def test_a_face_takes_an_external_id_and_metadata(
    services: Services, store: Any, photo: Photo
) -> None:
    (image_id,) = store(photo(1))
    (face_id,) = faces_of(services, image_id)

    with services.pool.connection() as conn:
        gallery.change_face(conn, face_id, external_id="f-1", metadata={"n": 1})
        face = gallery.change_face(conn, face_id)

    assert (face.external_id, face.metadata) == ("f-1", {"n": 1})


def test_an_external_id_in_use_changes_nothing(
    services: Services, store: Any, photo: Photo
) -> None:
    first, second = store(photo(1), photo(2))
    [first_face], [second_face] = faces_of(services, first), faces_of(services, second)

    with services.pool.connection() as conn:
        gallery.change_image(conn, first, external_id="x")
        gallery.change_face(conn, first_face, external_id="x")
        with pytest.raises(NameTaken):
            gallery.change_image(conn, second, external_id="x", tags=["a"])
        with pytest.raises(NameTaken):
            gallery.change_face(conn, second_face, external_id="x")
        image = gallery.image(conn, second)

    assert (image.image.tags, image.faces[0].tags) == ([], [])


def test_what_is_not_there_cannot_be_changed(services: Services) -> None:
    with services.pool.connection() as conn:
        with pytest.raises(ImageNotFound):
            gallery.change_image(conn, NOBODY, tags=[])
        with pytest.raises(FaceNotFound):
            gallery.change_face(conn, NOBODY, metadata={})
