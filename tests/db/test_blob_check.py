"""What the rows say about blobs, and in which order."""

from hashlib import sha256
from typing import Any
from uuid import UUID

from core.blobs import Kind, place
from core.db import blob_check as rows
from core.db import faces, images, removals
from core.db.blob_check import Named
from core.db.pool import Connection


def test_every_kind_comes_in_the_order_of_a_store(conn: Connection, make: Any) -> None:
    home = make.collection()
    image_ids = [make.image(home, sha256=sha256(b"%d" % number).digest()) for number in range(40)]
    for image_id in image_ids:
        images.finish(conn, image_id, state="indexed")
    made = [face for _ in range(3) for face in make.faces(home, [make.unit(1)] * 40)]

    named = {kind: [each.key for each in rows.named(conn, kind)] for kind in Kind}

    assert all(keys == sorted(keys, key=place) for keys in named.values())
    assert set(named[Kind.CROP]) == {face.hex for face in made}
    assert named[Kind.THUMBNAIL] == named[Kind.PREVIEW] == named[Kind.PHOTO]
    assert len(named[Kind.PHOTO]) == 43


def test_a_file_is_named_once_whoever_needs_it(conn: Connection, make: Any) -> None:
    digest = sha256(b"shared").digest()
    first, second = (make.image(make.collection(), sha256=digest) for _ in range(2))
    images.finish(conn, second, state="indexed")
    removals.doom_image(conn, UUID(int=1), collection_id=UUID(int=2), image_id=first)
    images.delete(conn, first)

    assert list(rows.named(conn, Kind.PHOTO)) == [Named(digest.hex(), 1234, used=True, must=True)]
    assert list(rows.named(conn, Kind.PREVIEW)) == [Named(digest.hex(), None, used=True, must=True)]
    assert list(rows.owners(conn, Kind.PHOTO, [digest.hex()])) == [digest.hex()]


def test_small_copies_must_be_there_of_indexed_photos_alone(conn: Connection, make: Any) -> None:
    home = make.collection()
    for state in ("waiting", "rejected", "dead"):
        images.finish(conn, make.image(home), state=state)

    for kind in (Kind.THUMBNAIL, Kind.PREVIEW):
        named = list(rows.named(conn, kind))
        assert [(each.used, each.must) for each in named] == [(True, False)] * 3
        assert rows.owners(conn, kind, [each.key for each in named]) == {}
        assert rows.used(conn, kind, [each.key for each in named]) == {each.key for each in named}


def test_a_deleted_face_needs_no_crop_and_is_spoken_of_until_it_is_gone(
    conn: Connection, make: Any
) -> None:
    face = make.face(make.collection())
    faces.delete(conn, face)
    removals.doom_face(conn, UUID(int=1), face)

    assert list(rows.named(conn, Kind.CROP)) == [Named(face.hex, None, used=False, must=False)]
    assert rows.used(conn, Kind.CROP, [face.hex]) == set()
    assert rows.owners(conn, Kind.CROP, [face.hex]) == {}
