"""Fixture: the queue of one collection, to be filled, run and looked at."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from core import gallery, indexing, intake
from core.blobs import Kind
from core.db.collections import Collection
from core.db.images import Image
from core.offers import Upload
from core.services import Services

Photo = Callable[[int], bytes]


class Queue:
    """Photos go in, batches run, and the truth can be looked at."""

    def __init__(self, services: Services, doorbell: Any, collection: Collection) -> None:
        self.services = services
        self.doorbell = doorbell
        self.collection = collection

    def put(self, *photos: bytes) -> list[UUID]:
        """Upload photos as one job; return the ids of their images."""
        uploads = [Upload(f"{n}.png", photo) for n, photo in enumerate(photos)]
        receipt = intake.accept(self.services, self.doorbell, self.collection.id, uploads)
        return [item.image_id for item in receipt.items if item.image_id is not None]

    def run(self, pipeline: Any, services: Services | None = None) -> int:
        """Run one batch."""
        used = services or self.services
        return indexing.index_batch(used, {self.collection.space_id: pipeline})

    def sweep(self) -> int:
        return indexing.sweep(self.services)

    def image(self, image_id: UUID) -> Image:
        with self.services.pool.connection() as conn:
            return gallery.image(conn, image_id).image

    def states(self) -> list[tuple[str, int]]:
        """State and attempts of every item, oldest first."""
        return self.sql("SELECT state, attempts FROM items ORDER BY id")

    def sql(self, query: str, *params: Any) -> Any:
        with self.services.pool.connection() as conn:
            cursor = conn.execute(query, params)
            return cursor.fetchall() if cursor.description else None

    def files(self) -> dict[str, int]:
        """How many blobs there are of each kind."""
        root = self.services.settings.data_dir / "blobs"
        return {
            kind.value: sum(1 for path in (root / kind.value).rglob("*") if path.is_file())
            for kind in Kind
        }

    def expire_leases(self) -> None:
        self.sql("UPDATE items SET lease_until = now() - interval '1 s' WHERE state = 'running'")


@pytest.fixture
def queue(services: Services, doorbell: Any, collection: Collection) -> Queue:
    return Queue(services, doorbell, collection)


def assert_counters_are_true(queue: Queue) -> None:
    """The counters of collections and images equal the rows that they count."""
    false = queue.sql(
        """
        SELECT c.id FROM collections AS c
         WHERE c.image_count <> (SELECT count(*) FROM images WHERE collection_id = c.id)
            OR c.face_count <> (SELECT count(*) FROM faces WHERE collection_id = c.id)
            OR c.person_count <> (SELECT count(*) FROM people WHERE collection_id = c.id)
        UNION ALL
        SELECT i.id FROM images AS i
         WHERE i.face_count <> (SELECT count(*) FROM faces WHERE image_id = i.id)
        """
    )
    assert false == []
