"""What the detectors share: fitting a photo into the input, and dropping boxes found twice."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from core.faces import DetectedFace, Pixels

STRIDE = 32
"""The detectors halve their input five times, so that its sides are multiples of this."""


PART = 0.8
"""Share of its area inside a better box from which a box is a part of that face."""

MUCH_LARGER = 2.0
"""Ratio of areas from which two boxes, one in the other, are not of the same thing: boxes that two
runs give one face differ by a few per cent, a part of a close-up has a half of the face or less."""


def round_up(pixels: int) -> int:
    """Return the next multiple of the stride."""
    return math.ceil(pixels / STRIDE) * STRIDE


def resized(image: Pixels, height: int, width: int) -> Pixels:
    """Scale to this size, bilinear as the detectors were trained."""
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(cv2.resize(image, (width, height)), dtype=np.uint8)


def padded(image: Pixels, height: int, width: int) -> Pixels:
    """Put the image into the top left corner of a black one."""
    canvas = np.zeros((height, width, 3), dtype=np.uint8)
    canvas[: image.shape[0], : image.shape[1]] = image
    return canvas


def suppress(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], overlap: float, *, extra: float = 0
) -> list[int]:
    """Non-maximum suppression; returns which boxes stay, best score first.

    Args:
        boxes: ``(n, 4)``: left, top, right, bottom.
        overlap: Intersection over union above which the weaker box is dropped.
        extra: Added to each width and height; 1 where box ends are taken as inclusive.
    """
    left, top, right, bottom = boxes.T
    areas = (right - left + extra) * (bottom - top + extra)
    order = np.argsort(-scores, kind="stable")
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        common = _common(boxes[best], boxes[rest], extra)
        order = rest[common / (areas[best] + areas[rest] - common) <= overlap]
    return kept


def _common(
    box: NDArray[np.float32], others: NDArray[np.float32], extra: float = 0
) -> NDArray[np.float32]:
    """Return the areas ``(n,)`` that *box* shares with each of *others*."""
    right_bottom = np.minimum(box[2:], others[:, 2:])
    sides = np.maximum(0, right_bottom - np.maximum(box[:2], others[:, :2]) + extra)
    areas: NDArray[np.float32] = sides[:, 0] * sides[:, 1]
    return areas


class Candidates(NamedTuple):
    """What one run found, in pixels of the image.

    Attributes:
        boxes: ``(n, 4)``: left, top, right, bottom.
        points: ``(n, 5, 2)``.
        scores: ``(n,)``.
    """

    boxes: NDArray[np.float32]
    points: NDArray[np.float32]
    scores: NDArray[np.float32]


def passes(sides: Sequence[int], enough: int) -> list[int]:
    """Choose the runs for a photo: the coarse sides, and one that is no finer than is of use.

    Args:
        sides: Ascending; the last is the finest that may be.
        enough: Side of which a finer one would see nothing more in this photo.
    """
    finest = min(sides[-1], round_up(enough))
    return [*(side for side in sides[:-1] if side < finest), finest]


def square(sides: Sequence[int], side: int) -> int:
    """Return which of a few squares an input is filled up to, where each new shape costs time."""
    return min((each for each in (*sides, round_up(sides[-1] // 2)) if each >= side), default=side)


def together(shapes: Sequence[tuple[int, ...]], most: int) -> list[list[int]]:
    """Group the numbers of inputs that can go in one run: those of one shape, *most* at a time."""
    groups: list[list[int]] = []
    filling: dict[tuple[int, ...], list[int]] = {}
    for number, shape in enumerate(shapes):
        if len(filling.get(shape, [])) in (0, most):
            filling[shape] = []
            groups.append(filling[shape])
        filling[shape].append(number)
    return groups


def merged(runs: Sequence[Candidates], overlap: float, *, extra: float = 0) -> list[DetectedFace]:
    """Bundle the candidates of all runs, the coarsest first, into faces, best score first.

    A coarser run only adds what the finer ones did not find: it knows the landmarks less well. But
    of a face too large for it, a finer run sees a part and gives that a lower score.
    """
    runs = [
        _without_parts(run, [_alone(each, overlap) for each in runs[:place]])
        for place, run in enumerate(runs)
    ]
    found = Candidates(*(np.concatenate(part) for part in zip(*runs, strict=True)))
    fineness = np.repeat(np.arange(len(runs)), [len(run.scores) for run in runs])
    kept = suppress(found.boxes, fineness + found.scores, overlap, extra=extra)
    kept.sort(key=lambda index: -found.scores[index])
    return [
        DetectedFace(tuple(map(float, found.boxes[i])), found.points[i], float(found.scores[i]))  # type: ignore[arg-type]
        for i in whole(found.boxes, kept)
    ]


def _alone(run: Candidates, overlap: float) -> Candidates:
    kept = suppress(run.boxes, run.scores, overlap)
    return Candidates(run.boxes[kept], run.points[kept], run.scores[kept])


def _without_parts(fine: Candidates, coarser: Sequence[Candidates]) -> Candidates:
    """Drop what lies almost wholly in a better and much larger box of a coarser run."""
    keep = np.ones(len(fine.scores), dtype=bool)
    sides = fine.boxes[:, 2:] - fine.boxes[:, :2]
    area = sides.prod(axis=1)
    for coarse in coarser:
        for box, score in zip(coarse.boxes, coarse.scores, strict=True):
            inside = _common(box, fine.boxes) > PART * area
            larger = (box[2:] - box[:2]).prod() > MUCH_LARGER * area
            keep &= ~(inside & larger & (fine.scores < score))
    return Candidates(fine.boxes[keep], fine.points[keep], fine.scores[keep])


def whole(boxes: NDArray[np.float32], ranked: Sequence[int]) -> list[int]:
    """Drop boxes that lie almost wholly in one ranked before: an eye of a close-up, say.

    Where one face covers another so far, the other's landmarks are guesses anyway.
    """
    kept: list[int] = []
    for index in ranked:
        left, top, right, bottom = boxes[index]
        inside = _common(boxes[index], boxes[kept])
        if not (inside > PART * (right - left) * (bottom - top)).any():
            kept.append(index)
    return kept
