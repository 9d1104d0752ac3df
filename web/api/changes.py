"""Changes of people: listed, looked at, undone."""

from uuid import UUID

from core import changes, collections, errors, undoing
from web.api import cursors, reading
from web.api.models.changes import (
    ChangesQuery,
    PeopleChange,
    PeopleChangePage,
    PeopleChangeWithFaces,
    Undone,
    UndoWish,
)
from web.api.routes import Routes
from web.security import actor
from web.services import services

routes = Routes("changes", "What was done to people and decided about faces; undoing it.")


@routes.route(
    "GET", "/collections/<uuid:collection_id>/changes", problems=[errors.CollectionNotFound]
)
def list_changes(collection_id: UUID, query: ChangesQuery) -> PeopleChangePage:
    """List the changes of the people of a collection, newest first."""
    before = cursors.after_id(query)
    with services().pool.connection() as conn:
        collections.get(conn, collection_id)
        found = changes.page(
            conn, collection_id, limit=query.limit + 1, before=before, person_id=query.person_id
        )
    rows, next_cursor = cursors.page(query, found, lambda row: row.change.id)
    return PeopleChangePage(items=[PeopleChange.of(row) for row in rows], next_cursor=next_cursor)


@routes.route("GET", "/changes/<uuid:change_id>", problems=[errors.ChangeNotFound])
def get_change(change_id: UUID) -> PeopleChangeWithFaces:
    """Get one change with the faces that it moved, and where they are now."""
    with services().pool.connection() as conn:
        return PeopleChangeWithFaces.with_faces(changes.get(conn, change_id))


@routes.route(
    "POST",
    "/changes/<uuid:change_id>/undo",
    bodies={"application/json": UndoWish},
    needs_body=False,
    problems=[errors.ChangeNotFound, errors.AlreadyUndone, errors.NameTaken],
)
def undo_change(change_id: UUID) -> Undone:
    """Take a change back, wholly or for some faces, as far as nobody has changed the same since.

    What stays as it is, is told with the reason. An undo is a change and can be undone.
    """
    wish = reading.optional_json(UndoWish)
    with services().pool.connection() as conn:
        return Undone.of(undoing.undo(conn, change_id, face_ids=wish.face_ids, actor=actor()))
