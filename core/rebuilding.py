"""The present state made again from the history: people, whose faces are whose, and the counters."""

from dataclasses import dataclass
from uuid import UUID

from psycopg import Rollback

from core import changes
from core.changes import Kind
from core.db import collections as collection_rows
from core.db import rebuilding as rows
from core.db.pool import Connection
from core.errors import CollectionNotFound

ACTOR = "rebuild"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How much was not as the events tell.

    Attributes:
        collections: That were looked at.
        people: Missing, otherwise, or there though they were deleted.
        faces: Of another person than their last event says.
        hidden: Hidden, or not, against what was decided.
        counters: Of images and collections.
        adopted: People whom no event named, who are in the history from now on.
    """

    collections: int = 0
    people: int = 0
    faces: int = 0
    hidden: int = 0
    counters: int = 0
    adopted: int = 0

    def __add__(self, other: "Rebuilt") -> "Rebuilt":
        return Rebuilt(
            self.collections + other.collections,
            self.people + other.people,
            self.faces + other.faces,
            self.hidden + other.hidden,
            self.counters + other.counters,
            self.adopted + other.adopted,
        )

    @property
    def differences(self) -> int:
        """All that was found, adopted people aside."""
        return self.people + self.faces + self.hidden + self.counters


def rebuild(conn: Connection, collection_id: UUID | None = None, *, check: bool = False) -> Rebuilt:
    """Make the present state of one collection, or of all, again from the events.

    Each collection is kept from everybody else meanwhile, in a transaction of its own. Faces that were
    deleted are in events only, and stay so.

    Args:
        check: Only find what is otherwise, and change nothing.

    Raises:
        CollectionNotFound: There is none with this id.
    """
    with conn.transaction():
        wanted = rows.collections(conn, collection_id)
    if collection_id is not None and not wanted:
        raise CollectionNotFound(collection_id)
    found = Rebuilt()
    for each in wanted:
        with conn.transaction() as whole:
            if collection_rows.lock(conn, each):
                found += _rebuild(conn, each)
            if check:
                raise Rollback(whole)
    return found


def _rebuild(conn: Connection, collection_id: UUID) -> Rebuilt:
    with changes.recorded(conn, collection_id, Kind.BASELINE, ACTOR) as change_id:
        adopted = rows.adopt(conn, collection_id, change_id)
    return Rebuilt(
        collections=1,
        people=rows.people(conn, collection_id),
        faces=rows.faces(conn, collection_id),
        hidden=rows.hidden(conn, collection_id),
        counters=rows.counters(conn, collection_id),
        adopted=adopted,
    )
