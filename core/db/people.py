"""Rows of ``people``. The caller owns the transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from psycopg.types.json import Jsonb

from core.db import queries
from core.db.pool import Connection
from core.db.rows import execute, fetch_all, fetch_one, fetch_value, glimpse
from core.faces import Embedding

SQL = queries.load("people")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a name in one collection.

    Attributes:
        best_face_id: Their face of best quality.
        best_face_kept: What there is of its image, of `core.keeping.Keeps`.
    """

    id: UUID
    collection_id: UUID
    name: str
    external_id: str | None
    metadata: dict[str, Any]
    face_count: int
    best_face_id: UUID | None
    best_face_kept: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Details:
    """What can be said of a person."""

    name: str
    external_id: str | None
    metadata: dict[str, Any]

    def plain(self) -> dict[str, Any]:
        """Return what JSON can store."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Moved:
    """A face that got another owner, and the one it had; None: nobody."""

    face_id: UUID
    previous_person_id: UUID | None
    person_id: UUID | None


@dataclass(frozen=True, slots=True)
class Place:
    """Whose a face is, and whether it was said to be none."""

    id: UUID
    person_id: UUID | None
    hidden: bool


def insert(
    conn: Connection,
    *,
    collection_id: UUID,
    name: str,
    external_id: str | None,
    metadata: Mapping[str, Any],
    person_id: UUID | None = None,
) -> UUID:
    """Store a person, with an id of before where it is given; return the id.

    Raises:
        psycopg.errors.UniqueViolation: The external id is in use in this collection.
        psycopg.errors.ForeignKeyViolation: There is no such collection.
    """
    made: UUID = fetch_value(
        conn,
        SQL["insert"],
        {
            "id": person_id,
            "collection_id": collection_id,
            "name": name,
            "external_id": external_id,
            "metadata": Jsonb(dict(metadata)),
        },
    )
    return made


def home(conn: Connection, person_id: UUID) -> UUID | None:
    """Return the collection of a person, and keep no lock; None when there is no such row."""
    found: UUID | None = glimpse(conn, SQL["home"], {"id": person_id})
    return found


def get(conn: Connection, person_id: UUID) -> Person | None:
    """Return one person."""
    params = {"id": person_id, "collection_id": fetch_value(conn, SQL["home"], {"id": person_id})}
    return fetch_one(conn, Person, SQL["get"], params)


def page(
    conn: Connection,
    collection_id: UUID,
    *,
    limit: int,
    after: UUID | None = None,
    external_id: str | None = None,
    name: str | None = None,
) -> list[Person]:
    """Return up to *limit* people behind *after*, oldest first; *name* matches without case."""
    params = {
        "collection_id": collection_id,
        "limit": limit,
        "after": after,
        "external_id": external_id,
        "name": name,
    }
    return fetch_all(conn, Person, SQL["page"], params)


def update(
    conn: Connection,
    person_id: UUID,
    *,
    name: str | None,
    external_id: str | None,
    metadata: Mapping[str, Any] | None,
) -> bool:
    """Change what is not None (an empty external id clears it); False when there is no such row."""
    params = {
        "id": person_id,
        "name": name,
        "external_id": external_id,
        "metadata": None if metadata is None else Jsonb(dict(metadata)),
    }
    return execute(conn, SQL["update"], params) == 1


def hold(conn: Connection, person_id: UUID) -> bool:
    """Keep a person from being deleted until the transaction ends; False when there is none."""
    return fetch_value(conn, SQL["hold"], {"id": person_id}) is not None


def hold_many(conn: Connection, person_ids: Sequence[UUID]) -> set[UUID]:
    """Keep people from being deleted until the transaction ends; return those who are there."""
    return {row[0] for row in conn.execute(SQL["hold_many"], {"ids": list(person_ids)})}


def lock_name(conn: Connection, collection_id: UUID, *, external_id: str | None, name: str) -> None:
    """Wait until nobody else makes a person of this external id or, without one, of this name."""
    params = {
        "collection_id": collection_id,
        "external_id": external_id,
        "name": None if external_id is not None else name,
    }
    execute(conn, SQL["lock_name"], params)


def called(
    conn: Connection, collection_id: UUID, *, external_id: str | None, name: str
) -> UUID | None:
    """Return the person of this external id or, without one, the oldest of exactly this name.

    They are held, as by `hold`.
    """
    params = {"collection_id": collection_id, "external_id": external_id, "name": name}
    found: UUID | None = fetch_value(conn, SQL["called"], params)
    return found


def lock(conn: Connection, person_id: UUID) -> bool:
    """Wait for everybody who holds a person, and keep others out; False when there is none."""
    return fetch_value(conn, SQL["lock"], {"id": person_id}) is not None


def lock_many(conn: Connection, collection_id: UUID, person_ids: Iterable[UUID]) -> set[UUID]:
    """Lock, as `lock` does, those of these people who are in a collection; return them."""
    params = {"collection_id": collection_id, "ids": list(person_ids)}
    return {row[0] for row in conn.execute(SQL["lock_many"], params)}


def details(conn: Connection, person_id: UUID) -> Details | None:
    """Return what is said of a person, and keep others from changing it."""
    return fetch_one(conn, Details, SQL["details"], {"id": person_id})


def delete(conn: Connection, person_id: UUID) -> bool:
    """Delete a person (faces stay, unnamed); False when there is no such row."""
    return execute(conn, SQL["delete"], {"id": person_id}) == 1


def faces_of(conn: Connection, collection_id: UUID, *person_ids: UUID) -> list[UUID]:
    """Return and lock the ids of people's faces."""
    params = {"collection_id": collection_id, "ids": list(person_ids)}
    return [row[0] for row in conn.execute(SQL["faces_of"], params)]


def move_faces(
    conn: Connection, *, collection_id: UUID, face_ids: Sequence[UUID], person_id: UUID | None
) -> list[Moved]:
    """Give faces to *person_id* (None: to nobody); return those that changed owner."""
    params = {
        "collection_id": collection_id,
        "face_ids": list(face_ids),
        "person_id": person_id,
    }
    return fetch_all(conn, Moved, SQL["move_faces"], params)


def lock_faces(
    conn: Connection, collection_id: UUID, face_ids: Iterable[UUID]
) -> dict[UUID, Place]:
    """Lock those of these faces that are there; return where they are."""
    params = {"collection_id": collection_id, "face_ids": list(face_ids)}
    return {place.id: place for place in fetch_all(conn, Place, SQL["lock_faces"], params)}


def owners(
    conn: Connection, collection_id: UUID, face_ids: Sequence[UUID]
) -> dict[UUID, UUID | None]:
    """Return whose some faces are (None: nobody's); hidden ones and those that are gone are left out."""
    params = {"collection_id": collection_id, "face_ids": list(face_ids)}
    return dict(conn.execute(SQL["owners"], params).fetchall())


def faces_of_person(conn: Connection, collection_id: UUID, person_id: UUID) -> list[UUID]:
    """Return the ids of a person's faces, best first."""
    params = {"collection_id": collection_id, "id": person_id}
    return [row[0] for row in conn.execute(SQL["faces_of_person"], params)]


def cosines(conn: Connection, collection_id: UUID, face_id: UUID, person_id: UUID) -> list[float]:
    """Return the cosines of a face to a person's other faces, largest first."""
    params = {"collection_id": collection_id, "face_id": face_id, "id": person_id}
    return [row[0] for row in conn.execute(SQL["cosines"], params)]


def expect(conn: Connection, person_id: UUID, others: Sequence[UUID]) -> None:
    """Give the faces of photos that wait with the names of others to a person."""
    execute(conn, SQL["expect"], {"person_id": person_id, "others": list(others)})


def centroid(conn: Connection, person: Person) -> Embedding | None:
    """Return the unit mean of the person's embeddings; None when they have no face."""
    found = fetch_value(
        conn, SQL["centroid"], {"id": person.id, "collection_id": person.collection_id}
    )
    return None if found is None else np.asarray(found.to_numpy(), dtype=np.float32)
