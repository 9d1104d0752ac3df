"""What is known of GPUs, and what ONNX Runtime is told of them. No GPU is needed for any of it."""

import json
import multiprocessing
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from benchmarks.make_r50 import iresnet
from core.errors import DeviceUnavailable, ModelError
from core.inference import accelerators
from core.inference.accelerators import (
    Gpu,
    InputRange,
    Placement,
    chosen_gpu,
    cuda_options,
    engine_folder,
    engine_key,
    gpus,
    half_precision,
    input_range,
    load_tensorrt,
    parse_gpus,
    tensorrt_options,
)
from core.inference.proof import cosine
from core.settings import Settings
from tests.inference.topologies import finished, vit

TWO_GPUS = """\
0, NVIDIA H100 80GB HBM3, 9.0, 580.159.04, 81559
1, NVIDIA GeForce RTX 4090, 8.9, 580.159.04, 24564
"""

GPU = Gpu(1, "NVIDIA GeForce RTX 4090", "8.9", "580.159.04", 24564)
PLAIN = Placement()
SHAPES = InputRange("input.1", (1, 3, 112, 112), (32, 3, 112, 112), (64, 3, 112, 112))


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a driver's program on the path that does what it is told."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def put(script: str) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return put


# --- this machine -------------------------------------------------------------------------------


def test_each_gpu_is_read() -> None:
    first, second = parse_gpus(TWO_GPUS)

    assert first == Gpu(0, "NVIDIA H100 80GB HBM3", "9.0", "580.159.04", 81559)
    assert second == GPU


def test_a_gpu_without_memory_of_its_own_is_read() -> None:
    assert parse_gpus("0, NVIDIA GB10, 12.1, 580.95.05, [N/A]\n")[0].memory_mib == 0


@pytest.mark.parametrize(
    "text", ["", "No devices were found\n", "NVIDIA-SMI has failed because it couldn't\n", "0, A\n"]
)
def test_messages_are_taken_for_no_gpu(text: str) -> None:
    assert parse_gpus(text) == []


def test_the_driver_is_asked(nvidia_smi: Callable[[str], None]) -> None:
    nvidia_smi(
        '[ "$1" = --query-gpu=index,name,compute_cap,driver_version,memory.total ] && '
        '[ "$2" = --format=csv,noheader,nounits ] && '
        "echo '1, NVIDIA GeForce RTX 4090, 8.9, 580.159.04, 24564'"
    )

    assert gpus() == [GPU]


def test_a_driver_that_fails_has_no_gpus(nvidia_smi: Callable[[str], None]) -> None:
    nvidia_smi("echo 0, NVIDIA H100, 9.0, 580.159.04, 81559; exit 9")

    assert gpus() == []


def test_a_machine_without_a_driver_has_no_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert gpus() == []


def test_a_gpu_that_is_not_there_is_named_with_those_that_are() -> None:
    found = parse_gpus(TWO_GPUS)

    assert chosen_gpu(found, 1) == GPU
    assert chosen_gpu([], 0) is None
    with pytest.raises(DeviceUnavailable, match=r"no GPU 2; there are 0 \(NVIDIA H100.*1 \(NVIDIA"):
        chosen_gpu(found, 2)


def test_tensorrt_that_is_not_installed_is_named() -> None:
    if accelerators.ctypes.util.find_library("nvinfer"):
        pytest.skip("TensorRT is installed")

    with pytest.raises(DeviceUnavailable, match="TensorRT cannot be loaded"):
        load_tensorrt()


def test_tensorrt_is_found_in_the_wheel_and_says_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    folder = tmp_path / "tensorrt_libs"
    folder.mkdir()
    (folder / "__init__.py").touch()
    source = tmp_path / "version.c"
    source.write_text("int getInferLibVersion(void) { return 101601; }\n")
    for name in accelerators.TENSORRT_LIBRARIES:
        library = folder / f"lib{name}.so.10"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    monkeypatch.syspath_prepend(tmp_path)

    assert load_tensorrt() == 101601


# --- what ONNX Runtime is told ------------------------------------------------------------------


def test_the_settings_choose_the_gpu_and_its_memory(tmp_path: Path) -> None:
    settings = Settings(
        _env_file=None, models_dir=tmp_path, gpu=1, gpu_memory_mib=2048, gpu_fp16=True
    )

    placement = Placement.of(settings)

    assert placement == Placement(1, 2048, True, tmp_path / ".engines")
    assert cuda_options(placement) == {
        "device_id": "1",
        "gpu_mem_limit": str(2048 * 1024 * 1024),
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": "HEURISTIC",
        "do_copy_in_default_stream": "1",
    }


def test_without_a_limit_none_is_told() -> None:
    assert "gpu_mem_limit" not in cuda_options(Placement())
    assert "trt_max_workspace_size" not in tensorrt_options(Placement(), Path(), None)


def test_tensorrt_builds_for_the_shapes_and_keeps_what_it_built(tmp_path: Path) -> None:
    options = tensorrt_options(Placement(gpu=1, fp16=True, memory_mib=1), tmp_path, SHAPES)

    assert options == {
        "device_id": "1",
        "trt_fp16_enable": "1",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(tmp_path),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(tmp_path),
        "trt_max_workspace_size": str(1024 * 1024),
        "trt_profile_min_shapes": "input.1:1x3x112x112",
        "trt_profile_opt_shapes": "input.1:32x3x112x112",
        "trt_profile_max_shapes": "input.1:64x3x112x112",
    }


def test_axes_that_a_graph_fixes_stay_as_they_are() -> None:
    wanted = (1, 3, 32, 32), (8, 3, 64, 64), (16, 3, 128, 128)

    found = input_range(vit(8, blocks=1), *wanted)
    fixed = input_range(vit(8, blocks=1, batch=4), *wanted)

    assert found == InputRange("input", *((n, 3, 112, 112) for n in (1, 8, 16)))
    assert fixed is None


def test_shapes_of_another_kind_of_graph_are_refused() -> None:
    with pytest.raises(ModelError, match="one input of 2 axes"):
        input_range(vit(8, blocks=1), (1, 1), (2, 2), (3, 3))
    with pytest.raises(ModelError, match="not an ONNX model"):
        input_range(b"no model", (1,), (1,), (1,))


# --- 16 bits ------------------------------------------------------------------------------------


def run(model: bytes, blob: np.ndarray, *, optimised: bool) -> list[np.ndarray]:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    if not optimised:
        # Otherwise the CPU, which has no 16-bit kernels, would skip the rounding between them.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found: list[np.ndarray] = session.run(None, {session.get_inputs()[0].name: blob})
    return found


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "side"), [("mobilefacenet_ms1m_512", 112), ("det_500m", 320), ("det_2.5g", 320)]
)
def test_16_bits_see_what_32_bits_see(weights: Path, name: str, side: int) -> None:
    model = (weights / f"{name}.onnx").read_bytes()
    blob = np.random.default_rng(2).normal(0, 0.5, (1, 3, side, side)).astype(np.float32)

    full = run(model, blob, optimised=True)
    half = run(half_precision(model), blob, optimised=False)

    assert {each.dtype for each in half} == {np.dtype(np.float32)}
    assert min(cosine(*pair) for pair in zip(full, half, strict=True)) > 0.9999
    assert len(half_precision(model)) < 0.6 * len(model)


@pytest.mark.parametrize(
    ("build", "crop"),
    [
        (lambda: vit(64), (3, 112, 112)),
        (lambda: vit(64, blocks=2, channels_last=True, normalised=True), (112, 112, 3)),
        (lambda: iresnet((1, 1, 1, 1)), (3, 112, 112)),
        (lambda: iresnet((1, 1, 1, 1), batch=2), (3, 112, 112)),
    ],
    ids=["vit", "channels-last", "iresnet", "fixed-batch"],
)
def test_16_bits_give_the_embeddings_of_32_bits_for_every_family(
    build: Callable[[], bytes], crop: tuple[int, ...]
) -> None:
    model = build()
    blob = np.random.default_rng(2).normal(0, 0.5, (2, *crop)).astype(np.float32)

    (full,) = run(model, blob, optimised=True)
    (half,) = run(half_precision(model), blob, optimised=False)

    assert half.dtype == np.float32
    assert min(map(cosine, full, half)) > 0.99999


def test_a_graph_of_8_bits_stays_as_it_is() -> None:
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [], [0.1])
    zero = helper.make_tensor("zero", TensorProto.UINT8, [], [128])
    graph = finished(
        [
            helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
        ],
        [scale, zero],
        ("x", (1,)),
        ("y", (1,)),
    )

    assert half_precision(graph) == graph


def test_what_cannot_be_converted_is_refused() -> None:
    with pytest.raises(DeviceUnavailable, match=r"cannot be converted .*FACESEARCH_GPU_FP16=false"):
        half_precision(b"no model")


# --- engines ------------------------------------------------------------------------------------


def test_an_engine_is_right_for_one_graph_gpu_driver_version_precision_and_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def folder(
        model: bytes = b"graph",
        gpu: Gpu = GPU,
        version: int = 101600,
        placement: Placement = PLAIN,
        shapes: InputRange | None = SHAPES,
    ) -> Path:
        with engine_folder(tmp_path, engine_key(model, gpu, version, placement, shapes)) as found:
            return found

    first = folder()

    assert folder() == first
    others = [
        folder(model=b"another graph"),
        folder(gpu=replace(GPU, name="NVIDIA L4")),
        folder(gpu=replace(GPU, driver="581.1")),
        folder(version=101601),
        folder(placement=Placement(fp16=True)),
        folder(shapes=replace(SHAPES, most=(32, 3, 112, 112))),
        folder(shapes=None),
        folder(gpu=replace(GPU, compute_capability="12.0")),
    ]
    for name in ("__version__", "cuda_version"):
        monkeypatch.setattr(ort, name, "99.9")
        others.append(folder())
    assert len({first, *others}) == 1 + len(others)
    assert first.name.startswith("nvidia-geforce-rtx-4090-")


def test_another_gpu_of_the_same_kind_takes_the_same_engine() -> None:
    keys = [
        engine_key(b"graph", replace(GPU, index=n), 1, Placement(gpu=n), SHAPES) for n in (0, 1)
    ]

    assert keys[0] == keys[1]


def test_a_folder_of_engines_says_what_they_are_for_and_is_its_owners(tmp_path: Path) -> None:
    key = engine_key(b"graph", GPU, 101600, Placement(), SHAPES)

    with engine_folder(tmp_path / "models" / ".engines", key) as folder:
        written = json.loads((folder / "key.json").read_text())

    assert written["driver"] == "580.159.04"
    assert written["onnxruntime"] == ort.__version__
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def _build(engines: Path, inside: Event) -> None:
    with engine_folder(engines, {"gpu": "any"}):
        inside.set()
        time.sleep(0.5)


def test_two_workers_do_not_build_one_engine_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    inside = context.Event()
    other = context.Process(target=_build, args=(tmp_path, inside))
    other.start()
    assert inside.wait(30)

    started = time.monotonic()
    with engine_folder(tmp_path, {"gpu": "any"}):
        waited = time.monotonic() - started
    other.join()

    assert waited > 0.2


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with (
        pytest.raises(DeviceUnavailable, match=r"engines cannot be kept in .*file"),
        engine_folder(tmp_path / "file", {"gpu": "any"}),
    ):
        pass
