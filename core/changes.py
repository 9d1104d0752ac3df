"""Changes: what somebody did to people at one time, kept so that it can be looked at and undone."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from psycopg.errors import ForeignKeyViolation

from core.db import changes as rows
from core.db.changes import Change, ChangedPerson, Decided, Flow, Named
from core.db.pool import Connection
from core.errors import ChangeNotFound, CollectionNotFound

MOST_FACES: Final = 500
"""Of one change that are listed one by one."""

MOST_PEOPLE: Final = 100
"""Likewise: a baseline has everybody."""


class Kind(StrEnum):
    """What was done; ``baseline`` stands for all that was done before changes were kept."""

    BASELINE = "baseline"
    CREATE = "create"
    EDIT = "edit"
    DELETE = "delete"
    ASSIGN = "assign"
    UNASSIGN = "unassign"
    MERGE = "merge"
    SPLIT = "split"
    DECIDE = "decide"
    ENROL = "enrol"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Summary:
    """A change and what became of people by it.

    Attributes:
        flows: How many faces went from whom to whom.
        people: Who was made, edited or deleted: the first `MOST_PEOPLE` of *person_count*.
        decided: What was said of faces, or taken back.
        names: Of everybody who is meant, also of those who were deleted.
    """

    change: Change
    flows: tuple[Flow, ...]
    people: tuple[ChangedPerson, ...]
    person_count: int
    decided: tuple[Decided, ...]
    names: Mapping[UUID, Named]


class Now(StrEnum):
    """Where a face is that a change moved: as the change left it, taken back, moved again, deleted."""

    LEFT = "left"
    BACK = "back"
    MOVED = "moved"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class MovedFace:
    """A face that a change moved.

    Attributes:
        moved_by: The change that moved it last; None: that is not known any more.
        image_id: None where the face was deleted, as *kept* (see `core.keeping.Keeps`).
    """

    face_id: UUID
    previous_person_id: UUID | None
    person_id: UUID | None
    now: Now
    moved_by: UUID | None
    image_id: UUID | None
    kept: str | None


@dataclass(frozen=True, slots=True)
class Detailed:
    """A change with its faces, the first `MOST_FACES` of *face_count*."""

    summary: Summary
    faces: tuple[MovedFace, ...]
    face_count: int


def begin(
    conn: Connection, collection_id: UUID, kind: Kind, actor: str, *, undoes: UUID | None = None
) -> UUID:
    """Begin a change, whose events follow in the same transaction; return its id.

    Raises:
        CollectionNotFound: There is no such collection, or not any more.
    """
    try:
        return rows.insert(
            conn, collection_id=collection_id, kind=kind.value, actor=actor, undoes=undoes
        )
    except ForeignKeyViolation:
        raise CollectionNotFound(collection_id) from None


@contextmanager
def recorded(
    conn: Connection, collection_id: UUID, kind: Kind, actor: str, *, within: UUID | None = None
) -> Iterator[UUID]:
    """Begin a change, of which nothing stays if nothing was changed in the block.

    Args:
        within: A change that was begun before and that this is a part of.
    """
    if within is not None:
        yield within
        return
    change_id = begin(conn, collection_id, kind, actor)
    yield change_id
    rows.forget_empty(conn, change_id)


def page(
    conn: Connection,
    collection_id: UUID,
    *,
    limit: int,
    before: UUID | None = None,
    person_id: UUID | None = None,
) -> list[Summary]:
    """Return up to *limit* changes that came before *before*, newest first.

    Args:
        person_id: Only those that are about this person, who may be deleted.
    """
    found = rows.page(conn, collection_id, limit=limit, before=before, person_id=person_id)
    return _summaries(conn, collection_id, found)


def get(conn: Connection, change_id: UUID) -> Detailed:
    """Return one change with its faces.

    Raises:
        ChangeNotFound: There is none with this id.
    """
    found = rows.get(conn, change_id)
    if found is None:
        raise ChangeNotFound(change_id)
    moved = rows.moved_faces(conn, change_id)
    listed = [face.face_id for face in moved[:MOST_FACES]]
    states = rows.face_states(conn, found.collection_id, listed)
    last = rows.last_moves(conn, found.collection_id, listed)
    alike, against = sides(conn, change_id)
    faces = []
    for face in moved[:MOST_FACES]:
        state, moved_by = states.get(face.face_id), last.get(face.face_id)
        faces.append(
            MovedFace(
                face_id=face.face_id,
                previous_person_id=face.previous_person_id,
                person_id=face.person_id,
                now=_now(moved_by, alike, against) if state else Now.GONE,
                moved_by=moved_by,
                image_id=state.image_id if state else None,
                kept=state.kept if state else None,
            )
        )
    [summary] = _summaries(conn, found.collection_id, [found])
    return Detailed(summary, tuple(faces), len(moved))


def sides(conn: Connection, change_id: UUID) -> tuple[frozenset[UUID], frozenset[UUID]]:
    """Return the changes that did the same as one, itself among them, and those that took it back.

    An undo of an undo does what was undone once more; where an undo took back a part only, it stands for
    that part.
    """
    family = rows.family(conn, change_id)
    side = family[change_id] % 2
    alike = frozenset(each for each, depth in family.items() if depth % 2 == side)
    return alike, frozenset(family) - alike


def _now(moved_by: UUID | None, alike: frozenset[UUID], against: frozenset[UUID]) -> Now:
    if moved_by in alike:
        return Now.LEFT
    return Now.BACK if moved_by in against else Now.MOVED


def _summaries(conn: Connection, collection_id: UUID, found: Sequence[Change]) -> list[Summary]:
    ids = [change.id for change in found]
    flows = rows.flows(conn, ids)
    people = rows.some_people(conn, ids, limit=MOST_PEOPLE)
    counts = rows.people_counts(conn, ids)
    decided = rows.decided(conn, ids)
    meant = {person.person_id for person in people}
    meant |= {each.person_id for each in decided if each.person_id}
    for flow in flows:
        meant |= {each for each in (flow.person_id, flow.previous_person_id) if each}
    names = rows.names(conn, collection_id, meant)
    return [
        Summary(
            change,
            tuple(flow for flow in flows if flow.change_id == change.id),
            tuple(person for person in people if person.change_id == change.id),
            counts.get(change.id, 0),
            tuple(each for each in decided if each.change_id == change.id),
            names,
        )
        for change in found
    ]
