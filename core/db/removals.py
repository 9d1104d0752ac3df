"""Rows of ``doomed_files``: files that must go because their rows went, or because
their collection keeps no photos. The caller owns the transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from core.db import queries
from core.db.pool import Connection
from core.db.rows import execute, fetch_all

SQL = queries.load("removals")


@dataclass(frozen=True, slots=True)
class DoomedFile:
    """What is to be removed.

    Attributes:
        kind: ``crop``, or ``photo`` for a photo with its small copies.
        key: Of the blob, see `core.blobs.Kind`.
    """

    id: int
    kind: str
    key: str


def doom_face(conn: Connection, deletion: UUID, face_id: UUID) -> None:
    """Write down the crop of a face."""
    execute(conn, SQL["doom_face"], {"deletion": deletion, "face_id": face_id})


def doom_image(conn: Connection, deletion: UUID, *, collection_id: UUID, image_id: UUID) -> None:
    """Write down the files of an image and of its faces; before the rows are deleted."""
    params = {"deletion": deletion, "collection_id": collection_id, "image_id": image_id}
    execute(conn, SQL["doom_image"], params)


def doom_photos(conn: Connection, deletion: UUID, digests: Sequence[bytes]) -> None:
    """Write down photos, with their small copies, by the SHA-256 of their bytes."""
    params = {"deletion": deletion, "keys": [digest.hex() for digest in digests]}
    execute(conn, SQL["doom_photos"], params)


def doom_collection(conn: Connection, deletion: UUID, collection_id: UUID) -> None:
    """Write down all files of a collection; before the rows are deleted."""
    execute(conn, SQL["doom_collection"], {"deletion": deletion, "collection_id": collection_id})


def take(conn: Connection, *, limit: int, deletion: UUID | None = None) -> list[DoomedFile]:
    """Lock and return up to *limit* files of one deletion, or of any."""
    return fetch_all(conn, DoomedFile, SQL["take"], {"deletion": deletion, "limit": limit})


def forget(conn: Connection, files: Sequence[DoomedFile]) -> None:
    """Strike out files that are gone."""
    execute(conn, SQL["forget"], {"ids": [file.id for file in files]})
