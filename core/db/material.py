"""What reports read: the faces of a collection and the edges of its graph, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.db import binary, queries
from core.db.binary import ID_BYTES
from core.db.graphs import Graph
from core.db.pool import Connection
from core.db.rows import copied, fetch_all
from core.neighbours import FARTHER

SQL = queries.load("material")


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """The lists of faces, in the order of their ids.

    Attributes:
        face_ids: `core.db.binary.ID_BYTES`, shape ``(n,)``.
        neighbours: `core.db.binary.ID_BYTES`, shape ``(n, k)``; empty behind the last one.
        cosines: float32, shape ``(n, k)``; -2 behind the last one.
    """

    face_ids: NDArray[np.bytes_]
    neighbours: NDArray[np.bytes_]
    cosines: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class FaceRows:
    """What reports know of the faces of a collection, in the order of their ids.

    Attributes:
        ids, image_ids: `core.db.binary.ID_BYTES`.
        person_ids, cluster_ids: `core.db.binary.ID_BYTES`; empty where there is none.
        quality, norm: float32.
    """

    ids: NDArray[np.bytes_]
    image_ids: NDArray[np.bytes_]
    person_ids: NDArray[np.bytes_]
    cluster_ids: NDArray[np.bytes_]
    quality: NDArray[np.float32]
    norm: NDArray[np.float32]

    def only(self, chosen: NDArray[np.bool_]) -> "FaceRows":
        """Return some of them; *chosen* has shape ``(n,)``."""
        return FaceRows(*(getattr(self, each.name)[chosen] for each in fields(self)))


@dataclass(frozen=True, slots=True)
class PersonRow:
    """Somebody with a name."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """Where a face is in its photo.

    Attributes:
        landmarks: Ten numbers, in pixels of the upright photo, which is *width* x *height*.
        kept: What there is of the photo, of `core.keeping.Keeps`.
    """

    face_id: UUID
    image_id: UUID
    landmarks: list[float]
    sha256: bytes
    width: int
    height: int
    kept: str


def places(conn: Connection, collection_id: UUID, face_ids: Sequence[UUID]) -> dict[UUID, PlaceRow]:
    """Return where some faces are, by their ids; those that are gone are left out."""
    params = {"collection_id": collection_id, "ids": list(face_ids)}
    return {each.face_id: each for each in fetch_all(conn, PlaceRow, SQL["places"], params)}


@dataclass(frozen=True, slots=True)
class Failure:
    """How often photos (``images``) or faces were not indexed for one reason."""

    what: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Day:
    """What came on one day (UTC)."""

    day: date
    images: int
    faces: int


def failures(conn: Connection, collection_id: UUID) -> list[Failure]:
    """Return why photos and faces of a collection were not indexed."""
    return fetch_all(conn, Failure, SQL["failures"], {"collection_id": collection_id})


def growth(conn: Connection, collection_id: UUID, *, since: datetime) -> list[Day]:
    """Return what came by day, days without anything left out, oldest first."""
    params = {"collection_id": collection_id, "since": since}
    return fetch_all(conn, Day, SQL["growth"], params)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """How good the faces of one person are.

    Attributes:
        good: Faces of at least the quality that was asked for.
        best_quality, best_sharpness, best_brightness, best_size: Of any of their faces; 0 without one.
        least_turn: Degrees, to the side, of the face that looks straightest.
        best_faces: Up to a dozen, best first.
    """

    person_id: UUID
    faces: int
    good: int
    best_quality: float
    best_sharpness: float
    best_brightness: float
    best_size: float
    least_turn: float
    best_faces: list[UUID]


def enrolments(conn: Connection, collection_id: UUID, *, good: float) -> list[Enrolment]:
    """Return how good the faces of everybody are; *good*: the quality that counts as such."""
    params = {"collection_id": collection_id, "good": good}
    return fetch_all(conn, Enrolment, SQL["enrolments"], params)


def people(conn: Connection, collection_id: UUID) -> list[PersonRow]:
    """Return everybody of a collection, in the order of their ids."""
    return fetch_all(conn, PersonRow, SQL["people"], {"collection_id": collection_id})


def edges(conn: Connection, graph: Graph) -> Edges:
    """Read the lists of a whole graph."""
    parts = []
    for (length,) in conn.execute(SQL["list_lengths"], {"graph_id": graph.id}).fetchall():
        params = {"graph_id": graph.id, "length": length}
        parts.append(copied(conn, SQL["edges"], params, _list_layout(length)))
    count = sum(len(part) for part in parts)
    face_ids = np.empty(count, ID_BYTES)
    neighbours = np.zeros((count, graph.neighbours), ID_BYTES)
    cosines = np.full((count, graph.neighbours), FARTHER)
    first = 0
    for part in parts:
        some = slice(first, first + len(part))
        face_ids[some] = binary.ids(part["face"])
        if length := part["pairs"].shape[1]:
            neighbours[some, :length] = binary.ids(part["pairs"]["id"])
            cosines[some, :length] = part["cosines"]["cosine"]
        first += len(part)
    order = np.argsort(face_ids)
    return Edges(face_ids[order], neighbours[order], cosines[order])


def faces(conn: Connection, collection_id: UUID) -> FaceRows:
    """Read what reports know of the faces of a collection."""
    layout = binary.layout(
        [
            *((name, binary.ID) for name in ("id", "image", "person", "cluster")),
            ("quality", ">f4"),
            ("norm", ">f4"),
        ]
    )
    found = copied(conn, SQL["faces"], {"collection_id": collection_id}, layout)
    return FaceRows(
        ids=binary.ids(found["id"]),
        image_ids=binary.ids(found["image"]),
        person_ids=binary.ids(found["person"]),
        cluster_ids=binary.ids(found["cluster"]),
        quality=found["quality"].astype(np.float32),
        norm=found["norm"].astype(np.float32),
    )


def _list_layout(length: int) -> np.dtype[np.void]:
    """Return the layout of rows of ``edges`` whose lists have all *length* neighbours.

    An array is its number of dimensions, a flag, the type and, of each dimension, size and first index.
    """
    header = 20 if length else 12
    pairs = np.dtype([("bytes", ">i4"), ("id", binary.ID)])
    numbers = np.dtype([("bytes", ">i4"), ("cosine", ">f4")])
    return np.dtype(
        [
            ("columns", ">i2"),
            ("face bytes", ">i4"),
            ("face", binary.ID),
            ("pairs bytes", ">i4"),
            ("pairs header", f"V{header}"),
            ("pairs", pairs, (length,)),
            ("cosines bytes", ">i4"),
            ("cosines header", f"V{header}"),
            ("cosines", numbers, (length,)),
        ]
    )
