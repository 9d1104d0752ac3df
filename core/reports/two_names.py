"""One person under two names: people whose faces are mostly where somebody else is at home."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.reports.finding import Finding, Outcome, Side
from core.reports.material import Material

NAME: Final = "two-names"

FALSE_ALARMS: Final = 1.0
"""Pairs of strangers, in the whole collection, that a pair's faces may be as alike as by chance."""


def make(material: Material) -> Outcome:
    """Find people to be merged, those who are most alike first."""
    people = len(material.people)
    rate = FALSE_ALARMS / max(1, people * (people - 1) / 2)
    findings = []
    for person, (group, owner) in material.homes.second.items():
        if (min(person, owner), max(person, owner)) in material.apart.people_apart:
            continue
        members = material.members[person], material.members[owner]
        cosines = material.cosines(*(some[material.clusters[some] == group] for some in members))
        least = material.scale.rare_between(rate, *cosines.shape)
        if cosines.mean() >= least:
            findings.append(_finding(material, person, owner, float(cosines.mean()), least))
    return Outcome.ranked(findings, people=people)


def _finding(material: Material, person: int, owner: int, mean: float, least: float) -> Finding:
    ids = [material.people[each].id for each in (owner, person)]
    return Finding(
        kind="one_person",
        about=tuple(ids),
        score=mean,
        sides=sides_of(material, owner, person),
        facts={
            "mean_cosine": mean,
            "best_cosine": float(_best(material, owner, person)[0].max()),
            "least_cosine": least,
        },
    )


def sides_of(material: Material, first: int, second: int) -> tuple[Side, Side]:
    """Return the faces of two people, those first that are most like one of the other's."""
    faces = material.members[first], material.members[second]
    one, other = (
        material.side(some[np.argsort(-best)], person)
        for some, best, person in zip(
            faces, _best(material, first, second), (first, second), strict=True
        )
    )
    return one, other


def _best(
    material: Material, first: int, second: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return material.best(material.members[first], material.members[second])
