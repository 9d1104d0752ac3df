"""What one person is searched by: one vector or several, chosen from their faces or fused."""

import base64
from collections.abc import Sequence
from enum import StrEnum
from statistics import fmean
from typing import Annotated, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator

from core.errors import BadEmbedding
from core.faces import SHORTEST_USABLE, Embedding


def _packed(probes: NDArray[np.float32]) -> list[str]:
    # Half precision is what the database compares with, so nothing is lost.
    return [base64.b64encode(each.astype("<f2").tobytes()).decode() for each in probes]


def _unpacked(packed: Any) -> NDArray[np.float32]:
    rows = [np.frombuffer(base64.b64decode(each), dtype="<f2") for each in packed]
    return np.stack(rows).astype(np.float32)


Probes: TypeAlias = Annotated[
    NDArray[np.float32], PlainValidator(_unpacked), PlainSerializer(_packed)
]
"""Shape ``(n, dimension)``, each row of length 1; a face is as near as the nearest row is. Pydantic
writes it as text and reads it again."""

MOST_PROBES: Final = 16
"""Rows that one search compares with. Each costs about as much as a search of its own."""


class Use(StrEnum):
    """How a person is searched with: the mean of their faces, or several that differ."""

    CENTROID = "centroid"
    FACES = "faces"


class Fuse(StrEnum):
    """How several faces of one person become one search: their mean, or the nearest of them."""

    MEAN = "mean"
    MAX = "max"


def weight(norm: float | None, quality: float | None) -> float | None:
    """Return how much a face counts in a mean; None where that is not known.

    Norms are only good for comparing faces of one recogniser, as here.
    """
    return None if norm is None or quality is None else max(norm * quality, SHORTEST_USABLE)


def fused(vectors: Sequence[Embedding], weights: Sequence[float | None], fuse: Fuse) -> Probes:
    """Make one search of several faces of one person.

    Args:
        weights: Of each in the mean, see `weight`; what is not known counts like the others on
            average.

    Raises:
        BadEmbedding: The mean has no direction: such faces are no one person's.
    """
    stacked = np.stack(vectors)
    if fuse is Fuse.MAX:
        return chosen(stacked)
    known = [each for each in weights if each is not None]
    usual = fmean(known) if known else 1.0
    shares = np.array([usual if each is None else each for each in weights], dtype=np.float64)
    mean = shares @ stacked / shares.sum()
    length = np.linalg.norm(mean)
    if length < SHORTEST_USABLE:
        raise BadEmbedding("These faces have no mean: they cannot be one person's.")
    return np.asarray((mean / length)[None], dtype=np.float32)


def chosen(vectors: Probes, most: int = MOST_PROBES) -> Probes:
    """Return up to *most* rows that stand for all of them.

    One after the other, the row is taken that brings the others nearest to one that was taken: each
    kind of picture of a person gets its row, and a single odd one (a wrong label, say) comes last,
    while taking the most distant ones would begin with it.
    """
    if len(vectors) <= most:
        return vectors
    cosines = vectors @ vectors.T
    taken = [int(cosines.sum(axis=0).argmax())]
    nearest = cosines[taken[0]]
    while len(taken) < most:
        gains = np.maximum(cosines, nearest).sum(axis=1)
        gains[taken] = -np.inf
        taken.append(int(gains.argmax()))
        nearest = np.maximum(nearest, cosines[taken[-1]])
    return np.ascontiguousarray(vectors[taken])
