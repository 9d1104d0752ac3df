"""What reports read: the faces of a collection and the edges of its graph, as arrays."""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.db import binary, queries
from core.db.binary import ID_BYTES
from core.db.graphs import Graph
from core.db.pool import Connection
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


def edges(conn: Connection, graph: Graph) -> Edges:
    """Read the lists of a whole graph."""
    parts = []
    for (length,) in conn.execute(SQL["list_lengths"], {"graph_id": graph.id}).fetchall():
        params = {"graph_id": graph.id, "length": length}
        parts.append(_lists(binary.copied(conn, SQL["edges"], params), length))
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
    data = binary.copied(conn, SQL["faces"], {"collection_id": collection_id})
    layout = binary.layout(
        [
            *((name, binary.ID) for name in ("id", "image", "person", "cluster")),
            ("quality", ">f4"),
            ("norm", ">f4"),
        ]
    )
    found = binary.rows(data, layout)
    return FaceRows(
        ids=binary.ids(found["id"]),
        image_ids=binary.ids(found["image"]),
        person_ids=binary.ids(found["person"]),
        cluster_ids=binary.ids(found["cluster"]),
        quality=found["quality"].astype(np.float32),
        norm=found["norm"].astype(np.float32),
    )


def _lists(data: bytes, length: int) -> NDArray[np.void]:
    """Read rows of ``edges``, whose lists have all *length* neighbours.

    An array is its number of dimensions, a flag, the type and, of each dimension, size and first index.
    """
    header = 20 if length else 12
    pairs = np.dtype([("bytes", ">i4"), ("id", binary.ID)])
    numbers = np.dtype([("bytes", ">i4"), ("cosine", ">f4")])
    layout = np.dtype(
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
    return binary.rows(data, layout)
