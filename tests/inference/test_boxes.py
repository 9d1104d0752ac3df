"""Choosing passes, and dropping boxes that were found twice or are parts of others."""

import numpy as np
import pytest

from core.inference import boxes
from core.inference.boxes import Candidates


def candidates(*found: tuple[tuple[float, float, float, float], float]) -> Candidates:
    """Boxes with scores; the landmarks of each are its score, to tell them apart."""
    scores = np.array([score for _, score in found], np.float32)
    return Candidates(
        np.array([box for box, _ in found], np.float32).reshape(-1, 4),
        np.broadcast_to(scores[:, None, None], (len(found), 5, 2)).copy(),
        scores,
    )


@pytest.mark.parametrize(
    ("enough", "expected"),
    [(1, [32]), (128, [128]), (129, [128, 160]), (320, [128, 320]), (9000, [128, 640])],
)
def test_the_finest_pass_is_no_finer_than_is_of_use(enough: int, expected: list[int]) -> None:
    assert boxes.passes((128, 640), enough) == expected


@pytest.mark.parametrize(
    ("side", "expected"), [(32, 128), (128, 128), (160, 320), (352, 640), (640, 640), (960, 960)]
)
def test_few_squares_take_inputs_of_every_side(side: int, expected: int) -> None:
    assert boxes.square((128, 640), side) == expected


def test_inputs_of_one_shape_go_together_and_no_more_than_are_taken() -> None:
    small, large = (128, 128, 3), (640, 640, 3)

    groups = boxes.together([small, large, small, small, large, small], 2)

    assert groups == [[0, 2], [1, 4], [3, 5]]


def test_of_overlapping_boxes_the_best_stays() -> None:
    found = candidates(((0, 0, 10, 10), 0.6), ((1, 1, 11, 11), 0.9), ((50, 50, 60, 60), 0.7))

    faces = boxes.merged([found], 0.4)

    assert [face.score for face in faces] == pytest.approx([0.9, 0.7])
    assert faces[0].box == (1, 1, 11, 11)
    assert faces[0].landmarks[0, 0] == pytest.approx(0.9)


def test_the_limit_of_overlap_itself_is_allowed() -> None:
    # Intersection 5, union 15.
    pair = np.array([[0, 0, 10, 1], [5, 0, 15, 1]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)

    assert boxes.suppress(pair, scores, 5 / 15 + 1e-6) == [0, 1]
    assert boxes.suppress(pair, scores, 5 / 15 - 1e-6) == [0]


def test_an_inclusive_end_makes_boxes_a_pixel_larger() -> None:
    # Exclusive they only touch; inclusive they share a column: 1 of 2 + 2 - 1.
    pair = np.array([[0, 0, 1, 0], [1, 0, 2, 0]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)

    assert boxes.suppress(pair, scores, 0.3, extra=1) == [0]
    assert boxes.suppress(pair, scores, 0.4, extra=1) == [0, 1]


def test_a_coarse_pass_only_adds_what_the_fine_one_missed() -> None:
    coarse = candidates(((0, 0, 10, 10), 0.95), ((100, 100, 200, 200), 0.9))
    fine = candidates(((0, 0, 10, 10), 0.6))

    faces = boxes.merged([coarse, fine], 0.4)

    assert [face.score for face in faces] == pytest.approx([0.9, 0.6])


def test_a_part_of_a_close_up_does_not_stand_for_the_whole_that_a_coarse_pass_saw() -> None:
    coarse = candidates(((0, 0, 100, 100), 0.9))

    for part, score, expected in (
        ((20, 20, 80, 80), 0.7, [0.9]),  # a part, seen less clearly
        ((2, 2, 98, 98), 0.7, [0.7]),  # the same face, with finer landmarks
        ((20, 20, 80, 80), 0.95, [0.95]),  # so clear that it is a face
    ):
        faces = boxes.merged([coarse, candidates((part, score))], 0.3)

        assert [face.score for face in faces] == pytest.approx(expected)


def test_a_part_of_a_better_face_is_dropped() -> None:
    found = candidates(((0, 0, 100, 100), 0.9), ((10, 10, 30, 30), 0.6), ((90, 0, 130, 40), 0.5))

    faces = boxes.merged([found], 0.4)

    assert [face.box for face in faces] == [(0, 0, 100, 100), (90, 0, 130, 40)]


def test_a_better_face_inside_a_worse_box_stays() -> None:
    found = candidates(((0, 0, 100, 100), 0.6), ((10, 10, 30, 30), 0.9))

    assert len(boxes.merged([found], 0.4)) == 2


def test_nothing_found_is_no_face() -> None:
    assert boxes.merged([candidates(), candidates()], 0.4) == []


def test_an_image_is_padded_at_its_right_and_bottom() -> None:
    image = np.full((2, 3, 3), 7, np.uint8)

    canvas = boxes.padded(image, 32, 32)

    assert canvas.shape == (32, 32, 3)
    assert (canvas[:2, :3] == 7).all()
    assert int(canvas.sum()) == 2 * 3 * 3 * 7
