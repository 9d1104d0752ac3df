"""Reading photos: limits, formats, orientation, modes, damage."""

import random
import struct
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pillow_heif
import pytest
import simplejpeg  # type: ignore[import-untyped]
from PIL import Image, ImageCms, ImageOps

from core.errors import (
    BadImage,
    FileTooLarge,
    ImageCorrupt,
    ImageEmpty,
    ImageTooLarge,
    ImageTruncated,
    UnsupportedFormat,
)
from core.faces import Pixels
from core.images import (
    PREVIEW,
    THUMBNAIL,
    Copies,
    PhotoHeader,
    PhotoLimits,
    decode,
    inspect,
    preview,
    shrink,
    small_copies,
)
from core.settings import Settings

LIMITS = PhotoLimits(max_bytes=2**20, max_pixels=10**6)
ORIENTATION = 0x0112

# A picture whose four corners tell every turn, mirror image and colour mistake apart.
RED, GREEN, BLUE, GRAY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)


def corners(width: int = 64, height: int = 32) -> Image.Image:
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[: height // 2, : width // 2] = RED
    pixels[: height // 2, width // 2 :] = GREEN
    pixels[height // 2 :, : width // 2] = BLUE
    pixels[height // 2 :, width // 2 :] = GRAY
    return Image.fromarray(pixels)


def oriented(turn: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = turn
    return exif.tobytes()


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    stream = BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(picture).save(stream, quality=-1, **options)
    else:
        picture.save(stream, kind, **options)
    return stream.getvalue()


def assert_corners(pixels: Pixels, tolerance: int = 32) -> None:
    height, width = pixels.shape[:2]
    assert width == 2 * height
    at = [pixels[y, x].astype(int) for y in (2, height - 3) for x in (2, width - 3)]
    assert np.abs(np.array(at) - [RED, GREEN, BLUE, GRAY]).max() <= tolerance


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF", "BMP", "GIF"])
def test_every_format_gives_the_same_pixels(kind: str) -> None:
    data = encoded(corners(), kind)

    photo = decode(data, LIMITS)

    word = {"HEIF": "heic"}.get(kind, kind.lower())
    assert photo.header == inspect(data, LIMITS) == PhotoHeader(word, 64, 32, len(data))
    assert_corners(photo.pixels)


@pytest.mark.parametrize(
    ("turn", "stored"),
    [
        (1, None),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_90),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_270),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_exif_orientation_is_applied_in_every_format_that_has_it(
    kind: str, turn: int, stored: Image.Transpose | None
) -> None:
    picture = corners() if stored is None else corners().transpose(stored)
    exif = Image.Exif()
    exif[ORIENTATION] = turn
    data = encoded(picture, kind, exif=exif.tobytes())

    header = inspect(data, LIMITS)

    assert (header.width, header.height) == (64, 32)
    assert_corners(decode(data, LIMITS).pixels)


@pytest.mark.parametrize("order", [">", "<"])
def test_orientation_is_read_in_both_byte_orders(order: str) -> None:
    head = b"Exif\0\0" + (b"MM\0*" if order == ">" else b"II*\0")
    block = head + struct.pack(f"{order}IHHHIHHI", 8, 1, ORIENTATION, 3, 1, 3, 0, 0)
    data = encoded(corners().transpose(Image.Transpose.ROTATE_180), "JPEG", exif=block)

    assert_corners(decode(data, LIMITS).pixels)


@pytest.mark.parametrize(
    "block",
    [b"MM\0*", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff" + b"\x99" * 20, b"nonsense"],
)
def test_a_broken_exif_block_does_not_cost_the_photo(block: bytes) -> None:
    data = encoded(corners(), "JPEG", exif=b"Exif\0\0" + block, dpi=(72, 72))

    assert_corners(decode(data, LIMITS).pixels)


def test_the_first_frame_of_an_animation_and_the_first_page_of_a_document_count() -> None:
    for kind in ("GIF", "WEBP", "TIFF", "PNG", "AVIF"):
        later = Image.new("RGB", (64, 32), (9, 9, 9))
        data = encoded(corners(), kind, save_all=True, append_images=[later, later])

        assert_corners(decode(data, LIMITS).pixels)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("P", "PNG"),
        ("P", "TIFF"),
        ("RGBA", "PNG"),
        ("CMYK", "JPEG"),
        ("CMYK", "TIFF"),
        ("YCbCr", "TIFF"),
        ("YCbCr", "JPEG"),
        ("RGBA", "WEBP"),
        ("RGBA", "HEIF"),
    ],
)
def test_every_colour_mode_becomes_rgb(mode: str, kind: str) -> None:
    data = encoded(corners().convert(mode), kind)

    assert_corners(decode(data, LIMITS).pixels)


def test_lab_becomes_rgb() -> None:
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = ImageCms.applyTransform(corners(), to_lab)
    assert lab is not None

    assert_corners(decode(encoded(lab, "TIFF"), LIMITS).pixels)


@pytest.mark.parametrize(
    ("mode", "kind"), [("L", "PNG"), ("L", "HEIF"), ("1", "PNG"), ("1", "TIFF"), ("LA", "PNG")]
)
def test_gray_modes_become_equal_red_green_and_blue(mode: str, kind: str) -> None:
    ramp = Image.fromarray(np.tile(np.repeat([0, 255], 32).astype(np.uint8), (32, 1)))

    pixels = decode(encoded(ramp.convert(mode), kind), LIMITS).pixels

    assert np.ptp(pixels, axis=2).max() == 0
    assert pixels[5, 3, 0] <= 2
    assert pixels[5, 60, 0] >= 253


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_gray_is_scaled_and_not_clipped(kind: str) -> None:
    levels = np.arange(256, dtype=np.uint16)
    samples = np.tile(levels * 257, (4, 1))

    pixels = decode(encoded(Image.fromarray(samples), kind), LIMITS).pixels

    assert (pixels[0, :, 0] == levels).all()


def test_32_bit_samples_are_stretched_from_darkest_to_brightest() -> None:
    samples = np.linspace(-3, 7, 256, dtype=np.float32)[np.newaxis].repeat(4, axis=0)
    samples[3, 0] = np.nan

    pixels = decode(encoded(Image.fromarray(samples), "TIFF"), LIMITS).pixels

    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[0, 255].tolist() == [255, 255, 255]
    assert abs(int(pixels[0, 128, 0]) - 128) <= 1


def test_transparent_parts_are_white_whatever_hides_behind_them() -> None:
    picture = corners().convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 32, 16))

    pixels = decode(encoded(picture, "PNG"), LIMITS).pixels

    assert pixels[2, 2].tolist() == [255, 255, 255]
    assert tuple(pixels[2, 60]) == GREEN


def test_an_alpha_channel_that_hides_everything_is_taken_for_unset() -> None:
    picture = corners().convert("RGBA")
    picture.putalpha(0)

    assert_corners(decode(encoded(picture, "PNG"), LIMITS).pixels)


@pytest.mark.parametrize(
    "data",
    [
        b"Dear Sir or Madam,",
        b"BMW and BMX are not bitmaps, although they begin like one",
        b"<!doctype html><html></html>",
        b"PK\x03\x04" + b"\0" * 60,
        b"%PDF-1.7\n" + b"\0" * 60,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        b"\0\0\0\x18ftypisom\0\0\2\0isommp41" + b"\0" * 60,
        b"\xff\xd8",
        b"\0",
    ],
    ids=["text", "bm-text", "html", "zip", "pdf", "eps", "svg", "mp4", "two-bytes", "nul"],
)
def test_what_is_no_picture_is_an_unsupported_format(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        inspect(data, LIMITS)


@pytest.mark.parametrize("kind", ["PPM", "TGA", "ICO", "PCX", "JPEG2000", "EPS", "PDF", "ICNS"])
def test_other_formats_that_pillow_knows_are_unsupported(kind: str) -> None:
    with pytest.raises(UnsupportedFormat):
        decode(encoded(corners(), kind), LIMITS)


def test_a_picture_of_palette_colours_without_a_palette_is_damaged() -> None:
    whole = encoded(corners().convert("P"), "PNG")
    start = whole.index(b"PLTE") - 4
    (length,) = struct.unpack_from(">I", whole, start)

    with pytest.raises(ImageCorrupt):
        decode(whole[:start] + whole[start + 12 + length :], LIMITS)


def test_the_small_copy_in_a_raw_file_is_not_taken_for_the_photo() -> None:
    data = encoded(corners(), "TIFF", tiffinfo={254: 1})

    with pytest.raises(UnsupportedFormat, match="raw"):
        inspect(data, LIMITS)


def test_no_bytes_are_an_empty_image() -> None:
    with pytest.raises(ImageEmpty):
        inspect(b"", LIMITS)


def test_the_file_may_be_as_large_as_the_limit_and_no_larger() -> None:
    data = encoded(corners(), "PNG")

    inspect(data, PhotoLimits(max_bytes=len(data), max_pixels=10**6))
    with pytest.raises(FileTooLarge) as caught:
        inspect(data, PhotoLimits(max_bytes=len(data) - 1, max_pixels=10**6))

    assert caught.value.details == {"bytes": len(data), "max_bytes": len(data) - 1}


def test_the_picture_may_have_as_many_pixels_as_the_limit_and_no_more() -> None:
    data = encoded(corners(), "PNG")

    decode(data, PhotoLimits(max_bytes=2**20, max_pixels=64 * 32))
    with pytest.raises(ImageTooLarge) as caught:
        inspect(data, PhotoLimits(max_bytes=2**20, max_pixels=64 * 32 - 1))

    assert caught.value.details == {"width": 64, "height": 32, "max_pixels": 2047}


def test_only_our_own_limit_on_pixels_counts() -> None:
    # 196 million pixels: Image.open warns above 89 million and raises above 179 million.
    data = encoded(Image.new("1", (14000, 14000)), "PNG")

    header = inspect(data, PhotoLimits(max_bytes=2**20, max_pixels=200_000_000))

    assert (header.width, header.height) == (14000, 14000)


def test_limits_come_from_the_settings() -> None:
    settings = Settings(max_photo_mib=3, max_megapixels=7, _env_file=None)

    assert PhotoLimits.of(settings) == PhotoLimits(3 * 2**20, 7_000_000)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF", "BMP", "GIF"])
def test_a_cut_off_file_is_called_truncated(kind: str) -> None:
    noise = np.random.default_rng(7).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)

    with pytest.raises(ImageTruncated):
        decode(data[: len(data) // 2], LIMITS)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF", "BMP", "GIF", "TIFF deflated"]
)
def test_damage_anywhere_ends_in_a_photo_or_a_reason(kind: str) -> None:
    kind, *deflated = kind.split()
    options = {"compression": "tiff_deflate"} if deflated else {}
    exif = {} if kind in ("BMP", "GIF") else {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}
    whole = encoded(corners(), kind, **exif, **options)
    dice = random.Random(kind)  # noqa: S311

    for _ in range(300):
        data = bytearray(whole[: dice.randrange(1, 2 * len(whole))])
        for _ in range(dice.choice((0, 1, 3, 20))):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            assert decode(bytes(data), LIMITS).pixels.dtype == np.uint8
        except BadImage as error:
            assert str(error)  # noqa: PT017


def test_many_threads_decode_at_the_same_time() -> None:
    files = [encoded(corners(), kind) for kind in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF")]

    with ThreadPoolExecutor(8) as threads:
        photos = list(threads.map(lambda data: decode(data, LIMITS), files * 20))

    for photo in photos:
        assert_corners(photo.pixels)


def test_a_preview_is_a_jpeg_of_the_wanted_size() -> None:
    pixels = decode(encoded(corners(), "PNG"), LIMITS).pixels

    data = preview(pixels, 16)

    assert inspect(data, LIMITS) == PhotoHeader("jpeg", 16, 8, len(data))


def test_a_preview_is_never_larger_than_the_photo() -> None:
    pixels = decode(encoded(corners(), "PNG"), LIMITS).pixels

    assert inspect(preview(pixels, 1000), LIMITS).width == 64


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_jpeg_is_decoded_at_the_smallest_size_that_is_enough(turn: int) -> None:
    data = encoded(corners(512, 256), "JPEG", exif=oriented(turn))
    whole = decode(data, LIMITS)

    for enough, reduction in ((512, 1), (129, 1), (128, 4), (65, 4), (64, 8), (9, 8)):
        photo = decode(data, LIMITS, enough=enough)

        assert photo.reduction == reduction
        assert photo.header == whole.header
        assert photo.pixels.shape[0] * reduction == whole.pixels.shape[0]
        small = whole.pixels[reduction // 2 :: reduction, reduction // 2 :: reduction]
        corner = np.abs(photo.pixels[2:6, 2:6].astype(int) - small[2:6, 2:6])
        assert corner.max() < 40, "turned otherwise than the whole picture"


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
@pytest.mark.parametrize("progressive", [False, True])
def test_every_kind_of_jpeg_looks_the_same_reduced(mode: str, progressive: bool) -> None:
    data = encoded(corners(512, 256).convert(mode), "JPEG", progressive=progressive, quality=95)

    whole, reduced = decode(data, LIMITS), decode(data, LIMITS, enough=128)

    assert reduced.reduction == 4
    expected = shrink(whole.pixels, 128).astype(int)
    assert np.abs(reduced.pixels - expected)[2:-2, 2:-2].mean() < 3


def test_a_pixel_of_a_reduced_jpeg_shows_the_middle_of_those_it_stands_for() -> None:
    ramp = np.broadcast_to(np.arange(240, dtype=np.uint8)[None, :, None], (64, 240, 3))
    data = encoded(Image.fromarray(np.ascontiguousarray(ramp)), "JPEG", quality=98, subsampling=0)

    for enough, reduction in ((60, 4), (30, 8)):
        photo = decode(data, LIMITS, enough=enough)
        shown = reduction * (np.arange(240 // reduction) + 0.5) - 0.5
        assert np.abs(photo.pixels[4 // reduction, :, 0] - shown).max() <= 1.5


def test_what_cannot_be_reduced_is_decoded_whole() -> None:
    assert decode(encoded(corners(512, 256), "PNG"), LIMITS, enough=64).reduction == 1
    sliver = Image.new("RGB", (512, 1))
    assert decode(encoded(sliver, "JPEG"), LIMITS, enough=64).reduction == 1


def test_odd_sides_are_reduced_unless_that_would_move_the_turned_picture() -> None:
    odd = corners(511, 255)

    upright = decode(encoded(odd, "JPEG"), LIMITS, enough=100)
    turned = decode(encoded(odd, "JPEG", exif=oriented(3)), LIMITS, enough=100)

    assert (upright.reduction, upright.pixels.shape[:2]) == (4, (64, 128))
    assert (upright.header.width, upright.header.height) == (511, 255)
    assert turned.reduction == 1


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_has_the_very_pixels_that_pillow_gives(
    mode: str, subsampling: int, progressive: bool
) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (67, 131, 3), dtype=np.uint8)
    data = encoded(
        Image.fromarray(noise).convert(mode),
        "JPEG",
        subsampling=subsampling,
        progressive=progressive,
    )

    for enough, reduction in ((131, 1), (32, 4), (16, 8)):
        picture = Image.open(BytesIO(data))
        picture.draft(None, (131 // reduction, 67 // reduction))
        np.testing.assert_array_equal(
            decode(data, LIMITS, enough=enough).pixels, np.asarray(picture.convert("RGB"))
        )


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_jpeg_is_turned_as_pillow_turns_it(turn: int) -> None:
    data = encoded(corners(30, 17), "JPEG", exif=oriented(turn))

    expected = ImageOps.exif_transpose(Image.open(BytesIO(data)))

    np.testing.assert_array_equal(decode(data, LIMITS).pixels, np.asarray(expected))


def test_a_fault_that_pillow_forgives_does_not_cost_the_photo() -> None:
    whole = encoded(corners(), "JPEG")
    scan = whole.index(b"\xff\xda")
    faulty = whole[:scan] + bytes(100) + whole[scan:]
    with pytest.raises(ValueError, match="extraneous"):
        simplejpeg.decode_jpeg(faulty)

    np.testing.assert_array_equal(decode(faulty, LIMITS).pixels, decode(whole, LIMITS).pixels)


def test_a_damaged_jpeg_is_refused_reduced_as_it_is_whole() -> None:
    data = encoded(corners(512, 256), "JPEG")

    with pytest.raises(ImageTruncated):
        decode(data[: len(data) // 2], LIMITS, enough=64)


def test_the_copies_of_a_photo_no_larger_than_a_thumbnail_are_one() -> None:
    small, large = np.zeros((320, 9, 3), dtype=np.uint8), np.zeros((321, 9, 3), dtype=np.uint8)

    thumbnail, shown = small_copies(small, Copies.BOTH)
    assert thumbnail is shown
    assert thumbnail == preview(small, THUMBNAIL)

    thumbnail, shown = small_copies(large, Copies.BOTH)
    assert (thumbnail, shown) == (preview(large, THUMBNAIL), preview(large, PREVIEW))
    assert thumbnail != shown


def test_a_sliver_keeps_at_least_one_pixel_when_it_shrinks() -> None:
    sliver = np.zeros((3, 4000, 3), dtype=np.uint8)

    assert shrink(sliver, 320).shape == (1, 320, 3)
