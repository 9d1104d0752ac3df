"""The hash of a picture: near for copies, far for others, and all near pairs found among many."""

from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from core.faces import Pixels
from core.images import Copies, PhotoLimits, decode, small_copies
from core.picture_hash import BYTES, LIMIT, distance, near_pairs, picture_hash

LIMITS = PhotoLimits(max_bytes=2**26, max_pixels=10**8)

PHOTOS = 100
"""Of LFW that are looked at."""


def scene(number: int, width: int = 600, height: int = 400) -> Pixels:
    """A picture with soft shapes, as photos have, and some grain."""
    numbers = np.random.default_rng(number)
    rough = numbers.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    soft = cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = numbers.normal(0, 4, (height, width, 1))
    return np.clip(soft + grain, 0, 255).astype(np.uint8)


def jpeg(pixels: Pixels, quality: int = 85, **options: Any) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, **options)
    return stream.getvalue()


def pixels_of(data: bytes, *, enough: int | None = None) -> Pixels:
    return decode(data, LIMITS, enough=enough).pixels


def hashes_of(*rows: str) -> NDArray[np.uint8]:
    """Hashes whose first bytes, in hex, are given; the others are zero."""
    return np.array([list(bytes.fromhex(row.ljust(2 * BYTES, "0"))) for row in rows], np.uint8)


def found(hashes: NDArray[np.uint8], limit: int = LIMIT) -> list[tuple[int, int, int]]:
    return [tuple(map(int, row)) for row in zip(*near_pairs(hashes, limit), strict=True)]  # type: ignore[misc]


def brute_force(hashes: NDArray[np.uint8], limit: int) -> list[tuple[int, int, int]]:
    rows = [bytes(row) for row in hashes]
    every = ((a, b, distance(rows[a], rows[b])) for a, b in combinations(range(len(rows)), 2))
    return [pair for pair in every if pair[2] <= limit]


@pytest.mark.parametrize("quality", [30, 50, 80])
def test_a_picture_encoded_again_keeps_its_hash_but_for_a_few_bits(quality: int) -> None:
    for number in range(10):
        copy = pixels_of(jpeg(scene(number), quality))
        assert distance(picture_hash(scene(number)), picture_hash(copy)) <= LIMIT // 2


@pytest.mark.parametrize("scale", [0.5, 0.7, 2])
def test_a_scaled_picture_keeps_its_hash_but_for_a_few_bits(scale: float) -> None:
    for number in range(10):
        copy = cv2.resize(scene(number), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        copied = picture_hash(np.asarray(copy, dtype=np.uint8))
        assert distance(picture_hash(scene(number)), copied) <= LIMIT // 2


def test_the_hash_of_a_reduced_decode_and_of_a_small_copy_are_those_of_the_photo() -> None:
    for number in range(3):
        data = jpeg(scene(number, 2880, 1920))
        whole = picture_hash(pixels_of(data))
        (thumbnail, preview) = small_copies(pixels_of(data), Copies.BOTH)
        assert thumbnail is not None
        assert preview is not None
        copies = [
            *(pixels_of(data, enough=enough) for enough in (640, 320)),
            *map(pixels_of, (thumbnail, preview)),
        ]
        assert [len(copy) for copy in copies] == [480, 240, 213, 853]
        assert max(distance(whole, picture_hash(copy)) for copy in copies) <= LIMIT // 2


def test_a_picture_that_exif_turns_has_the_hash_of_the_upright_one() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    lying = np.ascontiguousarray(np.rot90(scene(1)))

    upright = pixels_of(jpeg(lying, exif=turned))

    assert distance(picture_hash(scene(1)), picture_hash(upright)) <= LIMIT // 2
    assert distance(picture_hash(scene(1)), picture_hash(lying)) > 3 * LIMIT


def test_different_pictures_differ_in_many_bits() -> None:
    hashes = [picture_hash(scene(number)) for number in range(40)]

    assert min(distance(a, b) for a, b in combinations(hashes, 2)) > 4 * LIMIT


@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_picture_of_one_colour_has_no_bit_set(level: int) -> None:
    assert picture_hash(np.full((300, 500, 3), level, np.uint8)) == bytes(BYTES)


@pytest.mark.parametrize("sides", [(1, 1), (1, 700), (700, 1), (63, 65), (2000, 20)])
def test_every_picture_has_a_hash(sides: tuple[int, int]) -> None:
    assert len(picture_hash(scene(1, *sides))) == BYTES


def test_a_picture_that_is_its_own_mirror_image_leaves_no_band_without_a_bit() -> None:
    half = scene(1)
    hashes = np.frombuffer(picture_hash(np.hstack([half, half[:, ::-1]])), np.uint16)

    assert (hashes != 0).all()


def test_photos_are_told_from_each_other_and_from_nothing_else(shared_data: Path) -> None:
    paths = sorted((shared_data / "faces" / "lfw").rglob("*.jpg"))[:PHOTOS]
    assert len(paths) == PHOTOS
    photos = [pixels_of(path.read_bytes()) for path in paths]
    hashes = np.array([list(picture_hash(photo)) for photo in photos], np.uint8)
    copies = np.array(
        [list(picture_hash(pixels_of(jpeg(photo, 50)))) for photo in photos], np.uint8
    )

    pairs = found(np.concatenate([hashes, copies]))

    copied = {(row, row + PHOTOS) for row in range(PHOTOS)}
    assert {(a, b) for a, b, _ in pairs} == copied
    assert max(bits for *_, bits in pairs) <= LIMIT // 2


@pytest.mark.parametrize("limit", [0, 1, 7, LIMIT])
@pytest.mark.parametrize("seed", range(3))
def test_the_pairs_found_are_those_of_looking_at_all(limit: int, seed: int) -> None:
    numbers = np.random.default_rng(seed)
    bits = numbers.integers(0, 2, (400, 8 * BYTES), dtype=np.uint8)
    for row in range(200, 400):  # copies of others with 1 to 24 bits turned, often in one band
        first = numbers.integers(0, 200)
        span = 8 * BYTES if row % 2 else 32
        turned = numbers.choice(span, numbers.integers(1, 25), replace=False)
        bits[row] = bits[first]
        bits[row, turned] ^= 1
    hashes = np.unique(np.packbits(bits, axis=1), axis=0)
    numbers.shuffle(hashes)

    assert found(hashes, limit) == brute_force(hashes, limit)
    assert limit == 0 or found(hashes, limit)


def test_a_pair_that_differs_by_a_bit_in_each_band_but_one_is_found() -> None:
    assert found(hashes_of("", "0001" * 15)) == [(0, 1, 15)]
    assert found(hashes_of("", "0000" + "0001" * 15)) == [(0, 1, 15)]
    assert found(hashes_of("", "0001" * 16)) == []


def test_of_equal_hashes_each_is_paired_with_the_next_and_the_first_with_others() -> None:
    hashes = hashes_of("01", "ff" * 32, "01", "03", "ff" * 32, "01")

    assert found(hashes) == [(0, 2, 0), (0, 3, 1), (1, 4, 0), (2, 5, 0)]


def test_a_hundred_thousand_black_pictures_are_a_chain() -> None:
    first, second, bits = near_pairs(np.zeros((100_000, BYTES), np.uint8))

    assert (second - first == 1).all()
    assert len(bits) == 99_999


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_have_no_pair(count: int) -> None:
    assert found(np.zeros((count, BYTES), np.uint8)) == []


@pytest.mark.parametrize("limit", [-1, 16])
def test_a_limit_that_would_miss_pairs_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="0 to 15 bits"):
        near_pairs(hashes_of(""), limit)
