"""Which faces a collection takes in: three gates, and the reasons for which each refuses a face.

The limits were chosen with ``benchmarks/quality_gates.py`` on photos of LFW, as they are and made
worse in known ways. `standard` was to refuse less than 0.5 % of them as they are, and otherwise as
many of those that no longer find their mate as it can; `strict` may refuse 5 % and is for photos
that people are enrolled with. docs/accuracy.md has the outcome.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked_dataclass

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
    """The worst that a gate lets through of any pack; `Quality` says what the figures mean.

    Attributes:
        yaw: Degrees to either side, as *pitch*.
    """

    size: float
    sharpness: float
    brightness: float
    yaw: float
    pitch: float


@checked_dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Floors:
    """What a gate asks of one pack's networks, whose figures are those of no other; 0 is anything.

    Attributes:
        score: The detector's confidence. It falls where a face is covered or turned away.
        norm: Length of the raw embedding. Recognisers trained for classification (ArcFace and its
            kin) give short ones to faces that they can make little of, whatever the cause.
    """

    score: Annotated[float, Field(ge=0, lt=1)] = 0
    norm: Annotated[float, Field(ge=0)] = 0


LIMITS: Final = {
    # No size beyond the pack's own `min_face`: most faces of that size find their mate.
    Gate.STANDARD: Limits(size=0, sharpness=0.12, brightness=0.15, yaw=60, pitch=45),
    Gate.STRICT: Limits(size=0.4, sharpness=0.3, brightness=0.6, yaw=45, pitch=35),
}

MIDDLE_GRAY: Final = 128
"""Too little or too much light: only one of them can spoil a crop darker or brighter than this."""


def reasons(face: AnalysedFace, gate: Gate, floors: Floors) -> tuple[Reason, ...]:
    """Return everything for which a gate refuses a face; nothing if it passes."""
    if gate is Gate.OFF:
        return ()
    limits, quality = LIMITS[gate], face.quality
    badly_lit = quality.brightness < limits.brightness
    dim = face.crop.mean() < MIDDLE_GRAY
    faults = {
        Reason.TOO_SMALL: quality.size < limits.size,
        Reason.LOW_SCORE: face.face.score < floors.score,
        Reason.BLURRED: quality.sharpness < limits.sharpness,
        Reason.TOO_DARK: badly_lit and dim,
        Reason.TOO_BRIGHT: badly_lit and not dim,
        Reason.EXTREME_POSE: abs(quality.yaw) > limits.yaw or abs(quality.pitch) > limits.pitch,
        Reason.LOW_NORM: face.norm < floors.norm,
    }
    return tuple(reason for reason, found in faults.items() if found)


def split(
    faces: Iterable[AnalysedFace], gate: Gate, floors: Floors
) -> tuple[list[AnalysedFace], list[tuple[AnalysedFace, tuple[Reason, ...]]]]:
    """Part the faces that a gate lets through from those that it refuses, each with its reasons."""
    kept: list[AnalysedFace] = []
    refused: list[tuple[AnalysedFace, tuple[Reason, ...]]] = []
    for face in faces:
        if why := reasons(face, gate, floors):
            refused.append((face, why))
        else:
            kept.append(face)
    return kept, refused
