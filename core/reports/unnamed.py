"""Groups of unnamed faces that look like one person, and who that may be."""

from typing import Final
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray

from core.db import collections as collection_rows
from core.db import faces as face_rows
from core.db.binary import uuid_of
from core.reports import grouping
from core.reports.finding import Finding, Outcome
from core.reports.material import NOBODY, Material

NAME: Final = "unnamed"

WRITTEN_AT_ONCE: Final = 500
"""Faces of one transaction: each is written into the search index anew."""

LEAST_FACES: Final = 2
"""Of a group that is shown without a suggestion: a face alone is no group."""


def make(material: Material) -> Outcome:
    """Find groups, the largest first; single faces only where they look like somebody who has a name."""
    findings = []
    for faces in groups(material):
        material.pause()
        found = _finding(material, faces)
        if found is not None:
            findings.append(found)
    unnamed = material.owners < 0
    return Outcome.ranked(findings, unnamed_faces=int(unnamed.sum()))


def groups(material: Material) -> list[NDArray[np.int64]]:
    """Return the unnamed faces of each cluster that has any."""
    unnamed = np.flatnonzero(material.owners < 0)
    numbers = material.clusters[unnamed]
    parts = grouping.places(numbers, int(numbers.max(initial=-1)) + 1)
    return [unnamed[part] for part in parts if len(part)]


def _finding(material: Material, faces: NDArray[np.int64]) -> Finding | None:
    suggested = _suggested(material, faces)
    if suggested is None and len(faces) < LEAST_FACES:
        return None
    units = material.unit(faces)
    middle = units.mean(axis=0)
    to_middle = units @ (middle / float(np.linalg.norm(middle)))
    order = np.lexsort((-material.faces.quality[faces], -to_middle))
    sides = [material.side(faces[order], NOBODY)]
    facts: dict[str, float | int | None] = {
        "faces": len(faces),
        "images": len(np.unique(material.images[faces])),
        "mean_to_middle": float(to_middle.mean()),
        "least_to_middle": float(to_middle.min()),
    }
    if suggested is not None:
        person, cosine = suggested
        own = material.members[person]
        sides.append(material.side(own[np.argsort(-material.best(faces, own)[1])], person))
        facts["suggested_cosine"] = cosine
    return Finding(
        kind="suggested" if suggested else "group",
        about=_about(material, faces[order]),
        score=len(faces) + (facts["mean_to_middle"] or 0),
        sides=tuple(sides),
        facts=facts,
    )


def _about(material: Material, ordered: NDArray[np.int64]) -> tuple[UUID, ...]:
    """Return what makes a group the same in the next version: its oldest face."""
    return (material.face(int(ordered.min())),)


def _suggested(material: Material, faces: NDArray[np.int64]) -> tuple[int, float] | None:
    """Return whom a group looks like, and how much; None: nobody.

    Whoever is at home in the group, else who has the nearest faces at or above the threshold, if that is
    so for the mean of the group's faces.
    """
    owner = material.homes.owner.get(int(material.clusters[faces[0]]))
    candidates = {} if owner is None else {owner: 2.0}
    near = material.edges.cosines[faces] >= material.collection.threshold
    others = material.edges.neighbours[faces][near]
    for person, cosine in zip(
        material.owners[others].tolist(), material.edges.cosines[faces][near].tolist(), strict=True
    ):
        if person >= 0:
            candidates[person] = max(candidates.get(person, -1.0), cosine)
    for person in sorted(candidates, key=lambda each: -candidates[each]):
        if any((face, person) in material.apart.not_people for face in faces.tolist()):
            continue
        mean = float(material.best(faces, material.members[person])[0].mean())
        if person == owner or mean >= material.collection.threshold:
            return person, mean
    return None


def store(material: Material) -> None:
    """Let searches group the unnamed faces as they are here; a group that was there keeps its id."""
    old = material.faces.cluster_ids
    taken: set[bytes] = set()
    changed: list[tuple[UUID, UUID | None]] = []
    for faces in sorted(groups(material), key=lambda each: (-len(each), int(each[0]))):
        wanted = b"" if len(faces) < LEAST_FACES else _id_of(old[faces], taken)
        taken.add(wanted)
        group = uuid_of(wanted) if wanted else None
        changed += [(material.face(face), group) for face in faces[old[faces] != wanted].tolist()]
    for start in range(0, len(changed), WRITTEN_AT_ONCE):
        material.pause()
        ids, cluster_ids = zip(*changed[start : start + WRITTEN_AT_ONCE], strict=True)
        with material.conn.transaction():
            collection_rows.hold(material.conn, [material.collection.id])
            face_rows.set_clusters(material.conn, material.collection.id, ids, cluster_ids)


def _id_of(before: NDArray[np.bytes_], taken: set[bytes]) -> bytes:
    """Return the id that most of a group's faces had, if no other group has it; else a new one."""
    ids, counts = np.unique(before, return_counts=True)
    for place in np.argsort(-counts, kind="stable").tolist():
        if ids[place] and bytes(ids[place]) not in taken:
            return bytes(ids[place])
    return uuid4().bytes
