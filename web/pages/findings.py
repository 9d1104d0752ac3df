"""Findings and items as pages show them: what stands side by side, its numbers, what can be done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from core import evidence, reviews
from core.answers import Decision, answers
from core.db.changes import FaceState
from core.db.images import Image
from core.db.pool import Connection
from core.db.reports import Report, StoredFinding
from core.db.reviews import Item
from core.evidence import Evidence
from core.reports import telling, words
from core.reports.words import DECISIONS, Found

KEYS: Mapping[Decision, str] = {
    Decision.SAME: "S",
    Decision.DIFFERENT: "D",
    Decision.WRONG_LABEL: "W",
    Decision.NOT_A_FACE: "N",
}
"""What decides by the keyboard."""

CURES: Mapping[str, Decision] = {
    "one_person": Decision.SAME,
    "somebody_else": Decision.SAME,
    "outlier": Decision.DIFFERENT,
    "above": Decision.DIFFERENT,
    "one_name": Decision.DIFFERENT,
    "suggested": Decision.SAME,
}
"""What a finding calls for, by its kind."""


@dataclass(frozen=True, slots=True)
class ShownFace:
    """A face of a side; *state* is None where it was deleted."""

    id: UUID
    state: FaceState | None


@dataclass(frozen=True, slots=True)
class ShownSide:
    """One of what stands side by side.

    Attributes:
        person_id: Whose page it leads to; None: nobody's.
        count: Of all its faces.
        image_id: The photo that it is, where photos stand side by side; *image* is None if it was deleted.
        is_larger: Of two photos this one has more pixels, or as many and more bytes.
    """

    words: str
    person_id: UUID | None
    count: int
    faces: tuple[ShownFace, ...]
    image_id: UUID | None
    image: Image | None
    is_larger: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision as a button; *is_cure*: the finding calls for it."""

    decision: Decision
    label: str
    effect: str
    key: str
    is_cure: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding or an item in words.

    Attributes:
        found: What it is made of.
        item: The question of the inbox about it; None: there is none.
        question: In words; empty without one.
        answers: What can be decided about the item; none when it is over.
        decided: What was decided, in words.
    """

    found: Found
    sentence: str
    kind: str
    facts: Sequence[tuple[str, str]]
    sides: Sequence[ShownSide]
    item: Item | None
    question: str
    answers: Sequence[Answer]
    decided: str | None

    @property
    def cures(self) -> list[Answer]:
        """What can be done about it: the answers without those that do the same."""
        return list({answer.effect: answer for answer in reversed(self.answers)}.values())[::-1]


def of_report(conn: Connection, report: Report, found: Sequence[StoredFinding]) -> list[Shown]:
    """Put findings of a report into words, with what the inbox asks about them."""
    seen = evidence.gather(conn, report.collection_id, found)
    keys = [each.key for each in found]
    items = reviews.of_findings(conn, report.collection_id, report.name, keys)
    return [_shown(each, items.get(each.key), seen) for each in found]


def of_items(conn: Connection, collection_id: UUID, items: Sequence[Item]) -> list[Shown]:
    """Put items of a collection's inbox into words."""
    seen = evidence.gather(conn, collection_id, items)
    return [_shown(item, item, seen) for item in items]


def _shown(found: Found, item: Item | None, seen: Evidence) -> Shown:
    decided = None
    if item is not None and item.decision is not None:
        decided = words.decision_words(item, Decision(item.decision), seen.names)
    return Shown(
        found=found,
        sentence=words.sentence(found, seen.names),
        kind=words.kind_words(found.kind),
        facts=words.facts(found),
        sides=_sides(found, seen),
        item=item,
        question=words.question(item, seen.names) if item is not None else "",
        answers=_answers(item, seen.names) if item is not None and item.is_open else (),
        decided=decided,
    )


def _answers(item: Item, names: Mapping[UUID, str]) -> list[Answer]:
    return [
        Answer(
            decision,
            DECISIONS[decision],
            words.effect(item, decision, names),
            KEYS[decision],
            CURES.get(item.kind) is decision,
        )
        for decision in answers(item)
    ]


def _sides(found: Found, seen: Evidence) -> list[ShownSide]:
    sides = telling.sides(found)
    told = words.side_words(found, seen.names)
    images = [seen.images.get(side.image_id) if side.image_id else None for side in sides]
    larger = _larger(images) if len(images) > 1 else None
    return [
        ShownSide(
            words=heading,
            person_id=side.person_id if side.person_id in seen.present else None,
            count=side.count,
            faces=tuple(ShownFace(face, seen.faces.get(face)) for face in side.faces),
            image_id=side.image_id,
            image=image,
            is_larger=image is not None and image is larger,
        )
        for heading, side, image in zip(told, sides, images, strict=True)
    ]


def _larger(images: Sequence[Image | None]) -> Image | None:
    """Return the larger of two photos; None: they are equal, or one is gone."""
    first, second = images[:2]
    if first is None or second is None:
        return None
    sizes = [(image.width * image.height, image.bytes) for image in (first, second)]
    if sizes[0] == sizes[1]:
        return None
    return first if sizes[0] > sizes[1] else second
