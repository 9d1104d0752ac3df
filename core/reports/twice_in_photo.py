"""The same person twice in one photo: two faces of one name, or two that look like one person."""

from collections import defaultdict
from typing import Final

import numpy as np

from core.reports.finding import Finding, Outcome, Side
from core.reports.material import Material

NAME: Final = "twice-in-photo"


def make(material: Material) -> Outcome:
    """Find pairs of faces in one photo, those with one name first."""
    findings = []
    for image in _crowded(material):
        for place, first in enumerate(image):
            for second in image[place + 1 :]:
                found = _pair(material, int(first), int(second))
                if found is not None:
                    findings.append(found)
    return Outcome.ranked(findings, images=len(np.unique(material.images)))


def _crowded(material: Material) -> list[list[int]]:
    """Return the faces of photos with two of one name, or two that are near neighbours."""
    first, second, _ = material.edges.pairs(material.collection.threshold)
    alike = set(material.images[first[material.images[first] == material.images[second]]].tolist())
    named: defaultdict[tuple[int, int], int] = defaultdict(int)
    pairs = zip(material.images.tolist(), material.owners.tolist(), strict=True)
    for image, owner in pairs:
        if owner >= 0:
            named[image, owner] += 1
    wanted = alike | {image for (image, _), count in named.items() if count > 1}
    faces: defaultdict[int, list[int]] = defaultdict(list)
    for face in np.flatnonzero(np.isin(material.images, list(wanted))).tolist():
        faces[int(material.images[face])].append(face)
    return [faces[image] for image in sorted(faces)]


def _pair(material: Material, first: int, second: int) -> Finding | None:
    """Return two faces of one photo if they have one name or look like one person."""
    owners = [int(material.owners[face]) for face in (first, second)]
    one_name = owners[0] == owners[1] and owners[0] >= 0
    cosine = float(material.cosines(np.array([first]), np.array([second]))[0, 0])
    threshold = material.collection.threshold
    if (not one_name and cosine < threshold) or material.apart.is_pair_decided(first, second):
        return None
    image = material.image(first)
    return Finding(
        kind="one_name" if one_name else "alike",
        about=(material.face(first), material.face(second)),
        # Of one name the least alike are the most likely error, and come first.
        score=2 - cosine if one_name else cosine,
        sides=tuple(
            Side((material.face(face),), 1, person_id=material.person(owner), image_id=image)
            for face, owner in zip((first, second), owners, strict=True)
        ),
        facts={"cosine": cosine, "threshold": threshold},
    )
