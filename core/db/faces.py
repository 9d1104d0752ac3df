"""Rows of ``faces``. The caller owns the transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from pgvector import HalfVector
from psycopg.types.json import Jsonb

from core.db import queries
from core.db.pool import Connection
from core.db.rows import execute, fetch_all, fetch_one, fetch_value, glimpse
from core.faces import AnalysedFace, Embedding
from core.facets import NO_FACETS, Facets

SQL = queries.load("faces")

_COPY_TYPES = [
    *("uuid", "uuid", "uuid", "int2", "float4[]", "float4[]"),
    *["float4"] * 9,
    *("halfvec", "text[]", "timestamptz", "uuid"),
]


@dataclass(frozen=True, slots=True)
class Face:
    """One stored face, without its embedding.

    Attributes:
        position: Index in its image, best detector score first.
        tags: Those of its image, as *captured_at* is.
        box: left, top, right, bottom in pixels of the upright image.
        landmarks: Ten numbers: x, y of left eye, right eye, nose, left and right mouth corner.
        norm: Length of the raw embedding.
        quality: Overall figure, 0 to 1; its parts follow (`core.faces.Quality`).
        hidden: Somebody said that it is no face: it is not found and not counted.
        kept: What there is of its image, of `core.keeping.Keeps`.
    """

    id: UUID
    collection_id: UUID
    image_id: UUID
    person_id: UUID | None
    person_name: str | None
    position: int
    external_id: str | None
    metadata: dict[str, Any]
    tags: list[str]
    captured_at: datetime | None
    box: list[float]
    landmarks: list[float]
    score: float
    norm: float
    quality: float
    sharpness: float
    brightness: float
    size: float
    yaw: float
    pitch: float
    roll: float
    hidden: bool
    kept: str
    created_at: datetime


@dataclass(frozen=True, slots=True, eq=False)
class NewFace:
    """A face about to be stored; *person_id*: whose it is, as whoever sent the photo says."""

    id: UUID
    collection_id: UUID
    image_id: UUID
    position: int
    analysed: AnalysedFace
    facets: Facets = NO_FACETS
    person_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """Where a deleted face was, and whether it was hidden."""

    collection_id: UUID
    image_id: UUID
    hidden: bool


def new_ids(conn: Connection, count: int) -> list[UUID]:
    """Return *count* fresh ids."""
    return [row[0] for row in conn.execute(SQL["new_ids"], {"count": count})]


def insert_many(conn: Connection, faces: Iterable[NewFace]) -> None:
    """Store faces by binary COPY.

    Raises:
        psycopg.errors.UniqueViolation: An image has a face at that position already.
    """
    with conn.cursor() as cursor, cursor.copy(SQL["copy"]) as copy:
        copy.set_types(_COPY_TYPES)
        for new in faces:
            copy.write_row(_row(new))


def _row(new: NewFace) -> tuple[Any, ...]:
    face, quality = new.analysed.face, new.analysed.quality
    return (
        new.id,
        new.collection_id,
        new.image_id,
        new.position,
        [float(side) for side in face.box],
        [float(number) for number in face.landmarks.reshape(10)],
        float(face.score),
        float(new.analysed.norm),
        quality.overall,
        quality.sharpness,
        quality.brightness,
        quality.size,
        quality.yaw,
        quality.pitch,
        quality.roll,
        HalfVector(new.analysed.embedding),
        list(new.facets.tags),
        new.facets.captured_at,
        new.person_id,
    )


def home(conn: Connection, face_id: UUID) -> UUID | None:
    """Return the collection of a face, and keep no lock; None when there is no such row."""
    found: UUID | None = glimpse(conn, SQL["home"], {"id": face_id})
    return found


def get(conn: Connection, face_id: UUID) -> Face | None:
    """Return one face."""
    return fetch_one(conn, Face, SQL["get"], _place(conn, face_id))


def _place(conn: Connection, face_id: UUID) -> dict[str, UUID | None]:
    return {"collection_id": home(conn, face_id), "id": face_id}


def of_images(
    conn: Connection, image_ids: Sequence[UUID], *, collection_ids: Iterable[UUID]
) -> dict[UUID, list[Face]]:
    """Return the faces of each image that has any, in order of position.

    Args:
        collection_ids: Of the images: no other partition is looked into.
    """
    params = {"image_ids": list(image_ids), "collection_ids": list(set(collection_ids))}
    found: dict[UUID, list[Face]] = {}
    for face in fetch_all(conn, Face, SQL["of_images"], params):
        found.setdefault(face.image_id, []).append(face)
    return found


def present(conn: Connection, collection_id: UUID, ids: Sequence[UUID]) -> dict[UUID, bool]:
    """Return those of *ids* that are faces of the collection, and which of them are hidden."""
    params = {"collection_id": collection_id, "ids": list(ids)}
    return dict(conn.execute(SQL["present"], params).fetchall())


def hold_images(conn: Connection, collection_id: UUID, ids: Iterable[UUID]) -> None:
    """Keep the images of faces from being changed by others; to be called before `set_hidden`."""
    execute(conn, SQL["hold_images"], {"collection_id": collection_id, "ids": list(ids)})


def set_hidden(conn: Connection, collection_id: UUID, ids: Iterable[UUID], *, hidden: bool) -> int:
    """Hide faces or show them again, and count them with their images; return how many changed."""
    params = {"collection_id": collection_id, "ids": list(ids), "hidden": hidden}
    changed: int = fetch_value(conn, SQL["set_hidden"], params)
    return changed


def page(
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
    params = {
        "collection_id": collection_id,
        "limit": limit,
        "after": after,
        "person_id": person_id,
        "named": named,
        "external_id": external_id,
        "tag": tag,
        "captured_from": captured_from,
        "captured_before": captured_before,
    }
    return fetch_all(conn, Face, SQL["page"], params)


def embedding(conn: Connection, face_id: UUID) -> Embedding | None:
    """Return the stored embedding, rounded to half precision as it is searched."""
    found = fetch_value(conn, SQL["embedding"], _place(conn, face_id))
    return None if found is None else np.asarray(found.to_numpy(), dtype=np.float32)


def update(
    conn: Connection,
    face: Face,
    *,
    external_id: str | None,
    metadata: Mapping[str, Any] | None,
) -> bool:
    """Change what is not None (an empty external id clears it); False when there is no such row.

    Raises:
        psycopg.errors.UniqueViolation: The external id is in use in this collection.
    """
    params = {
        "id": face.id,
        "collection_id": face.collection_id,
        "external_id": external_id,
        "metadata": None if metadata is None else Jsonb(dict(metadata)),
    }
    return execute(conn, SQL["update"], params) == 1


def repeat_facets(conn: Connection, *, collection_id: UUID, image_id: UUID, facets: Facets) -> None:
    """Give the faces of an image what they must repeat of it."""
    params = {
        "collection_id": collection_id,
        "image_id": image_id,
        "tags": list(facets.tags),
        "captured_at": facets.captured_at,
    }
    execute(conn, SQL["repeat_facets"], params)


def delete(conn: Connection, face_id: UUID) -> Removed | None:
    """Delete one face; None when there is no such row."""
    return fetch_one(conn, Removed, SQL["delete"], _place(conn, face_id))


def of_group(conn: Connection, collection_id: UUID, face_id: UUID) -> list[UUID]:
    """Return the unnamed faces that look like one person with a face, and that face itself."""
    params = {"collection_id": collection_id, "id": face_id}
    return [row[0] for row in conn.execute(SQL["of_group"], params)]


def set_clusters(
    conn: Connection,
    collection_id: UUID,
    face_ids: Sequence[UUID],
    cluster_ids: Sequence[UUID | None],
) -> int:
    """Put unnamed faces into groups, or (None) out of theirs; return how many were not there before."""
    params = {
        "collection_id": collection_id,
        "ids": list(face_ids),
        "cluster_ids": list(cluster_ids),
    }
    return execute(conn, SQL["set_clusters"], params)
