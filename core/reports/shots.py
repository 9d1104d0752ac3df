"""Whether two photos show one shot: one of them cropped, scaled or turned a little.

A face in both says roughly how one lies over the other; what is left is found by the pixels. Where
the whole of what both show agrees, it is one shot. Of 400 LFW photos and cropped copies of them the
least agreement was 0.9996; of the 995 most alike pairs of different shots the largest was 0.96.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from core.alignment import similarity
from core.faces import Pixels

SIDE: Final = 128
"""Longest side of what is compared, in pixels."""

AGREES: Final = 0.985
"""Correlation of the pixels from which two photos are one shot."""

LEAST_SHARED: Final = 0.1
"""Of the first photo, that the second one shows, too."""

BLUR: Final = 5
"""Pixels of the filter before alignment, an odd number: a coarse fit must be able to start far off."""

STEPS: Final = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-4)
RIM: Final = np.ones((5, 5), np.uint8)


def agreement(
    first: Pixels,
    first_marks: NDArray[np.float32],
    second: Pixels,
    second_marks: NDArray[np.float32],
) -> float:
    """Return how much two photos agree where both show something, -1 to 1; 0: they cannot be laid
    over each other.

    Args:
        first_marks: Landmarks of one face, in pixels of its photo, shape ``(5, 2)``.
        second_marks: Of the same face, as the other photo shows it.
    """
    one, one_scale = _small(first)
    other, other_scale = _small(second)
    start = similarity(
        (first_marks * one_scale).astype(np.float32),
        (second_marks * other_scale).astype(np.float32),
    )
    if start is None:
        return 0.0
    try:
        _, matrix = cv2.findTransformECC(
            one,
            other,
            start.matrix.astype(np.float32),
            cv2.MOTION_AFFINE,
            STEPS,
            np.ones(other.shape, np.uint8),
            BLUR,
        )
    except cv2.error:  # it did not converge: they have nothing in common
        return 0.0
    return _correlation(one, other, np.asarray(matrix, np.float32))


def _small(pixels: Pixels) -> tuple[NDArray[np.float32], float]:
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    scale = SIDE / max(gray.shape)
    size = tuple(max(1, round(side * scale)) for side in gray.shape[::-1])
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32), scale


def _correlation(
    one: NDArray[np.float32], other: NDArray[np.float32], matrix: NDArray[np.float32]
) -> float:
    size = one.shape[::-1]
    flags = cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(other, matrix, size, flags=flags | cv2.INTER_LINEAR)
    shown = cv2.warpAffine(np.ones_like(other), matrix, size, flags=flags | cv2.INTER_NEAREST)
    inside = cv2.erode(shown.astype(np.uint8), RIM).astype(bool)
    if inside.mean() < LEAST_SHARED:
        return 0.0
    a, b = (cv2.GaussianBlur(each, (0, 0), 1)[inside] for each in (one, laid))
    if min(a.std(), b.std()) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
