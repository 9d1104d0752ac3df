"""Whether two pictures show one shot."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from core.faces import Pixels
from core.reports.shots import AGREES, agreement
from tests.conftest import MODELS

MARKS = np.array([[60, 60], [100, 60], [80, 85], [65, 110], [95, 110]], np.float32)


def scenery(seed: int, side: int = 240) -> Pixels:
    """Smooth shapes, as photos have them."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


Change = Callable[[Pixels], tuple[Pixels, NDArray[np.float32]]]


def cropped(pixels: Pixels) -> tuple[Pixels, NDArray[np.float32]]:
    return np.ascontiguousarray(pixels[20:200, 15:220]), MARKS - [15, 20]


def scaled(pixels: Pixels) -> tuple[Pixels, NDArray[np.float32]]:
    return cv2.resize(pixels, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA), MARKS * 0.6


def turned(pixels: Pixels) -> tuple[Pixels, NDArray[np.float32]]:
    matrix = cv2.getRotationMatrix2D((120, 120), 12, 0.9)
    marks = MARKS @ matrix[:, :2].T + matrix[:, 2]
    return cv2.warpAffine(pixels, matrix, (240, 240)), marks


def darker(pixels: Pixels) -> tuple[Pixels, NDArray[np.float32]]:
    return (pixels * 0.7).astype(np.uint8), MARKS


@pytest.mark.parametrize("change", [cropped, scaled, turned, darker])
def test_a_copy_of_a_photo_agrees_with_it(change: Change) -> None:
    photo = scenery(1)
    copy, marks = change(photo)

    # The marks of a detector are some pixels off.
    off = np.random.default_rng(0).normal(0, 1.0, (5, 2))
    assert agreement(photo, MARKS, copy, (marks + off).astype(np.float32)) >= AGREES


def test_other_photos_do_not_agree() -> None:
    found = [agreement(scenery(1), MARKS, scenery(n), MARKS) for n in range(2, 12)]

    assert max(found) < 0.9


def test_pictures_of_one_colour_and_faces_without_extent_agree_with_nothing() -> None:
    gray = np.full((100, 100, 3), 128, np.uint8)

    assert agreement(gray, MARKS, gray, MARKS) == 0
    assert agreement(scenery(1), MARKS, scenery(1), np.zeros((5, 2), np.float32)) == 0


def test_two_photos_of_one_person_are_no_shot() -> None:
    first, second = (
        cv2.cvtColor(cv2.imread(str(MODELS / "samples" / name)), cv2.COLOR_BGR2RGB)
        for name in ("obama.jpg", "obama2.jpg")
    )

    assert agreement(first, MARKS, second, MARKS) < 0.9
