"""People: made, listed, changed, deleted; faces given to them and taken from them."""

from http import HTTPStatus
from uuid import UUID

from core import collections, errors, people
from web.api import cursors
from web.api.models.people import (
    Assignment,
    Merge,
    NewPerson,
    PeopleQuery,
    Person,
    PersonChange,
    PersonPage,
    Split,
)
from web.api.routes import Routes
from web.security import actor
from web.services import services

routes = Routes("people", "Names for faces.")


@routes.route(
    "POST",
    "/collections/<uuid:collection_id>/people",
    status=HTTPStatus.CREATED,
    problems=[
        errors.CollectionNotFound,
        errors.NameTaken,
        errors.FaceNotFound,
        errors.WrongCollection,
    ],
)
def create_person(collection_id: UUID, body: NewPerson) -> Person:
    """Make a person and give them faces, all or nothing.

    Names need not be unique. Faces that had another person are theirs no longer.
    """
    with services().pool.connection() as conn:
        made = people.create(
            conn,
            collection_id,
            name=body.name,
            external_id=body.external_id,
            metadata=body.metadata,
            face_ids=body.face_ids,
            actor=actor(),
        )
    return Person.of(made)


@routes.route(
    "GET", "/collections/<uuid:collection_id>/people", problems=[errors.CollectionNotFound]
)
def list_people(collection_id: UUID, query: PeopleQuery) -> PersonPage:
    """List people, oldest first."""
    after = cursors.after_id(query)
    with services().pool.connection() as conn:
        collections.get(conn, collection_id)
        found = people.page(
            conn,
            collection_id,
            limit=query.limit + 1,
            after=after,
            external_id=query.external_id,
            name=query.name,
        )
    rows, next_cursor = cursors.page(query, found, lambda row: row.id)
    return PersonPage(items=[Person.of(row) for row in rows], next_cursor=next_cursor)


@routes.route("GET", "/people/<uuid:person_id>", problems=[errors.PersonNotFound])
def get_person(person_id: UUID) -> Person:
    """Get one person."""
    with services().pool.connection() as conn:
        return Person.of(people.get(conn, person_id))


@routes.route(
    "PATCH", "/people/<uuid:person_id>", problems=[errors.PersonNotFound, errors.NameTaken]
)
def change_person(person_id: UUID, body: PersonChange) -> Person:
    """Change a person."""
    with services().pool.connection() as conn:
        return Person.of(people.change(conn, person_id, **body.changes(), actor=actor()))


@routes.route("DELETE", "/people/<uuid:person_id>")
def delete_person(person_id: UUID) -> None:
    """Delete a person; their faces stay and become unnamed.

    An unknown id is fine: what is asked for is the case already.
    """
    with services().pool.connection() as conn:
        people.delete(conn, person_id, actor=actor())


@routes.route(
    "POST",
    "/people/<uuid:person_id>/faces",
    problems=[errors.PersonNotFound, errors.FaceNotFound, errors.WrongCollection],
)
def assign_faces(person_id: UUID, body: Assignment) -> Person:
    """Give faces to a person, taking them from whoever had them, all or nothing."""
    with services().pool.connection() as conn:
        return Person.of(people.assign(conn, person_id, body.face_ids, actor=actor()))


@routes.route(
    "DELETE", "/people/<uuid:person_id>/faces/<uuid:face_id>", problems=[errors.PersonNotFound]
)
def unassign_face(person_id: UUID, face_id: UUID) -> None:
    """Take a face from a person; it stays, unnamed.

    A face that is not theirs is fine: what is asked for is the case already.
    """
    with services().pool.connection() as conn:
        people.unassign(conn, person_id, [face_id], actor=actor())


@routes.route(
    "POST",
    "/people/<uuid:person_id>/merge",
    problems=[errors.PersonNotFound, errors.WrongCollection, errors.NameTaken],
)
def merge_people(person_id: UUID, body: Merge) -> Person:
    """Give a person the faces of others, who are the same, and delete those, all or nothing.

    The person keeps the name; external id and metadata are completed by those of the others.
    """
    with services().pool.connection() as conn:
        return Person.of(people.merge(conn, person_id, body.person_ids, actor=actor()))


@routes.route(
    "POST",
    "/people/<uuid:person_id>/split",
    status=HTTPStatus.CREATED,
    problems=[errors.PersonNotFound],
)
def split_person(person_id: UUID, body: Split) -> Person:
    """Make a new person of some faces of this one, all or nothing."""
    with services().pool.connection() as conn:
        made = people.split(conn, person_id, body.face_ids, name=body.name, actor=actor())
    return Person.of(made)
