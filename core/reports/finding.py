"""What reports find: evidence that stands side by side, with the numbers that speak for it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from uuid import UUID

MOST_SHOWN: Final = 12
"""Faces of one side; the others are counted."""

MOST_FINDINGS: Final = 10_000
"""Of one report, what matters most; a person reads hundreds."""

Facts: TypeAlias = Mapping[str, float | int | str | None]
"""Numbers of a finding by their names: cosines from -1 to 1, counts, and what they are measured by."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of what stands side by side.

    Attributes:
        faces: What is shown, best first; up to `MOST_SHOWN`.
        count: Of all its faces.
        person_id: Whose they are; None: nobody's yet.
        image_id: The photo that it is, where photos stand side by side.
    """

    faces: tuple[UUID, ...]
    count: int
    person_id: UUID | None = None
    image_id: UUID | None = None

    @classmethod
    def of(cls, faces: Sequence[UUID], **owner: UUID | None) -> "Side":
        """Make a side of all its faces."""
        return cls(tuple(faces[:MOST_SHOWN]), len(faces), **owner)

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {
            "faces": [str(face) for face in self.faces],
            "count": self.count,
            "person_id": _text(self.person_id),
            "image_id": _text(self.image_id),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Side":
        """Read what `to_json` wrote."""
        return cls(
            tuple(UUID(face) for face in stored["faces"]),
            stored["count"],
            _id(stored["person_id"]),
            _id(stored["image_id"]),
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a report found.

    Attributes:
        kind: What it is, within its report.
        about: Ids that make it the same in every version of the report: people, images or faces.
        score: What it is ranked by, larger first.
    """

    kind: str
    about: tuple[UUID, ...]
    score: float
    sides: tuple[Side, ...]
    facts: Facts = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The same for the same, in whatever order it was found."""
        ids = "".join(sorted(each.hex for each in self.about))
        return f"{self.kind}:{hashlib.sha256(ids.encode()).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one report came to.

    Attributes:
        findings: What matters most first.
        summary: Numbers of the whole, as JSON.
    """

    findings: tuple[Finding, ...] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def ranked(cls, findings: Sequence[Finding], **summary: Any) -> "Outcome":
        """Sort findings by their score, and count them by their kinds."""
        best = sorted(findings, key=lambda each: (-each.score, each.key))
        kinds: dict[str, int] = {}
        for each in best:
            kinds[each.kind] = kinds.get(each.kind, 0) + 1
        return cls(tuple(best[:MOST_FINDINGS]), {"kinds": kinds, **summary})


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _id(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)
