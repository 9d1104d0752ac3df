"""Rows of ``changes``, ``assignment_events`` and ``person_events``. The caller owns the transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from core.db import queries
from core.db.people import Details, Moved
from core.db.pool import Connection
from core.db.rows import Query, execute, fetch_all, fetch_one, fetch_value, glimpse

SQL = queries.load("changes")


@dataclass(frozen=True, slots=True)
class Change:
    """What one actor did at one time.

    Attributes:
        kind: ``baseline`` (what was there before changes were kept), ``create``, ``edit``, ``delete``,
            ``assign``, ``unassign``, ``merge``, ``split``, ``decide``, ``enrol`` or ``undo``.
        undoes: The change that this one takes back, wholly or in part.
        undone_by: Those that take this one back and were not taken back themselves, oldest first.
    """

    id: UUID
    collection_id: UUID
    kind: str
    actor: str
    undoes: UUID | None
    created_at: datetime
    undone_by: list[UUID]


@dataclass(frozen=True, slots=True)
class ChangedPerson:
    """How a change found somebody and how it left them; None: not there."""

    change_id: UUID
    person_id: UUID
    before: Details | None
    after: Details | None


@dataclass(frozen=True, slots=True)
class Flow:
    """How many faces a change moved from one person to another; None: unnamed."""

    change_id: UUID
    previous_person_id: UUID | None
    person_id: UUID | None
    faces: int


@dataclass(frozen=True, slots=True)
class Decided:
    """A constraint that a change made, or *withdrawn*: took back."""

    change_id: UUID
    kind: str
    face_id: UUID
    other_face_id: UUID | None
    person_id: UUID | None
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class Named:
    """What somebody is called, or was when they were deleted (*present* is false then).

    Attributes:
        name: None for somebody of before there were changes who is gone.
    """

    id: UUID
    name: str | None
    present: bool


@dataclass(frozen=True, slots=True)
class FaceState:
    """Where a face is now; *kept*: what there is of its image, of `core.keeping.Keeps`."""

    face_id: UUID
    image_id: UUID
    person_id: UUID | None
    hidden: bool
    kept: str


def insert(
    conn: Connection,
    *,
    collection_id: UUID,
    kind: str,
    actor: str,
    undoes: UUID | None = None,
) -> UUID:
    """Store a change; return the id.

    Raises:
        psycopg.errors.ForeignKeyViolation: There is no such collection.
    """
    params = {"collection_id": collection_id, "kind": kind, "actor": actor, "undoes": undoes}
    made: UUID = fetch_value(conn, SQL["insert"], params)
    return made


def forget_empty(conn: Connection, change_id: UUID) -> bool:
    """Delete a change that nothing names; say whether it was one."""
    return execute(conn, SQL["forget_empty"], {"id": change_id}) == 1


def home(conn: Connection, change_id: UUID) -> UUID | None:
    """Return the collection of a change, and keep no lock; None when there is no such row."""
    found: UUID | None = glimpse(conn, SQL["home"], {"id": change_id})
    return found


def lock(conn: Connection, change_id: UUID) -> None:
    """Keep others from taking a change back until the transaction ends."""
    execute(conn, SQL["lock"], {"id": change_id})


def get(conn: Connection, change_id: UUID) -> Change | None:
    """Return one change."""
    return fetch_one(conn, Change, SQL["get"], {"id": change_id})


def page(
    conn: Connection,
    collection_id: UUID,
    *,
    limit: int,
    before: UUID | None = None,
    person_id: UUID | None = None,
) -> list[Change]:
    """Return up to *limit* changes that came before one, newest first; of one person where given."""
    params = {
        "collection_id": collection_id,
        "limit": limit,
        "before": before,
        "person_id": person_id,
    }
    query = SQL["page"] if person_id is None else SQL["page_of_person"]
    return fetch_all(conn, Change, query, params)


def family(conn: Connection, change_id: UUID) -> dict[UUID, int]:
    """Return all changes of a chain of undos, with how many times each takes the first one back."""
    return dict(conn.execute(SQL["family"], {"id": change_id}).fetchall())


def insert_moves(conn: Connection, change_id: UUID, moved: Sequence[Moved]) -> None:
    """Append one event per moved face."""
    params = {
        "change_id": change_id,
        "face_ids": [move.face_id for move in moved],
        "person_ids": [move.person_id for move in moved],
        "previous_person_ids": [move.previous_person_id for move in moved],
    }
    execute(conn, SQL["insert_moves"], params)


def insert_person_event(
    conn: Connection,
    change_id: UUID,
    person_id: UUID,
    *,
    before: Details | None,
    after: Details | None,
) -> None:
    """Append what became of a person."""
    params = {
        "change_id": change_id,
        "person_id": person_id,
        "before": None if before is None else Jsonb(before.plain()),
        "after": None if after is None else Jsonb(after.plain()),
    }
    execute(conn, SQL["insert_person_event"], params)


def moved_faces(conn: Connection, change_id: UUID) -> list[Moved]:
    """Return the faces that a change left elsewhere than it found them."""
    return fetch_all(conn, Moved, SQL["moved_faces"], {"change_id": change_id})


def last_moves(
    conn: Connection, collection_id: UUID, face_ids: Sequence[UUID]
) -> dict[UUID, UUID | None]:
    """Return the change that last moved each face; None: one of before there were changes."""
    params = {"collection_id": collection_id, "face_ids": list(face_ids)}
    return dict(conn.execute(SQL["last_moves"], params).fetchall())


def changed_people(conn: Connection, change_id: UUID) -> list[ChangedPerson]:
    """Return the people that a change left otherwise than it found them."""
    return _people(conn, SQL["changed_people"], {"change_id": change_id})


def some_people(conn: Connection, change_ids: Sequence[UUID], *, limit: int) -> list[ChangedPerson]:
    """Return what became of people by each change, up to *limit* steps of each."""
    return _people(conn, SQL["some_people"], {"change_ids": list(change_ids), "limit": limit})


def people_counts(conn: Connection, change_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return how many steps that are about people each change has, where it has any."""
    return dict(conn.execute(SQL["people_counts"], {"change_ids": list(change_ids)}).fetchall())


def last_of_people(
    conn: Connection, collection_id: UUID, person_ids: Iterable[UUID]
) -> dict[UUID, UUID]:
    """Return the change that last made, edited or deleted each person."""
    params = {"collection_id": collection_id, "person_ids": list(person_ids)}
    return dict(conn.execute(SQL["last_of_people"], params).fetchall())


def flows(conn: Connection, change_ids: Sequence[UUID]) -> list[Flow]:
    """Return how many faces each change moved from whom to whom, most first."""
    return fetch_all(conn, Flow, SQL["flows"], {"change_ids": list(change_ids)})


def decided(conn: Connection, change_ids: Sequence[UUID]) -> list[Decided]:
    """Return the constraints that changes made or took back."""
    return fetch_all(conn, Decided, SQL["decided"], {"change_ids": list(change_ids)})


def names(conn: Connection, collection_id: UUID, person_ids: Iterable[UUID]) -> dict[UUID, Named]:
    """Return what people are called, also those who were deleted."""
    params = {"collection_id": collection_id, "person_ids": list(person_ids)}
    return {each.id: each for each in fetch_all(conn, Named, SQL["names"], params)}


def face_states(
    conn: Connection, collection_id: UUID, face_ids: Sequence[UUID]
) -> dict[UUID, FaceState]:
    """Return where those of these faces are that are still there."""
    params = {"collection_id": collection_id, "face_ids": list(face_ids)}
    return {each.face_id: each for each in fetch_all(conn, FaceState, SQL["face_states"], params)}


def _people(conn: Connection, query: Query, params: dict[str, Any]) -> list[ChangedPerson]:
    return [
        ChangedPerson(change_id, person_id, _details(before), _details(after))
        for change_id, person_id, before, after in conn.execute(query, params)
    ]


def _details(stored: Mapping[str, Any] | None) -> Details | None:
    return None if stored is None else Details(**stored)
