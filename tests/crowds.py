"""Photos of several made-up people each, small enough to compare everything with everything."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import numpy as np
import pytest
from numpy.typing import NDArray

from core import collections
from core.db import collections as collection_rows
from core.db import faces, images, people
from core.db.collections import Collection
from core.db.faces import NewFace
from core.db.pool import Connection
from core.faces import AnalysedFace, DetectedFace, Quality, unit_embedding
from core.services import Services

DIMENSION = 128
QUALITY = Quality(0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A face, with its vector as the database has it."""

    id: UUID
    image_id: UUID
    person_id: UUID | None
    vector: NDArray[np.float32]


@dataclass(slots=True, eq=False)
class Crowd:
    """A collection of photos; *looks* are the people's faces, without noise."""

    services: Services
    collection: Collection
    random: np.random.Generator
    looks: NDArray[np.float32]
    people: list[UUID]
    faces: list[Stored] = field(default_factory=list)

    def fresh(self) -> Collection:
        """The collection as it is now."""
        with self.services.pool.connection() as conn:
            return collections.get(conn, self.collection.id)

    def photo(self, *who: int, named: Sequence[int] = (), noise: float = 0.6) -> UUID:
        """Add a photo of these people; return its id."""
        with self.services.pool.connection() as conn:
            image_id = images.insert(
                conn,
                collection_id=self.collection.id,
                sha256=uuid4().bytes * 2,
                external_id=None,
                metadata={},
                filename=f"{len(self.faces)}.jpg",
                format="jpeg",
                bytes=1,
                width=80,
                height=80,
            )
            assert image_id is not None
            raws = self.looks[list(who)] + noise * self.random.normal(size=(len(who), DIMENSION))
            vectors = [unit_embedding(raw, DIMENSION)[0] for raw in raws]
            ids = faces.new_ids(conn, len(who))
            faces.insert_many(
                conn,
                [
                    NewFace(face_id, self.collection.id, image_id, place, _analysed(place, vector))
                    for place, (face_id, vector) in enumerate(zip(ids, vectors, strict=True))
                ],
            )
            collection_rows.count(conn, self.collection.id, images=1, faces=len(ids))
            for each, face_id in zip(who, ids, strict=True):
                if each in named:
                    self.name(conn, face_id, each)
        for each, face_id, vector in zip(who, ids, vectors, strict=True):
            owner = self.people[each] if each in named else None
            half = vector.astype(np.float16).astype(np.float32)
            self.faces.append(Stored(face_id, image_id, owner, half))
        return image_id

    def name(self, conn: Connection, face_id: UUID, who: int) -> None:
        """Say who a face is."""
        people.move_faces(
            conn,
            collection_id=self.collection.id,
            face_ids=[face_id],
            person_id=self.people[who],
        )

    def delete(self, image_id: UUID) -> None:
        """Delete a photo with its faces."""
        with self.services.pool.connection() as conn:
            images.delete(conn, image_id)
        self.faces = [face for face in self.faces if face.image_id != image_id]

    def cosines(self, probe: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of every face, as the database computes them: of numbers in half precision."""
        half = probe.astype(np.float16).astype(np.float64)
        vectors = np.stack([face.vector for face in self.faces]).astype(np.float64)
        lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(half)
        return np.asarray(vectors @ half / lengths)


def _analysed(place: int, vector: NDArray[np.float32]) -> AnalysedFace:
    left = 10.0 * place
    detected = DetectedFace((left, 0.0, left + 8, 8.0), np.ones((5, 2), np.float32), 0.9)
    return AnalysedFace(detected, vector, 20.0, QUALITY, np.zeros((1, 1, 3), np.uint8))


@pytest.fixture
def crowd(services: Services) -> Callable[..., Crowd]:
    """Make an empty collection and the looks of some people, who are known by name in it."""

    def make(who: int = 6, seed: int = 0) -> Crowd:
        random = np.random.default_rng(seed)
        looks = random.normal(size=(who, DIMENSION)).astype(np.float32)
        with services.pool.connection() as conn:
            pack = services.manifest.pack("open")
            made = collections.create(conn, pack, name=uuid4().hex, threshold=0.5)
            ids = [
                people.insert(
                    conn, collection_id=made.id, name=f"P{n}", external_id=None, metadata={}
                )
                for n in range(who)
            ]
        return Crowd(services, made, random, looks, ids)

    return make
