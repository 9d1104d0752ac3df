"""The review inbox: questions about faces that a person decides, and what the decisions do.

A decision is a change that can be undone. It moves faces or merges people where that follows from it,
and is kept as constraints, which searches, clusters and later reports respect.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Final, TypeAlias
from uuid import UUID

from core import changes, collections, constraints, people, undoing
from core.changes import Kind as ChangeKind
from core.db import collections as collection_rows
from core.db import faces as face_rows
from core.db import people as people_rows
from core.db import reviews as rows
from core.db.constraints import Kind as Link
from core.db.constraints import Statement
from core.db.pool import Connection
from core.db.reviews import Count, Item, State
from core.errors import (
    InvalidRequest,
    PersonNotFound,
    ReviewItemNotFound,
    WrongState,
)
from core.reports.finding import Finding, Side
from core.undoing import Left

ARRIVAL: Final = "arrival"
"""The source of items that were made when a face came."""

ASKED: Final[Mapping[str, frozenset[str]]] = {
    "two-names": frozenset({"one_person"}),
    "wrong-labels": frozenset({"somebody_else", "outlier"}),
    "look-alikes": frozenset({"above"}),
    "twice-in-photo": frozenset({"one_name", "alike"}),
    "unnamed": frozenset({"suggested"}),
}
"""Which kinds of findings of which reports a person is asked about."""

SOURCES: Final = (*ASKED, ARRIVAL)
"""What items come from."""

GONE: Final = UUID(int=0)
"""Stands for the owner of a face that is not there any more."""

MOST_ASKED: Final = 500
"""Items of one report: what matters most, and more comes when that is done."""


class Decision(StrEnum):
    """What a person says of what stands side by side."""

    #: Both sides are one person.
    SAME = "same"
    #: They are two.
    DIFFERENT = "different"
    #: The face in question has a wrong name, whoever it is.
    WRONG_LABEL = "wrong_label"
    #: The face in question is no face, or one that nobody should be found by.
    NOT_A_FACE = "not_a_face"


@dataclass(frozen=True, slots=True)
class Question:
    """An item as its decision sees it.

    Attributes:
        item: As it is stored.
        sides: What stands side by side; the first one is in question, unless both are people.
    """

    item: Item
    sides: tuple[Side, ...]

    @classmethod
    def of(cls, item: Item) -> "Question":
        """Read an item."""
        return cls(item, tuple(Side.from_json(side) for side in item.sides))

    @property
    def face(self) -> UUID:
        """The face in question."""
        return self.sides[0].faces[0]

    @property
    def other(self) -> UUID:
        """The face that it is compared with."""
        return self.sides[1].faces[0]


Act: TypeAlias = Callable[[Connection, Question, UUID, str], list[Statement]]
"""Does what follows from a decision; returns what it says about faces."""


def take_up(
    conn: Connection,
    name: str,
    collection_id: UUID,
    found: Sequence[Finding],
    *,
    seen_at: datetime | None,
) -> None:
    """Ask about what a report found, and settle what it does not find any more.

    Args:
        seen_at: When the report was begun; what was decided since is not asked again.
    """
    if name in ASKED:
        asked = [each for each in found if each.kind in ASKED[name]][:MOST_ASKED]
        asked = [replace(each, score=_surety(each)) for each in asked]
        rows.take_up(conn, collection_id, name, asked, whole=True, seen_at=seen_at)


def _surety(finding: Finding) -> float:
    """Return how sure a finding is, about 0 to 1: items of all reports stand in one line.

    A report of groups ranks them by their sizes, and one of faces of one name by how unlike they are.
    """
    if finding.kind == "suggested":
        return float(finding.facts["suggested_cosine"] or 0)
    return finding.score / 2 if finding.kind == "one_name" else finding.score


def get(conn: Connection, item_id: UUID) -> Item:
    """Return one item.

    Raises:
        ReviewItemNotFound: There is none with this id.
    """
    found = rows.get(conn, item_id)
    if found is None:
        raise ReviewItemNotFound(item_id)
    return found


def many(conn: Connection, item_ids: Sequence[UUID]) -> list[Item]:
    """Return those of these items that are there."""
    return rows.many(conn, item_ids)


def page(
    conn: Connection,
    collection_id: UUID,
    *,
    limit: int,
    state: State = State.OPEN,
    source: str | None = None,
    after: tuple[float, UUID] | None = None,
) -> list[Item]:
    """Return up to *limit* items behind the score and id of *after*, the surest first.

    Raises:
        CollectionNotFound: There is no such collection.
        InvalidRequest: There is no such source.
    """
    collections.get(conn, collection_id)
    if source is not None and source not in SOURCES:
        raise InvalidRequest(f"There is no source {source!r}; there are {', '.join(SOURCES)}.")
    return rows.page(conn, collection_id, limit=limit, state=state, source=source, after=after)


def counts(conn: Connection, collection_id: UUID) -> list[Count]:
    """Return how many items there are, by source and state."""
    return rows.counts(conn, collection_id)


def open_count(conn: Connection, collection_id: UUID) -> int:
    """Return how many items wait for a decision."""
    return sum(each.count for each in counts(conn, collection_id) if each.state == State.OPEN)


def postpone(conn: Connection, item_id: UUID) -> Item:
    """Put an item off; it stays, behind those that are open.

    Raises:
        ReviewItemNotFound: There is none with this id.
        WrongState: It is decided.
    """
    if not rows.postpone(conn, item_id, State.LATER):
        get(conn, item_id)
        raise WrongState("This was decided already.")
    return get(conn, item_id)


def decide(conn: Connection, item_id: UUID, decision: Decision, *, actor: str) -> Item:
    """Decide an item, do what follows, and keep what was said; all or nothing.

    Raises:
        ReviewItemNotFound: There is none with this id.
        WrongState: It is decided already, or what it is about has changed: it is settled then.
        InvalidRequest: This decision says nothing about such an item.
    """
    settled = False
    with conn.transaction():
        item = rows.get(conn, item_id)
        if item is None:
            raise ReviewItemNotFound(item_id)
        collection_rows.hold(conn, [item.collection_id])
        item = rows.get(conn, item_id, lock=True)
        if item is None or not item.is_open:
            raise WrongState("This was decided already.")
        question = Question.of(item)
        if _is_outdated(conn, question):
            rows.settle(conn, item_id)
            settled = True
        else:
            _perform(conn, question, decision, actor)
            _settle_others(conn, question)
    if settled:
        raise WrongState("What this is about was changed meanwhile.")
    return get(conn, item_id)


def take_back(conn: Connection, item_id: UUID, *, actor: str) -> tuple[Left, ...]:
    """Ask an item again that was decided or put off; return what of its decision stays.

    Raises:
        ReviewItemNotFound: There is none with this id.
        AlreadyUndone: Nothing is left of the decision to undo.
        WrongState: It was not decided.
    """
    item = get(conn, item_id)
    if item.change_id is not None:
        return undoing.undo(conn, item.change_id, actor=actor).left
    if not rows.postpone(conn, item_id, State.OPEN):
        raise WrongState("What this is about was changed meanwhile.")
    return ()


def beside(
    conn: Connection, item: Item, *, state: State, source: str | None = None
) -> tuple[Item | None, Item | None]:
    """Return the items before and behind one, in the order of `page`."""
    key = (item.score, item.id)
    behind = rows.page(conn, item.collection_id, limit=1, state=state, source=source, after=key)
    before = rows.before(conn, item.collection_id, key, state=state, source=source)
    return before, behind[0] if behind else None


def of_findings(
    conn: Connection, collection_id: UUID, source: str, keys: Sequence[str]
) -> dict[str, Item]:
    """Return the items that were made of findings, by the keys of these."""
    found = rows.of_keys(conn, collection_id, source, keys)
    return {item.key: item for item in found}


def _perform(conn: Connection, question: Question, decision: Decision, actor: str) -> None:
    item = question.item
    act = ACTS.get((_subject(item), decision))
    if act is None:
        raise InvalidRequest(f"{decision.value!r} is no answer to this.")
    change_id = changes.begin(conn, item.collection_id, ChangeKind.DECIDE, actor)
    said = act(conn, question, change_id, actor)
    constraints.add(conn, item.collection_id, said, change_id=change_id)
    rows.decide(conn, item.id, decision.value, actor=actor, change_id=change_id)


def _settle_others(conn: Connection, question: Question) -> None:
    """Settle what asks about the same people or faces, and was answered by this decision, too."""
    people_meant = [side.person_id for side in question.sides if side.person_id]
    faces = [side.faces[0] for side in question.sides if side.faces]
    home = question.item.collection_id
    for item in rows.open_about(conn, home, people=people_meant, faces=faces):
        if _is_outdated(conn, Question.of(item)):
            rows.settle(conn, item.id)


def _is_outdated(conn: Connection, question: Question) -> bool:
    """Say whether a face that is shown is gone, or has another name than when it was found."""
    shown = [face for side in question.sides for face in side.faces[:1]]
    owners = people_rows.owners(conn, question.item.collection_id, shown)
    return any(
        side.faces and owners.get(side.faces[0], GONE) != side.person_id for side in question.sides
    )


def _subject(item: Item) -> str:
    """Return what kind of question an item is: about two people, or about one face."""
    return SUBJECTS[item.kind]


SUBJECTS: Final[Mapping[str, str]] = {
    "one_person": "people",
    "above": "people",
    "somebody_else": "misnamed",
    "outlier": "outlier",
    "one_name": "one_name",
    "alike": "alike",
    "suggested": "unnamed",
}


def _merge(conn: Connection, question: Question, change_id: UUID, actor: str) -> list[Statement]:
    into, other = (side.person_id for side in question.sides[:2])
    if into is None or other is None:
        raise PersonNotFound("without a name")
    people.merge(conn, into, [other], actor=actor, within=change_id)
    return [constraints.link(Link.MUST_LINK, question.face, question.other)]


def _part(conn: Connection, question: Question, change_id: UUID, actor: str) -> list[Statement]:
    return [constraints.link(Link.CANNOT_LINK, question.face, question.other)]


def _join(conn: Connection, question: Question, change_id: UUID, actor: str) -> list[Statement]:
    return [constraints.link(Link.MUST_LINK, question.face, question.other)]


def _give(conn: Connection, question: Question, change_id: UUID, actor: str) -> list[Statement]:
    """The faces in question are the other side's person."""
    person = question.sides[1].person_id
    if person is None:
        raise PersonNotFound("without a name")
    faces = _asked(conn, question)
    people.assign(conn, person, faces, actor=actor, within=change_id)
    return [constraints.link(Link.MUST_LINK, question.face, question.other)]


def _refuse(conn: Connection, question: Question, change_id: UUID, actor: str) -> list[Statement]:
    """They are not the other side's person."""
    return _not_person(_asked(conn, question), question.sides[1].person_id)


def _keep(conn: Connection, question: Question, change_id: UUID, actor: str) -> list[Statement]:
    """The face is not the other side's person, and has the right name."""
    own = question.sides[2].faces[:1]
    stays = [constraints.link(Link.MUST_LINK, question.face, face) for face in own]
    return [*_refuse(conn, question, change_id, actor), *stays]


def _unname(conn: Connection, question: Question, change_id: UUID, actor: str) -> list[Statement]:
    """The face has a wrong name, and is not the other side's person either."""
    sides = question.sides
    owners = {side.person_id for side in sides if side.person_id is not None}
    return [each for owner in owners for each in _not_person([question.face], owner)]


def _second_is_wrong(
    conn: Connection, question: Question, change_id: UUID, actor: str
) -> list[Statement]:
    """Of two faces of one name the second one, which is less like the others, has it wrongly."""
    apart = constraints.link(Link.CANNOT_LINK, question.face, question.other)
    return [apart, *_not_person([question.other], question.sides[1].person_id)]


def _hide(
    conn: Connection, question: Question, change_id: UUID, actor: str, *, side: int = 0
) -> list[Statement]:
    faces = _asked(conn, question) if side == 0 else question.sides[side].faces[:1]
    return [constraints.not_face(face) for face in faces]


def _not_person(faces: Sequence[UUID], person_id: UUID | None) -> list[Statement]:
    if person_id is None:
        return []
    return [constraints.not_person(face, person_id) for face in faces]


def whole(conn: Connection, collection_id: UUID, side: Side) -> list[UUID]:
    """Return all faces of a side without a name, not only those that are shown."""
    if side.count <= len(side.faces):
        return list(side.faces)
    return face_rows.of_group(conn, collection_id, side.faces[0])


def _asked(conn: Connection, question: Question) -> list[UUID]:
    """Return the faces in question."""
    return whole(conn, question.item.collection_id, question.sides[0])


_hide_second = partial(_hide, side=1)

ACTS: Final[Mapping[tuple[str, Decision], Act]] = {
    ("people", Decision.SAME): _merge,
    ("people", Decision.DIFFERENT): _part,
    ("people", Decision.WRONG_LABEL): _second_is_wrong,
    ("people", Decision.NOT_A_FACE): _hide_second,
    ("misnamed", Decision.SAME): _give,
    ("misnamed", Decision.DIFFERENT): _keep,
    ("misnamed", Decision.WRONG_LABEL): _unname,
    ("misnamed", Decision.NOT_A_FACE): _hide,
    ("outlier", Decision.SAME): _join,
    ("outlier", Decision.DIFFERENT): _unname,
    ("outlier", Decision.WRONG_LABEL): _unname,
    ("outlier", Decision.NOT_A_FACE): _hide,
    ("one_name", Decision.SAME): _join,
    ("one_name", Decision.DIFFERENT): _second_is_wrong,
    ("one_name", Decision.WRONG_LABEL): _second_is_wrong,
    ("one_name", Decision.NOT_A_FACE): _hide_second,
    ("alike", Decision.SAME): _join,
    ("alike", Decision.DIFFERENT): _part,
    ("alike", Decision.NOT_A_FACE): _hide_second,
    ("unnamed", Decision.SAME): _give,
    ("unnamed", Decision.DIFFERENT): _refuse,
    ("unnamed", Decision.NOT_A_FACE): _hide,
}
"""What each decision does; a pair that is not here is no answer."""


def answers(item: Item) -> list[Decision]:
    """Return the decisions that an item can have."""
    subject = _subject(item)
    return [decision for decision in Decision if (subject, decision) in ACTS]
