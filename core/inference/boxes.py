"""What the detectors share: fitting a photo into the input, and dropping boxes found twice."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from core.faces import DetectedFace, Pixels

STRIDE = 32
"""The detectors halve their input five times, so that its sides are multiples of this."""


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
        width = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest]) + extra
        height = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest]) + extra
        common = np.maximum(0, width) * np.maximum(0, height)
        order = rest[common / (areas[best] + areas[rest] - common) <= overlap]
    return kept


def faces(
    boxes: NDArray[np.float32], landmarks: NDArray[np.float32], scores: NDArray[np.float32]
) -> list[DetectedFace]:
    """Bundle ``(n, 4)`` boxes, ``(n, 5, 2)`` landmarks and ``(n,)`` scores."""
    return [
        DetectedFace(
            (float(box[0]), float(box[1]), float(box[2]), float(box[3])), points, float(score)
        )
        for box, points, score in zip(boxes, landmarks, scores, strict=True)
    ]
