"""The steps that changes of people consist of, each with its event.

The caller holds the collection, and keeps its counters when all is done: who waits for them waits for
the end of the transaction.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from core.db import changes as change_rows
from core.db import faces as face_rows
from core.db import people as rows
from core.db.people import Details, Moved
from core.db.pool import Connection


def give(
    conn: Connection,
    collection_id: UUID,
    change_id: UUID,
    face_ids: Sequence[UUID],
    person_id: UUID | None,
) -> list[Moved]:
    """Give faces to a person, or to nobody; return those that were not theirs before."""
    moved = rows.move_faces(
        conn, collection_id=collection_id, face_ids=face_ids, person_id=person_id
    )
    change_rows.insert_moves(conn, change_id, moved)
    return moved


def make(
    conn: Connection,
    collection_id: UUID,
    change_id: UUID,
    details: Details,
    *,
    person_id: UUID | None = None,
) -> UUID:
    """Make a person, or make one again who had *person_id*; return the id.

    Raises:
        psycopg.errors.UniqueViolation: The external id is in use.
    """
    made = rows.insert(
        conn,
        collection_id=collection_id,
        name=details.name,
        external_id=details.external_id,
        metadata=details.metadata,
        person_id=person_id,
    )
    change_rows.insert_person_event(conn, change_id, made, before=None, after=details)
    return made


def alter(
    conn: Connection,
    change_id: UUID,
    person_id: UUID,
    *,
    name: str | None = None,
    external_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Change what is given of a person who is held; an empty external id removes it.

    Raises:
        psycopg.errors.UniqueViolation: The external id is in use.
    """
    before = rows.details(conn, person_id)
    rows.update(conn, person_id, name=name, external_id=external_id, metadata=metadata)
    after = rows.details(conn, person_id)
    if after != before:
        change_rows.insert_person_event(conn, change_id, person_id, before=before, after=after)


def remove(conn: Connection, change_id: UUID, person_id: UUID) -> Details:
    """Delete a person who is locked and has no faces; return what was said of them."""
    before = rows.details(conn, person_id)
    assert before is not None, "nobody else deletes whom we have locked"
    rows.delete(conn, person_id)
    change_rows.insert_person_event(conn, change_id, person_id, before=before, after=None)
    return before


def hide(conn: Connection, collection_id: UUID, change_id: UUID, face_ids: Sequence[UUID]) -> int:
    """Hide faces, which are nobody's then; return how many are not counted any more."""
    face_rows.hold_images(conn, collection_id, face_ids)
    give(conn, collection_id, change_id, face_ids, None)
    return face_rows.set_hidden(conn, collection_id, face_ids, hidden=True)


def show(conn: Connection, collection_id: UUID, face_ids: Sequence[UUID]) -> int:
    """Let faces be found again; return how many are counted again."""
    face_rows.hold_images(conn, collection_id, face_ids)
    return face_rows.set_hidden(conn, collection_id, face_ids, hidden=False)
