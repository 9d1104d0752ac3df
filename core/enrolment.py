"""Names that come with a photo: whose face it shows, and which of its faces that is."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import numpy as np

from core import changes, moves
from core.changes import Kind
from core.db import changes as change_rows
from core.db import people as rows
from core.db.faces import NewFace
from core.db.people import Details, Moved
from core.db.pool import Connection
from core.faces import Box

ACTOR: Final = "import"
"""Who gave a face to a person, where that was said when the photo was handed in."""

SMALLEST_REACH: Final = 1e-9
"""Pixels; of faces without any extent, which no detector gives."""


@dataclass(frozen=True, slots=True)
class PersonRef:
    """How a sender calls somebody; at least one of both is given.

    Attributes:
        external_id: Decides, where it is given; then *name* is that of a person who is made.
        name: Alone, it means the oldest person who is called exactly so and has no external id.
    """

    external_id: str = ""
    name: str = ""


def people(
    conn: Connection, collection_id: UUID, wanted: Iterable[PersonRef]
) -> tuple[dict[PersonRef, UUID], int]:
    """Return the ids of people, and how many were made because the collection did not have them.

    To be called while the collection is held; the caller adds those who were made to its counters.
    Two at once make nobody twice, and nobody found here is deleted until the transaction ends.
    """
    found: dict[PersonRef, UUID] = {}
    made = 0
    change_id: UUID | None = None
    # Locked in one order by everybody, so that two imports never wait in a circle; of those who mean
    # the same person the one with a name first, for whoever is made gets it.
    for ref in sorted(set(wanted), key=lambda ref: (ref.external_id, not ref.name, ref.name)):
        key = ref.external_id or None
        rows.lock_name(conn, collection_id, external_id=key, name=ref.name)
        known = rows.called(conn, collection_id, external_id=key, name=ref.name)
        if known is None:
            change_id = change_id or changes.begin(conn, collection_id, Kind.ENROL, ACTOR)
            details = Details(ref.name or ref.external_id, key, {})
            known = moves.make(conn, collection_id, change_id, details)
            made += 1
        found[ref] = known
    return found, made


def prominent(boxes: Sequence[Box]) -> int:
    """Return the index of the face that a photo of somebody is of: large, and near the middle of all.

    A face counts by its area, and half as much when it is as far from the middle of the faces' common
    frame as that reaches: a passer-by who is a little nearer to the camera is not who was meant.
    """
    corners = np.array(boxes, dtype=np.float64).reshape(-1, 2, 2)
    frame = np.stack([corners[:, 0].min(axis=0), corners[:, 1].max(axis=0)])
    away = np.linalg.norm(corners.mean(axis=1) - frame.mean(axis=0), axis=1)
    reach = max(float(np.linalg.norm(frame[1] - frame[0])) / 2, SMALLEST_REACH)
    areas = np.prod(np.maximum(corners[:, 1] - corners[:, 0], 0), axis=1)
    return int(np.argmax(areas * (1 - away / reach / 2)))


def named(
    conn: Connection, faces: Sequence[NewFace], wanted: Mapping[UUID | None, UUID | None]
) -> list[NewFace]:
    """Return *faces* with the most prominent one of each photo given to who was named with it.

    The events are written here, as one change of each collection.

    Args:
        wanted: People, who are held, by the image that they are named with.
    """
    of_photo: defaultdict[UUID, list[int]] = defaultdict(list)
    for place, face in enumerate(faces):
        if wanted.get(face.image_id) is not None:
            of_photo[face.image_id].append(place)
    given = list(faces)
    moved: defaultdict[UUID, list[Moved]] = defaultdict(list)
    for image_id, places in of_photo.items():
        chosen = places[prominent([faces[place].analysed.face.box for place in places])]
        face = replace(faces[chosen], person_id=wanted[image_id])
        given[chosen] = face
        moved[face.collection_id].append(Moved(face.id, None, face.person_id))
    for collection_id in sorted(moved):
        change_id = changes.begin(conn, collection_id, Kind.ENROL, ACTOR)
        change_rows.insert_moves(conn, change_id, moved[collection_id])
    return given
