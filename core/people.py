"""People: names for faces. Whatever is done here is a change that can be undone (`core.changes`)."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation

from core import changes, moves
from core.changes import Kind
from core.constraints import not_face
from core.db import collections as collection_rows
from core.db import constraints as constraint_rows
from core.db import faces as face_rows
from core.db import people as rows
from core.db.people import Details, Moved, Person
from core.db.pool import Connection
from core.errors import (
    FaceNotFound,
    InvalidRequest,
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
    within: UUID | None = None,
) -> Person:
    """Make a person and give them faces, all or nothing.

    Args:
        within: The change that this is a part of (see `core.changes.begin`); None: one of its own.

    Raises:
        CollectionNotFound: There is no such collection.
        NameTaken: The external id is in use (names need not be unique).
        FaceNotFound, WrongCollection: See `assign`.
    """
    details = Details(name, external_id, dict(metadata or {}))
    try:
        with conn.transaction():
            collection_rows.hold(conn, [collection_id])
            with changes.recorded(conn, collection_id, Kind.CREATE, actor, within=within) as change:
                made = moves.make(conn, collection_id, change, details)
                shown = _take(conn, collection_id, change, made, face_ids)
            collection_rows.count(conn, collection_id, people=1, faces=shown)
    except UniqueViolation:
        raise _taken(external_id) from None
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
    actor: str,
) -> Person:
    """Change what is given; an empty external id removes it.

    Raises:
        PersonNotFound: There is none with this id.
        NameTaken: The external id is in use.
    """
    try:
        with conn.transaction():
            home = _hold(conn, person_id)
            with changes.recorded(conn, home, Kind.EDIT, actor) as made:
                moves.alter(
                    conn, made, person_id, name=name, external_id=external_id, metadata=metadata
                )
    except UniqueViolation:
        raise _taken(external_id) from None
    return get(conn, person_id)


def delete(conn: Connection, person_id: UUID, *, actor: str) -> None:
    """Delete a person; their faces stay and become unnamed. Unknown ids are fine."""
    with conn.transaction():
        home = rows.home(conn, person_id)
        if home is None:
            return
        collection_rows.hold(conn, [home])
        # Or a face assigned at this moment would become unnamed without an event.
        if not rows.lock(conn, person_id):
            return
        with changes.recorded(conn, home, Kind.DELETE, actor) as made:
            moves.give(conn, home, made, rows.faces_of(conn, home, person_id), None)
            moves.remove(conn, made, person_id)
        collection_rows.count(conn, home, people=-1)


def assign(
    conn: Connection,
    person_id: UUID,
    face_ids: Sequence[UUID],
    *,
    actor: str,
    within: UUID | None = None,
) -> Person:
    """Give faces to a person, taking them from whoever had them.

    Who does so has the last word: decisions that speak against it hold no longer, and a face that was said
    to be none is one again.

    Args:
        within: The change that this is a part of (see `core.changes.begin`); None: one of its own.

    Raises:
        PersonNotFound, FaceNotFound: One of them does not exist; nothing was changed.
        WrongCollection: A face is in another collection than the person; nothing was changed.
    """
    with conn.transaction():
        home = _hold(conn, person_id)
        with changes.recorded(conn, home, Kind.ASSIGN, actor, within=within) as made:
            shown = _take(conn, home, made, person_id, face_ids)
        if shown:
            collection_rows.count(conn, home, faces=shown)
    return get(conn, person_id)


def unassign(
    conn: Connection,
    person_id: UUID,
    face_ids: Sequence[UUID],
    *,
    actor: str,
    within: UUID | None = None,
) -> Person:
    """Take faces from a person; those that are not theirs stay where they are.

    Args:
        within: The change that this is a part of (see `core.changes.begin`); None: one of its own.

    Raises:
        PersonNotFound: There is none with this id.
    """
    with conn.transaction():
        home = _hold(conn, person_id)
        theirs = set(rows.faces_of(conn, home, person_id)) & set(face_ids)
        with changes.recorded(conn, home, Kind.UNASSIGN, actor, within=within) as made:
            moves.give(conn, home, made, sorted(theirs), None)
    return get(conn, person_id)


def merge(
    conn: Connection,
    into: UUID,
    others: Sequence[UUID],
    *,
    actor: str,
    within: UUID | None = None,
) -> Person:
    """Make several people one: give *into* the faces of *others*, who are deleted, all or nothing.

    *into* keeps the name, and the external id and each member of the metadata where it has one; what it
    lacks it gets from the others, from the first that has it. Photos that wait with the name of one of
    them count for *into*. The history keeps the rest.

    Args:
        within: The change that this is a part of (see `core.changes.begin`); None: one of its own.

    Raises:
        PersonNotFound: One of them does not exist; nothing was changed.
        WrongCollection: One of them is in another collection than *into*; nothing was changed.
        InvalidRequest: There is nobody else among *others*.
    """
    gone = [each for each in dict.fromkeys(others) if each != into]
    if not gone:
        raise InvalidRequest("Name somebody else to merge with.")
    with conn.transaction():
        home = _hold_home(conn, into)
        _lock_people(conn, home, [into, *gone])
        with changes.recorded(conn, home, Kind.MERGE, actor, within=within) as made:
            moved = moves.give(conn, home, made, rows.faces_of(conn, home, *gone), into)
            constraint_rows.inherit(conn, home, person_id=into, others=gone, change_id=made)
            _overrule(conn, home, made, into, moved)
            rows.expect(conn, into, gone)
            known = [moves.remove(conn, made, each) for each in gone]
            _complete(conn, made, into, known)
        collection_rows.count(conn, home, people=-len(gone))
    return get(conn, into)


def split(
    conn: Connection,
    person_id: UUID,
    face_ids: Sequence[UUID],
    *,
    name: str,
    actor: str,
    within: UUID | None = None,
) -> Person:
    """Make a new person of some faces of another, all or nothing; return the new one.

    Args:
        within: The change that this is a part of (see `core.changes.begin`); None: one of its own.

    Raises:
        PersonNotFound: There is none with this id.
        InvalidRequest: No face is given, or one that is not theirs; nothing was changed.
    """
    if not face_ids:
        raise InvalidRequest("Choose at least one face for the new person.")
    with conn.transaction():
        home = _hold(conn, person_id)
        theirs = set(rows.faces_of(conn, home, person_id))
        for face_id in face_ids:
            if face_id not in theirs:
                raise InvalidRequest(f"Face {face_id} is not one of theirs.", face_id=str(face_id))
        with changes.recorded(conn, home, Kind.SPLIT, actor, within=within) as made:
            new = moves.make(conn, home, made, Details(name, None, {}))
            moves.give(conn, home, made, face_ids, new)
        collection_rows.count(conn, home, people=1)
    return get(conn, new)


def _hold_home(conn: Connection, person_id: UUID) -> UUID:
    home = rows.home(conn, person_id)
    if home is None:
        raise PersonNotFound(person_id)
    collection_rows.hold(conn, [home])
    return home


def _hold(conn: Connection, person_id: UUID) -> UUID:
    """Keep a person and their collection from being deleted; return the collection."""
    home = _hold_home(conn, person_id)
    if not rows.hold(conn, person_id):
        raise PersonNotFound(person_id)
    return home


def _lock_people(conn: Connection, collection_id: UUID, person_ids: Sequence[UUID]) -> None:
    locked = rows.lock_many(conn, collection_id, person_ids)
    for person_id in person_ids:
        if person_id not in locked:
            if rows.home(conn, person_id) is None:
                raise PersonNotFound(person_id)
            raise WrongCollection(f"Person {person_id} belongs to another collection.")


def _take(
    conn: Connection,
    collection_id: UUID,
    change_id: UUID,
    person_id: UUID,
    face_ids: Sequence[UUID],
) -> int:
    """Give faces to a person who is held; return how many are shown again for that."""
    present = face_rows.present(conn, collection_id, face_ids)
    for face_id in face_ids:
        if face_id not in present:
            if face_rows.home(conn, face_id) is None:
                raise FaceNotFound(face_id)
            raise WrongCollection(f"Face {face_id} belongs to another collection than the person.")
    hidden = [face_id for face_id, is_hidden in present.items() if is_hidden]
    shown = moves.show(conn, collection_id, hidden) if hidden else 0
    for face_id in hidden:
        constraint_rows.withdraw(conn, collection_id, not_face(face_id), change_id)
    moved = moves.give(conn, collection_id, change_id, face_ids, person_id)
    _overrule(conn, collection_id, change_id, person_id, moved)
    return shown


def _overrule(
    conn: Connection, collection_id: UUID, change_id: UUID, person_id: UUID, moved: Sequence[Moved]
) -> None:
    """End what speaks against faces being the person's who has just got them."""
    constraint_rows.withdraw_against(
        conn,
        collection_id,
        person_id=person_id,
        face_ids=[move.face_id for move in moved],
        change_id=change_id,
    )


def _complete(
    conn: Connection, change_id: UUID, person_id: UUID, others: Sequence[Details]
) -> None:
    """Give a person what they lack and one of others had."""
    own = rows.details(conn, person_id)
    assert own is not None, "the person is locked"
    external_ids = (each.external_id for each in (own, *others) if each.external_id)
    metadata: dict[str, Any] = {}
    for each in (*reversed(others), own):
        metadata |= each.metadata
    external_id = next(external_ids, None)
    moves.alter(conn, change_id, person_id, external_id=external_id, metadata=metadata)


def _taken(external_id: str | None) -> NameTaken:
    return NameTaken(f"The external id {external_id!r} is in use.", field="external_id")
