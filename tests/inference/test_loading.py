"""From an installed pack to people told apart."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from core import images
from core.alignment import align
from core.errors import DeviceUnavailable, DigestMismatch, PackNotInstalled
from core.faces import Embedding, Pixels, unit_embedding
from core.images import PhotoLimits
from core.inference.contracts import FaceModels
from core.inference.install import install
from core.inference.loading import load_models
from core.inference.packs import Manifest
from core.settings import Device, Settings

SAMPLES = Path(__file__).parents[2] / "models" / "samples"


def on_cpu(models_dir: Path) -> Settings:
    return Settings(_env_file=None, models_dir=models_dir, device=Device.CPU)


@pytest.fixture(scope="module")
def portrait() -> Callable[[str], Pixels]:
    def read(name: str) -> Pixels:
        path = SAMPLES / name
        if not path.is_file():
            pytest.skip("the sample photos are not installed")
        return images.decode(path.read_bytes(), PhotoLimits(2**26, 10**8)).pixels

    return read


def embeddings(models: FaceModels, pixels: Pixels) -> list[Embedding]:
    (faces,) = models.detector.detect([pixels])
    embedder = models.embedder
    crops = [align(pixels, face.landmarks, embedder.template, embedder.side) for face in faces]
    raw = embedder.embed(np.stack([crop for crop in crops if crop is not None]))
    return [unit_embedding(each, embedder.dimension)[0] for each in raw]


def test_the_threshold_of_the_open_pack_tells_the_sample_people_apart(
    manifest: Manifest, open_models: FaceModels, portrait: Callable[[str], Pixels]
) -> None:
    threshold = manifest.pack("open").threshold
    (enrolled,) = embeddings(open_models, portrait("obama.jpg"))

    same = [
        embeddings(open_models, portrait(f"{name}.jpg"))[0] @ enrolled
        for name in ("obama2", "obama3", "obama_partial_face", "obama_partial_face2")
    ]
    others = [
        each @ enrolled
        for name in ("biden.jpg", "t1.jpg")
        for each in embeddings(open_models, portrait(name))
    ]

    assert min(same) > threshold + 0.01
    assert len(others) == 7
    assert max(others) < threshold - 0.05


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["test_scrfd", "test_scrfd_25", "test_casia"])
def test_the_test_packs_tell_people_apart(
    test_manifest: Manifest,
    weights: Path,
    tmp_path: Path,
    photo: Callable[[str], Pixels],
    name: str,
) -> None:
    pack = test_manifest.pack(name)
    install(pack, tmp_path, source=weights, accept_licence=True)

    models = load_models(pack, on_cpu(tmp_path))

    one, same, other = (
        embeddings(models, photo(path))[0]
        for path in (
            "deepface/person_01/img1.jpg",
            "deepface/person_01/img2.jpg",
            "deepface/person_02/img13.jpg",
        )
    )
    assert one @ same > pack.threshold > one @ other
    assert models.device is Device.CPU


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "fewest"), [("test_scrfd", 110), ("test_scrfd_25", 140), ("open", 230)]
)
def test_more_than_a_hundred_faces_of_one_photo_are_found(
    manifest: Manifest,
    test_manifest: Manifest,
    open_models: FaceModels,
    weights: Path,
    tmp_path: Path,
    photo: Callable[[str], Pixels],
    name: str,
    fewest: int,
) -> None:
    """The crowd of selfie.jpg; a side of 1280 pixels shows SCRFD 380 and more of it."""
    models = open_models
    if name not in manifest.packs:
        pack = test_manifest.pack(name)
        install(pack, tmp_path, source=weights, accept_licence=True)
        models = load_models(pack, on_cpu(tmp_path))

    (found,) = models.detector.detect([photo("scenes/selfie.jpg")])

    assert len(found) >= fewest
    assert len({face.box for face in found}) == len(found)


def test_a_pack_that_is_not_installed_names_the_command_that_cures_it(
    manifest: Manifest, tmp_path: Path
) -> None:
    with pytest.raises(
        PackNotInstalled, match="`facesearch models install buffalo_l --accept-license`"
    ):
        load_models(manifest.pack("buffalo_l"), on_cpu(tmp_path))


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["det_500m.onnx", "mobilefacenet_ms1m_512.onnx"])
def test_a_changed_file_is_never_loaded(
    test_manifest: Manifest, weights: Path, tmp_path: Path, name: str
) -> None:
    pack = test_manifest.pack("test_scrfd")
    install(pack, tmp_path, source=weights, accept_licence=True)
    path = tmp_path / pack.name / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    with pytest.raises(DigestMismatch, match=f"{name} of the model pack test_scrfd"):
        load_models(pack, on_cpu(tmp_path))


@pytest.mark.shared_data
def test_a_missing_device_stops_the_load(
    test_manifest: Manifest, weights: Path, tmp_path: Path
) -> None:
    pack = test_manifest.pack("test_scrfd")
    install(pack, tmp_path, source=weights, accept_licence=True)
    settings = Settings(_env_file=None, models_dir=tmp_path, device=Device.TENSORRT)

    with pytest.raises(DeviceUnavailable, match="tensorrt"):
        load_models(pack, settings)


@pytest.mark.shared_data
def test_the_keys_of_a_pack_decide_which_faces_are_looked_for(
    test_manifest: Manifest, weights: Path, tmp_path: Path, photo: Callable[[str], Pixels]
) -> None:
    pack = test_manifest.pack("test_scrfd")
    install(pack, tmp_path, source=weights, accept_licence=True)
    upright_only = replace(
        pack,
        detector=replace(pack.detector, turned_threshold=1),
        recogniser=replace(pack.recogniser, min_face=40),
    )
    # Of this size the detector finds nobody as it stands.
    head_down = cv2.resize(photo("odd-images/insightface/rotate_rot_180.jpg"), (517, 640))

    models = [load_models(each, on_cpu(tmp_path)) for each in (pack, upright_only)]

    assert [len(each.detector.detect([head_down])[0]) for each in models] == [1, 0]
    assert [each.min_face for each in models] == [16, 40]


def test_loading_prints_nothing(
    manifest: Manifest, open_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    models = load_models(manifest.pack("open"), on_cpu(open_folder.parent))
    models.detector.detect([np.zeros((100, 200, 3), np.uint8)])

    assert capfd.readouterr() == ("", "")
