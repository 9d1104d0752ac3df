"""Search: who looks like this photo, face, person or vector?"""

import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from core.db import collections as collection_rows
from core.db import faces as face_rows
from core.db import people as people_rows
from core.db.collections import Collection
from core.db.pool import Connection
from core.doorbell import Doorbell
from core.errors import BadEmbedding, FaceNotFound, InvalidRequest, PersonNotFound
from core.exchange import QueryFace, QueryPhoto
from core.faces import unit_embedding
from core.finding import Found, Options, find, space_of
from core.images import PhotoLimits, inspect
from core.services import Services
from core.spaces import require_same


@dataclass(frozen=True, slots=True, eq=False)
class FoundFace:
    """What became of one face of a query photo; *found* is None when it was not searched."""

    index: int
    query: QueryFace
    found: Found | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FoundPhoto:
    """The answer for a query photo, a row per face in it.

    Attributes:
        seconds: What the time went into: ``queue``, the worker's stages, ``search``.
    """

    photo: QueryPhoto
    faces: tuple[FoundFace, ...]
    seconds: Mapping[str, float]


def by_photo(
    services: Services,
    doorbell: Doorbell,
    homes: Sequence[Collection],
    photo: bytes,
    options: Options,
    *,
    faces: Sequence[int] | None = None,
    largest: bool = False,
    preview: bool = False,
) -> FoundPhoto:
    """Search with every face of a photo, with those whose index is in *faces*, or the largest.

    Raises:
        BadImage: The photo cannot be used.
        InvalidRequest: It has no face of an index that is in *faces*.
        WorkerUnavailable, BrokerUnavailable: Nobody analysed it in time.
        SpaceMismatch, SearchTimeout: See `core.finding.find`.
    """
    space_id = space_of(homes)
    inspect(photo, PhotoLimits.of(services.settings))
    began = time.monotonic()
    analysed = services.exchange.ask(
        photo,
        space_id=space_id,
        preview=preview,
        timeout_s=services.settings.search_timeout_s,
        ring=doorbell.search,
    )
    answered = time.monotonic()
    require_same(space_id, analysed.space_id)
    wanted = _wanted(analysed.faces, faces, largest=largest)
    found = [
        _search_face(services, homes, index, query, options=options, wanted=wanted)
        for index, query in enumerate(analysed.faces)
    ]
    seconds = {
        "queue": max(0.0, answered - began - sum(analysed.seconds.values())),
        **analysed.seconds,
        "search": time.monotonic() - answered,
    }
    return FoundPhoto(analysed, tuple(found), seconds)


def _wanted(
    present: Sequence[QueryFace], faces: Sequence[int] | None, *, largest: bool
) -> Container[int]:
    count = len(present)
    if largest and present:
        return {max(range(count), key=lambda index: present[index].face.area)}
    beyond = sorted(set(faces or ()) - set(range(count)))
    if beyond and present:
        raise InvalidRequest(f"This photo has no face {beyond[0]}: its faces are 0 to {count - 1}.")
    return range(count) if faces is None else set(faces)


def _search_face(
    services: Services,
    homes: Sequence[Collection],
    index: int,
    query: QueryFace,
    *,
    options: Options,
    wanted: Container[int],
) -> FoundFace:
    if query.embedding is None:
        return FoundFace(index, query, None, query.reasons)
    if index not in wanted:
        return FoundFace(index, query, None, (*query.reasons, "not_selected"))
    found = find(services, homes, [query.embedding], options)
    return FoundFace(index, query, found, query.reasons)


def by_face(
    services: Services, homes: Sequence[Collection], face_id: UUID, options: Options
) -> Found:
    """Search with a stored face, which is not itself among the answers.

    Raises:
        FaceNotFound: There is none with this id.
        SpaceMismatch: It is in a collection of another space.
    """
    with services.pool.connection() as conn:
        face = face_rows.get(conn, face_id)
        embedding = face_rows.embedding(conn, face_id)
        if face is None or embedding is None:
            raise FaceNotFound(face_id)
        require_home(conn, homes, face.collection_id)
    return find(services, homes, [embedding], options, without_faces=[face_id])


def by_person(
    services: Services, homes: Sequence[Collection], person_id: UUID, options: Options
) -> Found:
    """Search with the mean of a person's faces; their own faces are not among the answers.

    Raises:
        PersonNotFound: There is none with this id.
        InvalidRequest: The person has no face to search with.
        SpaceMismatch: They are in a collection of another space.
    """
    with services.pool.connection() as conn:
        person = people_rows.get(conn, person_id)
        if person is None:
            raise PersonNotFound(person_id)
        require_home(conn, homes, person.collection_id)
        centroid = people_rows.centroid(conn, person)
    if centroid is None:
        raise InvalidRequest(f"{person.name} has no face to search with.")
    return find(services, homes, [centroid], options, without_people=[person_id])


def by_vector(
    services: Services,
    homes: Sequence[Collection],
    vector: Sequence[float],
    space_id: str,
    options: Options,
) -> Found:
    """Search with numbers from outside, which must name the space they are of.

    Raises:
        SpaceMismatch: They are of another space than the collections.
        BadEmbedding: Wrong length, not finite, or of length zero.
    """
    require_same(space_of(homes), space_id)
    raw = np.asarray(vector, dtype=np.float64)
    if not np.isfinite(raw).all():
        raise BadEmbedding("A vector may hold finite numbers only.")
    embedding, _ = unit_embedding(raw, homes[0].dimension)
    return find(services, homes, [embedding], options)


def require_home(conn: Connection, homes: Sequence[Collection], home_id: UUID) -> None:
    """Refuse what is at home in a collection of another space than those that are searched.

    Raises:
        SpaceMismatch: It is.
    """
    if any(home.id == home_id for home in homes):
        return
    home = collection_rows.get(conn, home_id)
    assert home is not None, "a foreign key keeps the collection while its faces exist"
    require_same(space_of(homes), home.space_id)
