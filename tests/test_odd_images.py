"""Every file of the shared folder of odd pictures is processed, or refused with its own reason."""

from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from core import errors
from core.errors import BadImage
from core.images import PhotoHeader, PhotoLimits, decode, inspect
from core.inference.contracts import FaceModels
from core.inference.packs import read_manifest, tracked_manifest
from core.pipeline import Pipeline
from core.pipelines import Pipelines

LIMITS = PhotoLimits(max_bytes=32 * 2**20, max_pixels=100_000_000)

pytestmark = pytest.mark.shared_data

EMPTY = errors.ImageEmpty
UNSUPPORTED = errors.UnsupportedFormat
TOO_LARGE = errors.ImageTooLarge
TRUNCATED = errors.ImageTruncated
CORRUPT = errors.ImageCorrupt

READ: dict[str, tuple[str, int, int]] = {
    "compreface/einstein.bmp": ("bmp", 256, 256),
    "compreface/einstein.gif": ("gif", 256, 256),
    "compreface/einstein.jpeg": ("jpeg", 256, 256),
    "compreface/einstein.png": ("png", 256, 256),
    "compreface/einstein.tiff": ("tiff", 256, 256),
    "compreface/einstein.webp": ("webp", 256, 256),
    "derived/jpeg_named.png": ("jpeg", 1280, 886),
    "derived/jpeg_with_trailing_garbage.jpg": ("jpeg", 1280, 886),
    "derived/one_pixel.png": ("png", 1, 1),
    "derived/png_named.jpg": ("png", 640, 443),
    "derived/sliver_4000x3.png": ("png", 4000, 3),
    "derived/t1.avif": ("avif", 1280, 886),
    "derived/t1.heic": ("heic", 1280, 886),
    "derived/t1.webp": ("webp", 1280, 886),
    "derived/t1_480_gray16.png": ("png", 480, 332),
    "derived/t1_480_rgb16.png": ("png", 480, 332),
    "derived/t1_cmyk.jpg": ("jpeg", 1280, 886),
    **{f"derived/t1_exif{turn}.jpg": ("jpeg", 1280, 886) for turn in range(1, 9)},
    "derived/t1_gray.jpg": ("jpeg", 1280, 886),
    "derived/t1_half_animated.gif": ("gif", 640, 443),
    "derived/t1_half_animated.webp": ("webp", 640, 443),
    "derived/t1_half_gray8.png": ("png", 640, 443),
    "derived/t1_half_lossless.webp": ("webp", 640, 443),
    "derived/t1_half_multipage.tiff": ("tiff", 640, 443),
    "derived/t1_half_palette.png": ("png", 640, 443),
    "derived/t1_half_rgba.png": ("png", 640, 443),
    "derived/t1_progressive.jpg": ("jpeg", 1280, 886),
    "derived/t1_tiny_40x28.png": ("png", 40, 28),
    "insightface/bulk_mask2.jpg": ("jpeg", 1014, 1280),
    # PNGs with the name of a JPEG.
    "insightface/rotate_rot_0.jpg": ("png", 325, 402),
    "insightface/rotate_rot_180.jpg": ("png", 325, 402),
    "insightface/rotate_rot_270.jpg": ("png", 402, 325),
    "insightface/rotate_rot_90.jpg": ("png", 402, 325),
    "pillow/16bit.cropped.tif": ("tiff", 64, 64),
    "pillow/apng_dispose_op_none.png": ("png", 128, 64),
    "pillow/apng_mode_16bit.png": ("png", 128, 64),
    "pillow/avif_hopper.avif": ("avif", 128, 128),
    "pillow/avif_hopper.heif": ("heic", 128, 128),
    "pillow/avif_rot1mir0.avif": ("avif", 640, 427),  # stored 427 x 640, turned by its own boxes
    "pillow/broken_exif_dpi.jpg": ("jpeg", 100, 100),  # only the EXIF block is broken
    "pillow/decompression_bomb_extents.gif": ("gif", 100, 100),  # the bomb is the second frame
    "pillow/dispose_none_load_end.gif": ("gif", 200, 150),
    "pillow/exif_imagemagick_orientation.png": ("png", 512, 512),
    "pillow/frozenpond.mpo": ("jpeg", 640, 480),
    "pillow/hopper.bmp": ("bmp", 128, 128),
    "pillow/hopper.gif": ("gif", 128, 128),
    "pillow/hopper.jpg": ("jpeg", 128, 128),
    "pillow/hopper.png": ("png", 128, 128),
    "pillow/hopper.tif": ("tiff", 128, 128),
    "pillow/hopper.webp": ("webp", 128, 128),
    "pillow/hopper_16bit_qtables.jpg": ("jpeg", 128, 128),
    "pillow/hopper_bad_exif.jpg": ("jpeg", 500, 500),
    "pillow/hopper_gray.jpg": ("jpeg", 128, 128),
    **{f"pillow/hopper_orientation_{turn}.jpg": ("jpeg", 128, 128) for turn in range(2, 9)},
    "pillow/hopper_orientation_6.webp": ("webp", 128, 128),
    "pillow/invalid-exif.jpg": ("jpeg", 200, 200),
    "pillow/l_trns.png": ("png", 64, 64),
    "pillow/orientation_rectangle.jpg": ("jpeg", 1, 2),  # stored 2 x 1, to be turned by 90 degrees
    "pillow/p_16.png": ("png", 128, 128),
    "pillow/palette_not_needed_for_second_frame.gif": ("gif", 128, 128),
    "pillow/pil123rgba.png": ("png", 162, 150),
    "pillow/pil_sample_cmyk.jpg": ("jpeg", 100, 100),
    "pillow/rgb_trns.png": ("png", 64, 64),
    "pillow/tiff_16bit_RGB.tiff": ("tiff", 100, 40),
    "pillow_heif/L_8__128x128.heif": ("heic", 128, 128),
    "pillow_heif/L_exif_xmp_iptc.heic": ("heic", 64, 64),
    "pillow_heif/RGBA_10__128x128.heif": ("heic", 128, 128),
    "pillow_heif/zPug_3.heic": ("heic", 64, 64),
}
"""Format by content and sides of the upright picture."""

REFUSED_BY_HEADER: dict[str, type[BadImage]] = {
    "compreface/corrupted.png": CORRUPT,  # a text-mode copy changed its line ends
    "compreface/empty.png": UNSUPPORTED,  # the word "test"
    "derived/bomb_12000x12000_rgb8.png": TOO_LARGE,
    "derived/bomb_30000x30000_gray8.png": TOO_LARGE,
    "derived/bomb_header_only_100000x100000.png": TOO_LARGE,
    "derived/not_an_image.jpg": UNSUPPORTED,  # HTML
    "derived/zero_bytes.jpg": EMPTY,
    "pillow/bmp_b_badwidth.bmp": TOO_LARGE,  # claims a width of 4,294,967,169
    "pillow/broken.png": CORRUPT,  # noise behind the signature
    "pillow/decompression_bomb.gif": TOO_LARGE,  # a frame far larger than its 32 x 32 screen
    "pillow/decompression_bomb.ico": UNSUPPORTED,
    "pillow_heif/corrupted.heic": CORRUPT,  # nonsense where the second box should be
    "pillow_heif/corrupted.hif": TRUNCATED,  # the first 28,851 of 6,261,974 bytes
    "pillow_heif/empty.heic": EMPTY,
    "pillow_heif/truncated.heic": TRUNCATED,  # one byte short
}

REFUSED_BY_PIXELS: dict[str, type[BadImage]] = {
    "compreface/truncated.jpg": TRUNCATED,
    "derived/t1_bitrot.jpg": CORRUPT,
    "derived/t1_truncated_2kB.jpg": TRUNCATED,
    "derived/t1_truncated_60pct.jpg": TRUNCATED,
    "pillow/broken_data_stream.png": CORRUPT,
}

SHOW_T1 = [name for name in READ if name.startswith("derived/t1_exif")] + [
    "derived/jpeg_named.png",
    "derived/jpeg_with_trailing_garbage.jpg",
    "derived/png_named.jpg",
    "derived/t1.avif",
    "derived/t1.heic",
    "derived/t1.webp",
    "derived/t1_480_gray16.png",
    "derived/t1_480_rgb16.png",
    "derived/t1_cmyk.jpg",
    "derived/t1_gray.jpg",
    "derived/t1_half_animated.gif",
    "derived/t1_half_animated.webp",
    "derived/t1_half_gray8.png",
    "derived/t1_half_lossless.webp",
    "derived/t1_half_multipage.tiff",
    "derived/t1_half_palette.png",
    "derived/t1_progressive.jpg",
]
"""Made from one photo; t1_half_rgba.png too, but it fades to white towards one side."""

SHOW_HOPPER = [
    name
    for name in READ
    if name.startswith(("pillow/hopper", "pillow/avif_hopper")) and "bad_exif" not in name
]
SHOW_EINSTEIN = [name for name in READ if name.startswith("compreface/einstein")]


SHOW_FACES = {
    **dict.fromkeys(SHOW_T1, 6),
    "derived/t1_half_rgba.png": 6,
    **dict.fromkeys(SHOW_HOPPER, 1),
    **dict.fromkeys(SHOW_EINSTEIN, 1),
    "pillow/palette_not_needed_for_second_frame.gif": 1,  # Hopper again
    "insightface/bulk_mask2.jpg": 1,
    # Turned in the pixels, without EXIF: the one on its head is found when it is turned back.
    "insightface/rotate_rot_0.jpg": 1,
    "insightface/rotate_rot_90.jpg": 1,
    "insightface/rotate_rot_180.jpg": 1,
    "insightface/rotate_rot_270.jpg": 1,
}
"""Faces to be found; in all other readable files there is none, or none large enough."""

PUG = "pillow_heif/zPug_3.heic"
"""A dog from the front: no face, but it depends on the input size whether a detector agrees."""


@pytest.fixture(scope="module", params=["test_scrfd", "open"])
def models(request: pytest.FixtureRequest) -> FaceModels:
    """The networks of either family."""
    if request.param == "test_scrfd":
        found: FaceModels = request.getfixturevalue("scrfd_models")
        return found
    pipelines: Pipelines = request.getfixturevalue("pipelines")
    return pipelines[read_manifest(tracked_manifest()).pack("open").space.id].models


CAPTURED = {
    # The only one with a zone; the first has an EXIF block that is damaged elsewhere.
    "pillow/broken_exif_dpi.jpg": datetime(2013, 9, 11, 16, 45, 13, tzinfo=UTC),
    "pillow/frozenpond.mpo": datetime(2014, 3, 2, 13, 30, tzinfo=UTC),
    "pillow_heif/L_exif_xmp_iptc.heic": datetime(2020, 9, 14, 16, 9, 34, tzinfo=UTC),
}
"""When those that say so were taken."""


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "faces" / "odd-images"


def test_the_tables_name_every_file(folder: Path) -> None:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

    assert {*READ, *REFUSED_BY_HEADER, *REFUSED_BY_PIXELS} == found


@pytest.mark.parametrize("name", READ)
def test_a_readable_file_becomes_upright_rgb(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    kind, width, height = READ[name]

    photo = decode(data, LIMITS)

    assert photo.header == PhotoHeader(kind, width, height, len(data), CAPTURED.get(name))
    assert inspect(data, LIMITS) == photo.header
    assert photo.pixels.shape == (height, width, 3)
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.flags.c_contiguous


@pytest.mark.parametrize("name", REFUSED_BY_HEADER)
def test_a_bad_header_is_refused_before_decoding(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()

    for read in (inspect, decode):
        with pytest.raises(BadImage) as caught:
            read(data, LIMITS)

        assert type(caught.value) is REFUSED_BY_HEADER[name]


@pytest.mark.parametrize("name", REFUSED_BY_PIXELS)
def test_bad_pixels_behind_a_good_header_are_refused_by_decoding(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()

    assert inspect(data, LIMITS).width > 0
    with pytest.raises(BadImage) as caught:
        decode(data, LIMITS)

    assert type(caught.value) is REFUSED_BY_PIXELS[name]


def test_the_whole_folder_in_one_batch_gives_every_face_and_every_reason(
    folder: Path, models: FaceModels
) -> None:
    names = [*READ, *REFUSED_BY_HEADER, *REFUSED_BY_PIXELS]
    pipeline = Pipeline(models, LIMITS, max_faces=500, decode_threads=2)

    results = pipeline.analyse([(folder / name).read_bytes() for name in names])

    came_to = {
        name: type(result) if isinstance(result, BadImage) else len(result.faces)
        for name, result in zip(names, results, strict=True)
    }
    assert came_to.pop(PUG) in (0, 1)
    assert came_to == {
        **dict.fromkeys(READ.keys() - {PUG}, 0),
        **SHOW_FACES,
        **REFUSED_BY_HEADER,
        **REFUSED_BY_PIXELS,
    }


@pytest.mark.parametrize(
    ("names", "reference"),
    [
        (SHOW_T1, "derived/t1_exif1.jpg"),
        (SHOW_HOPPER, "pillow/hopper.png"),
        (SHOW_EINSTEIN, "compreface/einstein.png"),
    ],
)
def test_one_picture_looks_the_same_in_every_format(
    folder: Path, names: list[str], reference: str
) -> None:
    expected = _thumbnail(folder / reference)

    differences = {
        name: round(float(np.abs(_thumbnail(folder / name) - expected).mean()), 1) for name in names
    }

    # Turned, mirrored, inverted or clipped pictures differ by 40 levels and more.
    assert {name: value for name, value in differences.items() if value > 4} == {}


@pytest.mark.parametrize(
    ("name", "at", "expected"),
    [
        ("pillow/l_trns.png", (32, 32), (255, 255, 255)),  # a gray level declared transparent
        ("pillow/rgb_trns.png", (32, 32), (255, 255, 255)),  # a colour declared transparent
        ("pillow/pil123rgba.png", (2, 2), (255, 255, 255)),  # an alpha channel
        ("pillow/pil_sample_cmyk.jpg", (2, 2), (255, 0, 0)),  # inverted, as Adobe writes it
    ],
)
def test_transparency_and_ink_become_the_colour_that_viewers_show(
    folder: Path, name: str, at: tuple[int, int], expected: tuple[int, int, int]
) -> None:
    pixels = decode((folder / name).read_bytes(), LIMITS).pixels

    assert np.abs(pixels[at].astype(int) - expected).max() <= 32


def _thumbnail(path: Path) -> NDArray[np.float32]:
    """Gray and 16 x 12: coarse enough to forget resampling, compression and palettes."""
    pixels = decode(path.read_bytes(), LIMITS).pixels
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return cv2.resize(gray, (16, 12), interpolation=cv2.INTER_AREA).astype(np.float32)
