"""Aligned crops: the least-squares similarity, and what it cuts out of a picture."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from core.alignment import align, similarity, warp
from core.faces import Landmarks
from core.inference.templates import ARCFACE_112, DLIB_150

TEMPLATE = ARCFACE_112.landmarks


def moved(points: Landmarks, scale: float, degrees: float, shift: tuple[float, float]) -> Landmarks:
    """Turn clockwise as seen in the picture, scale, then shift."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (scale * points @ turn.T + shift).astype(np.float32)


def umeyama(source: Landmarks, target: Landmarks) -> NDArray[np.float64]:
    """The method of the paper, by singular values, as peers implement it."""
    a, b = source.astype(np.float64), target.astype(np.float64)
    a0, b0 = a - a.mean(0), b - b.mean(0)
    u, d, vt = np.linalg.svd(b0.T @ a0 / len(a))
    sign = np.diag([1, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ sign @ vt
    scale = np.trace(np.diag(d) @ sign) / a0.var(0).sum()
    return np.column_stack([scale * rotation, b.mean(0) - scale * rotation @ a.mean(0)])


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_solution_of_umeyama(seed: int) -> None:
    landmarks = np.random.default_rng(seed).uniform(0, 4000, (5, 2)).astype(np.float32)

    found = similarity(landmarks, TEMPLATE)

    assert found is not None
    np.testing.assert_allclose(found.matrix, umeyama(landmarks, TEMPLATE), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("template", [ARCFACE_112, DLIB_150], ids=lambda each: each.name)
def test_a_moved_template_is_brought_back_exactly(template: object) -> None:
    points = template.landmarks  # type: ignore[attr-defined]

    found = similarity(moved(points, 3.5, 40, (700, -20)), points)

    assert found is not None
    assert found.scale == pytest.approx(1 / 3.5)
    assert np.degrees(found.angle) == pytest.approx(40)


def test_mirrored_landmarks_are_never_mirrored_back() -> None:
    mirrored = TEMPLATE * (-1, 1) + (112, 0)

    found = similarity(mirrored.astype(np.float32), TEMPLATE)

    assert found is not None
    assert np.linalg.det(found.matrix[:, :2]) > 0


@pytest.mark.parametrize(
    "landmarks",
    [
        np.full((5, 2), 7),
        np.full((5, 2), np.nan),
        np.where(TEMPLATE > 60, np.inf, TEMPLATE),
        TEMPLATE * 1e-9,
        TEMPLATE * 1e9,
    ],
    ids=["one point", "nan", "infinite", "microscopic", "astronomic"],
)
def test_landmarks_of_no_face_give_no_crop(landmarks: NDArray[np.float64]) -> None:
    pixels = np.zeros((100, 100, 3), dtype=np.uint8)

    assert align(pixels, landmarks.astype(np.float32), TEMPLATE, 112) is None


def test_the_crop_is_what_a_warp_of_the_whole_picture_gives() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (400, 600, 3), dtype=np.uint8)
    pixels = cv2.GaussianBlur(noise, (0, 0), 2)
    landmarks = moved(TEMPLATE, 1.7, 25, (300, 80))
    whole = cv2.warpAffine(pixels, umeyama(landmarks, TEMPLATE), (112, 112))

    crop = align(pixels, landmarks, TEMPLATE, 112)

    assert crop is not None
    assert np.abs(crop.astype(int) - whole).max() <= 1


def test_a_template_in_the_picture_is_cut_out_unchanged() -> None:
    pixels = np.random.default_rng(2).integers(0, 255, (300, 300, 3), dtype=np.uint8)

    crop = align(pixels, TEMPLATE + np.float32([50, 90]), TEMPLATE, 112)

    assert crop is not None
    assert (crop == pixels[90:202, 50:162]).all()


def test_what_lies_beyond_the_picture_is_black() -> None:
    pixels = np.full((112, 112, 3), 200, dtype=np.uint8)

    crop = align(pixels, TEMPLATE - np.float32([56, 0]), TEMPLATE, 112)

    assert crop is not None
    assert (crop[:, :55] == 0).all()
    assert (crop[:, 57:] == 200).all()


def test_a_face_wholly_beyond_the_picture_is_all_black() -> None:
    pixels = np.full((50, 50, 3), 200, dtype=np.uint8)

    crop = align(pixels, TEMPLATE + np.float32([500, 500]), TEMPLATE, 112)

    assert crop is not None
    assert crop.max() == 0


def test_a_picture_longer_than_opencv_can_warp_is_no_hindrance() -> None:
    pixels = np.zeros((120, 40_000, 3), dtype=np.uint8)
    pixels[:, 39_000:] = 90

    crop = align(pixels, TEMPLATE + np.float32([39_500, 4]), TEMPLATE, 112)

    assert crop is not None
    assert crop.min() == 90
    assert align(pixels, TEMPLATE * np.float32(320), TEMPLATE, 112) is None


def test_a_crop_from_a_reduced_picture_shows_the_same_as_from_the_whole_one() -> None:
    y, x = np.mgrid[0:400, 0:600].astype(np.float64)
    waves = 127 + 60 * np.sin(x / 40) + 60 * np.cos(y / 50)
    whole = np.repeat(waves[..., None], 3, axis=2).astype(np.uint8)
    landmarks = (ARCFACE_112.landmarks * 2.6 + (60, 40)).astype(np.float32)
    place = similarity(landmarks, ARCFACE_112.landmarks)
    assert place is not None

    expected = warp(whole, place, 112)
    assert expected is not None
    for reduction in (2, 4):
        reduced = whole.reshape(400 // reduction, reduction, 600 // reduction, reduction, 3)
        smaller = reduced.mean(axis=(1, 3)).astype(np.uint8)
        crop = warp(smaller, place.from_reduced(reduction), 112)
        assert crop is not None
        assert np.abs(crop.astype(int) - expected).max() <= 3
    assert place.from_reduced(2).scale == 2 * place.scale
