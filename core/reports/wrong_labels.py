"""Wrong labels: faces that are nearer to another person than to their own, and faces that are like
none of their person's others.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

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
    if other.mean() <= own.mean():
        return None
    return Finding(
        kind="somebody_else",
        about=(material.face(face), material.people[owner].id),
        score=float(other.mean() - own.mean()),
        sides=(
            _side(material, face),
            _others(material, face, owner),
            _others(material, face, person),
        ),
        facts={
            "own_mean": float(own.mean()),
            "own_best": float(own.max()),
            "other_mean": float(other.mean()),
            "other_best": float(other.max()),
        },
    )


def _is_settled(material: Material, face: int, owner: int) -> bool:
    """Say whether a person looked at this face before, and left it where it is."""
    return (face, owner) in material.apart.not_people or face in material.apart.sure


def _like_nobody(material: Material, face: int) -> Finding | None:
    """Return a face that is like none of its person's others, and no other person's."""
    person = int(material.owners[face])
    own = _to_others(material, face, person)
    limit = material.scale.rare(STRANGE)
    if len(own) < LEAST_OTHERS or own.mean() >= limit or face in material.apart.sure:
        return None
    return Finding(
        kind="outlier",
        about=(material.face(face), material.people[person].id),
        score=float(limit - own.mean()),
        sides=(_side(material, face), _others(material, face, person)),
        facts={
            "own_mean": float(own.mean()),
            "own_best": float(own.max()),
            "stranger_cosine": limit,
        },
    )


def _to_others(material: Material, face: int, person: int) -> NDArray[np.float32]:
    """Return the cosines of a face to the others of a person, the nearer half of them.

    Half, because some of those may have the wrong name, too.
    """
    others = material.members[person]
    cosines = np.sort(material.cosines(np.array([face]), others[others != face])[0])[::-1]
    return cosines[: (len(cosines) + 1) // 2]


def _side(material: Material, face: int) -> Side:
    owner = material.person(int(material.owners[face]))
    return Side((material.face(face),), 1, person_id=owner)


def _others(material: Material, face: int, person: int) -> Side:
    """Return the other faces of a person, those first that are most like *face*."""
    others = material.members[person]
    others = others[others != face]
    order = np.argsort(-material.cosines(np.array([face]), others)[0])
    return material.side(others[order], person)
