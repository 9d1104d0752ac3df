"""Which faces a collection takes in: three gates, and the reasons for which each refuses a face."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core.faces import AnalysedFace


class Gate(StrEnum):
    """How good a face must be to be stored and searched."""

    OFF = "off"
    STANDARD = "standard"
    STRICT = "strict"


USUAL: Final = Gate.STANDARD
"""Of new collections."""


class Reason(StrEnum):
    """What is wrong with a refused face. What covers a face is not measured, so never claimed."""

    TOO_SMALL = "face_too_small"
    LOW_SCORE = "low_detector_score"
    BLURRED = "blurred"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    EXTREME_POSE = "extreme_pose"
    LOW_NORM = "low_embedding_norm"


@dataclass(frozen=True, slots=True)
class Limits:
    """The worst that a gate lets through; what the figures mean is said at `Quality`.

    Attributes:
        yaw: Degrees to either side, as *pitch*.
    """

    size: float
    score: float
    sharpness: float
    brightness: float
    yaw: float
    pitch: float


LIMITS: Final[Mapping[Gate, Limits]] = {
    Gate.STANDARD: Limits(size=0.3, score=0.5, sharpness=0.05, brightness=0.3, yaw=65, pitch=50),
    Gate.STRICT: Limits(size=0.5, score=0.6, sharpness=0.2, brightness=0.6, yaw=45, pitch=35),
}


MIDDLE_GRAY: Final = 128
"""Too little or too much light: only one of them can spoil a crop darker or brighter than this."""


def reasons(face: AnalysedFace, gate: Gate, norm_floor: float | None) -> tuple[Reason, ...]:
    """Return why a gate refuses a face, what it falls short of first; nothing if it passes.

    Args:
        norm_floor: Length of the raw embedding that the gate asks for; recognisers differ, and
            None is for those of which it is not known.
    """
    if gate is Gate.OFF:
        return ()
    limits, quality = LIMITS[gate], face.quality
    dim = face.crop.mean() < MIDDLE_GRAY
    faults = {
        Reason.TOO_SMALL: quality.size < limits.size,
        Reason.LOW_SCORE: face.face.score < limits.score,
        Reason.BLURRED: quality.sharpness < limits.sharpness,
        Reason.TOO_DARK: quality.brightness < limits.brightness and dim,
        Reason.TOO_BRIGHT: quality.brightness < limits.brightness and not dim,
        Reason.EXTREME_POSE: abs(quality.yaw) > limits.yaw or abs(quality.pitch) > limits.pitch,
        Reason.LOW_NORM: norm_floor is not None and face.norm < norm_floor,
    }
    return tuple(reason for reason, found in faults.items() if found)


def split(
    faces: Iterable[AnalysedFace], gate: Gate, norm_floor: float | None
) -> tuple[list[AnalysedFace], list[tuple[AnalysedFace, tuple[Reason, ...]]]]:
    """Part the faces that a gate lets through from those that it refuses, each with its reasons."""
    kept: list[AnalysedFace] = []
    refused: list[tuple[AnalysedFace, tuple[Reason, ...]]] = []
    for face in faces:
        if why := reasons(face, gate, norm_floor):
            refused.append((face, why))
        else:
            kept.append(face)
    return kept, refused
