"""Look-alikes: different people with faces above the threshold, or near it, and what would part them."""

from collections.abc import Iterator
from heapq import nlargest
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core import neighbours
from core.reports.finding import MOST_FINDINGS, Finding, Outcome
from core.reports.material import Material
from core.reports.scale import UNSURE
from core.reports.two_names import sides_of

NAME: Final = "look-alikes"

NEAREST_PEOPLE: Final = 10
"""Others whose mean face is nearest to somebody's, who are compared with them face by face. Somebody of
many photos has no stranger among the nearest faces of any."""

ABOVE: Final = 1e-4
"""What a threshold must be above the best cosine of a pair, to part it: more than half precision rounds."""


MOST_OWN: Final = 2000
"""Faces of one person whose pairs are counted to tell what a threshold would part."""


def make(material: Material) -> Outcome:
    """Find the pairs of people who look most alike."""
    threshold = material.collection.threshold
    near = 1 - UNSURE * (1 - threshold)
    members = _settled(material)
    found = {pair: best for pair, best in _compared(material, members, near) if best >= near}
    most = nlargest(MOST_FINDINGS, found, key=lambda pair: found[pair])
    above = sum(best >= threshold for best in found.values())
    kinds = {"above": above, "near": len(found) - above}
    return Outcome.ranked(
        [_finding(material, members, *pair) for pair in most],
        kinds={kind: count for kind, count in kinds.items() if count},
        threshold=threshold,
        near=near,
        people=len(material.people),
    )


def _settled(material: Material) -> list[NDArray[np.int64]]:
    """Return the faces of each person without those that may have the wrong name."""
    stays = np.ones(len(material.owners), np.bool_)
    stays[list(material.homes.strays)] = False
    return [faces[stays[faces]] for faces in material.members]


def _compared(
    material: Material, members: list[NDArray[np.int64]], near: float
) -> Iterator[tuple[tuple[int, int], float]]:
    """Yield pairs of people who may be alike, the smaller number first, and their best cosine."""
    pairs = _candidates(material, members, near)
    bounds = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1, append=-1))
    for start, end in pairwise(bounds.tolist()):
        first, others = int(pairs[start, 0]), pairs[start:end, 1].tolist()
        faces = [members[other] for other in others]
        starts = np.cumsum([0, *map(len, faces[:-1])])
        best = material.best(members[first], np.concatenate(faces))[1]
        for other, cosine in zip(others, np.maximum.reduceat(best, starts).tolist(), strict=True):
            yield (first, other), cosine


def _candidates(
    material: Material, members: list[NDArray[np.int64]], near: float
) -> NDArray[np.int64]:
    """Return pairs of people who may be alike, ascending, the smaller number first, shape ``(n, 2)``."""
    first, second, _ = material.edges.pairs(near)
    known = np.stack([material.owners[first], material.owners[second]], axis=1)
    sizes = np.array([len(faces) for faces in members], np.int64)
    present = np.flatnonzero(sizes)
    pairs = np.sort(np.concatenate([known, _nearest_people(material, members, present)]), axis=1)
    pairs = pairs[(pairs[:, 0] >= 0) & (pairs[:, 0] != pairs[:, 1])]
    return np.unique(pairs[(sizes[pairs] > 0).all(axis=1)], axis=0)


def _nearest_people(
    material: Material, members: list[NDArray[np.int64]], present: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return pairs of people whose mean faces are nearest to each other, shape ``(n, 2)``."""
    count = min(NEAREST_PEOPLE, len(present) - 1)
    if count < 1:
        return np.empty((0, 2), np.int64)
    means = np.stack([material.unit(members[each]).mean(axis=0) for each in present])
    nearest = neighbours.nearest(
        means.astype(np.float16),
        np.arange(len(present)),
        count,
        progress=lambda _: material.pause(),
    )
    return np.stack([present.repeat(count), present[nearest.rows.ravel()]], axis=1)


def _finding(
    material: Material, members: list[NDArray[np.int64]], first: int, second: int
) -> Finding:
    threshold = material.collection.threshold
    best, total, above = -1.0, 0.0, 0
    for _, cosines in material.blocks(members[first], members[second]):
        best = max(best, float(cosines.max()))
        total += float(cosines.sum(dtype=np.float64))
        above += int((cosines >= threshold).sum())
    pairs = len(members[first]) * len(members[second])
    parting = min(1.0, best + ABOVE)
    return Finding(
        kind="above" if best >= threshold else "near",
        about=tuple(material.people[each].id for each in (first, second)),
        score=best,
        sides=sides_of(material, first, second),
        facts={
            "best_cosine": best,
            "mean_cosine": total / pairs,
            "pairs_above": above,
            "pairs": pairs,
            "parting_threshold": parting,
            "own_pairs_lost": _lost(material, [members[first], members[second]], parting),
            "maybe_one_person": int(_maybe_one(material, first, second)),
        },
    )


def _lost(material: Material, people: list[NDArray[np.int64]], threshold: float) -> float | None:
    """Return the share of two people's own pairs that a threshold would part; None: there are none."""
    some = [faces[:: max(1, -(-len(faces) // MOST_OWN))] for faces in people]
    own = [material.cosines(faces, faces)[np.triu_indices(len(faces), 1)] for faces in some]
    cosines = np.concatenate(own)
    return float((cosines < threshold).mean()) if len(cosines) else None


def _maybe_one(material: Material, first: int, second: int) -> bool:
    """Say whether two people may be one, who has two names."""
    second_names = material.homes.second
    return any(
        person in second_names and second_names[person][1] == other
        for person, other in ((first, second), (second, first))
    )
