"""What was decided about faces, for search, clusters, suggestions and reports to respect."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from core import moves
from core.db import collections as collection_rows
from core.db import constraints as rows
from core.db import faces as face_rows
from core.db import people as people_rows
from core.db.constraints import Constraint, Kind, Statement
from core.db.pool import Connection
from core.errors import FaceNotFound, InvalidRequest, PersonNotFound, WrongCollection

OPPOSITE: Final = {Kind.MUST_LINK: Kind.CANNOT_LINK, Kind.CANNOT_LINK: Kind.MUST_LINK}


@dataclass(frozen=True, slots=True)
class Decisions:
    """All that holds in one collection. Faces and people in it may have been deleted since.

    Attributes:
        must_link: Pairs of faces of one person; the smaller id first, as in *cannot_link*.
        cannot_link: Pairs of faces of two people.
        not_person: Faces, and somebody whose they are not.
        not_face: Hidden ones.
    """

    must_link: tuple[tuple[UUID, UUID], ...]
    cannot_link: tuple[tuple[UUID, UUID], ...]
    not_person: tuple[tuple[UUID, UUID], ...]
    not_face: tuple[UUID, ...]


def link(kind: Kind, one: UUID, other: UUID) -> Statement:
    """Say of two faces that they are one person (`Kind.MUST_LINK`), or are not.

    Raises:
        InvalidRequest: They are one face.
    """
    if one == other:
        raise InvalidRequest("A face cannot be linked with itself.")
    return Statement(kind, min(one, other), max(one, other))


def not_person(face_id: UUID, person_id: UUID) -> Statement:
    """Say that a face is not a person."""
    return Statement(Kind.NOT_PERSON, face_id, person_id=person_id)


def not_face(face_id: UUID) -> Statement:
    """Say that a face is none."""
    return Statement(Kind.NOT_FACE, face_id)


def add(
    conn: Connection, collection_id: UUID, said: Sequence[Statement], *, change_id: UUID
) -> int:
    """Keep what was decided, all or nothing; return how much of it was new.

    The last word counts: a link takes back its opposite, a face is taken from the person who it is
    not, and one that is none is taken from whoever had it, and hidden.

    Args:
        change_id: Of a change that was begun in this transaction.

    Raises:
        FaceNotFound, PersonNotFound: One of them does not exist.
        WrongCollection: One of them is in another collection.
    """
    nothing = [each.face_id for each in said if each.kind is Kind.NOT_FACE]
    with conn.transaction():
        collection_rows.hold(conn, [collection_id])
        _require_here(conn, collection_id, said)
        face_rows.hold_images(conn, collection_id, nothing)
        places = people_rows.lock_faces(conn, collection_id, [each.face_id for each in said])
        new = 0
        for each in said:
            if opposite := OPPOSITE.get(each.kind):
                against = Statement(opposite, each.face_id, each.other_face_id)
                rows.withdraw(conn, collection_id, against, change_id)
            new += rows.insert(conn, collection_id, each, change_id)
        refused = [
            each.face_id
            for each in said
            if each.kind is Kind.NOT_PERSON and places[each.face_id].person_id == each.person_id
        ]
        moves.give(conn, collection_id, change_id, refused, None)
        hidden = moves.hide(conn, collection_id, change_id, nothing)
        collection_rows.count(conn, collection_id, faces=-hidden)
    return new


def forbids(conn: Connection, collection_id: UUID, face_id: UUID, person_id: UUID) -> bool:
    """Say whether somebody decided that a face is not a person, or none at all."""
    return any(
        each.said in (not_person(face_id, person_id), not_face(face_id))
        for each in rows.of_faces(conn, collection_id, [face_id])
    )


def of_faces(conn: Connection, collection_id: UUID, face_ids: Sequence[UUID]) -> list[Constraint]:
    """Return what holds about any of these faces, oldest first."""
    return rows.of_faces(conn, collection_id, face_ids)


def of_collection(conn: Connection, collection_id: UUID) -> Decisions:
    """Return all that holds in a collection."""
    said = [each.said for each in rows.of_collection(conn, collection_id)]

    def pairs(kind: Kind) -> tuple[tuple[UUID, UUID], ...]:
        return tuple(
            (each.face_id, other)
            for each in said
            if each.kind is kind and (other := each.other_face_id or each.person_id)
        )

    return Decisions(
        must_link=pairs(Kind.MUST_LINK),
        cannot_link=pairs(Kind.CANNOT_LINK),
        not_person=pairs(Kind.NOT_PERSON),
        not_face=tuple(each.face_id for each in said if each.kind is Kind.NOT_FACE),
    )


def between_people(conn: Connection, collection_id: UUID) -> frozenset[tuple[UUID, UUID]]:
    """Return the pairs of people, smaller id first, of whom two faces are said to be two people."""
    return frozenset(rows.between_people(conn, collection_id))


def _require_here(conn: Connection, collection_id: UUID, said: Sequence[Statement]) -> None:
    faces = {each.face_id for each in said} | {each.other_face_id for each in said} - {None}
    present = face_rows.present(conn, collection_id, [face for face in faces if face])
    for face in faces - present.keys():
        if face is not None and face_rows.home(conn, face) is None:
            raise FaceNotFound(face)
        raise WrongCollection(f"Face {face} belongs to another collection.")
    for person in {each.person_id for each in said if each.person_id}:
        home = people_rows.home(conn, person)
        if home is None:
            raise PersonNotFound(person)
        if home != collection_id:
            raise WrongCollection(f"Person {person} belongs to another collection.")
