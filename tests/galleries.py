"""Collections of thousands of made-up faces in a partition of their own, with an index."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

import numpy as np
import pytest
from numpy.typing import NDArray
from psycopg import sql

from core import collections
from core.db import faces, images, indexes
from core.db.collections import Collection
from core.db.faces import NewFace
from core.db.indexes import Kind
from core.db.pool import Connection, connect
from core.faces import AnalysedFace, DetectedFace, Quality, unit_embedding
from core.services import Services

DIMENSION = 128
PER_PERSON = 5


def isotropic(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Vectors without any structure but people: an index of them loses answers."""
    random = np.random.default_rng(seed)
    people = random.normal(size=(-(-count // PER_PERSON), DIMENSION)).repeat(PER_PERSON, axis=0)
    return _unit(people[:count] + 0.8 * random.normal(size=(count, DIMENSION)))


def manifold(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Vectors that vary in eight hidden ways, as those of real recognisers vary in few."""
    random = np.random.default_rng(seed)
    people = random.normal(size=(-(-count // PER_PERSON), 8)).repeat(PER_PERSON, axis=0)
    hidden = people[:count] + 0.15 * random.normal(size=(count, 8))
    shared = np.random.default_rng(7)
    waves = hidden @ shared.normal(size=(8, DIMENSION)) * 0.6
    return _unit(np.cos(waves + shared.uniform(0, 2 * np.pi, DIMENSION)))


@dataclass(frozen=True, slots=True)
class Gallery:
    """A collection of faces; *conn* is in autocommit mode."""

    conn: Connection
    collection: Collection
    vectors: NDArray[np.float32]

    def fresh(self) -> Collection:
        """The collection as it is now."""
        return collections.get(self.conn, self.collection.id)

    def add(self, vectors: NDArray[np.float32]) -> list[UUID]:
        """More faces, in a photo of their own; returns their ids."""
        with self.conn.transaction():
            return _fill(self.conn, self.collection, vectors)


@pytest.fixture
def gallery(services: Services) -> Callable[..., Gallery]:
    """Make a collection of some vectors, in a partition of its own unless *kind* is None."""
    assert services.settings.database_url is not None
    with connect(services.settings.database_url, autocommit=True) as conn:

        def make(vectors: NDArray[np.float32], *, kind: Kind | None = Kind.HNSW) -> Gallery:
            made = collections.create(conn, services.manifest.pack("open"), name=uuid4().hex)
            if kind is not None:
                _partition(conn, made)
            with conn.transaction():
                _fill(conn, made, vectors)
            if kind is not None:
                indexes.create(conn, made.id, kind, DIMENSION)
            return Gallery(conn, collections.get(conn, made.id), vectors)

        yield make


def _partition(conn: Connection, collection: Collection) -> None:
    statement = sql.SQL("CREATE TABLE {} PARTITION OF faces FOR VALUES IN ({})").format(
        sql.Identifier(indexes.table_name(collection.id)), sql.Literal(str(collection.id))
    )
    conn.execute(statement)
    conn.execute("UPDATE collections SET layout = 'own' WHERE id = %s", [collection.id])


def _fill(conn: Connection, collection: Collection, vectors: NDArray[np.float32]) -> list[UUID]:
    image_id = images.insert(
        conn,
        collection_id=collection.id,
        sha256=uuid4().bytes * 2,
        external_id=None,
        metadata={},
        filename="crowd.jpg",
        format="jpeg",
        bytes=1,
        width=8,
        height=8,
    )
    assert image_id is not None
    detected = DetectedFace((0.0, 0.0, 4.0, 4.0), np.ones((5, 2), np.float32), 0.9)
    quality = Quality(0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0)
    crop = np.zeros((1, 1, 3), np.uint8)
    ids = faces.new_ids(conn, len(vectors))
    faces.insert_many(
        conn,
        [
            NewFace(
                face_id,
                collection.id,
                image_id,
                position,
                AnalysedFace(detected, unit_embedding(vector, DIMENSION)[0], 20.0, quality, crop),
            )
            for position, (face_id, vector) in enumerate(zip(ids, vectors, strict=True))
        ],
    )
    collections.rows.count(conn, collection.id, images=1, faces=len(ids))
    return ids


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
