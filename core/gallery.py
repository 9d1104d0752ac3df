"""Images and faces that are stored: looked at, fetched and deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg.errors import UniqueViolation

from core.blobs import BlobStore, Kind
from core.db import collections as collection_rows
from core.db import faces as face_rows
from core.db import images as image_rows
from core.db import jobs as job_rows
from core.db import removals
from core.db.faces import Face
from core.db.images import Image
from core.db.jobs import Item, Job
from core.db.pool import Connection, Pool
from core.errors import (
    BlobMissing,
    FaceNotFound,
    ImageNotFound,
    JobNotFound,
    NameTaken,
    NotReady,
)
from core.faces import Embedding
from core.keeping import require_crop, require_photo
from core.removal import remove_files


@dataclass(frozen=True, slots=True)
class ImageWithFaces:
    """An image and its faces in order of position."""

    image: Image
    faces: tuple[Face, ...]


def image(conn: Connection, image_id: UUID) -> ImageWithFaces:
    """Return one image with its faces.

    Raises:
        ImageNotFound: There is none with this id.
    """
    found = image_rows.get(conn, image_id)
    if found is None:
        raise ImageNotFound(image_id)
    return with_faces(conn, [found])[0]


def with_faces(conn: Connection, images: Sequence[Image]) -> list[ImageWithFaces]:
    """Add the faces to images, in one query."""
    faces = face_rows.of_images(
        conn,
        [image.id for image in images],
        collection_ids=(image.collection_id for image in images),
    )
    return [ImageWithFaces(image, tuple(faces.get(image.id, ()))) for image in images]


def images(
    conn: Connection,
    collection_id: UUID,
    *,
    limit: int,
    after: UUID | None = None,
    state: str | None = None,
    external_id: str | None = None,
    tag: str | None = None,
    captured_from: datetime | None = None,
    captured_before: datetime | None = None,
) -> list[Image]:
    """Return up to *limit* images behind *after*, newest first."""
    return image_rows.page(
        conn,
        collection_id,
        limit=limit,
        after=after,
        state=state,
        external_id=external_id,
        tag=tag,
        captured_from=captured_from,
        captured_before=captured_before,
    )


def change_image(
    conn: Connection,
    image_id: UUID,
    *,
    external_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    tags: Sequence[str] | None = None,
    captured_at: datetime | None = None,
    no_captured_at: bool = False,
) -> ImageWithFaces:
    """Change what is given, and what the image's faces repeat of it; an empty external id removes it.

    Args:
        no_captured_at: Forget when it was taken.

    Raises:
        ImageNotFound: There is none with this id.
        NameTaken: The external id is in use.
    """
    try:
        with conn.transaction():
            home = image_rows.home(conn, image_id)
            if home is None:
                raise ImageNotFound(image_id)
            collection_rows.hold(conn, [home])
            # Whoever indexes it holds its row too, and so writes either before this or after it.
            facets = image_rows.update(
                conn,
                image_id,
                external_id=external_id,
                metadata=metadata,
                tags=tags,
                captured_at=captured_at,
                no_captured_at=no_captured_at,
            )
            if facets is None:
                raise ImageNotFound(image_id)
            face_rows.repeat_facets(conn, collection_id=home, image_id=image_id, facets=facets)
    except UniqueViolation:
        raise _taken(external_id) from None
    return image(conn, image_id)


def photo(pool: Pool, blobs: BlobStore, image_id: UUID) -> tuple[Image, bytes]:
    """Return an image and the bytes as uploaded.

    Raises:
        ImageNotFound: There is none with this id.
        NotKept: Its collection keeps no photos.
        BlobMissing: The row is there and the file is not.
    """
    with pool.connection() as conn:
        found = image(conn, image_id).image
    require_photo(found)
    return found, blobs.get(Kind.PHOTO, found.sha256.hex())


def small_copy(pool: Pool, blobs: BlobStore, image_id: UUID, kind: Kind) -> bytes:
    """Return a `Kind.THUMBNAIL` or `Kind.PREVIEW` of an image.

    Raises:
        ImageNotFound: There is none with this id.
        NotReady: No worker has decoded it yet.
        NotKept: Its collection keeps no photos.
        BlobMissing: It cannot be decoded; see its state.
    """
    with pool.connection() as conn:
        found = image(conn, image_id).image
    if found.state == "waiting":
        raise NotReady("There is no small copy of this image yet: it waits for a worker.")
    require_photo(found)
    if found.state != "indexed":
        raise BlobMissing(f"There is no small copy of this image: it is {found.state}.")
    return blobs.get(kind, found.sha256.hex())


def delete_image(pool: Pool, blobs: BlobStore, image_id: UUID) -> None:
    """Delete an image, its faces and its files. Unknown ids are fine."""
    deletion = uuid4()
    with pool.connection() as conn:
        home = image_rows.home(conn, image_id)
        if home is None:
            return
        collection_rows.hold(conn, [home])
        image_rows.hold(conn, image_id)
        removals.doom_image(conn, deletion, collection_id=home, image_id=image_id)
        gone = image_rows.delete(conn, image_id)
        if gone is None:
            return
        collection_rows.count(conn, gone.collection_id, images=-1, faces=-gone.face_count)
    remove_files(pool, blobs, deletion)


def face(conn: Connection, face_id: UUID) -> Face:
    """Return one face.

    Raises:
        FaceNotFound: There is none with this id.
    """
    found = face_rows.get(conn, face_id)
    if found is None:
        raise FaceNotFound(face_id)
    return found


def faces(
    conn: Connection,
    collection_id: UUID,
    *,
    limit: int,
    after: UUID | None = None,
    person_id: UUID | None = None,
    named: bool | None = None,
    external_id: str | None = None,
    tag: str | None = None,
    captured_from: datetime | None = None,
    captured_before: datetime | None = None,
) -> list[Face]:
    """Return up to *limit* faces behind *after*, newest first."""
    return face_rows.page(
        conn,
        collection_id,
        limit=limit,
        after=after,
        person_id=person_id,
        named=named,
        external_id=external_id,
        tag=tag,
        captured_from=captured_from,
        captured_before=captured_before,
    )


def change_face(
    conn: Connection,
    face_id: UUID,
    *,
    external_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Face:
    """Change what is given; an empty external id removes it.

    Raises:
        FaceNotFound: There is none with this id.
        NameTaken: The external id is in use.
    """
    try:
        with conn.transaction():
            home = face_rows.home(conn, face_id)
            if home is None:
                raise FaceNotFound(face_id)
            collection_rows.hold(conn, [home])
            found = face(conn, face_id)
            known = face_rows.update(conn, found, external_id=external_id, metadata=metadata)
            if not known:
                raise FaceNotFound(face_id)
    except UniqueViolation:
        raise _taken(external_id) from None
    return face(conn, face_id)


def embedding(conn: Connection, face_id: UUID) -> Embedding:
    """Return the stored unit vector of a face.

    Raises:
        FaceNotFound: There is none with this id.
    """
    found = face_rows.embedding(conn, face_id)
    if found is None:
        raise FaceNotFound(face_id)
    return found


def crop(pool: Pool, blobs: BlobStore, face_id: UUID) -> bytes:
    """Return the aligned crop of a face, losslessly encoded.

    Raises:
        FaceNotFound: There is none with this id.
        NotKept: Its collection keeps no pictures.
        BlobMissing: The row is there and the file is not.
    """
    with pool.connection() as conn:
        found = face(conn, face_id)
    require_crop(found)
    return blobs.get(Kind.CROP, face_id.hex)


def delete_face(pool: Pool, blobs: BlobStore, face_id: UUID) -> None:
    """Delete one face; its image stays. Unknown ids are fine."""
    deletion = uuid4()
    with pool.connection() as conn:
        home = face_rows.home(conn, face_id)
        if home is None:
            return
        collection_rows.hold(conn, [home])
        found = face_rows.get(conn, face_id)
        if found is None:
            return
        image_rows.hold(conn, found.image_id)
        gone = face_rows.delete(conn, face_id)
        if gone is None:
            return
        removals.doom_face(conn, deletion, face_id)
        if not gone.hidden:
            image_rows.change_face_count(conn, gone.image_id, -1)
            collection_rows.count(conn, gone.collection_id, faces=-1)
    remove_files(pool, blobs, deletion)


def job(conn: Connection, job_id: UUID) -> Job:
    """Return one job with its counts.

    Raises:
        JobNotFound: There is none with this id.
    """
    found = job_rows.get(conn, job_id)
    if found is None:
        raise JobNotFound(job_id)
    return found


def items(
    conn: Connection, job_id: UUID, *, limit: int, after: int = -1, state: str | None = None
) -> list[Item]:
    """Return up to *limit* items of a job behind position *after*, in the sender's order."""
    return job_rows.items(conn, job_id, limit=limit, after=after, state=state)


def _taken(external_id: str | None) -> NameTaken:
    return NameTaken(f"The external id {external_id!r} is in use.", field="external_id")
