"""Who is searched for: stored faces, people and vectors, turned into what a search compares with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np

from core import finding
from core.db import collections as collection_rows
from core.db import constraints as constraint_rows
from core.db import faces as face_rows
from core.db import people as people_rows
from core.db import subjects as rows
from core.db.collections import Collection
from core.db.constraints import Kind
from core.db.pool import Connection
from core.errors import BadEmbedding, FaceNotFound, InvalidRequest, PersonNotFound
from core.faces import unit_embedding
from core.finding import Found, Options, space_of
from core.probes import Fuse, Probes, Use, chosen, fused, weight
from core.services import Services
from core.spaces import require_same

MOST_FACES: Final = 1_000
"""Of one person among which those to search with are chosen: the ones of best quality."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Somebody to search for.

    Attributes:
        weight: How much it counts in a mean (`core.probes.weight`); None: like others on average.
        faces: The stored faces that were given; a search does not answer with them.
        people: Whose faces were given, likewise.
        not_faces: Faces that somebody said to be of another person, and *not_people*: people who are
            said to be others. A search does not answer with them either.
    """

    probes: Probes
    faces: tuple[UUID, ...] = ()
    people: tuple[UUID, ...] = ()
    weight: float | None = None
    not_faces: tuple[UUID, ...] = ()
    not_people: tuple[UUID, ...] = ()


def of_face(conn: Connection, homes: Sequence[Collection], face_id: UUID) -> Subject:
    """Take a stored face.

    Raises:
        FaceNotFound: There is none with this id.
        SpaceMismatch: It is in a collection of another space than *homes*.
    """
    face = face_rows.get(conn, face_id)
    embedding = face_rows.embedding(conn, face_id)
    if face is None or embedding is None:
        raise FaceNotFound(face_id)
    _require_home(conn, homes, face.collection_id)
    said = [each.said for each in constraint_rows.of_faces(conn, face.collection_id, [face_id])]
    return Subject(
        embedding[None],
        faces=(face_id,),
        weight=weight(face.norm, face.quality),
        not_faces=tuple(
            other
            for each in said
            if each.kind is Kind.CANNOT_LINK
            for other in (each.face_id, each.other_face_id)
            if other and other != face_id
        ),
        not_people=tuple(each.person_id for each in said if each.person_id),
    )


def of_person(
    conn: Connection, homes: Sequence[Collection], person_id: UUID, use: Use = Use.CENTROID
) -> Subject:
    """Take a person: the mean of their faces, or several that differ.

    Raises:
        PersonNotFound: There is none with this id.
        InvalidRequest: The person has no face to search with.
        SpaceMismatch: They are in a collection of another space than *homes*.
    """
    person = people_rows.get(conn, person_id)
    if person is None:
        raise PersonNotFound(person_id)
    _require_home(conn, homes, person.collection_id)
    if use is Use.FACES:
        vectors = rows.embeddings_of_person(conn, person.collection_id, person_id, limit=MOST_FACES)
        probes = chosen(vectors) if len(vectors) else None
    else:
        centroid = people_rows.centroid(conn, person)
        probes = None if centroid is None else centroid[None]
    if probes is None:
        raise InvalidRequest(f"{person.name} has no face to search with.")
    said = constraint_rows.of_person(conn, person.collection_id, person_id)
    return Subject(
        probes,
        people=(person_id,),
        not_faces=tuple(each.said.face_id for each in said),
        not_people=tuple(constraint_rows.apart_from(conn, person.collection_id, person_id)),
    )


def of_vector(homes: Sequence[Collection], vector: Sequence[float], space_id: str) -> Subject:
    """Take numbers from outside, which must name the space they are of.

    Raises:
        SpaceMismatch: They are of another space than the collections.
        BadEmbedding: Wrong length, not finite, or of length zero.
    """
    require_same(space_of(homes), space_id)
    raw = np.asarray(vector, dtype=np.float64)
    if not np.isfinite(raw).all():
        raise BadEmbedding("A vector may hold finite numbers only.")
    embedding, _ = unit_embedding(raw, homes[0].dimension)
    return Subject(embedding[None])


def of_several(parts: Sequence[Subject], fuse: Fuse) -> Subject:
    """Take several pictures of one person together.

    Raises:
        BadEmbedding: Their mean has no direction: they cannot be one person's.
    """
    vectors = [(probe, part.weight) for part in parts for probe in part.probes]
    return Subject(
        probes=fused([probe for probe, _ in vectors], [each for _, each in vectors], fuse),
        faces=tuple(face for part in parts for face in part.faces),
        people=tuple(person for part in parts for person in part.people),
        not_faces=tuple(face for part in parts for face in part.not_faces),
        not_people=tuple(person for part in parts for person in part.not_people),
    )


def find(
    services: Services, homes: Sequence[Collection], subject: Subject, options: Options
) -> Found:
    """Find the nearest faces of some collections to somebody, without those that were given.

    Whatever was decided to be somebody else is left out, too.

    Raises:
        SpaceMismatch, CalibrationNeeded, SearchTimeout: See `core.finding.find`.
    """
    return finding.find(
        services,
        homes,
        list(subject.probes),
        options,
        without_faces=(*subject.faces, *subject.not_faces),
        without_people=(*subject.people, *subject.not_people),
    )


def _require_home(conn: Connection, homes: Sequence[Collection], home_id: UUID) -> None:
    """Refuse what is at home in a collection of another space; mostly it is one of *homes*."""
    if any(home.id == home_id for home in homes):
        return
    home = collection_rows.get(conn, home_id)
    assert home is not None, "a foreign key keeps the collection while its faces exist"
    require_same(space_of(homes), home.space_id)
