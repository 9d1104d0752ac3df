"""Aligned crops: each face turned, scaled and moved so that its landmarks stand where the
recogniser was trained to find them.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from core.faces import Landmarks, Pixels

Matrix: TypeAlias = NDArray[np.float64]
"""Shape ``(2, 3)``: maps a column ``(x, y, 1)`` of the picture to ``(x, y)`` of the crop."""

EXTREME_SCALES: Final = (1e-4, 1e4)
"""Beyond them there is no face: five landmarks within a hundredth of a pixel, or over a width of
a million, or ones whose best fit to the template is to shrink to nothing."""

LARGEST_WINDOW: Final = 32_766
"""Pixels a side that OpenCV can warp from: it counts them in 16 bits."""

MARGIN: Final = 2
"""Pixels around what a crop shows, so that interpolation at its rim sees its true neighbours."""


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """Turning, uniform scaling and moving; never mirroring.

    Attributes:
        scale: Crop pixels per picture pixel; above 1 the face is enlarged.
        angle: Radians by which the face is turned clockwise in the picture.
    """

    matrix: Matrix
    scale: float
    angle: float

    def from_reduced(self, reduction: int) -> "Similarity":
        """Return the map to the same crop from the picture reduced by *reduction*.

        Its pixel ``q`` shows what lies around ``reduction * (q + 0.5) - 0.5``.
        """
        turn = self.matrix[:, :2]
        move = self.matrix[:, 2] + turn.sum(axis=1) * (reduction - 1) / 2
        matrix = np.column_stack([turn * reduction, move])
        return Similarity(matrix, self.scale * reduction, self.angle)


def similarity(landmarks: Landmarks, template: Landmarks) -> Similarity | None:
    """Find the similarity that brings *landmarks* closest to *template*, by least squares.

    In the plane, Umeyama's solution (1991) is one division of complex numbers: with both sets of
    points centred, a product with ``sum(conj(from) * to) / sum(|from|^2)`` turns and scales. It
    cannot mirror, so landmarks in the wrong order give a bad crop and not a mirrored one.

    Returns:
        None where no such map exists: the landmarks are not finite, fall into one point, or
        resemble the template in no position.
    """
    if not np.isfinite(landmarks).all():
        return None
    source = np.asarray(landmarks, dtype=np.float64) @ (1, 1j)
    target = np.asarray(template, dtype=np.float64) @ (1, 1j)
    from_centre = source - source.mean()
    spread = np.vdot(from_centre, from_centre).real
    product = np.vdot(from_centre, target - target.mean())
    if spread == 0:
        return None
    turn = product / spread
    if not EXTREME_SCALES[0] < abs(turn) < EXTREME_SCALES[1]:
        return None
    move = target.mean() - turn * source.mean()
    matrix = np.array([[turn.real, -turn.imag, move.real], [turn.imag, turn.real, move.imag]])
    return Similarity(matrix, float(abs(turn)), float(-np.angle(turn)))


def align(pixels: Pixels, landmarks: Landmarks, template: Landmarks, side: int) -> Pixels | None:
    """Cut the aligned crop ``(side, side, 3)`` of one face; black where the picture ends.

    Bilinear without smoothing, as the recognisers' own training crops were made.

    Returns:
        None where the landmarks are of no face; see *similarity*.
    """
    found = similarity(landmarks, template)
    return None if found is None else warp(pixels, found, side)


def warp(pixels: Pixels, found: Similarity, side: int) -> Pixels | None:
    """Cut the crop that *found* describes; None where it would show too large a part to warp."""
    (left, top), (right, bottom) = _window(pixels, found, side)
    if max(right - left, bottom - top) > LARGEST_WINDOW:
        return None
    if right <= left or bottom <= top:
        return np.zeros((side, side, 3), dtype=np.uint8)
    matrix = found.matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ (left, top)
    crop = cv2.warpAffine(
        pixels[top:bottom, left:right],
        matrix,
        (side, side),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    return np.asarray(crop, dtype=np.uint8)


def _window(pixels: Pixels, found: Similarity, side: int) -> NDArray[np.int64]:
    """Return the corners of the part of the picture that the crop shows: left top, right bottom.

    Warping from it alone costs the same for every size of picture, and lets pictures be longer
    than OpenCV can warp.
    """
    corners = np.array([[0, 0], [side, 0], [0, side], [side, side]], dtype=np.float64)
    seen = np.linalg.solve(found.matrix[:, :2], (corners - found.matrix[:, 2]).T)
    height, width = pixels.shape[:2]
    first = np.floor(seen.min(axis=1)) - MARGIN
    last = np.ceil(seen.max(axis=1)) + MARGIN
    return np.array([first, last]).clip((0, 0), (width, height)).astype(np.int64)
