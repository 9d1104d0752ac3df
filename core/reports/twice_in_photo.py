"""The same person twice in one photo: two faces of one name, or two that look like one person."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nlargest
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.reports import grouping
from core.reports.finding import MOST_FINDINGS, Finding, Outcome, Side
from core.reports.material import Material

NAME: Final = "twice-in-photo"


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two faces of one photo, of one name or alike."""

    first: int
    second: int
    cosine: float
    one_name: bool

    @property
    def kind(self) -> str:
        return "one_name" if self.one_name else "alike"

    @property
    def score(self) -> float:
        """Of one name the least alike are the most likely error, and come first."""
        return 2 - self.cosine if self.one_name else self.cosine


def make(material: Material) -> Outcome:
    """Find pairs of faces in one photo, those with one name first."""
    photos = int(material.images.max(initial=-1)) + 1
    pairs = [
        pair
        for faces in grouping.places(material.images, photos)
        if len(faces) > 1
        for pair in _pairs(material, faces)
    ]
    best = nlargest(MOST_FINDINGS, pairs, key=lambda pair: pair.score)
    return Outcome.ranked(
        [_finding(material, pair) for pair in best],
        kinds=dict(Counter(pair.kind for pair in pairs)),
        images=photos,
    )


def _pairs(material: Material, faces: NDArray[np.int64]) -> Iterator[_Pair]:
    """Yield the pairs of faces of one photo that nobody decided about."""
    material.pause()
    cosines = material.cosines(faces, faces)
    owners = material.owners[faces]
    one_name = (owners[:, None] == owners[None, :]) & (owners >= 0)
    asked = one_name | (cosines >= material.collection.threshold)
    asked &= ~material.apart.decided(faces)
    for a, b in np.argwhere(np.triu(asked, 1)).tolist():
        yield _Pair(int(faces[a]), int(faces[b]), float(cosines[a, b]), bool(one_name[a, b]))


def _finding(material: Material, pair: _Pair) -> Finding:
    image = material.image(pair.first)
    ids = [material.face(face) for face in (pair.first, pair.second)]
    owners = [material.person(int(material.owners[face])) for face in (pair.first, pair.second)]
    return Finding(
        kind=pair.kind,
        about=tuple(ids),
        score=pair.score,
        sides=tuple(
            Side((face,), 1, person_id=owner, image_id=image)
            for face, owner in zip(ids, owners, strict=True)
        ),
        facts={"cosine": pair.cosine, "threshold": material.collection.threshold},
    )
