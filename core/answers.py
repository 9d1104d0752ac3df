"""What can be answered to the questions of the review inbox, and what follows from each answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final, TypeAlias
from uuid import UUID

from core import constraints, people
from core.db import faces as face_rows
from core.db.constraints import Kind as Link
from core.db.constraints import Statement
from core.db.pool import Connection
from core.db.reviews import Item
from core.errors import PersonNotFound
from core.reports.finding import Side


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


def subject(item: Item) -> str:
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
    about = subject(item)
    return [decision for decision in Decision if (about, decision) in ACTS]
