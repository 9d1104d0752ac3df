"""Wrong labels: faces that are nearer to another person than to their own, and faces that are like
none of their person's others.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import Final
from uuid import UUID

import numpy as np

from core.reports.finding import Finding, Outcome, Side
from core.reports.material import Material

NAME: Final = "wrong-labels"

STRANGE: Final = 0.05
"""Share of strangers who are as alike as an outlier and its person's other faces, at least. With a weak recogniser
many mates are no more alike than one stranger in a hundred."""

LEAST_OTHERS: Final = 2
"""Faces that an outlier is unlike: of two faces that differ, either may be the wrong one."""


def make(material: Material) -> Outcome:
    """Find faces with a wrong name, the surest first."""
    findings = []
    for face, owner in material.homes.strays.items():
        found = _elsewhere(material, face, owner) if owner >= 0 else _like_nobody(material, face)
        if found is not None:
            findings.append(found)
    return Outcome.ranked(findings, named_faces=int((material.owners >= 0).sum()))


def _elsewhere(material: Material, face: int, owner: int) -> Finding | None:
    """Return a face that belongs to somebody else."""
    person = int(material.owners[face])
    if _is_settled(material, face, owner) or len(material.members[person]) == 1:
        return None
    own, other = _to_others(material, face, person), _to_others(material, face, owner)
    if fmean(other) <= fmean(own):
        return None
    return somebody_else(
        material.people[owner].id,
        sides=(
            _side(material, face),
            _others(material, face, owner),
            _others(material, face, person),
        ),
        own=own,
        other=other,
    )


def somebody_else(
    person: UUID, *, sides: tuple[Side, Side, Side], own: Sequence[float], other: Sequence[float]
) -> Finding:
    """Return the finding that a face is nearer to another person than to its own.

    Args:
        person: The other one.
        sides: The face, that person's, and the other faces of its own.
        own: The cosines to its person's, the `nearer_half` of them.
        other: The same to that person's.
    """
    return Finding(
        kind="somebody_else",
        about=(sides[0].faces[0], person),
        score=fmean(other) - fmean(own),
        sides=sides,
        facts={
            "own_mean": fmean(own),
            "own_best": own[0],
            "other_mean": fmean(other),
            "other_best": other[0],
        },
    )


def nearer_half(cosines: list[float]) -> list[float]:
    """Return the larger half of cosines, largest first as they are given: some of somebody's faces may
    have the wrong name.
    """
    return cosines[: (len(cosines) + 1) // 2]


def _is_settled(material: Material, face: int, owner: int) -> bool:
    """Say whether a person looked at this face before, and left it where it is."""
    return (face, owner) in material.apart.not_people or face in material.apart.sure


def _like_nobody(material: Material, face: int) -> Finding | None:
    """Return a face that is like none of its person's others, and no other person's."""
    person = int(material.owners[face])
    own = _to_others(material, face, person)
    limit = material.scale.rare(STRANGE)
    if len(own) < LEAST_OTHERS or fmean(own) >= limit or face in material.apart.sure:
        return None
    return Finding(
        kind="outlier",
        about=(material.face(face), material.people[person].id),
        score=limit - fmean(own),
        sides=(_side(material, face), _others(material, face, person)),
        facts={
            "own_mean": fmean(own),
            "own_best": own[0],
            "stranger_cosine": limit,
        },
    )


def _to_others(material: Material, face: int, person: int) -> list[float]:
    """Return the cosines of a face to the others of a person, the nearer half of them."""
    others = material.members[person]
    cosines = np.sort(material.cosines(np.array([face]), others[others != face])[0])[::-1]
    return nearer_half(cosines.tolist())


def _side(material: Material, face: int) -> Side:
    owner = material.person(int(material.owners[face]))
    return Side((material.face(face),), 1, person_id=owner)


def _others(material: Material, face: int, person: int) -> Side:
    """Return the other faces of a person, those first that are most like *face*."""
    others = material.members[person]
    others = others[others != face]
    order = np.argsort(-material.cosines(np.array([face]), others)[0])
    return material.side(others[order], person)
