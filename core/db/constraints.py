"""Rows of ``constraints``: what was decided about faces. The caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from core.db import queries
from core.db.pool import Connection
from core.db.rows import Query, execute, fetch_value

SQL = queries.load("constraints")


class Kind(StrEnum):
    """What can be decided: that two faces are one person, or are not; that a face is not a person, or
    is no face at all.
    """

    MUST_LINK = "must_link"
    CANNOT_LINK = "cannot_link"
    NOT_PERSON = "not_person"
    NOT_FACE = "not_face"


@dataclass(frozen=True, slots=True)
class Statement:
    """What is said, by its content.

    Attributes:
        face_id: Of two, the one with the smaller id.
    """

    kind: Kind
    face_id: UUID
    other_face_id: UUID | None = None
    person_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Constraint:
    """A statement that holds, and the change that made it."""

    said: Statement
    change_id: UUID


def insert(conn: Connection, collection_id: UUID, said: Statement, change_id: UUID) -> bool:
    """Store a statement; False when it holds already."""
    return execute(conn, SQL["insert"], _params(collection_id, said, change_id)) == 1


def withdraw(conn: Connection, collection_id: UUID, said: Statement, change_id: UUID) -> bool:
    """Take a statement back; False when it does not hold."""
    return execute(conn, SQL["withdraw"], _params(collection_id, said, change_id)) == 1


def holds(conn: Connection, collection_id: UUID, said: Statement) -> UUID | None:
    """Return the change that made a statement, if it holds."""
    found: UUID | None = fetch_value(conn, SQL["holds"], _params(collection_id, said, None))
    return found


def withdraw_against(
    conn: Connection,
    collection_id: UUID,
    *,
    person_id: UUID,
    face_ids: Sequence[UUID],
    change_id: UUID,
) -> None:
    """Take back what speaks against faces being the person's whose they have just become."""
    params = {
        "collection_id": collection_id,
        "person_id": person_id,
        "face_ids": list(face_ids),
        "change_id": change_id,
    }
    execute(conn, SQL["withdraw_against"], params)


def inherit(
    conn: Connection,
    collection_id: UUID,
    *,
    person_id: UUID,
    others: Sequence[UUID],
    change_id: UUID,
) -> None:
    """Say of a person what is said of others who are the same: which faces are not theirs."""
    params = {
        "collection_id": collection_id,
        "person_id": person_id,
        "others": list(others),
        "change_id": change_id,
    }
    execute(conn, SQL["inherit"], params)


def of_faces(conn: Connection, collection_id: UUID, face_ids: Sequence[UUID]) -> list[Constraint]:
    """Return what holds about any of these faces."""
    params = {"collection_id": collection_id, "face_ids": list(face_ids)}
    return _fetch(conn, SQL["of_faces"], params)


def of_person(conn: Connection, collection_id: UUID, person_id: UUID) -> list[Constraint]:
    """Return which faces are said not to be a person."""
    return _fetch(conn, SQL["of_person"], {"collection_id": collection_id, "person_id": person_id})


def of_collection(conn: Connection, collection_id: UUID) -> list[Constraint]:
    """Return all that holds in a collection, oldest first."""
    return _fetch(conn, SQL["of_collection"], {"collection_id": collection_id})


def between_people(conn: Connection, collection_id: UUID) -> list[tuple[UUID, UUID]]:
    """Return the pairs of people of whom a face of one is not to be linked with one of the other."""
    rows = conn.execute(SQL["between_people"], {"collection_id": collection_id}).fetchall()
    return [(one, other) for one, other in rows]


def apart_from(conn: Connection, collection_id: UUID, person_id: UUID) -> list[UUID]:
    """Return the others of the pairs of `between_people` that a person is in."""
    params = {"collection_id": collection_id, "person_id": person_id}
    return [row[0] for row in conn.execute(SQL["apart_from"], params)]


def withdraw_made(
    conn: Connection,
    change_id: UUID,
    *,
    alike: Sequence[UUID],
    face_ids: Sequence[UUID] | None,
    undo_id: UUID,
) -> list[Statement]:
    """Take back what a change said and what still holds; return it.

    Args:
        alike: The change, and those that made it again after it was taken back.
        face_ids: Only what is about one of these; None: all.
    """
    params = {
        "change_id": change_id,
        "alike": list(alike),
        "face_ids": None if face_ids is None else list(face_ids),
        "undo_id": undo_id,
    }
    return [each.said for each in _fetch(conn, SQL["withdraw_made"], params)]


def withdrawn_by(
    conn: Connection, change_id: UUID, *, face_ids: Sequence[UUID] | None
) -> list[Statement]:
    """Return what a change took back; with *face_ids* only what is about one of these."""
    params = {
        "change_id": change_id,
        "face_ids": None if face_ids is None else list(face_ids),
    }
    return [each.said for each in _fetch(conn, SQL["withdrawn_by"], params)]


def faces_made(conn: Connection, change_id: UUID) -> list[UUID]:
    """Return the faces that a change said to be none, or to be some after all."""
    return [row[0] for row in conn.execute(SQL["faces_made"], {"change_id": change_id})]


def _fetch(conn: Connection, query: Query, params: dict[str, Any]) -> list[Constraint]:
    return [
        Constraint(Statement(Kind(kind), face_id, other_face_id, person_id), change_id)
        for kind, face_id, other_face_id, person_id, change_id in conn.execute(query, params)
    ]


def _params(collection_id: UUID, said: Statement, change_id: UUID | None) -> dict[str, Any]:
    return {
        "collection_id": collection_id,
        "kind": said.kind.value,
        "face_id": said.face_id,
        "other_face_id": said.other_face_id,
        "person_id": said.person_id,
        "change_id": change_id,
    }
