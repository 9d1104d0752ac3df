"""Naming a face by what a person types."""

from uuid import UUID

from core import gallery, people
from core.db.people import Person
from core.db.pool import Connection


def name_face(
    conn: Connection, face_id: UUID, name: str, *, new_person: bool = False, actor: str
) -> Person:
    """Give a face to whoever in its collection has this name, letter case aside.

    Of several with the same name the oldest gets it; *new_person* makes another one instead, as
    does a name that nobody has.

    Raises:
        FaceNotFound: There is none with this id.
    """
    with conn.transaction():
        face = gallery.face(conn, face_id)
        known = [] if new_person else people.page(conn, face.collection_id, limit=1, name=name)
        if known:
            return people.assign(conn, known[0].id, [face_id], actor=actor)
        return people.create(conn, face.collection_id, name=name, face_ids=[face_id], actor=actor)
