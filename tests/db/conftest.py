"""Rows for tests, each with one call; a test names only what it is about."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from uuid import UUID, uuid4

import numpy as np
import pytest

from core import spaces
from core.db import collections, faces, images, jobs, people, pool
from core.db.faces import NewFace
from core.db.pool import Connection
from core.faces import AnalysedFace, DetectedFace, Quality, unit_embedding
from core.facets import NO_FACETS, Facets
from core.spaces import Space

QUALITY = Quality(0.5, 0.6, 0.7, 0.8, 10.0, -5.0, 2.0)


def unit(*numbers: float, dimension: int = 4) -> np.ndarray:
    """A unit vector that begins with *numbers*."""
    raw = np.zeros(dimension, dtype=np.float32)
    raw[: len(numbers)] = numbers
    return unit_embedding(raw, dimension)[0]


class Make:
    """Stores rows of every kind."""

    unit = staticmethod(unit)

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self._numbers = count(1)

    def space(self, dimension: int = 4) -> Space:
        made = spaces.space("open", dimension, {"test": dimension})
        collections.keep_space(self.conn, made)
        return made

    def collection(
        self, name: str | None = None, *, dimension: int = 4, external_id: str | None = None
    ) -> UUID:
        return collections.insert(
            self.conn,
            name=name or f"collection {next(self._numbers)}",
            external_id=external_id,
            metadata={"made by": "test"},
            space_id=self.space(dimension).id,
            threshold=0.5,
            threshold_source="a test",
            quality_gate="off",
        )

    def image(
        self,
        collection_id: UUID,
        *,
        sha256: bytes | None = None,
        external_id: str | None = None,
        facets: Facets = NO_FACETS,
    ) -> UUID:
        made = images.insert(
            self.conn,
            collection_id=collection_id,
            sha256=sha256 or uuid4().bytes * 2,
            external_id=external_id,
            metadata={},
            filename="photo.jpg",
            format="jpeg",
            bytes=1234,
            width=640,
            height=480,
            facets=facets,
        )
        assert made is not None
        return made

    def faces(
        self,
        collection_id: UUID,
        embeddings: Sequence[np.ndarray],
        *,
        image_id: UUID | None = None,
        facets: Facets = NO_FACETS,
    ) -> list[UUID]:
        """Faces of one image, in the order of *embeddings*."""
        image_id = image_id or self.image(collection_id, facets=facets)
        ids = faces.new_ids(self.conn, len(embeddings))
        faces.insert_many(
            self.conn,
            [
                NewFace(face_id, collection_id, image_id, position, analysed(embedding), facets)
                for position, (face_id, embedding) in enumerate(zip(ids, embeddings, strict=True))
            ],
        )
        collections.count(self.conn, collection_id, faces=len(ids))
        return ids

    def face(self, collection_id: UUID, embedding: np.ndarray | None = None) -> UUID:
        return self.faces(collection_id, [unit(1) if embedding is None else embedding])[0]

    def person(self, collection_id: UUID, name: str = "Ada", face_ids: Sequence[UUID] = ()) -> UUID:
        made = people.insert(
            self.conn, collection_id=collection_id, name=name, external_id=None, metadata={}
        )
        people.move_faces(self.conn, collection_id=collection_id, face_ids=face_ids, person_id=made)
        collections.count(self.conn, collection_id, people=1)
        return made

    def items(self, collection_id: UUID, number: int = 1) -> list[UUID]:
        """Waiting items of one job, each with an image of its own, oldest first."""
        job_id = jobs.insert(self.conn, collection_id=collection_id, kind="upload")
        jobs.open_lane(self.conn, collection_id, collection_id=collection_id)
        return [
            jobs.put_item(
                self.conn,
                job_id=job_id,
                collection_id=collection_id,
                image_id=self.image(collection_id),
                lane=collection_id,
                position=position,
                key=f"{position}.jpg",
                state="waiting",
            )
            for position in range(number)
        ]


def analysed(embedding: np.ndarray) -> AnalysedFace:
    landmarks = np.arange(10, dtype=np.float32).reshape(5, 2)
    detected = DetectedFace((10.0, 20.0, 110.5, 140.25), landmarks, 0.875)
    return AnalysedFace(detected, embedding, 21.5, QUALITY, np.zeros((112, 112, 3), np.uint8))


@pytest.fixture
def make(conn: Connection) -> Make:
    """Stores rows in the connection of this test, which rolls them back."""
    return Make(conn)


@dataclass(frozen=True, slots=True)
class Session:
    """A connection whose work is committed, unless its block fails."""

    conn: Connection
    make: Make


@pytest.fixture
def connect() -> Callable[[str], AbstractContextManager[Session]]:
    """Open connections that see each other's committed work; for databases of the test's own."""

    @contextmanager
    def opened(url: str) -> Iterator[Session]:
        with pool.connect(url) as conn:
            yield Session(conn, Make(conn))

    return opened


@pytest.fixture(scope="module")
def module_make() -> type[Make]:
    """`Make` for connections that a module opens for itself."""
    return Make
