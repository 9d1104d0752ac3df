"""CenterFace out of the installed open pack."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from core import images
from core.faces import Pixels
from core.images import PhotoLimits
from core.inference.centerface import _decode
from core.inference.contracts import FaceModels

SAMPLES = Path(__file__).parents[2] / "models" / "samples"


@pytest.fixture(scope="module")
def group(open_models: FaceModels) -> Pixels:
    """The group photo of the demo: six people."""
    path = SAMPLES / "t1.jpg"
    if not path.is_file():
        pytest.skip("the sample photos are not installed")
    return images.decode(path.read_bytes(), PhotoLimits(2**26, 10**8)).pixels


def test_six_people_are_found_best_first(open_models: FaceModels, group: Pixels) -> None:
    (faces,) = open_models.detector.detect([group])

    scores = [face.score for face in faces]
    assert len(faces) == 6
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0.85


def test_the_landmarks_stand_in_the_face_in_their_order(
    open_models: FaceModels, group: Pixels
) -> None:
    (faces,) = open_models.detector.detect([group])

    for face in faces:
        left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
        left, top, right, bottom = face.box
        assert (face.landmarks > (left, top)).all()
        assert (face.landmarks < (right, bottom)).all()
        assert left_eye[0] < right_eye[0]
        assert left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < min(left_mouth[1], right_mouth[1])
        assert left_eye[0] < nose[0] + (right - left) / 4


def test_faces_lie_where_scrfd_finds_them(
    open_models: FaceModels, scrfd_models: FaceModels, group: Pixels
) -> None:
    ours, theirs = (
        sorted(models.detector.detect([group])[0], key=lambda face: face.box)
        for models in (open_models, scrfd_models)
    )

    for one, other in zip(ours, theirs, strict=True):
        size = one.box[2] - one.box[0]
        assert one.landmarks == pytest.approx(other.landmarks, abs=size / 6)


def test_a_face_that_fills_the_photo_is_found_once(open_models: FaceModels, group: Pixels) -> None:
    left, top, right, bottom = map(int, open_models.detector.detect([group])[0][0].box)
    closeup = cv2.resize(group[top:bottom, left:right], None, fx=12, fy=12)

    (faces,) = open_models.detector.detect([closeup])

    assert len(faces) == 1
    assert faces[0].area > closeup.shape[0] * closeup.shape[1] / 2


def test_a_larger_copy_gives_the_same_faces(open_models: FaceModels, group: Pixels) -> None:
    large = cv2.resize(group, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)

    small_faces, large_faces = (
        sorted(faces, key=lambda face: face.box)
        for faces in open_models.detector.detect([group, large])
    )

    for small, big in zip(small_faces, large_faces, strict=True):
        assert np.array(big.box) / 2 == pytest.approx(np.array(small.box), abs=8)


@pytest.mark.parametrize("shape", [(1, 1), (3, 4000), (4000, 3), (1, 700), (31, 33), (640, 640)])
def test_every_size_is_taken(open_models: FaceModels, shape: tuple[int, int]) -> None:
    assert open_models.detector.detect([np.zeros((*shape, 3), np.uint8)]) == [[]]


def test_a_crowded_photo_gives_its_people(
    open_models: FaceModels, photo: Callable[[str], Pixels]
) -> None:
    found = open_models.detector.detect(
        [photo("scenes/compreface_016_8.jpg"), photo("scenes/compreface_017_0.jpg")]
    )

    assert [len(faces) for faces in found] == [8, 0]


def test_one_cell_is_decoded_by_the_formula() -> None:
    heat = np.zeros((1, 8, 8), np.float32)
    scale, offset = np.zeros((2, 2, 8, 8), np.float32)
    landmarks = np.zeros((10, 8, 8), np.float32)
    row, column = 2, 5
    heat[0, row, column] = 0.9
    scale[:, row, column] = np.log([5, 3])  # height 20, width 12
    offset[:, row, column] = 0.25, -0.25
    landmarks[:, row, column] = np.arange(10) / 10

    found, points, scores = _decode(heat, scale, offset, landmarks, 0.5)

    # Centre: x = (5 - 0.25 + 0.5) * 4 = 21, y = (2 + 0.25 + 0.5) * 4 = 11.
    assert found == pytest.approx(np.array([[15, 1, 27, 21]]))
    assert points[0, 0] == pytest.approx([15 + 0.1 * 12, 1 + 0.0 * 20])
    assert points[0, 4] == pytest.approx([15 + 0.9 * 12, 1 + 0.8 * 20])
    assert scores == pytest.approx([0.9])
