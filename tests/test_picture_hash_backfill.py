"""Pictures that were indexed before there were hashes get theirs, whatever is left of their files."""

import logging
from io import BytesIO
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from PIL import Image

from core import collections, picture_hash_backfill
from core.blobs import Kind
from core.db import images as rows
from core.db.collections import Collection
from core.images import PhotoLimits, decode
from core.keeping import Keeps
from core.picture_hash import picture_hash
from core.picture_hash_backfill import hash_older
from core.services import Services


def hashes(services: Services, collection: Collection) -> dict[UUID, bytes]:
    with services.pool.connection() as conn:
        stored = rows.picture_hashes(conn, collection.id)
    return {stored.image_id(row): bytes(each) for row, each in enumerate(stored.hashes)}


def forget(services: Services) -> None:
    """Make all images ones of before."""
    with services.pool.connection() as conn:
        conn.execute("UPDATE images SET picture_hash = NULL")


def replace_file(services: Services, image_id: UUID, kind: Kind, data: bytes | None) -> None:
    with services.pool.connection() as conn:
        image = rows.get(conn, image_id)
    assert image is not None
    if data is None:
        services.blobs.delete(kind, image.sha256.hex())
    else:
        services.blobs.put(kind, image.sha256.hex(), data)


def expected(services: Services, data: bytes) -> bytes:
    return picture_hash(decode(data, PhotoLimits.of(services.settings)).pixels)


def test_an_indexed_image_has_the_hash_that_its_pipeline_gave(
    services: Services, collection: Collection, store: Any, photo: Any, fake_pipeline: Any
) -> None:
    fake_pipeline.faces = 0
    (image_id,) = store(photo(1))

    assert hashes(services, collection).keys() == {image_id}


@pytest.mark.parametrize("keeps", Keeps)
def test_an_image_has_a_hash_whatever_is_kept_of_it(
    services: Services, store: Any, photo: Any, keeps: Keeps
) -> None:
    with services.pool.connection() as conn:
        pack = services.manifest.pack("open")
        home = collections.create(conn, pack, name="some", keeps=keeps)

    (image_id,) = store(photo(1), into=home)

    assert hashes(services, home).keys() == {image_id}


def test_older_images_get_theirs_from_the_thumbnail_or_else_the_photo(
    services: Services,
    collection: Collection,
    store: Any,
    photo: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(picture_hash_backfill, "AT_ONCE", 2)
    images = store(*map(photo, range(3)))
    forget(services)
    stream = BytesIO()
    Image.fromarray(np.eye(64, dtype=np.uint8) * 255).save(stream, "PNG")
    replace_file(services, images[0], Kind.THUMBNAIL, stream.getvalue())
    replace_file(services, images[1], Kind.THUMBNAIL, None)

    assert hash_older(services) == 3
    assert hash_older(services) == 0

    assert hashes(services, collection) == {
        images[0]: expected(services, stream.getvalue()),
        images[1]: expected(services, photo(1)),
        images[2]: expected(services, photo(2)),
    }


def test_an_image_of_which_nothing_can_be_read_is_tried_once(
    services: Services,
    collection: Collection,
    store: Any,
    photo: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    damaged, missing, whole = store(*map(photo, range(3)))
    forget(services)
    replace_file(services, damaged, Kind.PHOTO, b"no picture")
    replace_file(services, missing, Kind.THUMBNAIL, None)
    replace_file(services, missing, Kind.PHOTO, None)
    caplog.set_level(logging.WARNING)

    assert hash_older(services) == 3
    assert hash_older(services) == 0

    assert hashes(services, collection).keys() == {whole}
    assert {str(damaged), str(missing)} == {
        word for word in caplog.text.split() if word in {str(each) for each in (damaged, missing)}
    }


def test_while_storage_is_away_nothing_is_marked(
    services: Services, store: Any, photo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(photo(1))
    forget(services)

    def away(kind: Kind, key: str) -> bytes:
        raise OSError("the disk is away")

    with monkeypatch.context() as patch:
        patch.setattr(services.blobs, "get", away)
        with pytest.raises(OSError, match="away"):
            hash_older(services)

    assert hash_older(services) == 1


def test_images_whose_pictures_are_not_kept_or_that_wait_are_left_alone(
    services: Services, store: Any, photo: Any
) -> None:
    waiting, vectors = store(photo(1), photo(2))
    forget(services)
    with services.pool.connection() as conn:
        conn.execute("UPDATE images SET state = 'waiting' WHERE id = %s", [waiting])
        conn.execute("UPDATE images SET kept = 'vectors' WHERE id = %s", [vectors])

    assert hash_older(services) == 0


def test_a_round_ends_when_its_time_is_over(
    services: Services, store: Any, photo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(*map(photo, range(3)))
    forget(services)
    monkeypatch.setattr(picture_hash_backfill, "AT_ONCE", 1)
    monkeypatch.setattr(picture_hash_backfill, "ROUND_S", 1e-9)

    assert hash_older(services) <= 1
