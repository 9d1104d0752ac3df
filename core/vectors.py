"""All vectors of a collection in memory, for what looks at every face."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np
import psutil
from numpy.typing import NDArray

from core.db import recall as rows
from core.db.binary import ID_BYTES
from core.db.collections import Collection
from core.db.pool import Connection
from core.neighbours import COLUMNS, ROWS, Halves

PAGE: Final = 5000
"""Faces of one read: a few megabytes."""

MOST_SHARE: Final = 0.5
"""Of the memory that is free."""

BLOCK_BYTES: Final = 4 * 4
"""What each cosine of a product of blocks takes beside the vectors: four arrays of its size."""

FIRST: Final = UUID(int=0)


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Of every face, in the order of their ids.

    Attributes:
        ids: `core.db.binary.ID_BYTES`, shape ``(n,)``.
        halves: Shape ``(n, dimension)``, half precision.
    """

    ids: NDArray[np.bytes_]
    halves: Halves

    def rows(self, ids: NDArray[np.bytes_]) -> NDArray[np.int64]:
        """Return where faces stand, -1 for those that are not here."""
        return rows_of(self.ids, ids)


def rows_of(known: NDArray[np.bytes_], ids: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """Return where *ids* (of any shape) stand in *known*, which is sorted; -1: nowhere."""
    if not len(known):
        return np.full(ids.shape, -1, np.int64)
    places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.where(known[places] == ids, places, -1)


def read(conn: Connection, collection: Collection) -> Vectors:
    """Read the vectors of a collection, a page at a time."""
    ids, halves = [], []
    after = FIRST
    while True:
        page = rows.page_of_faces(
            conn, collection.id, dimension=collection.dimension, after=after, limit=PAGE
        )
        if not len(page.ids):
            break
        packed = page.ids.astype(">u8").tobytes()
        ids.append(np.frombuffer(packed, ID_BYTES))
        halves.append(page.embeddings)
        after = UUID(bytes=packed[-16:])
    if not ids:
        return Vectors(np.empty(0, ID_BYTES), np.empty((0, collection.dimension), np.float16))
    return Vectors(np.concatenate(ids), np.concatenate(halves))


def fits(collection: Collection) -> bool:
    """Say whether the vectors of a collection, and the work on them, fit into free memory."""
    count = collection.face_count
    blocks = BLOCK_BYTES * min(count, ROWS) * min(count, COLUMNS)
    needed = 2 * 2 * count * collection.dimension + blocks
    return bool(needed <= MOST_SHARE * psutil.virtual_memory().available)
