"""Naming a face by what a person types, or by the photo it is alone in."""

import hashlib
from collections.abc import Sequence
from uuid import UUID

from core import gallery, people
from core.db import images as image_rows
from core.db.faces import Face
from core.db.people import Person
from core.db.pool import Connection
from core.errors import InvalidRequest


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
        return name_faces(
            conn, face.collection_id, [face_id], name, new_person=new_person, actor=actor
        )


def name_faces(
    conn: Connection,
    collection_id: UUID,
    face_ids: Sequence[UUID],
    name: str,
    *,
    new_person: bool = False,
    actor: str,
) -> Person:
    """Give faces of one collection to whoever has this name, as `name_face` does.

    Raises:
        FaceNotFound: One of them is gone.
    """
    with conn.transaction():
        known = [] if new_person else people.page(conn, collection_id, limit=1, name=name)
        if known:
            return people.assign(conn, known[0].id, face_ids, actor=actor)
        return people.create(conn, collection_id, name=name, face_ids=face_ids, actor=actor)


def only_face(conn: Connection, collection_id: UUID, photo: bytes, called: str) -> Face:
    """Return the face of a stored photo that shows exactly one; *called* names it in errors.

    Raises:
        InvalidRequest: The collection does not hold these bytes, or the photo shows no face or
            several; of several, each is named by its id.
    """
    found = image_rows.by_bytes(conn, collection_id, hashlib.sha256(photo).digest())
    if found is None:
        raise InvalidRequest(f"{called} is not in this collection.")
    faces = gallery.image(conn, found.id).faces
    if len(faces) == 1:
        return faces[0]
    if not faces:
        raise InvalidRequest(f"{called} shows no face ({found.reason or found.state}).")
    ids = ", ".join(str(face.id) for face in sorted(faces, key=lambda face: face.box[0]))
    raise InvalidRequest(f"{called} shows {len(faces)} faces; from left to right: {ids}.")
