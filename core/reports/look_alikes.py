"""Look-alikes: different people with faces above the threshold, or near it, and what would part them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from core import neighbours
from core.reports.finding import Finding, Outcome
from core.reports.material import Material
from core.reports.scale import UNSURE
from core.reports.two_names import sides_of

NAME: Final = "look-alikes"

NEAREST_PEOPLE: Final = 10
"""Others whose mean face is nearest to somebody's, who are compared with them face by face. Somebody of
many photos has no stranger among the nearest faces of any."""

ABOVE: Final = 1e-4
"""What a threshold must be above the best cosine of a pair, to part it: more than half precision rounds."""


def make(material: Material) -> Outcome:
    """Find the pairs of people who look most alike."""
    threshold = material.collection.threshold
    near = 1 - UNSURE * (1 - threshold)
    members = _settled(material)
    findings = []
    for first, second in sorted(_candidates(material, members, near)):
        material.pause()
        cosines = material.cosines(members[first], members[second])
        if cosines.max() >= near:
            findings.append(_finding(material, members, first, second, cosines))
    return Outcome.ranked(findings, threshold=threshold, near=near, people=len(material.people))


def _settled(material: Material) -> list[NDArray[np.int64]]:
    """Return the faces of each person without those that may have the wrong name."""
    strays = np.array(sorted(material.homes.strays), np.int64)
    return [faces[~np.isin(faces, strays)] for faces in material.members]


def _candidates(
    material: Material, members: list[NDArray[np.int64]], near: float
) -> set[tuple[int, int]]:
    """Return pairs of people who may be alike, the smaller number first."""
    first, second, _ = material.edges.pairs(near)
    a, b = material.owners[first], material.owners[second]
    found = {
        (min(pair), max(pair))
        for pair in zip(a.tolist(), b.tolist(), strict=True)
        if min(pair) >= 0 and pair[0] != pair[1]
    }
    present = [person for person, faces in enumerate(members) if len(faces)]
    if len(present) > 1:
        means = np.stack([material.unit(members[each]).mean(axis=0) for each in present])
        nearest = neighbours.nearest(
            means.astype(np.float16), np.arange(len(present)), min(NEAREST_PEOPLE, len(present) - 1)
        )
        for person, others in zip(present, nearest.rows.tolist(), strict=True):
            found |= {
                (min(person, present[other]), max(person, present[other])) for other in others
            }
    return {pair for pair in found if len(members[pair[0]]) and len(members[pair[1]])}


def _finding(
    material: Material,
    members: list[NDArray[np.int64]],
    first: int,
    second: int,
    cosines: NDArray[np.float32],
) -> Finding:
    parting = min(1.0, float(cosines.max()) + ABOVE)
    threshold = material.collection.threshold
    return Finding(
        kind="above" if cosines.max() >= threshold else "near",
        about=tuple(material.people[each].id for each in (first, second)),
        score=float(cosines.max()),
        sides=sides_of(material, first, second),
        facts={
            "best_cosine": float(cosines.max()),
            "mean_cosine": float(cosines.mean()),
            "pairs_above": int((cosines >= threshold).sum()),
            "pairs": int(cosines.size),
            "parting_threshold": parting,
            "own_pairs_lost": _lost(material, [members[first], members[second]], parting),
            "maybe_one_person": int(_maybe_one(material, first, second)),
        },
    )


def _lost(material: Material, people: list[NDArray[np.int64]], threshold: float) -> float | None:
    """Return the share of two people's own pairs that a threshold would part; None: there are none."""
    own = [material.cosines(faces, faces)[np.triu_indices(len(faces), 1)] for faces in people]
    cosines = np.concatenate(own)
    return float((cosines < threshold).mean()) if len(cosines) else None


def _maybe_one(material: Material, first: int, second: int) -> bool:
    """Say whether two people may be one, who has two names."""
    second_names = material.homes.second
    return any(
        person in second_names and second_names[person][1] == other
        for person, other in ((first, second), (second, first))
    )
