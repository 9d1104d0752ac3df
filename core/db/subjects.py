"""Vectors of whoever is searched for."""

from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.db import queries
from core.db.pool import Connection

SQL = queries.load("subjects")


def embeddings_of_person(
    conn: Connection, collection_id: UUID, person_id: UUID, *, limit: int
) -> NDArray[np.float32]:
    """Return the embeddings of up to *limit* faces of a person, shape ``(n, dimension)``."""
    params = {"person_id": person_id, "collection_id": collection_id, "limit": limit}
    rows = [row[0].to_numpy() for row in conn.execute(SQL["embeddings_of_person"], params)]
    return np.asarray(rows, dtype=np.float32)
