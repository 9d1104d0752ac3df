"""Collections of made-up people whose faces lie where a test wants them, each in a photo of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

import numpy as np
import pytest
from numpy.typing import NDArray

from core import collections, people, reviews
from core.db import faces, images
from core.db.collections import Collection
from core.db.faces import NewFace
from core.db.pool import Connection, connect
from core.faces import AnalysedFace, DetectedFace, Quality, unit_embedding
from core.graph import Builder
from core.reports import two_names, wrong_labels
from core.reports.material import Material
from core.services import Services

DIMENSION = 128
THRESHOLD = 0.4


def directions(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors by chance: strangers to each other, whose cosines are about 0 with 0.09 around."""
    made = np.random.default_rng(seed).normal(size=(count, DIMENSION))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def near(
    direction: NDArray[np.float32], cosine: float, count: int = 1, seed: int = 0
) -> NDArray[np.float32]:
    """Vectors of a cosine to one, and among each other of about its square."""
    away = directions(count, seed + 1000)
    away -= np.outer(away @ direction, direction)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    return (cosine * direction + np.sqrt(1 - cosine**2) * away).astype(np.float32)


@dataclass(slots=True)
class Cast:
    """A collection that a test fills; *conn* is in autocommit mode."""

    services: Services
    conn: Connection
    collection: Collection
    people: dict[str, UUID] = field(default_factory=dict)

    def add(
        self,
        vectors: NDArray[np.float32],
        name: str | None = None,
        *,
        together: bool = False,
        quality: Sequence[float] | None = None,
    ) -> list[UUID]:
        """Add faces, each in a photo of its own or all *together* in one; return their ids."""
        ids = faces.new_ids(self.conn, len(vectors))
        with self.conn.transaction():
            shared = self._image(len(vectors)) if together else None
            for place, (face_id, vector) in enumerate(zip(ids, vectors, strict=True)):
                good = 0.9 if quality is None else quality[place]
                where = shared or self._image(1)
                new = _face(
                    face_id, self.collection.id, where, place if together else 0, vector, good
                )
                faces.insert_many(self.conn, [new])
            collections.rows.count(
                self.conn, self.collection.id, images=1 if together else len(ids), faces=len(ids)
            )
        if name is not None:
            self.give(name, ids)
        return ids

    def give(self, name: str, face_ids: Sequence[UUID]) -> UUID:
        """Give faces to somebody, who is made if need be."""
        if name not in self.people:
            made = people.create(self.conn, self.collection.id, name=name, actor="test")
            self.people[name] = made.id
        people.assign(self.conn, self.people[name], face_ids, actor="test")
        return self.people[name]

    def material(self) -> Material:
        """What reports read of the collection as it is now."""
        fresh = collections.get(self.conn, self.collection.id)
        graph = Builder(self.services, self.conn).bring_up_to_date(fresh)
        return Material(self.services, self.conn, fresh, graph)

    def owners(self) -> Mapping[UUID, UUID | None]:
        """Whose each face is."""
        rows = self.conn.execute(
            "SELECT id, person_id FROM faces WHERE collection_id = %s", [self.collection.id]
        )
        return dict(rows.fetchall())

    def _image(self, face_count: int) -> UUID:
        made = images.insert(
            self.conn,
            collection_id=self.collection.id,
            sha256=uuid4().bytes * 2,
            external_id=None,
            metadata={},
            filename="made-up.jpg",
            format="jpeg",
            bytes=1,
            width=8,
            height=8,
        )
        assert made is not None
        self.conn.execute(
            "UPDATE images SET state = 'indexed', kept = 'vectors', face_count = %s WHERE id = %s",
            [face_count, made],
        )
        return made


def _face(
    face_id: UUID,
    collection_id: UUID,
    image_id: UUID,
    position: int,
    vector: NDArray[np.float32],
    quality: float,
) -> NewFace:
    detected = DetectedFace((0.0, 0.0, 4.0, 4.0), np.ones((5, 2), np.float32), 0.9)
    figures = Quality(quality, quality, quality, quality, 0.0, 0.0, 0.0)
    embedding = unit_embedding(vector, DIMENSION)[0]
    crop = np.zeros((1, 1, 3), np.uint8)
    analysed = AnalysedFace(detected, embedding, 20.0, figures, crop)
    return NewFace(face_id, collection_id, image_id, position, analysed)


@pytest.fixture
def cast(services: Services) -> Iterator[Callable[[], Cast]]:
    """Make empty collections, in a space in which `THRESHOLD` is that of the pack."""
    manifest = services.manifest
    pack = replace(manifest.pack("open"), threshold=THRESHOLD)
    known = replace(services, manifest=replace(manifest, packs={**manifest.packs, "open": pack}))
    assert services.settings.database_url is not None
    with connect(services.settings.database_url, autocommit=True) as conn:

        def make() -> Cast:
            return Cast(known, conn, collections.create(conn, pack, name=uuid4().hex))

        yield make


@pytest.fixture
def town(cast: Callable[[], Cast]) -> Cast:
    """Ann, Bob and Eve, of whom Eve is called Eva, too; and three faces of a stranger."""
    made = cast()
    for number, (name, again) in enumerate([("Ann", ""), ("Bob", ""), ("Eve", "Eva")]):
        who = directions(4)[number]
        made.add(near(who, 0.9, 4, seed=number), name)
        if again:
            made.add(near(who, 0.9, 4, seed=9), again)
    made.add(near(directions(4)[3], 0.9, 3, seed=5))
    return made


@pytest.fixture
def inbox(town: Cast) -> Cast:
    """The town, where Eve and Eva may be one, as Ann and Anna, and a face of Ann is called Bob."""
    ann = directions(4)[0]
    town.add(near(ann, 0.9, 4, seed=20), "Anna")
    town.add(near(ann, 0.9, seed=30), "Bob")
    material = town.material()
    for report in (two_names, wrong_labels):
        outcome = report.make(material)
        with town.conn.transaction():
            reviews.take_up(
                town.conn, report.NAME, town.collection.id, outcome.findings, seen_at=None
            )
    return town
