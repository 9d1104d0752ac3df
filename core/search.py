"""Search: who looks like this? One SQL statement per query face, exact or by HNSW."""

import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import numpy as np
import psycopg

from core.db import collections as collection_rows
from core.db import faces as face_rows
from core.db import people as people_rows
from core.db import search as rows
from core.db.collections import Collection
from core.db.pool import Connection
from core.db.search import Neighbour
from core.doorbell import Doorbell
from core.errors import BadEmbedding, FaceNotFound, InvalidRequest, PersonNotFound
from core.exchange import QueryFace, QueryPhoto
from core.faces import Embedding, unit_embedding
from core.images import PhotoLimits, inspect
from core.services import Services
from core.spaces import require_same

MOST_MATCHES = 500


class GroupBy(StrEnum):
    """One row per person (unnamed faces are rows of their own), or one per face."""

    PERSON = "person"
    FACE = "face"


class Decision(StrEnum):
    """Whether a cosine reaches the threshold."""

    MATCH = "match"
    NO_MATCH = "no_match"


@dataclass(frozen=True, slots=True)
class Options:
    """How to search.

    Attributes:
        limit: Most rows per query face, 1 to `MOST_MATCHES`.
        threshold: Cosine of a match; None: the collection's.
        only_matches: Leave out what is below the threshold.
    """

    limit: int = 20
    threshold: float | None = None
    group_by: GroupBy = GroupBy.PERSON
    only_matches: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """A neighbour with its rank (from 1) and the decision at the threshold."""

    rank: int
    decision: Decision
    neighbour: Neighbour


@dataclass(frozen=True, slots=True)
class IndexUse:
    """How the neighbours were found; *exact* means that none can be missing."""

    kind: str
    exact: bool
    ef_search: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The answer for one embedding."""

    threshold: float
    threshold_source: str
    searched_faces: int
    index: IndexUse
    matches: tuple[Match, ...]


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
    collection: Collection,
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
        SearchTimeout: See `by_embedding`.
    """
    inspect(photo, PhotoLimits.of(services.settings))
    began = time.monotonic()
    analysed = services.exchange.ask(
        photo,
        space_id=collection.space_id,
        preview=preview,
        timeout_s=services.settings.search_timeout_s,
        ring=doorbell.search,
    )
    answered = time.monotonic()
    require_same(collection.space_id, analysed.space_id)
    wanted = _wanted(analysed.faces, faces, largest=largest)
    found = [
        _search_face(services, collection, index, query, options=options, wanted=wanted)
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
    collection: Collection,
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
    found = by_embedding(services, collection, query.embedding, options)
    return FoundFace(index, query, found, query.reasons)


def by_face(services: Services, collection: Collection, face_id: UUID, options: Options) -> Found:
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
        _require_same_space(conn, collection, face.collection_id)
    return by_embedding(services, collection, embedding, options, without_face=face_id)


def by_person(
    services: Services, collection: Collection, person_id: UUID, options: Options
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
        _require_same_space(conn, collection, person.collection_id)
        centroid = people_rows.centroid(conn, person)
    if centroid is None:
        raise InvalidRequest(f"{person.name} has no face to search with.")
    return by_embedding(services, collection, centroid, options, without_person=person_id)


def by_vector(
    services: Services,
    collection: Collection,
    vector: Sequence[float],
    space_id: str,
    options: Options,
) -> Found:
    """Search with numbers from outside, which must name the space they are of.

    Raises:
        SpaceMismatch: They are of another space than the collection.
        BadEmbedding: Wrong length, not finite, or of length zero.
    """
    require_same(collection.space_id, space_id)
    raw = np.asarray(vector, dtype=np.float64)
    if not np.isfinite(raw).all():
        raise BadEmbedding("A vector may hold finite numbers only.")
    embedding, _ = unit_embedding(raw, collection.dimension)
    return by_embedding(services, collection, embedding, options)


def by_embedding(
    services: Services,
    collection: Collection,
    embedding: Embedding,
    options: Options,
    *,
    without_face: UUID | None = None,
    without_person: UUID | None = None,
) -> Found:
    """Find the nearest faces of a collection to a unit vector of its space.

    Raises:
        SearchTimeout: The database took longer than the settings allow.
    """
    own = options.threshold is None
    threshold = collection.threshold if options.threshold is None else options.threshold
    query = rows.Query(
        collection_id=collection.id,
        embedding=embedding,
        threshold=threshold,
        limit=options.limit,
        by_person=options.group_by is GroupBy.PERSON,
        without_face=without_face,
        without_person=without_person,
    )
    neighbours, index = _nearest(services, collection, query)
    matches = [
        Match(rank, _decide(neighbour.cosine, threshold), neighbour)
        for rank, neighbour in enumerate(neighbours, start=1)
    ]
    if options.only_matches:
        matches = [match for match in matches if match.decision is Decision.MATCH]
    return Found(
        threshold=threshold,
        threshold_source=collection.threshold_source if own else "request",
        searched_faces=collection.face_count,
        index=index,
        matches=tuple(matches),
    )


def _nearest(
    services: Services, collection: Collection, query: rows.Query
) -> tuple[list[Neighbour], IndexUse]:
    """Choose exact or HNSW by the live count; an index that is not ready yet means exact."""
    settings = services.settings
    with (
        services.pool.connection() as conn,
        rows.bounded(conn, timeout_s=settings.search_timeout_s, ef_search=settings.hnsw_ef_search),
    ):
        large = collection.face_count > settings.promote_faces
        if large and rows.index_is_ready(conn, collection.id):
            return rows.hnsw(conn, query), IndexUse("hnsw", False, settings.hnsw_ef_search)
        return rows.exact(conn, query), IndexUse("exact", True)


def _decide(cosine: float, threshold: float) -> Decision:
    return Decision.MATCH if cosine >= threshold else Decision.NO_MATCH


def _require_same_space(conn: Connection, collection: Collection, home_id: UUID) -> None:
    """Refuse what is at home in a collection of another space; mostly it is the same collection."""
    if home_id == collection.id:
        return
    home = collection_rows.get(conn, home_id)
    assert home is not None, "a foreign key keeps the collection while its faces exist"
    require_same(collection.space_id, home.space_id)


def maintain_indexes(conn: Connection, *, exact_max: int) -> list[str]:
    """Build the HNSW indexes that large collections lack and drop those nobody wants.

    One at a time: while somebody is at it, everybody else leaves at once. A build that fails (no
    room for it, say) is reported, and the others are not held up by it.

    Args:
        conn: In autocommit mode and of its own; it is to be closed afterwards, which also gives
            the lock back.

    Returns:
        What was done, a sentence each.
    """
    done: list[str] = []
    if not rows.lock_maintenance(conn):
        return done
    for index in rows.indexes(conn, exact_max=exact_max):
        if not index.wanted:
            rows.drop_index(conn, index.name)
            done.append(f"dropped {index.name}")
    for wanted in rows.unindexed(conn, exact_max=exact_max):
        name = rows.index_name(wanted.id)
        try:
            if rows.build_index(conn, wanted):
                done.append(f"built {name}")
        except psycopg.Error as error:
            if conn.closed:
                raise
            done.append(f"could not build {name}: {error}")
    return done
