"""Which faces of an image stand for somebody who is looked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pgvector import HalfVector
from psycopg import sql

from core.db import filters, queries
from core.db.filters import Clause
from core.db.pool import Connection
from core.db.rows import fetch_all
from core.faces import Embedding

SQL = queries.load("together")


@dataclass(frozen=True, slots=True)
class Standing:
    """A face that can stand for a subject, and the image that it is in.

    Attributes:
        subject: Number of the subject.
        cosine: To the nearest of the subject's probes.
        named: The face has the name of the subject, who is a person.
        box: left, top, right, bottom in pixels of the image, which is *width* x *height*.
        kept: What there is of the image, of `core.keeping.Keeps`.
    """

    subject: int
    image_id: UUID
    face_id: UUID
    person_id: UUID | None
    cosine: float
    named: bool
    box: list[float]
    quality: float
    filename: str | None
    width: int
    height: int
    kept: str


@dataclass(frozen=True, slots=True)
class Others:
    """Faces, and people with all of theirs, that cannot stand for a subject, by its number."""

    faces: Mapping[int, Sequence[UUID]]
    people: Mapping[int, Sequence[UUID]]

    def params(self) -> dict[str, Any]:
        """Return a row for each, of which either the face or the person is null."""
        faces = [(number, face, None) for number, ids in self.faces.items() for face in ids]
        people = [(number, None, each) for number, ids in self.people.items() for each in ids]
        rows = [*faces, *people]
        return {
            "other_subjects": [number for number, _, _ in rows],
            "other_faces": [face for _, face, _ in rows],
            "other_people": [person for _, _, person in rows],
        }


def standing(
    conn: Connection,
    collection_id: UUID,
    *,
    image_ids: Sequence[UUID],
    probes: Mapping[int, Sequence[Embedding]],
    people: Mapping[int, Sequence[UUID]],
    others: Others,
    threshold: float,
    clauses: Sequence[Clause] = (),
) -> list[Standing]:
    """Return the faces of these images that can stand for a subject, compared one by one.

    Args:
        probes: Of each subject, by its number.
        people: Who each subject is, where that is known.
        others: Who is said to be somebody else.
        clauses: Conditions that such a face must meet.
    """
    statement = sql.SQL(SQL["standing"]).format(narrowed=filters.narrowed(clauses))
    params: dict[str, Any] = {
        **filters.params(clauses),
        **others.params(),
        "collections": [collection_id],
        "image_ids": list(image_ids),
        "subjects": [number for number, vectors in probes.items() for _ in vectors],
        "probes": [HalfVector(vector) for vectors in probes.values() for vector in vectors],
        "named_subjects": [number for number, ids in people.items() for _ in ids],
        "named_people": [person_id for ids in people.values() for person_id in ids],
        "threshold": threshold,
        # A subject can lose at most all the others' faces to them.
        "most": len(probes),
    }
    return fetch_all(conn, Standing, statement, params)


def named_images(
    conn: Connection,
    collection_id: UUID,
    people: Sequence[UUID],
    *,
    shown: Sequence[UUID],
    limit: int,
    clauses: Sequence[Clause] = (),
) -> list[UUID]:
    """Return up to *limit* images with a face of one of these *people*, without those *shown*."""
    statement = sql.SQL(SQL["named_images"]).format(narrowed=filters.narrowed(clauses))
    params: dict[str, Any] = {
        **filters.params(clauses),
        "collections": [collection_id],
        "people": list(people),
        "shown": list(shown),
        "limit": limit,
    }
    return [row[0] for row in conn.execute(statement, params)]
