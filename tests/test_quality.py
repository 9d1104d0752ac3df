"""What the quality figures promise, on real photos and on landmarks with known angles."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.alignment import similarity, warp
from core.faces import DetectedFace, Landmarks, Pixels, Quality
from core.images import PhotoLimits, decode
from core.inference.templates import ARCFACE_112, DLIB_150, Template
from core.quality import NOSE_HEIGHT, WEIGHTS, measure

PHOTOS = ("Aaron_Eckhart_0001", "Al_Gore_0004", "Angelina_Jolie_0001")
POINTS = ("leye", "reye", "nose", "lmouth", "rmouth")
LEVEL = np.array(
    [[-30, 0], [30, 0], [0, 64 * NOSE_HEIGHT], [-25, 64], [25, 64]], dtype=np.float32
) + np.float32([200, 200])


def quality_of(
    pixels: Pixels, landmarks: Landmarks, template: Template = ARCFACE_112, score: float = 0.8
) -> Quality:
    found = similarity(landmarks, template.landmarks)
    assert found is not None
    crop = warp(pixels, found, template.side)
    assert crop is not None
    return measure(DetectedFace((0, 0, 1, 1), landmarks, score), crop, found)


@pytest.fixture(scope="module", params=PHOTOS)
def photo(shared_data: Path, request: pytest.FixtureRequest) -> tuple[Pixels, Landmarks]:
    with (shared_data / "faces" / "lfw_labels.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if request.param in row["file"])
    landmarks = np.array([[row[f"{name}_x"], row[f"{name}_y"]] for name in POINTS], np.float32)
    data = (shared_data / "faces" / row["file"]).read_bytes()
    return decode(data, PhotoLimits(2**20, 10**6)).pixels, landmarks


@pytest.mark.shared_data
@pytest.mark.parametrize("template", [ARCFACE_112, DLIB_150], ids=lambda each: each.name)
def test_a_press_photo_is_sharp_and_well_lit(
    photo: tuple[Pixels, Landmarks], template: Template
) -> None:
    quality = quality_of(*photo, template)

    assert quality.sharpness > 0.5
    assert quality.brightness > 0.95
    assert quality.overall > 0.75


@pytest.mark.shared_data
def test_blurring_lowers_sharpness_and_nothing_else_much(photo: tuple[Pixels, Landmarks]) -> None:
    pixels, landmarks = photo

    grades = [
        quality_of(cv2.GaussianBlur(pixels, (0, 0), sigma), landmarks) for sigma in (0.1, 1, 2, 4)
    ]

    sharpness = [grade.sharpness for grade in grades]
    assert sharpness == sorted(sharpness, reverse=True)
    assert sharpness[-1] < 0.35
    assert grades[-1].brightness == pytest.approx(grades[0].brightness, abs=0.05)
    assert grades[-1].overall < 0.85 * grades[0].overall


@pytest.mark.shared_data
@pytest.mark.parametrize("gain", [0.2, 3])
def test_too_little_or_too_much_light_lowers_brightness(
    photo: tuple[Pixels, Landmarks], gain: float
) -> None:
    pixels, landmarks = photo
    relit = np.clip(pixels.astype(float) * gain, 0, 255).astype(np.uint8)

    assert quality_of(relit, landmarks).brightness < 0.6


@pytest.mark.shared_data
def test_darkness_does_not_change_sharpness(photo: tuple[Pixels, Landmarks]) -> None:
    pixels, landmarks = photo

    darker = quality_of((pixels * 0.5).astype(np.uint8), landmarks)

    assert darker.sharpness == pytest.approx(quality_of(pixels, landmarks).sharpness, abs=0.06)


@pytest.mark.shared_data
def test_a_photo_scaled_down_has_less_size_and_less_sharpness(
    photo: tuple[Pixels, Landmarks],
) -> None:
    pixels, landmarks = photo
    small = cv2.resize(pixels, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)

    quality, smaller = quality_of(pixels, landmarks), quality_of(small, landmarks / 4)

    assert smaller.size == pytest.approx(quality_of(pixels, landmarks).size / 4, rel=0.3)
    assert smaller.sharpness < quality.sharpness - 0.2


@pytest.mark.shared_data
def test_a_mirrored_photo_looks_the_other_way(photo: tuple[Pixels, Landmarks]) -> None:
    pixels, landmarks = photo
    mirrored = np.ascontiguousarray(pixels[:, ::-1])
    points = landmarks[[1, 0, 2, 4, 3]] * np.float32([-1, 1]) + np.float32([pixels.shape[1] - 1, 0])

    quality, other = quality_of(pixels, landmarks), quality_of(mirrored, points)

    assert other.yaw == pytest.approx(-quality.yaw, abs=2)
    assert other.roll == pytest.approx(-quality.roll, abs=2)
    assert other.pitch == pytest.approx(quality.pitch, abs=2)
    assert other.overall == pytest.approx(quality.overall, abs=0.05)


@pytest.mark.shared_data
@pytest.mark.parametrize("degrees", [-90, -30, 30, 90, 150, 180])
def test_a_photo_turned_clockwise_rolls_by_that_angle(
    photo: tuple[Pixels, Landmarks], degrees: float
) -> None:
    pixels, landmarks = photo
    turn = cv2.getRotationMatrix2D((125, 125), -degrees, 1)  # OpenCV counts the other way round
    turned = cv2.warpAffine(pixels, turn, (250, 250))
    points = (landmarks @ turn[:, :2].T + turn[:, 2]).astype(np.float32)

    quality, other = quality_of(pixels, landmarks), quality_of(turned, points)

    assert (other.roll - quality.roll) % 360 == pytest.approx(degrees % 360, abs=0.1)
    assert -180 <= other.roll <= 180
    assert other.yaw == pytest.approx(quality.yaw, abs=0.1)
    assert other.overall == pytest.approx(quality.overall, abs=0.05)


def test_a_level_face_has_no_angles() -> None:
    quality = quality_of(np.zeros((400, 400, 3), np.uint8), LEVEL)

    assert quality.yaw == pytest.approx(0, abs=0.5)
    assert quality.pitch == pytest.approx(0, abs=0.5)
    assert quality.roll == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize(
    ("nose", "yaw", "pitch"), [((9, 0), 1, 0), ((-9, 0), -1, 0), ((0, -9), 0, 1)]
)
def test_the_nose_points_where_the_face_looks(nose: tuple[int, int], yaw: int, pitch: int) -> None:
    landmarks = LEVEL.copy()
    landmarks[2] += nose

    quality = quality_of(np.zeros((400, 400, 3), np.uint8), landmarks)

    assert np.sign(np.round(quality.yaw / 10)) == yaw
    assert np.sign(np.round(quality.pitch / 10)) == pitch


def test_figures_stay_in_range_whatever_the_landmarks() -> None:
    dice = np.random.default_rng(3)
    for _ in range(300):
        pixels = dice.integers(0, 256, (60, 60, 3), dtype=np.uint8)
        found = similarity(dice.uniform(-20, 80, (5, 2)).astype(np.float32), ARCFACE_112.landmarks)
        if found is None or (crop := warp(pixels, found, 112)) is None:
            continue
        landmarks = dice.uniform(-20, 80, (5, 2)).astype(np.float32)
        quality = measure(DetectedFace((0, 0, 1, 1), landmarks, dice.uniform(-1, 2)), crop, found)

        for part in (quality.overall, quality.sharpness, quality.brightness, quality.size):
            assert 0 <= part <= 1
        for angle in (quality.yaw, quality.pitch, quality.roll):
            assert -180 <= angle <= 180


def test_a_flat_crop_is_neither_sharp_nor_a_fault() -> None:
    assert quality_of(np.full((400, 400, 3), 130, np.uint8), LEVEL).sharpness == 0


def test_the_weights_sum_to_one() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1)
