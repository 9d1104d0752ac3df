"""A device that does not compute, or computes something else, is found out before the first photo."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import EngineError

from core.errors import DeviceUnavailable
from core.inference import loading, proof, reference
from core.inference.accelerators import CPU, CUDA, TENSORRT, Gpu, Placement
from core.inference.embedder import OnnxEmbedder
from core.inference.graphs import BATCH, batched_scrfd
from core.inference.packs import Manifest, Pack
from core.inference.proof import cosine, kernels_of, prove, require_kernels
from core.inference.reference import Networks, Reference
from core.inference.session import open_session
from core.settings import Device, Settings
from tests.inference.topologies import vit

GPU = Gpu(0, "NVIDIA L4", "8.9", "580.159.04", 23034)


@pytest.fixture(scope="module")
def pack(manifest: Manifest) -> Pack:
    return manifest.pack("open")


@pytest.fixture(scope="module")
def networks(pack: Pack, open_folder: Path) -> Networks:
    settings = Settings(_env_file=None, models_dir=open_folder.parent)
    return loading._networks(pack, settings, Device.CPU)


@pytest.fixture(scope="module")
def kept(pack: Pack, networks: Networks) -> Reference:
    return reference.make(pack, networks, [])


# --- the kernels --------------------------------------------------------------------------------


def test_the_profile_of_a_session_says_what_ran_where(tmp_path: Path) -> None:
    session = open_session(vit(8, blocks=1), Device.CPU, 1, placement=Placement(profile=tmp_path))
    session.run(None, {"input": np.zeros((1, 3, 112, 112), np.float32)})

    kernels = kernels_of(session)

    assert {provider for _, provider in kernels} == {CPU}
    assert kernels["Conv", CPU] == 1
    assert sum(n for (name, _), n in kernels.items() if "MatMul" in name or "Gemm" in name) >= 6
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_runs_on_the_cpu_is_not_taken_for_one_on_the_gpu(tmp_path: Path) -> None:
    session = open_session(vit(8, blocks=1), Device.CPU, 1, placement=Placement(profile=tmp_path))
    session.run(None, {"input": np.zeros((1, 3, 112, 112), np.float32)})

    with pytest.raises(DeviceUnavailable, match=r"do not run there: Conv \(1 times on CPUExec"):
        require_kernels(kernels_of(session), Device.CUDA)


def test_arithmetic_of_shapes_may_run_anywhere() -> None:
    assert require_kernels({("Conv", CUDA): 50, ("Gather", CPU): 3}, Device.CUDA) == 50


@pytest.mark.parametrize("name", ["Conv", "FusedConv", "MatMul", "Gemm", "MultiHeadAttention"])
def test_one_heavy_operator_elsewhere_is_enough_to_refuse(name: str) -> None:
    with pytest.raises(DeviceUnavailable, match=rf"{name} \(1 times on CPUExecutionProvider\)"):
        require_kernels({("Conv", CUDA): 50, (name, CPU): 1}, Device.CUDA)


def test_tensorrt_that_leaves_the_work_to_cuda_is_refused() -> None:
    engine = ("TRTKernel_graph_main_graph_1", TENSORRT)

    assert require_kernels({engine: 2, ("Shape", CUDA): 1}, Device.TENSORRT) == 2
    with pytest.raises(DeviceUnavailable, match=r"Conv \(9 times on CUDAExecutionProvider\)"):
        require_kernels({engine: 2, ("Conv", CUDA): 9}, Device.TENSORRT)


def test_a_device_on_which_nothing_ran_is_refused() -> None:
    with pytest.raises(DeviceUnavailable, match="none of their kernels did"):
        require_kernels({("Gather", CPU): 3}, Device.CUDA)


# --- what they give -----------------------------------------------------------------------------


def test_a_pack_that_gives_what_it_gave_is_proven(
    pack: Pack, networks: Networks, kept: Reference
) -> None:
    proven = prove(pack, networks, Device.CPU, kept)

    assert proven.cosine > 0.99999
    assert proven.kernels == 0


def off_by_noise(values: np.ndarray, wanted: float) -> np.ndarray:
    """Turn each row so far that its cosine with what it was is *wanted*."""
    noise = np.random.default_rng(4).normal(size=values.shape)
    rows, noise = values.reshape(len(values), -1), noise.reshape(len(values), -1)
    noise -= rows * (noise * rows).sum(1, keepdims=True) / (rows**2).sum(1, keepdims=True)
    noise *= np.linalg.norm(rows, axis=1, keepdims=True) / np.linalg.norm(
        noise, axis=1, keepdims=True
    )
    turned = wanted * rows + np.sqrt(1 - wanted**2) * noise
    return turned.reshape(values.shape).astype(np.float32)


def test_vectors_that_are_a_little_off_are_refused_with_the_cosine(
    pack: Pack, networks: Networks, kept: Reference
) -> None:
    near, far = (replace(kept, vectors=off_by_noise(kept.vectors, c)) for c in (0.9992, 0.9985))

    assert prove(pack, networks, Device.CPU, near).cosine == pytest.approx(0.9992, abs=1e-4)
    with pytest.raises(DeviceUnavailable, match=r"embedding of a face is 0\.9985") as refused:
        prove(pack, networks, Device.CPU, far)
    assert refused.value.details["cosine"] == pytest.approx(0.9985, abs=1e-4)


def test_one_vector_of_many_that_is_off_is_enough_to_refuse(
    pack: Pack, networks: Networks, kept: Reference
) -> None:
    vectors = kept.vectors.copy()
    vectors[-1] = off_by_noise(vectors[-1:], 0.99)[0]

    with pytest.raises(DeviceUnavailable, match=r"0\.99"):
        prove(pack, networks, Device.CPU, replace(kept, vectors=vectors))


def test_vectors_that_are_no_numbers_are_refused(
    pack: Pack, networks: Networks, kept: Reference
) -> None:
    vectors = kept.vectors.copy()
    vectors[0, 0] = np.nan

    with pytest.raises(DeviceUnavailable, match=r"-1\.0"):
        prove(pack, networks, Device.CPU, replace(kept, vectors=vectors))


def test_a_detector_that_sees_something_else_is_refused(
    pack: Pack, networks: Networks, kept: Reference
) -> None:
    heat, *others = kept.maps
    maps = (off_by_noise(heat, 0.99), *others)

    with pytest.raises(DeviceUnavailable, match=r"detector's view of a picture is 0\.99"):
        prove(pack, networks, Device.CPU, replace(kept, maps=maps))


def test_an_accelerator_is_tried_with_every_batch_that_it_will_run(
    pack: Pack, networks: Networks, kept: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    embed: Callable[[np.ndarray], np.ndarray] = networks.embedder.embed

    def counting(crops: np.ndarray) -> np.ndarray:
        sizes.append(len(crops))
        return embed(crops)

    monkeypatch.setattr(networks.embedder, "embed", counting)
    monkeypatch.setattr(proof, "BATCHES", (1, 3, 6))
    monkeypatch.setattr(proof, "kernels_of", lambda _: {("Conv", CUDA): 1})

    proven = prove(pack, networks, Device.CUDA, kept)

    assert sizes == [1, 3, 6]
    assert proven.kernels == 2
    assert proven.cosine > 0.99999


@pytest.mark.shared_data
def test_photos_that_go_together_are_tried_together(
    test_manifest: Manifest, weights: Path, networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two graphs that say they keep photos apart: one of our own, and one that mixes them."""
    pack = test_manifest.pack("test_scrfd")
    data = (weights / "det_500m.onnx").read_bytes()
    lying = onnx.load_model_from_string(data)
    lying.graph.input[0].type.tensor_type.shape.dim[0].dim_param = BATCH
    alone, patched, mixing = (
        replace(networks, detector_session=open_session(each, Device.CPU, 1, shapes_lie=True))
        for each in (data, batched_scrfd(data), lying.SerializeToString())
    )
    # The recogniser is that of another pack, and what it gives is part of the reference.
    kept = reference.make(pack, alone, [])
    monkeypatch.setattr(proof, "kernels_of", lambda _: {("Conv", CUDA): 1})
    monkeypatch.setattr(proof, "BATCHES", (1,))

    assert prove(pack, patched, Device.CUDA, kept).cosine > 0.99999
    with pytest.raises(DeviceUnavailable, match="detector's view of a picture is"):
        prove(pack, mixing, Device.CUDA, kept)


def test_the_cosine_of_nothing_with_nothing_is_one() -> None:
    nothing = np.zeros(3, np.float32)

    assert cosine(nothing, nothing) == 1
    assert cosine(nothing, nothing + 1) == 0
    assert cosine(nothing, nothing[:2]) == -1


# --- the whole way, with sessions that pretend --------------------------------------------------


class PretendingSession(ort.InferenceSession):
    """Says that it runs where it was told to, and runs on the CPU.

    Attributes:
        told: The providers of each session, with their options.
    """

    told: ClassVar[list[list[tuple[str, dict[str, str]]]]] = []

    def __init__(
        self,
        model: bytes,
        options: ort.SessionOptions,
        providers: list[tuple[str, dict[str, str]]],
        **_: object,
    ) -> None:
        super().__init__(model, options, providers=[CPU])
        self._asked = providers
        self.told.append(providers)

    def get_providers(self) -> list[str]:
        return [name for name, _ in self._asked]

    def get_provider_options(self) -> dict[str, dict[str, str]]:
        return dict(self._asked)


@pytest.fixture
def pretended_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    monkeypatch.setattr(ort, "InferenceSession", PretendingSession)
    monkeypatch.setattr(PretendingSession, "told", [])
    monkeypatch.setattr("core.inference.runner.MEMORY", dict.fromkeys(Device, "cpu"))
    monkeypatch.setattr("core.inference.accelerators.gpus", list)
    monkeypatch.setattr(proof, "BATCHES", (1, 8))


def settings(open_folder: Path, device: Device) -> Settings:
    return Settings(_env_file=None, models_dir=open_folder.parent, device=device)


@pytest.mark.usefixtures("pretended_gpu")
def test_a_session_that_only_says_it_runs_on_the_gpu_is_refused(
    pack: Pack, open_folder: Path
) -> None:
    with pytest.raises(DeviceUnavailable, match=r"device cuda was asked for.*Conv \(\d+ times on"):
        loading.load_models(pack, settings(open_folder, Device.CUDA))


@pytest.mark.usefixtures("pretended_gpu")
def test_auto_goes_on_with_the_cpu_for_both_networks_and_says_why(
    pack: Pack, open_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    models = loading.load_models(pack, settings(open_folder, Device.AUTO))

    assert models.device is Device.CPU
    assert "the networks do not run there: Conv" in caplog.text
    assert "Going on with the CPU" in caplog.text


@pytest.mark.usefixtures("pretended_gpu")
def test_a_proven_accelerator_is_used_with_buffers_and_fixed_shapes(
    pack: Pack,
    open_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real = proof.kernels_of

    def moved(session: ort.InferenceSession) -> dict[tuple[str, str], int]:
        return {(name, CUDA): count for (name, _), count in real(session).items()}

    monkeypatch.setattr(proof, "kernels_of", moved)

    with caplog.at_level("INFO"):
        models = loading.load_models(pack, settings(open_folder, Device.AUTO))
    models.detector.detect([np.zeros((100, 200, 3), np.uint8), np.zeros((90, 50, 3), np.uint8)])

    assert models.device is Device.CUDA
    assert "kernels ran there" in caplog.text
    (inner,) = (
        each for each in (models.detector, models.detector._detector) if hasattr(each, "_network")
    )
    shapes = set(inner._network._buffers)
    assert shapes == {(1, 3, 256, 256)}
    assert models.embedder._batches == (1, 8, 16, 32, 64)


def pretend_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the profiles say that all ran on the GPU."""
    monkeypatch.setattr(proof, "kernels_of", lambda _: {("Conv", CUDA): 1})


@pytest.mark.usefixtures("pretended_gpu")
def test_a_gpu_that_gives_something_else_than_the_cpu_is_refused(
    pack: Pack, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_kernels(monkeypatch)
    real = OnnxEmbedder.embed

    def turned(self: OnnxEmbedder, crops: np.ndarray) -> np.ndarray:
        found = real(self, crops)
        return found if self._network.device is Device.CPU else found[:, ::-1]

    monkeypatch.setattr(OnnxEmbedder, "embed", turned)

    with pytest.raises(DeviceUnavailable, match="cuda does not give what the CPU gives"):
        loading.load_models(pack, settings(open_folder, Device.CUDA))


@pytest.mark.usefixtures("pretended_gpu")
@pytest.mark.parametrize("device", [Device.CUDA, Device.AUTO])
def test_a_reference_that_is_not_this_machines_is_not_blamed_on_the_gpu(
    pack: Pack,
    open_folder: Path,
    tmp_path: Path,
    kept: Reference,
    monkeypatch: pytest.MonkeyPatch,
    device: Device,
) -> None:
    pretend_kernels(monkeypatch)
    shutil.copytree(open_folder, tmp_path / "open")
    reference.keep(pack, tmp_path, replace(kept, vectors=kept.vectors[::-1]))

    with pytest.raises(DeviceUnavailable, match="`facesearch models install open`"):
        loading.load_models(pack, settings(tmp_path / "open", device))


@pytest.mark.usefixtures("pretended_gpu")
def test_a_gpu_that_fails_in_its_first_run_is_refused_and_auto_goes_on_with_the_cpu(
    pack: Pack,
    open_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise EngineError("CUDA failure 2: out of memory")

    monkeypatch.setattr(PretendingSession, "run_with_iobinding", fail)

    with pytest.raises(DeviceUnavailable, match="failed in a run: CUDA failure 2: out of memory"):
        loading.load_models(pack, settings(open_folder, Device.CUDA))
    assert loading.load_models(pack, settings(open_folder, Device.AUTO)).device is Device.CPU
    assert "out of memory. Going on with the CPU" in caplog.text


def test_the_picture_of_the_proof_fits_the_shapes_that_tensorrt_builds_for(pack: Pack) -> None:
    small = replace(pack.detector, sides=(128,))

    assert loading._photo_shapes(small)[-1] == (1, 3, reference.SIDE, reference.SIDE)
    assert loading._photo_shapes(pack.detector)[-1] == (1, 3, 1280, 1280)


@pytest.mark.usefixtures("pretended_gpu")
def test_tensorrt_is_told_the_shapes_and_the_folder_of_each_network(
    pack: Pack, open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open").symlink_to(open_folder)
    chosen = settings(open_folder, Device.TENSORRT).model_copy(
        update={"models_dir": tmp_path, "gpu_fp16": True}
    )
    monkeypatch.setattr("core.inference.accelerators.gpus", lambda: [GPU])
    monkeypatch.setattr("core.inference.accelerators.load_tensorrt", lambda: 101601)

    with pytest.raises(DeviceUnavailable, match="do not run there"):
        loading.load_models(pack, chosen)

    detector, recogniser = (chain for chain in PretendingSession.told if chain[0][0] == TENSORRT)
    assert [name for name, _ in detector] == [TENSORRT, CUDA, CPU]
    assert detector[0][1]["trt_profile_max_shapes"].endswith(":1x3x1280x1280")
    assert recogniser[0][1]["trt_profile_max_shapes"].endswith(":64x3x150x150")
    assert recogniser[0][1]["trt_fp16_enable"] == "1"
    folders = {Path(chain[0][1]["trt_engine_cache_path"]) for chain in (detector, recogniser)}
    assert folders == {each.parent for each in (tmp_path / ".engines").glob("*/key.json")}
    assert len(folders) == 2


@pytest.mark.usefixtures("pretended_gpu")
def test_tensorrt_without_a_look_at_the_gpu_is_refused(pack: Pack, open_folder: Path) -> None:
    with pytest.raises(DeviceUnavailable, match="nvidia-smi describes no GPU"):
        loading.load_models(pack, settings(open_folder, Device.TENSORRT))


@pytest.mark.usefixtures("pretended_gpu")
def test_a_gpu_that_is_not_there_is_refused(
    pack: Pack, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.inference.accelerators.gpus", lambda: [GPU])
    chosen = settings(open_folder, Device.CUDA).model_copy(update={"gpu": 7})

    with pytest.raises(DeviceUnavailable, match="There is no GPU 7"):
        loading.load_models(pack, chosen)


def test_auto_without_a_gpu_takes_the_cpu_and_says_so(
    pack: Pack,
    open_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CPU])

    with caplog.at_level("INFO"):
        models = loading.load_models(pack, settings(open_folder, Device.AUTO))

    assert models.device is Device.CPU
    assert "knows no GPU" in caplog.text
    assert "pack open is proven on cpu: least cosine 1.0" in caplog.text
