"""What each gate lets through, and the reasons for which it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from core.faces import AnalysedFace, DetectedFace, Quality
from core.gates import Floors, Gate, reasons, split

FLOORS = Floors(score=0.3, norm=5)


def face(
    *, score: float = 0.9, norm: float = 10.0, gray: int = 120, **quality: float
) -> AnalysedFace:
    """Make a good face, but for what is given."""
    good = Quality(0.9, sharpness=0.9, brightness=0.9, size=0.9, yaw=0, pitch=0, roll=0)
    return AnalysedFace(
        DetectedFace((0.0, 0.0, 80.0, 100.0), np.ones((5, 2), np.float32), score),
        embedding=np.eye(1, 8, dtype=np.float32)[0],
        norm=norm,
        quality=replace(good, **quality),
        crop=np.full((112, 112, 3), gray, np.uint8),
    )


@pytest.mark.parametrize("gate", Gate)
def test_a_good_face_passes_every_gate(gate: Gate) -> None:
    assert reasons(face(), gate, FLOORS) == ()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (face(size=0.1), "face_too_small"),
        (face(score=0.1), "low_detector_score"),
        (face(sharpness=0.0), "blurred"),
        (face(brightness=0.05, gray=9), "too_dark"),
        (face(brightness=0.05, gray=249), "too_bright"),
        (face(yaw=-85), "extreme_pose"),
        (face(pitch=85), "extreme_pose"),
        (face(norm=1), "low_embedding_norm"),
    ],
)
def test_each_fault_has_its_reason_and_none_where_the_gate_is_off(
    bad: AnalysedFace, reason: str
) -> None:
    assert reasons(bad, Gate.STRICT, FLOORS) == (reason,)
    # The standard gate leaves the size to the pack's own `min_face`.
    assert reasons(bad, Gate.STANDARD, FLOORS) == ((reason,) if bad.quality.size > 0.5 else ())
    assert reasons(bad, Gate.OFF, FLOORS) == ()


def test_all_faults_are_named() -> None:
    bad = face(size=0.1, sharpness=0.0, norm=1)

    assert reasons(bad, Gate.STRICT, FLOORS) == (
        "face_too_small",
        "blurred",
        "low_embedding_norm",
    )


def test_scores_and_norms_without_a_known_floor_are_not_judged() -> None:
    assert reasons(face(score=0.01, norm=1e-3), Gate.STRICT, Floors()) == ()


def test_faces_are_parted_in_their_order() -> None:
    good, bad, also_good = face(), face(size=0.1), face()

    kept, refused = split([good, bad, also_good], Gate.STRICT, FLOORS)

    assert kept == [good, also_good]
    assert refused == [(bad, ("face_too_small",))]
