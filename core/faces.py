"""Faces as the detector and the recogniser see them. Pure: no files, no database, no GPU."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.errors import BadEmbedding

SHORTEST_USABLE = 1e-6
"""A raw embedding shorter than this has no direction worth comparing."""

Pixels: TypeAlias = NDArray[np.uint8]
"""Shape ``(height, width, 3)``, RGB, upright (EXIF rotation applied), C-contiguous."""

Landmarks: TypeAlias = NDArray[np.float32]
"""Shape ``(5, 2)``: left eye, right eye, nose, left and right mouth corner as seen when the face
stands upright, whatever its turn in the picture; each x, y in pixels of the upright image."""

Embedding: TypeAlias = NDArray[np.float32]
"""Shape ``(dimension,)``, L2 norm 1, so that a dot product is the cosine."""

Box: TypeAlias = tuple[float, float, float, float]
"""``(left, top, right, bottom)`` in pixels of the upright image; right and bottom exclusive.
May reach a little outside the picture, as detectors report it."""


@dataclass(frozen=True, slots=True, eq=False)
class DetectedFace:
    """One face in one image.

    Attributes:
        score: The detector's confidence, 0 to 1.
    """

    box: Box
    landmarks: Landmarks
    score: float

    def enlarged(self, factor: float) -> "DetectedFace":
        """Return the face as it lies in a picture that is larger by *factor*."""
        left, top, right, bottom = (factor * side for side in self.box)
        landmarks = (self.landmarks * factor).astype(np.float32)
        return DetectedFace((left, top, right, bottom), landmarks, self.score)

    @property
    def area(self) -> float:
        """Square pixels covered by the box."""
        left, top, right, bottom = self.box
        return max(0.0, right - left) * max(0.0, bottom - top)

    @property
    def shorter_side(self) -> float:
        """Of the box, in pixels."""
        left, top, right, bottom = self.box
        return max(0.0, min(right - left, bottom - top))


@dataclass(frozen=True, slots=True)
class Quality:
    """How much a face can be trusted to look like its owner. Each part is 0 (bad) to 1 (good)
    except the angles, in degrees: roll > 0 is turned clockwise in the picture, from -180 to 180;
    of the face turned back upright, yaw > 0 looks to the right and pitch > 0 up.
    """

    overall: float
    sharpness: float
    brightness: float
    size: float
    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True, eq=False)
class AnalysedFace:
    """A detected face with everything that is stored about it.

    Attributes:
        embedding: Unit vector of the collection's space.
        norm: Length of the raw embedding, before it was scaled to 1.
        crop: uint8 ``(side, side, 3)`` RGB, aligned for the recogniser.
    """

    face: DetectedFace
    embedding: Embedding
    norm: float
    quality: Quality
    crop: Pixels


def unit_embedding(raw: NDArray[np.floating], dimension: int) -> tuple[Embedding, float]:
    """Scale a vector to length 1; also return the length it had.

    Args:
        raw: Any float dtype, *dimension* values in any shape.

    Raises:
        BadEmbedding: Another number of values, or a length of zero or not finite.
    """
    if raw.size != dimension:
        raise BadEmbedding(f"Expected {dimension} values, got {raw.size}.")
    vector = np.asarray(raw, dtype=np.float64).reshape(dimension)
    with np.errstate(over="ignore"):  # to infinity, which is refused below
        length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length < SHORTEST_USABLE:
        raise BadEmbedding(f"A vector of length {length} cannot be compared.")
    return (vector / length).astype(np.float32), length
