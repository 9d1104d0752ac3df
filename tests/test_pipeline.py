"""The way of photos to faces: order, isolation, batching, limits, and real models on real photos."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import core.pipeline
import core.precedence
from core.errors import BadImage, ImageEmpty, ImageTruncated, UnsupportedFormat
from core.faces import DetectedFace, Pixels
from core.images import Copies, DecodedPhoto, PhotoLimits, decode, inspect
from core.inference.contracts import FaceModels
from core.inference.templates import ARCFACE_112
from core.picture_hash import picture_hash
from core.pictures import encode_crop
from core.pipeline import AnalysedPhoto, Pipeline
from core.settings import Device
from core.stored_pictures import unpack

LIMITS = PhotoLimits(max_bytes=32 * 2**20, max_pixels=100_000_000)
SIDE, DIMENSION = 112, 3


class Mosaic:
    """Finds a face in each tile that is not black; its brightness is its score."""

    def detect(self, images: Sequence[Pixels]) -> list[list[DetectedFace]]:
        return [self._faces(image) for image in images]

    def _faces(self, image: Pixels) -> list[DetectedFace]:
        faces = [
            DetectedFace((x, 0, x + SIDE, SIDE), ARCFACE_112.landmarks + np.float32([x, 0]), level)
            for x in range(0, image.shape[1], SIDE)
            if (level := float(image[SIDE // 2, x + SIDE // 2, 0]) / 255)
        ]
        return sorted(faces, key=lambda face: -face.score)


class MeanColour:
    """Embeds a crop as its mean colour, and remembers how many came at a time."""

    side = SIDE
    template = ARCFACE_112.landmarks
    dimension = DIMENSION

    def __init__(self) -> None:
        self.batches: list[int] = []

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.batches.append(len(crops))
        return crops.mean(axis=(1, 2)).astype(np.float32)


def mosaic(*colours: tuple[int, int, int]) -> bytes:
    pixels = np.zeros((SIDE, SIDE * len(colours), 3), dtype=np.uint8)
    for index, colour in enumerate(colours):
        pixels[:, SIDE * index : SIDE * (index + 1)] = colour
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def pipeline(
    detector: object = None,
    embedder: object = None,
    *,
    max_faces: int = 500,
    threads: int = 2,
    detectors: int = 1,
    together: int = 1,
) -> Pipeline:
    models = FaceModels(detector or Mosaic(), embedder or MeanColour(), Device.CPU)  # type: ignore[arg-type]
    return Pipeline(
        models,
        LIMITS,
        max_faces=max_faces,
        decode_threads=threads,
        detectors=detectors,
        detected_together=together,
    )


def analysed(result: AnalysedPhoto | BadImage) -> AnalysedPhoto:
    assert isinstance(result, AnalysedPhoto), result
    return result


def test_every_photo_gets_its_own_faces_in_the_order_of_the_photos() -> None:
    photos = [mosaic((200, 0, 0)), mosaic((0, 0, 0)), mosaic((90, 90, 0), (200, 0, 200))]

    one, none, two = map(analysed, pipeline().analyse(photos))

    np.testing.assert_allclose(one.faces[0].embedding, [1, 0, 0], atol=1e-6)
    assert one.faces[0].norm == pytest.approx(200)
    assert none.faces == ()
    assert [face.norm for face in two.faces] == pytest.approx([200 * 2**0.5, 90 * 2**0.5])


def test_bad_photos_give_their_reason_and_do_not_disturb_their_neighbours() -> None:
    good = mosaic((200, 0, 0))

    results = pipeline().analyse([b"", good, b"text", good[: len(good) // 2], good])

    kinds = [type(each) for each in results]
    assert kinds == [ImageEmpty, AnalysedPhoto, UnsupportedFormat, ImageTruncated, AnalysedPhoto]
    assert len(analysed(results[1]).faces) == len(analysed(results[4]).faces) == 1


def test_no_photos_are_no_work() -> None:
    assert pipeline().analyse([]) == []


def test_the_faces_of_all_photos_are_embedded_together() -> None:
    embedder = MeanColour()

    pipeline(embedder=embedder).analyse([mosaic((9, 0, 0), (8, 0, 0)), mosaic((7, 0, 0))] * 3)

    assert embedder.batches == [9]


def test_the_recogniser_is_run_for_shorter_where_searches_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(core.pipeline, "EMBEDDED_BETWEEN_LOOKS", 4)
    embedder = MeanColour()
    one = pipeline(embedder=embedder)
    photos = [mosaic((9, 0, 0), (8, 0, 0)), mosaic((7, 0, 0))] * 3

    expected = one.analyse(photos)
    one.analyse(photos[:1])
    embedder.batches.clear()
    results = one.analyse(photos)

    assert embedder.batches == [4, 4, 1]
    assert sum(analysed(each).timings.runs for each in results) == pytest.approx(1)
    for result, before in zip(results, expected, strict=True):
        norms = [face.norm for face in analysed(result).faces]
        assert norms == [face.norm for face in analysed(before).faces]


def test_a_batch_gives_way_while_a_single_photo_is_analysed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(core.precedence, "LONGEST_S", 60)
    searching, answered = threading.Event(), threading.Event()
    seen: list[int] = []

    class Held(Mosaic):
        def _faces(self, image: Pixels) -> list[DetectedFace]:
            seen.append(int(image[0, 0, 0]))
            if image[0, 0, 0] == 200:
                searching.set()
                assert answered.wait(10)
            return super()._faces(image)

    one = pipeline(Held())
    with ThreadPoolExecutor() as threads:
        search = threads.submit(one.analyse, [mosaic((200, 0, 0))])
        assert searching.wait(10)
        batch = threads.submit(one.analyse, [mosaic((90, 0, 0)), mosaic((80, 0, 0))])
        time.sleep(0.1)
        before = list(seen)
        answered.set()

        assert len(search.result(10)) == 1
        assert len(batch.result(10)) == 2
    assert before == [200]
    assert sorted(seen) == [80, 90, 200]


def test_full_runs_of_the_recogniser_do_not_wait_for_the_last_photo(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(core.pipeline, "EMBEDDED_AT_ONCE", 4)
    embedded = threading.Event()

    class Signalling(MeanColour):
        def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
            embedded.set()
            return super().embed(crops)

    class LastOneWaits(Mosaic):
        def _faces(self, image: Pixels) -> list[DetectedFace]:
            if image[0, 0, 1]:
                assert embedded.wait(10), "the first faces were not embedded meanwhile"
            return super()._faces(image)

    embedder = Signalling()
    photos = [mosaic((9, 0, 0), (8, 0, 0))] * 2 + [mosaic((7, 1, 0))]

    results = pipeline(LastOneWaits(), embedder, detectors=2).analyse(photos)

    assert [len(analysed(each).faces) for each in results] == [2, 2, 1]
    assert embedder.batches == [4, 1]


def test_as_many_photos_are_detected_at_once_as_there_are_detectors() -> None:
    together = threading.Barrier(3, timeout=10)
    most, inside = [0], [0]
    counting = threading.Lock()

    class Counting(Mosaic):
        def detect(self, images: Sequence[Pixels]) -> list[list[DetectedFace]]:
            with counting:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            together.wait()
            with counting:
                inside[0] -= 1
            return super().detect(images)

    pipeline(Counting(), threads=4, detectors=3).analyse([mosaic((9, 9, 9))] * 12)

    assert most == [3]


def test_photos_that_wait_for_the_detector_go_into_it_together() -> None:
    sizes: list[int] = []

    class Slow(Mosaic):
        def detect(self, images: Sequence[Pixels]) -> list[list[DetectedFace]]:
            sizes.append(len(images))
            threading.Event().wait(0.05)  # the others come meanwhile
            return super().detect(images)

    colours = [(10 * n, 9, 9) for n in range(1, 13)]
    running = pipeline(Slow(), threads=4, detectors=1, together=4)

    results = [analysed(each) for each in running.analyse([mosaic(each) for each in colours])]

    assert [round(each.faces[0].face.score * 255) for each in results] == [c[0] for c in colours]
    assert sum(sizes) == 12
    assert 1 < max(sizes) <= 4
    assert sum(each.timings.detect for each in results) == pytest.approx(0.05 * len(sizes), rel=0.5)


def test_what_breaks_photos_in_the_detector_together_breaks_their_batch_alone() -> None:
    class CannotStand(Mosaic):
        def detect(self, images: Sequence[Pixels]) -> list[list[DetectedFace]]:
            threading.Event().wait(0.02)
            if any(image[0, 0, 1] == 66 for image in images):
                raise RuntimeError("out of device memory")
            return super().detect(images)

    shared = pipeline(CannotStand(), threads=4, detectors=2, together=4)
    good, bad = [mosaic((9, 9, 9))] * 10, [*[mosaic((9, 9, 9))] * 9, mosaic((9, 66, 9))]

    with ThreadPoolExecutor(2) as threads:
        broken, whole = threads.submit(shared.analyse, bad), threads.submit(shared.analyse, good)
        with pytest.raises(RuntimeError, match="out of device memory"):
            broken.result()

    assert [len(analysed(each).faces) for each in whole.result()] == [1] * 10


def test_a_single_photo_does_not_wait_for_the_photos_of_a_batch() -> None:
    freed = threading.Event()

    class Busy(Mosaic):
        def _faces(self, image: Pixels) -> list[DetectedFace]:
            if image[0, 0, 1]:
                assert freed.wait(10)
            return super()._faces(image)

    shared = pipeline(Busy())
    with ThreadPoolExecutor(1) as threads:
        batch = threads.submit(shared.analyse, [mosaic((9, 1, 0))] * 20)
        (single,) = shared.analyse([mosaic((9, 0, 0))])
        waited = batch.done()
        freed.set()

    assert len(analysed(single).faces) == 1
    assert not waited
    assert len(batch.result()) == 20


def test_very_many_faces_are_embedded_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.pipeline, "EMBEDDED_AT_ONCE", 4)
    embedder = MeanColour()
    colours = [(10 * index, 5, 0) for index in range(1, 11)]

    (photo,) = map(analysed, pipeline(embedder=embedder).analyse([mosaic(*colours)]))

    assert embedder.batches == [4, 4, 2]
    assert [face.face.score * 255 for face in photo.faces] == pytest.approx(
        [colour[0] for colour in reversed(colours)]
    )
    assert all(
        face.embedding[0] / face.embedding[1] == pytest.approx(face.face.score * 51, rel=1e-3)
        for face in photo.faces
    )


def test_faces_smaller_than_the_recogniser_needs_are_named_and_not_embedded() -> None:
    class Shrinking(Mosaic):
        def _faces(self, image: Pixels) -> list[DetectedFace]:
            return [
                replace(face, box=(0, 0, width, height))
                for face, (width, height) in zip(
                    super()._faces(image), [(20, 90), (19.9, 90), (90, 19.9), (90, 20)], strict=True
                )
            ]

    embedder = MeanColour()
    models = FaceModels(Shrinking(), embedder, Device.CPU, min_face=20)
    running = Pipeline(models, LIMITS, max_faces=1, decode_threads=1)

    (photo,) = map(analysed, running.analyse([mosaic(*[(9 - n, 0, 0) for n in range(4)])]))

    assert [each.face.box for each in photo.faces] == [(0, 0, 20, 90)]
    assert [(each.face.box, each.reason) for each in photo.skipped] == [
        ((0, 0, 19.9, 90), "face_too_small"),
        ((0, 0, 90, 19.9), "face_too_small"),
        ((0, 0, 90, 20), "exceeds_max_faces"),
    ]
    assert embedder.batches == [1]


def test_of_too_many_faces_the_largest_are_kept_and_the_others_are_named() -> None:
    class Growing(Mosaic):
        def _faces(self, image: Pixels) -> list[DetectedFace]:
            return [
                DetectedFace((0, 0, size, size), ARCFACE_112.landmarks, 0.9 - size / 1000)
                for size in (10, 40, 20, 30)
            ]

    (photo,) = map(analysed, pipeline(Growing(), max_faces=2).analyse([mosaic((9, 9, 9))]))

    assert [face.face.box[2] for face in photo.faces] == [40, 30]
    assert [(each.face.box[2], each.reason) for each in photo.skipped] == [
        (10, "exceeds_max_faces"),
        (20, "exceeds_max_faces"),
    ]


def test_faces_that_cannot_be_aligned_or_compared_are_skipped_by_name() -> None:
    class OneBad(Mosaic):
        def _faces(self, image: Pixels) -> list[DetectedFace]:
            bad = DetectedFace((0, 0, 5, 5), np.zeros((5, 2), dtype=np.float32), 0.9)
            return [bad, *super()._faces(image)]

    class OneZero(MeanColour):
        def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
            raw = super().embed(crops)
            raw[0] = np.nan
            return raw

    photos = [mosaic((200, 0, 0), (0, 0, 0), (90, 0, 0))]
    (photo,) = map(analysed, pipeline(OneBad(), OneZero()).analyse(photos))

    assert [each.reason for each in photo.skipped] == ["bad_landmarks", "bad_embedding"]
    assert [face.norm for face in photo.faces] == pytest.approx([90])


def test_a_model_that_breaks_is_no_result_and_stops_the_batch() -> None:
    class Broken(Mosaic):
        def detect(self, images: Sequence[Pixels]) -> list[list[DetectedFace]]:
            raise RuntimeError("out of device memory")

    broken = pipeline(Broken())
    for photos in ([mosaic((9, 9, 9))] * 5, [mosaic((9, 9, 9))]):
        with pytest.raises(RuntimeError, match="out of device memory"):
            broken.analyse(photos)


def test_a_batch_that_breaks_leaves_no_photo_behind_for_the_next() -> None:
    calls: list[int] = []

    class BreaksOnce(Mosaic):
        def detect(self, images: Sequence[Pixels]) -> list[list[DetectedFace]]:
            calls.append(1)
            if len(calls) == 1:
                raise RuntimeError("out of device memory")
            return super().detect(images)

    shared = pipeline(BreaksOnce(), threads=1)
    with pytest.raises(RuntimeError, match="out of device memory"):
        shared.analyse([mosaic((9, 9, 9))] * 50)

    results = shared.analyse([mosaic((8, 9, 9))] * 2)

    assert [len(analysed(each).faces) for each in results] == [1, 1]
    assert len(calls) < 10, "the rest of the broken batch was analysed for nobody"


def test_photos_are_decoded_only_a_few_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    ahead: list[int] = []

    def counting(data: bytes, limits: PhotoLimits, *, enough: int | None) -> DecodedPhoto:
        decoded.append(len(data))
        return decode(data, limits, enough=enough)

    class Watching(Mosaic):
        def detect(self, images: Sequence[Pixels]) -> list[list[DetectedFace]]:
            ahead.append(len(decoded) - len(ahead))
            return super().detect(images)

    monkeypatch.setattr(core.pipeline, "decode", counting)

    pipeline(Watching(), threads=2).analyse([mosaic((9, 9, 9))] * 30)

    assert len(decoded) == 30
    assert max(ahead) <= 3


def test_threads_share_one_pipeline() -> None:
    shared = pipeline()
    photos = [[mosaic((10 * index, 1, 1))] * 3 for index in range(1, 20)]

    with ThreadPoolExecutor(6) as threads:
        results = list(threads.map(shared.analyse, photos))

    for index, batch in enumerate(results, start=1):
        assert [round(analysed(each).faces[0].face.score * 255) for each in batch] == [
            10 * index
        ] * 3


def test_a_photo_comes_with_its_small_copies_its_sides_and_its_times() -> None:
    stream = BytesIO()
    Image.new("RGB", (3000, 1000), (9, 9, 9)).save(stream, "JPEG", exif=_turned_by_90())

    (photo,) = map(analysed, pipeline().analyse([stream.getvalue()], copies=Copies.BOTH))

    assert photo.thumbnail is not None
    assert photo.preview is not None
    assert (photo.header.format, photo.header.width, photo.header.height) == ("jpeg", 1000, 3000)
    for data, sides in ((photo.thumbnail, (107, 320)), (photo.preview, (427, 1280))):
        copy = inspect(data, LIMITS)
        assert (copy.width, copy.height) == sides
    assert min(photo.timings.decode, photo.timings.copies, photo.timings.detect) > 0


class OneFace:
    """Finds one face whose crop has *scale* pixels for each of the whole photo's."""

    def __init__(self, scale: float, width: int) -> None:
        self.scale = scale
        self.width = width
        self.seen: list[tuple[int, ...]] = []

    def detect(self, images: Sequence[Pixels]) -> list[list[DetectedFace]]:
        self.seen += [image.shape for image in images]
        return [[self._face(image.shape[1] / self.width)] for image in images]

    def _face(self, reduced: float) -> DetectedFace:
        size = SIDE / self.scale * reduced
        landmarks = (ARCFACE_112.landmarks / self.scale * reduced).astype(np.float32)
        return DetectedFace((0, 0, size, size), landmarks, 0.9)


@pytest.mark.parametrize(
    ("scale", "decodings", "reduction"),
    [(0.1, [1280], 4), (0.16, [1280, 2048], 1), (0.3, [1280, 3840], 1), (2.0, [1280, 5120], 1)],
)
def test_a_large_jpeg_is_decoded_reduced_and_again_where_its_faces_need_more(
    monkeypatch: pytest.MonkeyPatch, scale: float, decodings: list[int], reduction: int
) -> None:
    asked: list[int | None] = []
    reductions: list[int] = []

    def noting(data: bytes, limits: PhotoLimits, *, enough: int | None = None) -> DecodedPhoto:
        asked.append(enough)
        photo = decode(data, limits, enough=enough)
        reductions.append(photo.reduction)
        return photo

    monkeypatch.setattr(core.pipeline, "decode", noting)
    stream = BytesIO()
    Image.new("RGB", (5120, 1600), (90, 80, 70)).save(stream, "JPEG")
    detector = OneFace(scale, 5120)
    models = FaceModels(detector, MeanColour(), Device.CPU, finest=640)
    running = Pipeline(models, LIMITS, max_faces=9, decode_threads=1)

    (photo,) = map(analysed, running.analyse([stream.getvalue()], copies=Copies.PREVIEW))

    assert detector.seen == [(400, 1280, 3)]
    assert asked == pytest.approx(decodings, abs=1)
    assert reductions[-1] == reduction
    (face,) = photo.faces
    assert face.face.box[2] == pytest.approx(SIDE / scale)
    np.testing.assert_allclose(face.face.landmarks, ARCFACE_112.landmarks / scale, rtol=1e-4)
    assert face.quality.size == pytest.approx(min(1, 1 / scale))
    assert face.crop[5:60, 5:60].mean(axis=(0, 1)) == pytest.approx([90, 80, 70], abs=1)
    assert (photo.header.width, photo.header.height) == (5120, 1600)
    assert photo.preview is not None
    assert inspect(photo.preview, LIMITS).width == 1280


def test_small_copies_are_made_only_when_asked_for() -> None:
    photos = [mosaic((9, 9, 9))]

    def made(copies: Copies) -> tuple[bool, bool]:
        (photo,) = map(analysed, pipeline().analyse(photos, copies=copies))
        return photo.thumbnail is not None, photo.preview is not None

    assert made(Copies.NONE) == (False, False)
    assert made(Copies.PREVIEW) == (False, True)
    assert made(Copies.THUMBNAIL) == (True, False)
    assert made(Copies.HASH) == (False, False)


def test_the_hash_is_that_of_the_upright_picture_and_made_only_when_asked_for() -> None:
    pixels = np.zeros((2 * SIDE, SIDE, 3), np.uint8)
    pixels[5:20, 10:50] = (200, 90, 30)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", exif=_turned_by_90())
    photos = [stream.getvalue()]

    (with_hash,) = map(analysed, pipeline().analyse(photos, copies=Copies.HASH))
    (without,) = map(analysed, pipeline().analyse(photos, copies=Copies.BOTH))

    assert with_hash.picture_hash == picture_hash(decode(photos[0], LIMITS).pixels)
    assert with_hash.picture_hash != picture_hash(pixels)
    assert without.picture_hash is None


def test_the_times_of_a_batch_are_shared_out_to_its_photos() -> None:
    photos = [mosaic((9, 0, 0), (8, 0, 0)), mosaic((7, 0, 0)), mosaic((0, 0, 0))]

    results = [analysed(each) for each in pipeline().analyse(photos)]

    assert [each.timings.runs for each in results] == pytest.approx([2 / 3, 1 / 3, 0])
    assert [each.timings.embed > 0 for each in results] == [True, True, False]
    assert all(each.timings.decode_wait >= 0 for each in results)
    assert all(each.timings.detect_wait >= 0 for each in results)
    assert all(each.timings.embed_wait >= 0 for each in results)


def test_crops_are_packed_without_loss_and_smaller_than_raw() -> None:
    smooth = np.add.outer(np.arange(112), np.arange(112)).astype(np.uint8)
    crop = np.dstack([smooth, smooth.T // 2, 255 - smooth])

    packed = encode_crop(crop)

    assert (unpack(packed) == crop).all()
    assert len(packed) < crop.nbytes / 4


@pytest.fixture(scope="module")
def real(scrfd_models: FaceModels) -> Callable[..., list[AnalysedPhoto]]:
    running = Pipeline(scrfd_models, LIMITS, max_faces=500, decode_threads=2)

    def analyse(*paths: Path) -> list[AnalysedPhoto]:
        return [analysed(each) for each in running.analyse([path.read_bytes() for path in paths])]

    return analyse


@pytest.mark.shared_data
def test_six_people_sit_at_the_table(
    real: Callable[..., list[AnalysedPhoto]], shared_data: Path
) -> None:
    (photo,) = real(shared_data / "faces" / "scenes" / "insightface_t1.jpg")

    assert len(photo.faces) == 6
    assert photo.skipped == ()
    for face in photo.faces:
        assert face.crop.shape == (112, 112, 3)
        assert np.linalg.norm(face.embedding) == pytest.approx(1, abs=1e-5)
        assert face.norm > 1
        assert 0.4 < face.quality.overall <= 1


@pytest.mark.shared_data
def test_one_person_is_closer_to_herself_than_to_others(
    real: Callable[..., list[AnalysedPhoto]], shared_data: Path
) -> None:
    folder = shared_data / "faces" / "lfw"
    photos = real(
        folder / "Angelina_Jolie" / "Angelina_Jolie_0001.jpg",
        folder / "Angelina_Jolie" / "Angelina_Jolie_0002.jpg",
        folder / "Aaron_Eckhart" / "Aaron_Eckhart_0001.jpg",
    )
    one, same, other = (photo.faces[0].embedding for photo in photos)

    assert one @ same > 0.5
    assert one @ other < 0.25


@pytest.mark.shared_data
def test_the_mixing_of_photos_in_a_batch_changes_no_embedding(
    real: Callable[..., list[AnalysedPhoto]], shared_data: Path
) -> None:
    paths = sorted((shared_data / "faces" / "lfw").rglob("*_0001.jpg"))[:5]

    together = real(*paths)
    alone = [photo for path in paths for photo in real(path)]

    for left, right in zip(together, alone, strict=True):
        for a, b in zip(left.faces, right.faces, strict=True):
            assert a.embedding @ b.embedding > 0.99999


@pytest.mark.shared_data
def test_a_photo_on_its_head_gives_the_face_of_the_upright_one(
    real: Callable[..., list[AnalysedPhoto]], shared_data: Path
) -> None:
    folder = shared_data / "faces" / "odd-images" / "insightface"

    upright, turned = real(folder / "rotate_rot_0.jpg", folder / "rotate_rot_180.jpg")
    (expected,), (face,) = upright.faces, turned.faces

    assert face.embedding @ expected.embedding > 0.99
    left, top, right, bottom = expected.face.box
    width, height = upright.header.width, upright.header.height
    mirrored = (width - right, height - bottom, width - left, height - top)
    assert face.face.box == pytest.approx(mirrored, abs=2)
    assert abs(face.quality.roll - expected.quality.roll) == pytest.approx(180, abs=2)
    assert face.quality.yaw == pytest.approx(expected.quality.yaw, abs=2)
    assert face.quality.overall == pytest.approx(expected.quality.overall, abs=0.05)


@pytest.mark.shared_data
def test_faces_too_small_to_be_compared_are_shown_with_their_reason(
    real: Callable[..., list[AnalysedPhoto]], shared_data: Path
) -> None:
    (photo,) = real(shared_data / "faces" / "scenes" / "office5.jpg")

    assert len(photo.faces) + len(photo.skipped) == 12
    assert {each.reason for each in photo.skipped} == {"face_too_small"}
    assert max(each.face.shorter_side for each in photo.skipped) < 16
    assert min(each.face.shorter_side for each in photo.faces) >= 16


def _turned_by_90() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes()
