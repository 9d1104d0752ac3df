"""Rows of ``images``. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from core.db import queries
from core.db.pool import Connection
from core.db.rows import copied, execute, fetch_all, fetch_one, fetch_value, glimpse
from core.facets import NO_FACETS, Facets

SQL = queries.load("images")

_HASH_ROW: Final = np.dtype(
    [
        ("columns", ">i2"),
        *(("id_bytes", ">i4"), ("id", "u1", (16,))),
        *(("hash_bytes", ">i4"), ("hash", "u1", (32,))),
        *(("width_bytes", ">i4"), ("width", ">i4")),
        *(("height_bytes", ">i4"), ("height", ">i4")),
    ]
)
"""Of a binary COPY: the number of columns, then length and bytes of each."""


@dataclass(frozen=True, slots=True)
class Image:
    """One photo of a collection.

    Attributes:
        sha256: Of the bytes as uploaded, 32 bytes.
        tags: As `core.facets.clean_tags` leaves them; its faces repeat them, and *captured_at*.
        captured_at: When it was taken: as the uploader said, else as EXIF says.
        width: Of the upright image in pixels, as *height*.
        state: ``waiting``, ``indexed``, ``rejected`` or ``dead``.
        reason: Code why it was rejected or is dead; of an indexed one ``no_face_found``, or
            ``no_usable_face`` where faces were found and none is stored.
        detail: One sentence about the reason.
        skipped_faces: Faces that were found and are not stored: box (as of a face), score, reason
            and reasons of each (the reason is the first of them; rows of before have it alone).
        kept: What there is of it, of `core.keeping.Keeps`; ``originals`` until it is finished.
    """

    id: UUID
    collection_id: UUID
    sha256: bytes
    external_id: str | None
    metadata: dict[str, Any]
    tags: list[str]
    captured_at: datetime | None
    filename: str | None
    format: str
    bytes: int
    width: int
    height: int
    state: str
    reason: str | None
    detail: str | None
    face_count: int
    skipped_faces: list[dict[str, Any]]
    kept: str
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Removed:
    """What is left to do after an image's row is gone."""

    collection_id: UUID
    sha256: bytes
    face_count: int


def lock_bytes(conn: Connection, sha256: bytes) -> None:
    """Wait until no other transaction stores or removes the blobs of these bytes."""
    execute(conn, SQL["lock_bytes"], {"sha256": sha256})


@dataclass(frozen=True, slots=True)
class Known:
    """An image, as far as it matters to whoever sends the same bytes."""

    id: UUID
    sha256: bytes
    state: str
    reason: str | None


def insert(
    conn: Connection,
    *,
    collection_id: UUID,
    sha256: bytes,
    external_id: str | None,
    metadata: Mapping[str, Any],
    filename: str | None,
    format: str,
    bytes: int,
    width: int,
    height: int,
    facets: Facets = NO_FACETS,
) -> UUID | None:
    """Store a waiting image; None when the collection holds these bytes already.

    Raises:
        psycopg.errors.UniqueViolation: The external id is in use in this collection.
        psycopg.errors.ForeignKeyViolation: There is no such collection.
    """
    made: UUID | None = fetch_value(
        conn,
        SQL["insert"],
        {
            "collection_id": collection_id,
            "sha256": sha256,
            "external_id": external_id,
            "metadata": Jsonb(dict(metadata)),
            "filename": filename,
            "format": format,
            "bytes": bytes,
            "width": width,
            "height": height,
            "tags": list(facets.tags),
            "captured_at": facets.captured_at,
        },
    )
    return made


def home(conn: Connection, image_id: UUID) -> UUID | None:
    """Return the collection of an image, and keep no lock; None when there is no such row."""
    found: UUID | None = glimpse(conn, SQL["home"], {"id": image_id})
    return found


def get(conn: Connection, image_id: UUID) -> Image | None:
    """Return one image."""
    return fetch_one(conn, Image, SQL["get"], {"id": image_id})


def by_bytes(conn: Connection, collection_id: UUID, sha256: bytes) -> Image | None:
    """Return the image of a collection that has these bytes."""
    return fetch_one(
        conn, Image, SQL["by_bytes"], {"collection_id": collection_id, "sha256": sha256}
    )


def many(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, Image]:
    """Return those of *ids* that exist, by id."""
    return {image.id: image for image in fetch_all(conn, Image, SQL["many"], {"ids": list(ids)})}


def page(
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
    params = {
        "collection_id": collection_id,
        "limit": limit,
        "after": after,
        "state": state,
        "external_id": external_id,
        "tag": tag,
        "captured_from": captured_from,
        "captured_before": captured_before,
    }
    return fetch_all(conn, Image, SQL["page"], params)


def lock_waiting(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, Facets]:
    """Lock those of *ids* that still wait to be indexed; return what their faces will repeat."""
    rows = conn.execute(SQL["lock"], {"ids": list(ids)})
    return {image_id: Facets(tags, captured_at) for image_id, tags, captured_at in rows}


def hold_known(conn: Connection, collection_id: UUID, digests: Sequence[bytes]) -> None:
    """Hold, as `hold` does, every image of a collection that has some of these bytes."""
    execute(conn, SQL["hold_known"], {"collection_id": collection_id, "digests": list(digests)})


def known(conn: Connection, collection_id: UUID, digests: Sequence[bytes]) -> dict[bytes, Known]:
    """Return the images of a collection that have some of these bytes, by their SHA-256."""
    params = {"collection_id": collection_id, "digests": list(digests)}
    return {each.sha256: each for each in fetch_all(conn, Known, SQL["known"], params)}


def external_ids(conn: Connection, collection_id: UUID, wanted: Sequence[str]) -> dict[str, bytes]:
    """Return which of these external ids are in use, and the SHA-256 of the photos that have them."""
    params = {"collection_id": collection_id, "external_ids": list(wanted)}
    return dict(conn.execute(SQL["external_ids"], params).fetchall())


def hold(conn: Connection, image_id: UUID) -> None:
    """Keep an image from being changed or deleted by others until the transaction ends."""
    execute(conn, SQL["hold"], {"id": image_id})


def finish(
    conn: Connection,
    image_id: UUID,
    *,
    state: str,
    kept: str = "originals",
    reason: str | None = None,
    detail: str | None = None,
    face_count: int = 0,
    skipped_faces: Sequence[Mapping[str, Any]] = (),
    width: int | None = None,
    height: int | None = None,
    picture_hash: bytes | None = None,
) -> None:
    """Give an image its final state; a size of None keeps what the header said."""
    params = {
        "id": image_id,
        "state": state,
        "kept": kept,
        "reason": reason,
        "detail": detail,
        "face_count": face_count,
        "skipped_faces": Jsonb([dict(face) for face in skipped_faces]),
        "width": width,
        "height": height,
        "picture_hash": picture_hash,
    }
    execute(conn, SQL["finish"], params)


def update(
    conn: Connection,
    image_id: UUID,
    *,
    external_id: str | None,
    metadata: Mapping[str, Any] | None,
    tags: Sequence[str] | None,
    captured_at: datetime | None,
    no_captured_at: bool,
) -> Facets | None:
    """Change what is not None (an empty external id clears it); None when there is no such row.

    Returns:
        What its faces must repeat now.

    Raises:
        psycopg.errors.UniqueViolation: The external id is in use in this collection.
    """
    params = {
        "id": image_id,
        "external_id": external_id,
        "metadata": None if metadata is None else Jsonb(dict(metadata)),
        "tags": None if tags is None else list(tags),
        "captured_at": captured_at,
        "no_captured_at": no_captured_at,
    }
    return fetch_one(conn, Facets, SQL["update"], params)


def all_wait_again(conn: Connection, image_ids: Sequence[UUID]) -> None:
    """Put images that were given up, and whose photos are stored, back to ``waiting``."""
    execute(conn, SQL["all_wait_again"], {"ids": list(image_ids)})


def wait_again(conn: Connection, image_id: UUID) -> None:
    """Put an image that was given up back to ``waiting``; its photo must be stored again."""
    execute(conn, SQL["wait_again"], {"id": image_id})


def change_face_count(conn: Connection, image_id: UUID, by: int) -> None:
    """Add *by* to the image's own counter."""
    execute(conn, SQL["change_face_count"], {"id": image_id, "by": by})


def delete(conn: Connection, image_id: UUID) -> Removed | None:
    """Delete an image and its faces; None when there is no such row."""
    return fetch_one(conn, Removed, SQL["delete"], {"id": image_id})


def bytes_in_use(conn: Connection, sha256: bytes) -> bool:
    """Say whether any image of any collection needs the photo or the small copies of these bytes."""
    used: bool = fetch_value(conn, SQL["bytes_in_use"], {"sha256": sha256})
    return used


@dataclass(frozen=True, slots=True)
class Unhashed:
    """An image whose picture hash is not known, and the key of its files."""

    id: UUID
    sha256: bytes


def without_hash(conn: Connection, *, limit: int) -> list[Unhashed]:
    """Return up to *limit* indexed images, oldest first, whose files are kept and were never hashed."""
    return fetch_all(conn, Unhashed, SQL["without_hash"], {"limit": limit})


def keep_hashes(conn: Connection, hashes: Mapping[UUID, bytes | None]) -> None:
    """Write down picture hashes; an image with None counts as unreadable and is not returned again."""
    execute(conn, SQL["keep_hashes"], {"ids": list(hashes), "hashes": list(hashes.values())})


@dataclass(frozen=True, slots=True, eq=False)
class PictureHashes:
    """The pictures of a collection, in order of their ids.

    Attributes:
        ids: ``(n, 16)`` bytes of each id.
        hashes: ``(n, 32)``, see `core.picture_hash`.
        sizes: ``(n, 2)``: width and height of the upright picture in pixels.
    """

    ids: NDArray[np.uint8]
    hashes: NDArray[np.uint8]
    sizes: NDArray[np.int32]

    def image_id(self, row: int) -> UUID:
        """Return the id of one of them."""
        return UUID(bytes=self.ids[row].tobytes())


def picture_hashes(conn: Connection, collection_id: UUID) -> PictureHashes:
    """Return the hashes of a collection, by binary COPY; images without one are left out."""
    rows = copied(conn, SQL["picture_hashes"], {"collection_id": collection_id}, _HASH_ROW)
    sizes = np.stack([rows["width"], rows["height"]], axis=1).astype(np.int32)
    return PictureHashes(rows["id"], rows["hash"], sizes)


@dataclass(frozen=True, slots=True)
class SameBytes:
    """An image, and one of another collection that was made of the same file."""

    image_id: UUID
    other_image_id: UUID
    other_collection_id: UUID


def same_bytes(conn: Connection, collection_id: UUID) -> list[SameBytes]:
    """Return the images of a collection whose bytes other collections have too, in order of their ids."""
    rows = conn.execute(SQL["same_bytes"], {"collection_id": collection_id})
    return [SameBytes(*row) for row in rows]
