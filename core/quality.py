"""How much a face can be trusted to look like its owner, measured on its crop and landmarks."""

from math import atan2, cos, degrees, log, prod, radians
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from core.alignment import Similarity
from core.faces import DetectedFace, Landmarks, Pixels, Quality

WEIGHTS: Final = {"score": 0.5, "sharpness": 0.15, "brightness": 0.15, "pose": 0.1, "size": 0.1}
"""Exponents of the parts in the overall figure, a weighted geometric mean: a face that fails in
one part is not saved by the others. Chosen on LFW as it is, blurred, shrunk, dark, bright, noisy,
covered and turned away (benchmarks/quality_gates.py): ranks of the figure and of the cosine to the
mate agree with a Spearman correlation of 0.53 with det_500m and MobileFaceNet and 0.39 with the
open pack. The score sees covers and turned heads that no other part does: as the least weight it
gave 0.40 and 0.24. A least-squares fit gives it 0.7; then light and blur would hardly count. The
norm is no part: alone it gives 0.66 with MobileFaceNet and 0.21 with dlib's network, and its scale
is each recogniser's own. `core.gates` judges it where the pack knows that scale."""

SIDE: Final = 112
"""Pixels; crops of other sides are brought to it, so that sharpness means the same for all."""

MIDDLE: Final = slice(SIDE // 5, SIDE - SIDE // 5)
"""Rows and columns that show the face in every template: no background, no border."""

BLURRED, SHARP = 0.0125, 0.2
"""Fine detail over all detail where sharpness is 0 and 1. On LFW the medians are 0.08 for photos as
they are, 0.017 where they are blurred with a sigma of 3 pixels and 0.012 with one of 6; 98 % of the
originals lie above 0.03, and 95 % of those blurred by 4 below 0.023. Templates differ little."""

FINE_SIGMA, COARSE_SIGMA = 1.5, 8
"""Pixels: what a blur of the first takes away is fine detail, and slower changes than the second
are the light and the shape of the head. A Laplacian is finer still and sees the rounding to whole
gray levels: by it a very blurred face counted as sharper than a blurred one."""

ROUNDING_NOISE: Final = 1 / 12
"""Variance that rounding to whole gray levels adds."""

DARK, BRIGHT = 0.25, 0.75
"""Mean gray levels, of 1, between which brightness is full. Wide, so that it judges the light and
not the skin: 98 % of LFW lie within."""

CLIPPED: Final = (5, 250)
"""Gray levels, of 255, at and beyond which a pixel shows nothing any more."""

NOSE_DEPTH: Final = 0.42
"""How far the tip of the nose stands before the plane of eyes and mouth, in eye distances; a usual
figure of head models (26 mm of 63 mm)."""

NOSE_HEIGHT: Final = 0.53
"""Where the nose of a level face stands between the eyes (0) and the mouth (1): median of LFW."""


def measure(face: DetectedFace, crop: Pixels, alignment: Similarity) -> Quality:
    """Measure one face.

    Args:
        crop: What *alignment* cuts from the picture, of any side.
    """
    yaw, pitch = _yaw_and_pitch(face.landmarks, alignment.angle)
    gray = _gray(crop)
    sharpness, brightness = _sharpness(gray), _brightness(gray)
    # A crop pixel that shows less than one pixel of the picture is partly invented.
    size = min(1.0, 1 / alignment.scale)
    parts = {
        "sharpness": sharpness,
        "size": size,
        "pose": max(0.0, cos(radians(yaw)) * cos(radians(pitch))),
        "brightness": brightness,
        "score": min(1.0, max(0.0, face.score)),
    }
    return Quality(
        overall=prod(part ** WEIGHTS[name] for name, part in parts.items()),
        sharpness=sharpness,
        brightness=brightness,
        size=size,
        yaw=yaw,
        pitch=pitch,
        roll=degrees(alignment.angle),
    )


def _gray(crop: Pixels) -> NDArray[np.float32]:
    gray = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    if gray.shape[0] != SIDE:
        gray = cv2.resize(gray, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(gray[MIDDLE, MIDDLE], dtype=np.float32)


def _sharpness(gray: NDArray[np.float32]) -> float:
    """Compare the fine detail with all of it: light and contrast change both alike."""
    fine = _detail(gray, FINE_SIGMA) - ROUNDING_NOISE
    every = _detail(gray, COARSE_SIGMA)
    if fine <= 0 or every <= 0:
        return 0.0
    place = (log(fine / every) - log(BLURRED)) / (log(SHARP) - log(BLURRED))
    return min(1.0, max(0.0, place))


def _detail(gray: NDArray[np.float32], sigma: float) -> float:
    """Variance of what a blur takes away."""
    return float((gray - cv2.GaussianBlur(gray, (0, 0), sigma)).var())


def _brightness(gray: NDArray[np.float32]) -> float:
    """Full within a range of mean levels, falling to 0 at black and white; times what is clear."""
    mean = float(gray.mean()) / 255
    lit = min(1.0, mean / DARK, (1 - mean) / (1 - BRIGHT))
    low, high = CLIPPED
    clear = float(((gray > low) & (gray < high)).mean())
    return max(0.0, lit) * clear


def _yaw_and_pitch(landmarks: Landmarks, roll: float) -> tuple[float, float]:
    """Estimate two angles, in degrees, from where the nose stands between eyes and mouth.

    In a turned head the tip of the nose, *d* before the face's plane, moves sideways by
    ``d * sin(yaw)`` while the eyes' distance shrinks by ``cos(yaw)``; nodding, the same happens
    upwards with the distance of eyes and mouth. So each angle is one arc tangent. Good to about
    ten degrees: people's noses differ.
    """
    turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    left_eye, right_eye, nose, left_mouth, right_mouth = landmarks.astype(np.float64) @ turn.T
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    eye_distance = right_eye[0] - left_eye[0]
    face_height = mouth[1] - eyes[1]
    sideways = nose[0] - (eyes[0] + mouth[0]) / 2
    upwards = eyes[1] + NOSE_HEIGHT * face_height - nose[1]
    yaw = atan2(sideways, NOSE_DEPTH * eye_distance)
    # The nose's depth in units of the face's height, which is about 1.07 eye distances.
    pitch = atan2(upwards, NOSE_DEPTH / 1.07 * face_height)
    return degrees(yaw), degrees(pitch)
