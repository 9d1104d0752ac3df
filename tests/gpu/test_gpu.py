"""On a real GPU: it computes, sees what the CPU sees, and keeps what it built.

`pytest -m gpu` runs these alone. Everywhere else they are skipped by name.
"""

import logging
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from benchmarks.make_r50 import iresnet
from core import images
from core.errors import DeviceUnavailable, PackNotInstalled
from core.images import PhotoLimits
from core.inference import install, reference
from core.inference.accelerators import CUDA, ENGINES, PROVIDERS, Placement, gpus, load_tensorrt
from core.inference.contracts import FaceModels
from core.inference.embedder import BATCHES, OnnxEmbedder
from core.inference.graphs import MOST_AT_ONCE, batched_scrfd, honest_recogniser
from core.inference.loading import keep_reference, load_models
from core.inference.packs import Manifest, Pack, RecogniserSpec, read_manifest, tracked_manifest
from core.inference.proof import LEAST_COSINE, cosine
from core.inference.runner import Runner
from core.inference.session import open_session
from core.settings import Device, Settings

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        CUDA not in ort.get_available_providers(), reason="this ONNX Runtime has no CUDA"
    ),
    pytest.mark.skipif(not gpus(), reason="nvidia-smi describes no GPU"),
]

MODELS = Path(__file__).parents[2] / "models"
ACCELERATORS = [each for each in PROVIDERS if each is not Device.CPU]
R50 = RecogniserSpec("arcface", "random.onnx", 512)


@pytest.fixture(params=ACCELERATORS)
def device(request: pytest.FixtureRequest) -> Device:
    """Each kind of accelerator whose libraries are here."""
    chosen: Device = request.param
    if chosen is Device.TENSORRT:
        if PROVIDERS[chosen] not in ort.get_available_providers():
            pytest.skip("this ONNX Runtime has no TensorRT")
        try:
            ort.preload_dlls()
            load_tensorrt()
        except DeviceUnavailable as error:
            pytest.skip(str(error))
    return chosen


@pytest.fixture(params=[False, True], ids=["32-bit", "16-bit"])
def fp16(request: pytest.FixtureRequest) -> bool:
    found: bool = request.param
    return found


@pytest.fixture(scope="module")
def pack() -> Pack:
    manifest: Manifest = read_manifest(tracked_manifest())
    try:
        install.show(manifest.pack("open"), MODELS)
    except PackNotInstalled as error:
        pytest.skip(str(error))
    return manifest.pack("open")


@pytest.fixture(scope="module")
def models_dir(pack: Pack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder of these tests' own, so that its engines go with it."""
    folder = tmp_path_factory.mktemp("models")
    for name in (pack.name, reference.SAMPLES):
        if (MODELS / name).is_dir():
            shutil.copytree(MODELS / name, folder / name)
    keep_reference(pack, Settings(_env_file=None, models_dir=folder))
    return folder


@pytest.fixture
def settings(models_dir: Path, device: Device, fp16: bool) -> Settings:
    return Settings(_env_file=None, models_dir=models_dir, device=device, gpu_fp16=fp16)


@pytest.fixture(scope="module")
def on_cpu(pack: Pack, models_dir: Path) -> FaceModels:
    return load_models(pack, Settings(_env_file=None, models_dir=models_dir, device=Device.CPU))


def test_a_pack_stands_the_proof(
    pack: Pack, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        models = load_models(pack, settings)

    assert models.device is settings.device
    assert f"pack open is proven on {settings.device}" in caplog.text
    assert "kernels ran there" in caplog.text


def test_auto_takes_the_gpu_and_says_which(
    pack: Pack, models_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        models = load_models(pack, Settings(_env_file=None, models_dir=models_dir))

    assert models.device is Device.CUDA
    assert gpus()[0].name in caplog.text


def test_the_same_faces_are_found_with_the_same_vectors(
    pack: Pack, settings: Settings, on_cpu: FaceModels
) -> None:
    photos = sorted((settings.models_dir / reference.SAMPLES).glob("*.jpg"))
    if not photos:
        pytest.skip("the sample photos are not installed")
    on_gpu = load_models(pack, settings)

    for photo in photos:
        pixels = images.decode(photo.read_bytes(), PhotoLimits(2**26, 10**8)).pixels
        (mine,), (others,) = (each.detector.detect([pixels]) for each in (on_gpu, on_cpu))
        mine, others = (sorted(each, key=lambda face: face.box[0]) for each in (mine, others))

        assert len(mine) == len(others)
        for one, other in zip(mine, others, strict=True):
            width = other.box[2] - other.box[0]
            assert np.abs(one.landmarks - other.landmarks).max() < 0.01 * width
            assert one.score == pytest.approx(other.score, abs=0.02)


@pytest.mark.parametrize("count", [1, 7, 8, 40, 64, 65])
def test_every_number_of_faces_gives_the_vectors_of_the_cpu(
    pack: Pack, settings: Settings, on_cpu: FaceModels, count: int
) -> None:
    random = np.random.default_rng(count)
    crops = random.integers(0, 256, (count, 150, 150, 3), dtype=np.uint8)

    found = load_models(pack, settings).embedder.embed(crops)

    expected = on_cpu.embedder.embed(crops)
    assert min(map(cosine, found, expected)) >= LEAST_COSINE


def test_the_topology_of_w600k_r50_gives_the_vectors_of_the_cpu(
    device: Device, fp16: bool, tmp_path: Path
) -> None:
    graph = honest_recogniser(iresnet())
    shapes = tuple((n, 3, 112, 112) for n in (1, 32, 64))
    placement = Placement(fp16=fp16, engines=tmp_path)
    crops = np.random.default_rng(1).integers(0, 256, (9, 112, 112, 3), dtype=np.uint8)

    session = open_session(graph, device, 0, placement=placement, shapes=shapes)  # type: ignore[arg-type]
    found = OnnxEmbedder(session, R50).embed(crops)

    expected = OnnxEmbedder(open_session(graph, Device.CPU, 0), R50).embed(crops)
    assert min(map(cosine, found, expected)) >= LEAST_COSINE


def test_a_graph_of_a_fixed_batch_runs(device: Device, tmp_path: Path) -> None:
    graph = iresnet((1, 1, 1, 1), batch=4)
    crops = np.random.default_rng(1).integers(0, 256, (9, 112, 112, 3), dtype=np.uint8)
    shapes = (1, 3, 112, 112), (32, 3, 112, 112), (64, 3, 112, 112)

    session = open_session(graph, device, 0, placement=Placement(engines=tmp_path), shapes=shapes)
    found = OnnxEmbedder(session, R50).embed(crops)

    expected = OnnxEmbedder(open_session(graph, Device.CPU, 0), R50).embed(crops)
    assert min(map(cosine, found, expected)) >= LEAST_COSINE


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["det_500m.onnx", "det_2.5g.onnx"])
def test_photos_that_go_together_get_what_each_gets_alone_on_the_cpu(
    device: Device, fp16: bool, shared_data: Path, tmp_path: Path, name: str
) -> None:
    data = (shared_data / "weights" / name).read_bytes()
    session = open_session(
        batched_scrfd(data),
        device,
        0,
        shapes_lie=True,
        placement=Placement(fp16=fp16, engines=tmp_path),
        shapes=((1, 3, 32, 32), (1, 3, 320, 320), (MOST_AT_ONCE, 3, 320, 320)),
    )
    photos = np.random.default_rng(3).normal(0, 0.5, (MOST_AT_ONCE, 3, 320, 320))
    blob = photos.astype(np.float32)

    together = Runner(session).run(blob)

    on_cpu = Runner(open_session(data, Device.CPU, 0, shapes_lie=True))
    for place in range(MOST_AT_ONCE):
        alone = on_cpu.run(blob[place : place + 1])
        assert min(cosine(a[place], b) for a, b in zip(together, alone, strict=True)) > LEAST_COSINE


def test_runs_with_buffers_give_what_plain_runs_give(device: Device, tmp_path: Path) -> None:
    shapes = (1, 3, 112, 112), (8, 3, 112, 112), (8, 3, 112, 112)
    session = open_session(
        iresnet((1, 1, 1, 1)), device, 0, placement=Placement(engines=tmp_path), shapes=shapes
    )
    plain, bound = Runner(session, bound=False), Runner(session)
    blobs = [
        np.random.default_rng(n).normal(size=(n, 3, 112, 112)).astype(np.float32)
        for n in (1, 8, 1, 4)
    ]

    found = [bound.run(each)[0] for each in blobs]

    for blob, result in zip(blobs, found, strict=True):
        np.testing.assert_allclose(result, plain.run(blob)[0], rtol=1e-3, atol=1e-3)


def test_engines_are_built_once_for_each_network_and_precision(
    pack: Pack, models_dir: Path, device: Device
) -> None:
    if device is not Device.TENSORRT:
        pytest.skip("only TensorRT builds engines")
    settings = Settings(_env_file=None, models_dir=models_dir, device=device)

    def engines() -> dict[Path, int]:
        built = (models_dir / ENGINES).glob("*/*.engine")
        return {each: each.stat().st_mtime_ns for each in built}

    load_models(pack, settings)
    first = engines()
    load_models(pack, settings)
    assert engines() == first

    load_models(pack, settings.model_copy(update={"gpu_fp16": True}))

    assert len(first) >= 2
    assert first.items() < engines().items()


def test_a_reference_that_is_not_this_machines_is_not_blamed_on_the_gpu(
    pack: Pack, settings: Settings, tmp_path: Path
) -> None:
    shutil.copytree(settings.models_dir / pack.name, tmp_path / pack.name)
    moved = settings.model_copy(update={"models_dir": tmp_path})
    kept = reference.read(pack, tmp_path)
    assert kept is not None
    reference.keep(pack, tmp_path, replace(kept, vectors=kept.vectors[::-1]))

    with pytest.raises(DeviceUnavailable, match="`facesearch models install open`"):
        load_models(pack, moved)


def test_a_gpu_that_gives_something_else_than_the_cpu_is_refused(
    pack: Pack, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = OnnxEmbedder.embed

    def turned(self: OnnxEmbedder, crops: np.ndarray) -> np.ndarray:
        found = real(self, crops)
        return found if self._network.device is Device.CPU else found[:, ::-1]

    monkeypatch.setattr(OnnxEmbedder, "embed", turned)

    with pytest.raises(DeviceUnavailable, match="does not give what the CPU gives"):
        load_models(pack, settings)


def test_a_gpu_without_memory_is_refused(pack: Pack, models_dir: Path) -> None:
    settings = Settings(_env_file=None, models_dir=models_dir, device=Device.CUDA, gpu_memory_mib=1)

    with pytest.raises(DeviceUnavailable, match=r"does not start|failed in a run"):
        load_models(pack, settings)


def test_a_gpu_that_is_not_there_is_an_error(pack: Pack, settings: Settings) -> None:
    with pytest.raises(DeviceUnavailable, match="There is no GPU 255"):
        load_models(pack, settings.model_copy(update={"gpu": 255}))


def test_memory_stays_within_its_limit_and_does_not_creep(pack: Pack, models_dir: Path) -> None:
    settings = Settings(
        _env_file=None, models_dir=models_dir, device=Device.CUDA, gpu_memory_mib=4096
    )
    models = load_models(pack, settings)
    crops = np.zeros((BATCHES[-1], 150, 150, 3), np.uint8)
    photos = [np.zeros((h, w, 3), np.uint8) for h, w in ((480, 640), (1280, 960), (90, 2000))]
    models.embedder.embed(crops)
    models.detector.detect(photos)
    before = _used_mib()

    for count in range(1, 65, 3):
        models.embedder.embed(crops[:count])
        models.detector.detect(photos)

    assert _used_mib() <= before + 16


def _used_mib() -> int:
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"]
    return int(subprocess.check_output(query, text=True))
