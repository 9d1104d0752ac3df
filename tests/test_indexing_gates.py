"""What a collection's gate leaves out: told with every reason, stored nowhere."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.degrading import Degrade, blurred, covered, lit, shrunk, turned
from core import collections
from core.errors import BadImage
from core.faces import AnalysedFace
from core.gates import Gate
from core.inference.install import install
from core.inference.packs import Manifest, load_manifest
from core.pipeline import AnalysedPhoto
from core.pipelines import Pipelines
from core.services import Services
from core.settings import Settings
from tests.conftest import TEST_PACKS
from tests.queues import Queue, assert_counters_are_true

Photo = Callable[[int], bytes]
Change = Callable[[AnalysedFace], AnalysedFace]


@dataclass(frozen=True, slots=True)
class Changed:
    """A pipeline whose first face of each photo is changed before anybody sees it."""

    pipeline: Any
    change: Change

    @property
    def places(self) -> Any:
        return self.pipeline.places

    def analyse(self, photos: Sequence[bytes], **more: Any) -> list[AnalysedPhoto | BadImage]:
        results = self.pipeline.analyse(photos, **more)
        return [
            replace(each, faces=(self.change(each.faces[0]), *each.faces[1:])) for each in results
        ]


def blur(face: AnalysedFace) -> AnalysedFace:
    return replace(face, quality=replace(face.quality, sharpness=0.0))


def turn_and_blur(face: AnalysedFace) -> AnalysedFace:
    return replace(face, quality=replace(face.quality, sharpness=0.0, yaw=89.0))


def set_gate(queue: Queue, gate: Gate) -> None:
    with queue.services.pool.connection() as conn:
        collections.change(conn, queue.collection.id, quality_gate=gate)


def test_a_refused_face_is_written_down_with_all_its_reasons_and_has_no_crop(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    fake_pipeline.faces = 2
    [image_id] = queue.put(photo(1))

    queue.run(Changed(fake_pipeline, turn_and_blur))

    image = queue.image(image_id)
    assert (image.state, image.reason, image.face_count) == ("indexed", None, 1)
    assert image.detail == "Faces that were found and not indexed: blurred (1)."
    [left_out] = image.skipped_faces
    assert left_out["reason"] == "blurred"
    assert left_out["reasons"] == ["blurred", "extreme_pose"]
    assert queue.sql("SELECT position, box FROM faces") == [(0, [1.0, 0.0, 5.0, 4.0])]
    assert queue.files()["crops"] == 1
    assert_counters_are_true(queue)


def test_a_photo_whose_faces_are_all_refused_is_indexed_without_a_usable_face(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    [image_id] = queue.put(photo(1))

    queue.run(Changed(fake_pipeline, blur))

    image = queue.image(image_id)
    assert (image.state, image.reason, image.face_count) == ("indexed", "no_usable_face", 0)
    assert queue.states() == [("indexed", 1)]
    assert queue.files() == {"photos": 1, "thumbnails": 1, "previews": 1, "crops": 0}


def test_a_gate_that_is_off_keeps_every_face(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    set_gate(queue, Gate.OFF)
    [image_id] = queue.put(photo(1))

    queue.run(Changed(fake_pipeline, turn_and_blur))

    assert (queue.image(image_id).face_count, queue.image(image_id).skipped_faces) == (1, [])


def test_a_new_gate_judges_later_photos_and_the_waiting_ones_only(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    set_gate(queue, Gate.OFF)
    [before] = queue.put(photo(1))
    queue.run(Changed(fake_pipeline, blur))
    [waiting] = queue.put(photo(2))

    set_gate(queue, Gate.STANDARD)
    queue.run(Changed(fake_pipeline, blur))

    assert queue.image(before).face_count == 1
    assert queue.image(waiting).reason == "no_usable_face"


def test_each_photo_of_a_batch_is_judged_by_the_gate_of_its_own_collection(
    queue: Queue, services: Services, doorbell: Any, fake_pipeline: Any, photo: Photo
) -> None:
    with services.pool.connection() as conn:
        pack = services.manifest.pack("open")
        open_to_all = collections.create(conn, pack, name="all", quality_gate=Gate.OFF)
    [refused] = queue.put(photo(1))
    [kept] = Queue(services, doorbell, open_to_all).put(photo(2))

    assert queue.run(Changed(fake_pipeline, blur)) == 2

    assert queue.image(refused).reason == "no_usable_face"
    assert queue.image(kept).face_count == 1


# --- real photos, real models ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Real:
    """Real networks, and a photo of one face."""

    manifest: Manifest
    pipelines: Pipelines
    photo: np.ndarray


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Real:
    """det_500m and mobilefacenet_ms1m_512."""
    folder = tmp_path_factory.mktemp("models")
    settings = Settings(_env_file=None, models_dir=folder, extra_packs=TEST_PACKS, device="cpu")
    manifest = load_manifest(settings)
    install(
        manifest.pack("test_scrfd"), folder, source=shared_data / "weights", accept_licence=True
    )
    with Image.open(shared_data / "faces/lfw/Al_Gore/Al_Gore_0001.jpg") as image:
        return Real(manifest, Pipelines(manifest, settings), np.array(image.convert("RGB")))


@dataclass(frozen=True, slots=True)
class Gated:
    """What becomes of a photo, made worse, behind a gate."""

    real: Real
    services: Services
    doorbell: Any

    def index(self, gate: Gate, degrade: Degrade) -> tuple[int, list[str]]:
        """Index the photo; return how many faces were stored and why others were not."""
        with self.services.pool.connection() as conn:
            pack = self.real.manifest.pack("test_scrfd")
            home = collections.create(conn, pack, name=gate, quality_gate=gate)
        queue = Queue(self.services, self.doorbell, home)
        stream = BytesIO()
        Image.fromarray(degrade(self.real.photo)).save(stream, "PNG")
        [image_id] = queue.put(stream.getvalue())
        queue.run(self.real.pipelines[home.space_id])
        image = queue.image(image_id)
        assert_counters_are_true(queue)
        reasons = [reason for face in image.skipped_faces for reason in face["reasons"]]
        return image.face_count, reasons


@pytest.fixture
def gated(real: Real, services: Services, doorbell: Any) -> Gated:
    return Gated(real, replace(services, manifest=real.manifest), doorbell)


@pytest.mark.shared_data
@pytest.mark.parametrize("gate", Gate)
def test_a_press_photo_passes_every_gate(gated: Gated, gate: Gate) -> None:
    assert gated.index(gate, lambda pixels: pixels) == (1, [])


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("degrade", "reason"),
    [
        (partial(blurred, sigma=6), "blurred"),
        (partial(lit, gain=0.06), "too_dark"),
        (partial(lit, gain=4), "too_bright"),
        (partial(turned, yaw=60), "extreme_pose"),
        (partial(covered, share=0.45), "low_detector_score"),
        (partial(lit, gain=0.06), "low_embedding_norm"),
    ],
)
def test_a_spoiled_photo_is_refused_for_what_is_wrong_with_it(
    gated: Gated, degrade: Degrade, reason: str
) -> None:
    stored, reasons = gated.index(Gate.STANDARD, degrade)

    assert stored == 0
    assert reason in reasons
    assert gated.index(Gate.OFF, degrade) == (1, [])


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("degrade", "reason"),
    [
        (partial(blurred, sigma=2), "blurred"),
        (partial(shrunk, factor=0.3), "face_too_small"),
        (partial(lit, gain=0.25), "too_dark"),
    ],
)
def test_a_middling_photo_is_refused_by_the_strict_gate_only(
    gated: Gated, degrade: Degrade, reason: str
) -> None:
    assert gated.index(Gate.STANDARD, degrade) == (1, [])

    stored, reasons = gated.index(Gate.STRICT, degrade)

    assert stored == 0
    assert reason in reasons
