"""People: names for faces. Every move of a face is an event, so that it can be undone."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from psycopg.errors import ForeignKeyViolation, UniqueViolation

from core.db import collections as collection_rows
from core.db import faces as face_rows
from core.db import people as rows
from core.db.people import Person
from core.db.pool import Connection
from core.errors import (
    CollectionNotFound,
    FaceNotFound,
    NameTaken,
    PersonNotFound,
    WrongCollection,
)


def create(
    conn: Connection,
    collection_id: UUID,
    *,
    name: str,
    external_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    face_ids: Sequence[UUID] = (),
    actor: str,
) -> Person:
    """Make a person and give them faces, all or nothing.

    Raises:
        CollectionNotFound: There is no such collection.
        NameTaken: The external id is in use (names need not be unique).
        FaceNotFound, WrongCollection: See `assign`.
    """
    try:
        with conn.transaction():
            collection_rows.hold(conn, [collection_id])
            made = rows.insert(
                conn,
                collection_id=collection_id,
                name=name,
                external_id=external_id,
                metadata=metadata or {},
            )
            if face_ids:
                assign(conn, made, face_ids, actor=actor)
            collection_rows.count(conn, collection_id, people=1)
    except UniqueViolation:
        raise _taken(external_id) from None
    except ForeignKeyViolation:
        raise CollectionNotFound(collection_id) from None
    return get(conn, made)


def get(conn: Connection, person_id: UUID) -> Person:
    """Return one person.

    Raises:
        PersonNotFound: There is none with this id.
    """
    found = rows.get(conn, person_id)
    if found is None:
        raise PersonNotFound(person_id)
    return found


def page(
    conn: Connection,
    collection_id: UUID,
    *,
    limit: int,
    after: UUID | None = None,
    external_id: str | None = None,
    name: str | None = None,
) -> list[Person]:
    """Return up to *limit* people behind *after*, oldest first; *name* matches without case."""
    return rows.page(
        conn, collection_id, limit=limit, after=after, external_id=external_id, name=name
    )


def change(
    conn: Connection,
    person_id: UUID,
    *,
    name: str | None = None,
    external_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Person:
    """Change what is given; an empty external id removes it.

    Raises:
        PersonNotFound: There is none with this id.
        NameTaken: The external id is in use.
    """
    try:
        with conn.transaction():
            known = rows.update(
                conn, person_id, name=name, external_id=external_id, metadata=metadata
            )
    except UniqueViolation:
        raise _taken(external_id) from None
    if not known:
        raise PersonNotFound(person_id)
    return get(conn, person_id)


def delete(conn: Connection, person_id: UUID, *, actor: str) -> None:
    """Delete a person; their faces stay and become unnamed. Unknown ids are fine."""
    with conn.transaction():
        home = rows.home(conn, person_id)
        if home is None:
            return
        collection_rows.hold(conn, [home])
        # Or a face assigned at this moment would become unnamed without an event.
        rows.lock(conn, person_id)
        _move(conn, home, rows.faces_of(conn, home, person_id), None, actor)
        if rows.delete(conn, person_id):
            collection_rows.count(conn, home, people=-1)


def assign(conn: Connection, person_id: UUID, face_ids: Sequence[UUID], *, actor: str) -> Person:
    """Give faces to a person, taking them from whoever had them.

    Raises:
        PersonNotFound, FaceNotFound: One of them does not exist; nothing was changed.
        WrongCollection: A face is in another collection than the person; nothing was changed.
    """
    with conn.transaction():
        home = _hold_home(conn, person_id)
        if not rows.hold(conn, person_id):
            raise PersonNotFound(person_id)
        _require_in(conn, face_ids, home)
        _move(conn, home, face_ids, person_id, actor)
    return get(conn, person_id)


def unassign(conn: Connection, person_id: UUID, face_ids: Sequence[UUID], *, actor: str) -> Person:
    """Take faces from a person; those that are not theirs stay where they are.

    Raises:
        PersonNotFound: There is none with this id.
    """
    with conn.transaction():
        home = _hold_home(conn, person_id)
        theirs = set(rows.faces_of(conn, home, person_id)) & set(face_ids)
        _move(conn, home, sorted(theirs), None, actor)
    return get(conn, person_id)


def _hold_home(conn: Connection, person_id: UUID) -> UUID:
    home = rows.home(conn, person_id)
    if home is None:
        raise PersonNotFound(person_id)
    collection_rows.hold(conn, [home])
    return home


def _require_in(conn: Connection, face_ids: Sequence[UUID], collection_id: UUID) -> None:
    present = face_rows.present(conn, collection_id, face_ids)
    for face_id in face_ids:
        if face_id not in present:
            if face_rows.home(conn, face_id) is None:
                raise FaceNotFound(face_id)
            raise WrongCollection(f"Face {face_id} belongs to another collection than the person.")


def _move(
    conn: Connection,
    collection_id: UUID,
    face_ids: Sequence[UUID],
    person_id: UUID | None,
    actor: str,
) -> None:
    moved = rows.move_faces(
        conn, collection_id=collection_id, face_ids=face_ids, person_id=person_id
    )
    rows.insert_events(
        conn, collection_id=collection_id, person_id=person_id, moved=moved, actor=actor
    )


def _taken(external_id: str | None) -> NameTaken:
    return NameTaken(f"The external id {external_id!r} is in use.", field="external_id")
