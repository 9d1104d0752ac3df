"""No file outlives its rows, whenever a process dies."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from core import collections, gallery, removal
from core.blobs import BlobStore
from core.db.collections import Collection
from core.db.pool import Pool
from core.services import Services

Photo = Callable[[int], bytes]
Delete = Callable[[Services, Collection, UUID], object]


def files(services: Services) -> int:
    root = services.settings.data_dir / "blobs"
    return sum(1 for path in root.rglob("*") if path.is_file())


def written_down(services: Services) -> int:
    with services.pool.connection() as conn:
        row = conn.execute("SELECT count(*) FROM doomed_files").fetchone()
    return int(row[0]) if row else 0


def _image(services: Services, _: Collection, image_id: UUID) -> None:
    gallery.delete_image(services.pool, services.blobs, image_id)


def _collection(services: Services, collection: Collection, _: UUID) -> None:
    confirm = str(collection.id)
    collections.delete(services.pool, services.blobs, collection.id, confirm=confirm)


def _face(services: Services, _: Collection, image_id: UUID) -> None:
    with services.pool.connection() as conn:
        (face,) = gallery.image(conn, image_id).faces
    gallery.delete_face(services.pool, services.blobs, face.id)


def die(*_: object) -> int:
    raise SystemExit("killed before any file was removed")


@pytest.mark.parametrize(("delete", "left"), [(_image, 0), (_collection, 0), (_face, 3)])
def test_a_process_that_dies_while_it_deletes_leaves_the_files_to_the_sweeper(
    services: Services,
    collection: Collection,
    store: Any,
    photo: Photo,
    monkeypatch: pytest.MonkeyPatch,
    delete: Delete,
    left: int,
) -> None:
    (image_id,) = store(photo(1))
    with monkeypatch.context() as patch:
        for module in (gallery, collections):
            patch.setattr(module, "remove_files", die)
        with pytest.raises(SystemExit):
            delete(services, collection, image_id)
    assert files(services) == 4

    removal.remove_files(services.pool, services.blobs)

    assert files(services) == left
    assert written_down(services) == 0


def test_a_disk_that_fails_leaves_files_written_down(
    services: Services, store: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    (image_id,) = store(photo(1))

    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(services.blobs, "delete", read_only)
        with pytest.raises(OSError, match="Read-only"):
            gallery.delete_image(services.pool, services.blobs, image_id)
    assert written_down(services) == 2

    assert removal.remove_files(services.pool, services.blobs) == 2
    assert files(services) == 0


def test_bytes_that_were_sent_again_meanwhile_are_kept(
    services: Services, store: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    (image_id,) = store(photo(1))
    with monkeypatch.context() as patch:
        patch.setattr(gallery, "remove_files", die)
        with pytest.raises(SystemExit):
            gallery.delete_image(services.pool, services.blobs, image_id)
    (again,) = store(photo(1))

    removal.remove_files(services.pool, services.blobs)

    assert gallery.photo(services.pool, services.blobs, again)[1] == photo(1)
    assert files(services) == 4


def test_a_call_removes_the_files_of_its_deletion_and_no_more_than_it_may(
    services: Services, store: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[UUID] = []

    def put_off(_: Pool, __: BlobStore, deletion: UUID) -> int:
        kept.append(deletion)
        return 0

    images = store(*(photo(number) for number in range(3)))
    with monkeypatch.context() as patch:
        patch.setattr(gallery, "remove_files", put_off)
        for image_id in images:
            gallery.delete_image(services.pool, services.blobs, image_id)

    removal.remove_files(services.pool, services.blobs, kept[1])
    assert (files(services), written_down(services)) == (8, 4)

    monkeypatch.setattr(removal, "AT_ONCE", 2)
    assert removal.remove_files(services.pool, services.blobs, most=3) == 3
    assert removal.remove_files(services.pool, services.blobs) == 1
    assert (files(services), written_down(services)) == (0, 0)
