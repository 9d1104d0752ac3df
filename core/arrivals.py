"""Looking at new faces: whoever may have a wrong name, or may be somebody who is known, is asked about."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import fmean
from threading import Event
from typing import Final
from uuid import UUID

from core import collections, constraints
from core.db import arrivals as rows
from core.db import collections as collection_rows
from core.db import graphs as graph_rows
from core.db import people as people_rows
from core.db import reviews as review_rows
from core.db import search as search_rows
from core.db.collections import Collection
from core.db.pool import Connection
from core.db.search import Kind
from core.errors import CollectionNotFound
from core.graph_methods import walking
from core.reports.finding import Finding, Side
from core.reports.scale import UNSURE
from core.reports.wrong_labels import nearer_half, somebody_else
from core.reviews import ARRIVAL
from core.services import Services

AT_ONCE: Final = 200
"""Faces of one transaction, where an index finds their neighbours in milliseconds."""

COMPARED_AT_ONCE: Final = 20
"""The same where every face is looked at for each."""

NEIGHBOURS: Final = 8

SURE: Final = 0.8
"""Share of the threshold's distance up to which nobody is asked whether a face is somebody's: it is found
with them anyway, and the report of unnamed faces suggests it."""


@dataclass(frozen=True, slots=True)
class _Look:
    """A new face, and whom it is near to.

    Attributes:
        owner: Whose it is said to be; None: nobody's yet.
        other: Who else it looks like, nearest of all others who have a name.
        cosine: To the nearest face of theirs.
        shown: Their faces among the neighbours, nearest first.
    """

    face: UUID
    owner: UUID | None
    other: UUID
    cosine: float
    shown: tuple[UUID, ...]


def look_at_new(services: Services, ending: Event) -> int:
    """Look at the faces that came since the last time; return how many were looked at.

    Args:
        ending: Whoever sets it wants this to end; what is left is looked at later.
    """
    with services.pool.connection() as conn:
        waiting = rows.collections_with(conn)
    looked = 0
    for collection_id in waiting:
        while not ending.is_set():
            with services.pool.connection() as conn:
                done = _look_at_some(conn, services, collection_id)
            looked += done
            if not done:
                break
    return looked


def _look_at_some(conn: Connection, services: Services, collection_id: UUID) -> int:
    collection_rows.hold(conn, [collection_id])
    try:
        collection = collections.get(conn, collection_id)
    except CollectionNotFound:
        return 0
    kind = search_rows.kinds(conn, [collection_id]).get(collection_id, Kind.EXACT)
    limit = COMPARED_AT_ONCE if kind is Kind.EXACT else AT_ONCE
    faces = rows.take(conn, collection_id, limit)
    by_index = walking(conn, collection, ef_search=services.settings.hnsw_ef_search)
    with nullcontext() if kind is Kind.EXACT else by_index:
        near = graph_rows.nearest(conn, collection, faces, NEIGHBOURS, kind)
    found = [
        finding
        for each in _looks(conn, collection, near)
        if (finding := _judge(conn, collection, each)) is not None
    ]
    # Of two who came together, each is found from the other's side.
    once = list({finding.key: finding for finding in found}.values())
    review_rows.take_up(conn, collection_id, ARRIVAL, once, whole=False)
    rows.done(conn, faces)
    return len(faces)


def _looks(
    conn: Connection, collection: Collection, near: dict[UUID, list[tuple[UUID, float]]]
) -> list[_Look]:
    """Return the new faces that are near to somebody else, and to whom."""
    least = 1 - UNSURE * (1 - collection.threshold)
    ids = {*near, *(other for others in near.values() for other, _ in others)}
    owners = people_rows.owners(conn, collection.id, sorted(ids))
    found = []
    for face, others in near.items():
        alike = [
            (owner, other, cosine)
            for other, cosine in others
            if cosine >= least
            and (owner := owners.get(other)) is not None
            and owner != owners.get(face)
        ]
        if face in owners and alike:
            nearest, _, cosine = alike[0]
            shown = tuple(other for owner, other, _ in alike if owner == nearest)
            found.append(_Look(face, owners[face], nearest, cosine, shown))
    return found


def _judge(conn: Connection, collection: Collection, look: _Look) -> Finding | None:
    """Return the question that a new face raises; None: there is none."""
    if constraints.forbids(conn, collection.id, look.face, look.other):
        return None
    if look.owner is None:
        sure = 1 - SURE * (1 - collection.threshold)
        return None if look.cosine >= sure else _suggested(conn, collection, look)
    own = nearer_half(people_rows.cosines(conn, collection.id, look.face, look.owner))
    other = nearer_half(people_rows.cosines(conn, collection.id, look.face, look.other))
    if not own:
        is_alike = fmean(other) >= collection.threshold
        return _one_person(conn, collection, look, other) if is_alike else None
    if fmean(other) <= fmean(own):
        return None
    return somebody_else(
        look.other,
        sides=(
            Side((look.face,), 1, person_id=look.owner),
            _side(conn, collection, look),
            _others(conn, collection, look),
        ),
        own=own,
        other=other,
    )


def _suggested(conn: Connection, collection: Collection, look: _Look) -> Finding:
    return Finding(
        kind="suggested",
        about=(look.face, look.other),
        score=look.cosine,
        sides=(Side((look.face,), 1), _side(conn, collection, look)),
        facts={
            "faces": 1,
            "images": 1,
            "mean_to_middle": 1.0,
            "least_to_middle": 1.0,
            "suggested_cosine": look.cosine,
        },
    )


def _one_person(
    conn: Connection, collection: Collection, look: _Look, cosines: Sequence[float]
) -> Finding:
    """Return somebody new who looks like somebody who is known."""
    assert look.owner is not None, "somebody who has a name"
    return Finding(
        kind="one_person",
        about=(look.owner, look.other),
        score=fmean(cosines),
        sides=(_side(conn, collection, look), Side((look.face,), 1, person_id=look.owner)),
        facts={
            "mean_cosine": fmean(cosines),
            "best_cosine": cosines[0],
            "least_cosine": collection.threshold,
        },
    )


def _side(conn: Connection, collection: Collection, look: _Look) -> Side:
    """Return the faces of whom a new face looks like."""
    count = len(people_rows.faces_of_person(conn, collection.id, look.other))
    return Side(look.shown, count, person_id=look.other)


def _others(conn: Connection, collection: Collection, look: _Look) -> Side:
    """Return the other faces of whose a new face is said to be."""
    assert look.owner is not None, "somebody who has a name"
    faces = people_rows.faces_of_person(conn, collection.id, look.owner)
    return Side.of([face for face in faces if face != look.face], person_id=look.owner)
