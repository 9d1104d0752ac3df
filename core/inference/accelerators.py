"""GPUs: which there are, what ONNX Runtime is told of them, and where TensorRT keeps its engines.

Nothing here starts a session. All but the look at this machine are functions of what they are given.
"""

import ctypes
import ctypes.util
import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

import onnx
import onnxruntime as ort

from core.errors import DeviceUnavailable, ModelError
from core.inference.protos import parsed, true_inputs
from core.settings import MIB, Device, Settings

CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"
TENSORRT: Final = "TensorrtExecutionProvider"

PROVIDERS: Final[Mapping[Device, str]] = {
    Device.CPU: CPU,
    Device.CUDA: CUDA,
    Device.TENSORRT: TENSORRT,
}
"""Who computes on a device, in ONNX Runtime's words."""

Options: TypeAlias = dict[str, str]
Provider: TypeAlias = tuple[str, Options]
Shape: TypeAlias = tuple[int, ...]

ENGINES: Final = ".engines"
"""Folder beside the packs; removing it costs only the time to build the engines again."""

SMI_FIELDS: Final = ("index", "name", "compute_cap", "driver_version", "memory.total")
SMI_TIMEOUT_S: Final = 30.0

TENSORRT_LIBRARIES: Final = ("nvinfer", "nvinfer_plugin", "nvonnxparser")
"""In the order in which they need each other."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, as the driver describes it.

    Attributes:
        compute_capability: Of its chip, such as ``8.9``; engines run on no other.
    """

    index: int
    name: str
    compute_capability: str
    driver: str
    memory_mib: int


@dataclass(frozen=True, slots=True)
class Placement:
    """How a network is put on a GPU; without meaning on the CPU.

    Attributes:
        gpu: Its number, in the order of ``nvidia-smi``.
        memory_mib: Most that the network's arena may take; 0 is no limit.
        fp16: Compute with 16-bit numbers.
        engines: Folder of TensorRT's engines.
        profile: Write down in this folder which kernels ran where, until the session is told to
            stop.
    """

    gpu: int = 0
    memory_mib: int = 0
    fp16: bool = False
    engines: Path = Path(ENGINES)
    profile: Path | None = None

    @classmethod
    def of(cls, settings: Settings, profile: Path | None = None) -> Self:
        """Return what the settings ask for."""
        return cls(
            gpu=settings.gpu,
            memory_mib=settings.gpu_memory_mib,
            fp16=settings.gpu_fp16,
            engines=settings.models_dir / ENGINES,
            profile=profile,
        )


@dataclass(frozen=True, slots=True)
class InputRange:
    """The shapes in which a network is fed: one engine serves them all.

    Attributes:
        usual: The shape it is made fastest for.
    """

    name: str
    least: Shape
    usual: Shape
    most: Shape


# --- this machine -------------------------------------------------------------------------------


def gpus() -> list[Gpu]:
    """Ask the driver which GPUs there are; none where it has no ``nvidia-smi`` or that fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [program, f"--query-gpu={','.join(SMI_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(
            query, capture_output=True, text=True, timeout=SMI_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return parse_gpus(found.stdout)


def parse_gpus(text: str) -> list[Gpu]:
    """Read what ``nvidia-smi`` prints for `SMI_FIELDS`; lines of another form are passed over."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(SMI_FIELDS) or not cells[0].isdecimal():
            continue
        index, name, capability, driver, memory = cells
        # A GPU that shares the memory of its machine says "[N/A]".
        found.append(
            Gpu(int(index), name, capability, driver, int(memory) if memory.isdecimal() else 0)
        )
    return found


def chosen_gpu(found: Sequence[Gpu], number: int) -> Gpu | None:
    """Return the GPU of this number; None where the driver describes none at all.

    Raises:
        DeviceUnavailable: There are GPUs, and not this one.
    """
    if not found:
        return None
    for gpu in found:
        if gpu.index == number:
            return gpu
    names = ", ".join(f"{gpu.index} ({gpu.name})" for gpu in found)
    raise DeviceUnavailable(f"There is no GPU {number}; there are {names}.", gpu=number)


def load_tensorrt() -> int:
    """Load TensorRT's libraries, out of NVIDIA's wheel where that is installed; returns its version.

    ONNX Runtime finds CUDA and cuDNN in wheels, and TensorRT only on the path of libraries.

    Raises:
        DeviceUnavailable: They are not there.
    """
    try:
        loaded = [ctypes.CDLL(_library(name), ctypes.RTLD_GLOBAL) for name in TENSORRT_LIBRARIES]
    except OSError as error:
        raise DeviceUnavailable(
            f"The device tensorrt was asked for and TensorRT cannot be loaded: {error}. "
            "docs/operations.md says which version goes with this ONNX Runtime.",
            device=str(Device.TENSORRT),
        ) from error
    version: int = loaded[0].getInferLibVersion()
    return version


def missing_library(device: Device) -> str:
    """Say why ONNX Runtime left a provider out, which it tells only its own log."""
    name = "tensorrt" if device is Device.TENSORRT else "cuda"
    path = Path(ort.__file__).parent / "capi" / f"libonnxruntime_providers_{name}.so"
    try:
        ctypes.CDLL(str(path))
    except OSError as error:
        return str(error)
    return "its libraries are there, and ONNX Runtime's messages above say what is not"


def _library(name: str) -> str:
    wheel = importlib.util.find_spec("tensorrt_libs")
    for folder in wheel.submodule_search_locations or () if wheel else ():
        for path in sorted(Path(folder).glob(f"lib{name}.so.*")):
            return str(path)
    return ctypes.util.find_library(name) or f"lib{name}.so"


# --- what ONNX Runtime is told ------------------------------------------------------------------


def cuda_options(placement: Placement) -> Options:
    """Return the options of the CUDA provider."""
    options = {
        "device_id": str(placement.gpu),
        # An exhaustive search for the best kernel would run anew for every size of a photo.
        "cudnn_conv_algo_search": "HEURISTIC",
        # Doubling the arena at each growth holds memory that another process on the GPU could use.
        "arena_extend_strategy": "kSameAsRequested",
        "do_copy_in_default_stream": "1",
    }
    if placement.memory_mib:
        options["gpu_mem_limit"] = str(placement.memory_mib * MIB)
    return options


def tensorrt_options(placement: Placement, folder: Path, shapes: InputRange | None) -> Options:
    """Return the options of the TensorRT provider.

    Args:
        folder: Where this network's engine is kept.
        shapes: None where the graph itself fixes them. ONNX Runtime builds engines with several
            profiles, but runs only the first: one range must hold every shape.
    """
    options = {
        "device_id": str(placement.gpu),
        "trt_fp16_enable": str(int(placement.fp16)),
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
    }
    if placement.memory_mib:
        options["trt_max_workspace_size"] = str(placement.memory_mib * MIB)
    if shapes is not None:
        for key, shape in (("min", shapes.least), ("opt", shapes.usual), ("max", shapes.most)):
            options[f"trt_profile_{key}_shapes"] = f"{shapes.name}:{'x'.join(map(str, shape))}"
    return options


def input_range(model: bytes, least: Shape, usual: Shape, most: Shape) -> InputRange | None:
    """Return the shapes of a graph's one input; an axis that the graph fixes stays as it is.

    Returns:
        None where the graph fixes every axis.

    Raises:
        ModelError: This is no ONNX model of one input with as many axes.
    """
    inputs = true_inputs(parsed(model, "network").graph)
    axes = inputs[0].type.tensor_type.shape.dim if len(inputs) == 1 else ()
    if len(axes) != len(usual):
        raise ModelError(f"The network does not take one input of {len(usual)} axes.")
    fixed = [axis.dim_value for axis in axes]
    if all(fixed):
        return None
    small, middle, large = (
        tuple(axis or free for axis, free in zip(fixed, shape, strict=True))
        for shape in (least, usual, most)
    )
    return InputRange(inputs[0].name, small, middle, large)


def half_precision(model: bytes) -> bytes:
    """Return a graph that computes with 16-bit numbers and takes and gives 32-bit ones.

    One that computes with 8 bits already is returned as it is.

    Raises:
        DeviceUnavailable: The graph cannot be converted.
    """
    # A quarter of a second that only a GPU with this setting pays.
    from onnxruntime.transformers.float16 import convert_float_to_float16  # noqa: PLC0415

    try:
        full = onnx.load_model_from_string(model)
        if any("Quantize" in node.op_type for node in full.graph.node):
            return model
        half = convert_float_to_float16(full, keep_io_types=True)
    except Exception as error:
        raise DeviceUnavailable(
            f"The network cannot be converted to 16-bit numbers ({error}); "
            "FACESEARCH_GPU_FP16=false takes it as it is."
        ) from error
    serialised: bytes = half.SerializeToString()
    return serialised


# --- engines ------------------------------------------------------------------------------------


def engine_key(
    model: bytes, gpu: Gpu, tensorrt: int, placement: Placement, shapes: InputRange | None
) -> dict[str, Any]:
    """Return all that an engine depends on; it is right for nothing else."""
    return {
        "graph": hashlib.sha256(model).hexdigest(),
        "gpu": gpu.name,
        "compute_capability": gpu.compute_capability,
        "driver": gpu.driver,
        "onnxruntime": ort.__version__,
        "cuda": ort.cuda_version,
        "tensorrt": tensorrt,
        "fp16": placement.fp16,
        "shapes": shapes and asdict(shapes),
    }


@contextmanager
def engine_folder(engines: Path, key: Mapping[str, Any]) -> Iterator[Path]:
    """Hold the folder of this key's engine: two workers must not build one engine at once.

    Raises:
        DeviceUnavailable: It cannot be written.
    """
    text = json.dumps(key, indent=2, sort_keys=True)
    gpu = re.sub(r"[^a-z0-9]+", "-", str(key["gpu"]).lower()).strip("-")
    folder = engines / f"{gpu}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / "lock").open("wb")
        (folder / "key.json").write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise DeviceUnavailable(
            f"TensorRT's engines cannot be kept in {engines}: {error.strerror}.",
            device=str(Device.TENSORRT),
        ) from error
    with lock:
        flock(lock, LOCK_EX)
        yield folder
