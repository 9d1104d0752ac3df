"""What is said of a photo that the collection has already, taken over where that is wanted."""

from uuid import UUID

from core import constraints, gallery, people
from core.db import faces as face_rows
from core.db import jobs as job_rows
from core.db.images import Known
from core.db.pool import Connection
from core.enrolment import ACTOR, prominent
from core.offers import Upload


def update(
    conn: Connection, collection_id: UUID, known: Known, said: Upload, person_id: UUID | None
) -> None:
    """Change what *said* gives, and give the most prominent face to the person; the image is held.

    Where somebody decided that the face is not theirs it stays where it is: an import knows less.

    Raises:
        NameTaken: The external id is in use.
    """
    gallery.change_image(
        conn,
        known.id,
        external_id=said.external_id,
        metadata=said.metadata or None,
        tags=said.tags or None,
        captured_at=said.captured_at,
    )
    if person_id is None:
        return
    if known.state == "waiting":
        job_rows.name_items(conn, known.id, person_id)
        return
    faces = face_rows.of_images(conn, [known.id], collection_ids=[collection_id]).get(known.id, [])
    if faces:
        boxes = [(face.box[0], face.box[1], face.box[2], face.box[3]) for face in faces]
        face_id = faces[prominent(boxes)].id
        if not constraints.forbids(conn, collection_id, face_id, person_id):
            people.assign(conn, person_id, [face_id], actor=ACTOR)
