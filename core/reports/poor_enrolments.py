"""Poor enrolments: people of whom there are only low-quality faces, or hardly any, and what to add."""

from dataclasses import dataclass
from typing import Final

from core.db import material as rows
from core.db.material import Enrolment
from core.reports.finding import Finding, Outcome, Side
from core.reports.material import Material

NAME: Final = "poor-enrolments"

GOOD: Final = 0.55
"""Quality from which a light on the pages is not red: of faces below it most lose their mate."""

ENOUGH: Final = 3
"""Good faces of one person, from which another one adds little: see docs/accuracy.md on galleries."""


@dataclass(frozen=True, slots=True)
class Weakness:
    """What all faces of a person are weak in.

    Attributes:
        least: What the best of them should have, of the figures of `core.faces.Quality`.
    """

    name: str
    least: float


WEAKNESSES: Final = (
    Weakness("sharpness", 0.3),
    Weakness("brightness", 0.5),
    Weakness("size", 0.4),
)
TURNED: Final = 35.0
"""Degrees to the side: the limit of the strict gate is 45."""


def make(material: Material) -> Outcome:
    """Find people who are hard to find, the hardest first."""
    enrolments = rows.enrolments(material.conn, material.collection.id, good=GOOD)
    findings = [_finding(each) for each in enrolments if each.good < ENOUGH]
    return Outcome.ranked(
        findings,
        people=len(material.people),
        with_enough=sum(each.good >= ENOUGH for each in enrolments),
        without_faces=sum(each.faces == 0 for each in enrolments),
        good_quality=GOOD,
        enough=ENOUGH,
    )


def _finding(each: Enrolment) -> Finding:
    kind = "no_faces" if not each.faces else "no_good_face" if not each.good else "few_good_faces"
    weak = (
        []
        if each.good
        else [
            weakness.name
            for weakness in WEAKNESSES
            if each.faces and getattr(each, f"best_{weakness.name}") < weakness.least
        ]
    )
    if each.faces and not each.good and each.least_turn > TURNED:
        weak.append("pose")
    rank = {"no_faces": 3, "no_good_face": 2, "few_good_faces": 1}[kind]
    return Finding(
        kind=kind,
        about=(each.person_id,),
        score=rank + (1 - each.best_quality) / (1 + each.good),
        sides=(Side.of(each.best_faces, person_id=each.person_id),),
        facts={
            "faces": each.faces,
            "good_faces": each.good,
            "best_quality": each.best_quality if each.faces else None,
            "weak_in": ", ".join(weak) or None,
            "missing": max(0, ENOUGH - each.good),
        },
    )
