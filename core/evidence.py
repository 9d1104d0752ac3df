"""What findings and items show: people by name, faces and photos as they are now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from core.db import changes as change_rows
from core.db import images as image_rows
from core.db.changes import FaceState
from core.db.images import Image
from core.db.pool import Connection
from core.reports import telling
from core.reports.words import Found


@dataclass(frozen=True, slots=True)
class Evidence:
    """What some findings are about.

    Attributes:
        names: Of everybody, also of those who were deleted.
        present: Whoever is still there.
        faces, images: Those that are still there.
    """

    names: Mapping[UUID, str]
    present: frozenset[UUID]
    faces: Mapping[UUID, FaceState]
    images: Mapping[UUID, Image]


def gather(conn: Connection, collection_id: UUID, found: Sequence[Found]) -> Evidence:
    """Return what findings or items of a collection are about, in one query for each kind."""
    sides = [side for each in found for side in telling.sides(each)]
    people = telling.people(conn, collection_id, found)
    faces = {face for side in sides for face in side.faces}
    return Evidence(
        names=telling.names(people),
        present=frozenset(each for each, known in people.items() if known.present),
        faces=change_rows.face_states(conn, collection_id, list(faces)),
        images=image_rows.many(conn, list({side.image_id for side in sides if side.image_id})),
    )
