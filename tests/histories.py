"""A collection whose people have a history, for tests of changes, undoing and rebuilding."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from core import changes, gallery, people
from core.changes import Kind, Summary
from core.db.collections import Collection
from core.db.people import Person
from core.db.pool import Connection
from core.services import Services

ACTOR = "test"


@dataclass(frozen=True, slots=True)
class History:
    """A collection of unnamed faces, two of each photo, and what is done to them."""

    services: Services
    collection: Collection
    faces: list[UUID]

    @contextmanager
    def conn(self) -> Iterator[Connection]:
        """A connection whose work is committed, unless the block fails."""
        with self.services.pool.connection() as conn:
            yield conn

    def person(self, name: str, *faces: UUID, **details: Any) -> Person:
        """Somebody new with these faces."""
        with self.conn() as conn:
            return people.create(
                conn, self.collection.id, name=name, face_ids=faces, actor=ACTOR, **details
            )

    def owner(self, face_id: UUID) -> UUID | None:
        with self.conn() as conn:
            return gallery.face(conn, face_id).person_id

    def last(self) -> UUID:
        """The id of the newest change."""
        return self.page()[0].change.id

    def page(self, **wanted: Any) -> list[Summary]:
        with self.conn() as conn:
            return changes.page(conn, self.collection.id, limit=1000, **wanted)

    @contextmanager
    def change(self, kind: Kind = Kind.DECIDE) -> Iterator[tuple[Connection, UUID]]:
        """A change under way, with the connection for its parts."""
        with self.conn() as conn, conn.transaction():
            yield conn, changes.begin(conn, self.collection.id, kind, ACTOR)

    def state(self) -> dict[str, Any]:
        """All that events tell, and the counters."""
        with self.conn() as conn:

            def rows(query: str) -> list[Any]:
                return conn.execute(query, [self.collection.id]).fetchall()  # type: ignore[call-overload]

            return {
                "people": rows(
                    "SELECT id, name, external_id, metadata FROM people"
                    " WHERE collection_id = %s ORDER BY id"
                ),
                "faces": rows(
                    "SELECT id, person_id, hidden FROM faces WHERE collection_id = %s ORDER BY id"
                ),
                "decisions": rows(
                    "SELECT kind, face_id, other_face_id, person_id FROM constraints"
                    " WHERE collection_id = %s AND withdrawn_by IS NULL"
                    " ORDER BY kind, face_id, other_face_id, person_id"
                ),
                "counters": rows(
                    "SELECT image_count, face_count, person_count FROM collections WHERE id = %s"
                ),
                "images": rows(
                    "SELECT id, face_count FROM images WHERE collection_id = %s ORDER BY id"
                ),
            }


@pytest.fixture
def history(
    services: Services,
    collection: Collection,
    store: Callable[..., list[UUID]],
    photo: Callable[[int], bytes],
    fake_pipeline: Any,
) -> History:
    """Eight unnamed faces in four photos."""
    fake_pipeline.faces = 2
    store(*(photo(number) for number in range(4)))
    with services.pool.connection() as conn:
        found = gallery.faces(conn, collection.id, limit=99)
    return History(services, collection, [face.id for face in found])
