"""Duplicates: the same bytes in another collection, the same picture, and the same shot."""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core import picture_hash
from core.db import images as image_rows
from core.db import material as rows
from core.reports import shots
from core.reports.finding import Facts, Finding, Outcome, Side
from core.reports.material import Material
from core.reports.scale import LIKE_A_SHOT, SAME_SHOT
from core.stored_pictures import read_small

NAME: Final = "duplicates"

MOST_COMPARED: Final = 5000
"""Pairs of photos whose pixels are compared, the most alike faces first: each takes some 20 ms."""

AT_ONCE: Final = 200
"""Pairs whose pictures are read at once."""


def make(material: Material) -> Outcome:
    """Find photos that are there more than once."""
    same = list(_same_bytes(material))
    pictures, pairs = _same_picture(material)
    shots_found, not_compared = _same_shot(material, pairs)
    return Outcome.ranked(
        [*same, *pictures, *shots_found],
        images=material.collection.image_count,
        not_compared=not_compared,
    )


def _same_bytes(material: Material) -> Iterator[Finding]:
    """Yield the photos that another collection has, too; within one there are none."""
    for each in image_rows.same_bytes(material.conn, material.collection.id):
        yield _finding("same_bytes", 3.0, [(each.image_id, ()), (each.other_image_id, ())], {})


def _same_picture(material: Material) -> tuple[list[Finding], set[tuple[UUID, UUID]]]:
    """Return photos that were encoded or scaled anew, and their pairs of ids.

    Pictures of one colour have a hash without a bit: whether they are one picture it cannot say.
    """
    found = image_rows.picture_hashes(material.conn, material.collection.id)
    patterned = np.flatnonzero(found.hashes.any(axis=1))
    first, second, bits = picture_hash.near_pairs(found.hashes[patterned])
    pairs = [
        (found.image_id(int(patterned[a])), found.image_id(int(patterned[b])))
        for a, b in zip(first.tolist(), second.tolist(), strict=True)
    ]
    faces = _faces_of(material)
    findings = [
        _finding(
            "same_picture",
            3 - count / 256,
            [(each, faces.get(each, ())) for each in pair],
            {"different_bits": count, "limit": picture_hash.LIMIT},
        )
        for pair, count in zip(pairs, bits.tolist(), strict=True)
    ]
    return findings, {_ordered(pair) for pair in pairs}


def _faces_of(material: Material) -> dict[UUID, tuple[UUID, ...]]:
    """Return a face of each photo that has any, the best one."""
    order = np.lexsort((-material.faces.quality, material.images))
    firsts = order[np.unique(material.images[order], return_index=True)[1]]
    return {material.image(face): (material.face(face),) for face in firsts.tolist()}


def _same_shot(material: Material, known: set[tuple[UUID, UUID]]) -> tuple[list[Finding], int]:
    """Return photos with near-identical faces that are one shot, and how many pairs were not looked at."""
    candidates = list(_alike(material, known))
    findings = []
    compared = candidates[:MOST_COMPARED]
    for start in range(0, len(compared), AT_ONCE):
        material.pause()
        some = compared[start : start + AT_ONCE]
        places = rows.places(
            material.conn,
            material.collection.id,
            sorted({material.face(face) for a, b, _ in some for face in (a, b)}),
        )
        for first, second, cosine in some:
            found = _shot(material, places, first, second, cosine)
            if found is not None:
                findings.append(found)
    return findings, len(candidates) - len(compared)


def _alike(material: Material, known: set[tuple[UUID, UUID]]) -> Iterator[tuple[int, int, float]]:
    """Yield the most alike faces of each two photos that may be one shot, the most alike first."""
    first, second, cosines = material.edges.pairs(material.scale.cosine(LIKE_A_SHOT))
    seen: set[tuple[UUID, UUID]] = set()
    for place in np.argsort(-cosines, kind="stable").tolist():
        a, b = int(first[place]), int(second[place])
        pair = _ordered((material.image(a), material.image(b)))
        if pair[0] != pair[1] and pair not in known and pair not in seen:
            seen.add(pair)
            yield a, b, float(cosines[place])


def _shot(
    material: Material,
    places: dict[UUID, rows.PlaceRow],
    first: int,
    second: int,
    cosine: float,
) -> Finding | None:
    """Return two photos as one shot if their pixels agree, or their faces alone say so."""
    ids = [material.face(face) for face in (first, second)]
    if any(each not in places for each in ids):
        return None  # deleted since
    one, other = (places[each] for each in ids)
    agreement = _agreement(material, one, other)
    facts: Facts = {"cosine": cosine, "agreement": agreement, "limit": shots.AGREES}
    sides = [(one.image_id, (ids[0],)), (other.image_id, (ids[1],))]
    if agreement is not None and agreement >= shots.AGREES:
        return _finding("same_shot", 1 + agreement, sides, facts)
    if cosine >= material.scale.cosine(SAME_SHOT):
        return _finding("identical_faces", cosine, sides, facts)
    return None


def _agreement(material: Material, one: rows.PlaceRow, other: rows.PlaceRow) -> float | None:
    """Return how much two photos of one face agree; None: not both of them are kept."""
    blobs = material.services.blobs
    first = read_small(blobs, one.sha256, one.kept)
    second = read_small(blobs, other.sha256, other.kept)
    if first is None or second is None:
        return None
    return shots.agreement(first, _marks(one, first), second, _marks(other, second))


def _marks(place: rows.PlaceRow, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the landmarks of a face in pixels of a small picture of its photo."""
    scale = picture.shape[1] / place.width, picture.shape[0] / place.height
    marks = np.array(place.landmarks, np.float32).reshape(5, 2)
    return np.asarray(marks * scale, np.float32)


def _finding(
    kind: str,
    score: float,
    sides: Sequence[tuple[UUID, tuple[UUID, ...]]],
    facts: Facts,
) -> Finding:
    return Finding(
        kind=kind,
        about=tuple(image for image, _ in sides),
        score=score,
        sides=tuple(Side(faces, len(faces), image_id=image) for image, faces in sides),
        facts=facts,
    )


def _ordered(pair: tuple[UUID, UUID]) -> tuple[UUID, UUID]:
    return min(pair), max(pair)
