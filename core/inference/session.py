"""ONNX Runtime sessions on the device that was asked for, and nowhere else."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import uuid4

import onnxruntime as ort

from core.errors import DeviceUnavailable, ModelError
from core.inference import accelerators
from core.inference.accelerators import (
    CPU,
    CUDA,
    PROVIDERS,
    TENSORRT,
    Gpu,
    Placement,
    Provider,
    Shape,
)
from core.settings import Device

log = logging.getLogger(__name__)

WARNINGS, ERRORS = 2, 3
"""ONNX Runtime's log levels."""


def open_session(
    model: bytes,
    device: Device,
    threads: int,
    *,
    shapes_lie: bool = False,
    placement: Placement | None = None,
    shapes: tuple[Shape, Shape, Shape] | None = None,
) -> ort.InferenceSession:
    """Load a model. Which provider it got is logged.

    Args:
        model: A serialised ONNX model.
        device: Not ``auto``: `core.inference.loading` chooses one device for all networks of a pack.
        threads: Of one run on the CPU; 0 is one per core.
        shapes_lie: Print no warnings. The exporters of SCRFD and ArcFace wrote the output shapes
            of one input size into the graphs; the results are right at every other size, and
            ONNX Runtime warns of each output at each run, by the session's log level.
        placement: How it is put on a GPU.
        shapes: Least, usual and largest shape of the input; TensorRT builds for these.

    Raises:
        DeviceUnavailable: The device is missing or does not start.
        ModelError: This is not a model, or it uses what this ONNX Runtime lacks.
    """
    options = _options(threads, ERRORS if shapes_lie else WARNINGS)
    placement = placement or Placement()
    if placement.profile is not None:
        options.enable_profiling = True
        # ONNX Runtime adds the time: two sessions of one moment would write one file.
        options.profile_file_prefix = str(placement.profile / uuid4().hex)
    if device is Device.CPU:
        return _start(model, device, options, [(CPU, {})])
    return _start_on_gpu(model, device, options, placement, shapes)


def _start_on_gpu(
    model: bytes,
    device: Device,
    settings: ort.SessionOptions,
    placement: Placement,
    shapes: tuple[Shape, Shape, Shape] | None,
) -> ort.InferenceSession:
    _require_provider(device)
    ort.preload_dlls()  # CUDA and cuDNN out of NVIDIA's wheels, where those are installed
    gpu = accelerators.chosen_gpu(accelerators.gpus(), placement.gpu)
    # The CPU behind is for single operators without a kernel, such as the arithmetic of shapes;
    # whether the device computes is proven after the start.
    behind: list[Provider] = [(CUDA, accelerators.cuda_options(placement)), (CPU, {})]
    if device is Device.CUDA:
        graph = accelerators.half_precision(model) if placement.fp16 else model
        session = _start(graph, device, settings, behind)
    else:
        with _tensorrt(model, gpu, placement, shapes) as first:
            session = _start(model, device, settings, [first, *behind])
    name = f"{gpu.name}, driver {gpu.driver}" if gpu else "nvidia-smi does not describe it"
    log.info("It is GPU %d: %s.", placement.gpu, name)
    return session


@contextmanager
def _tensorrt(
    model: bytes, gpu: Gpu | None, placement: Placement, shapes: tuple[Shape, Shape, Shape] | None
) -> Iterator[Provider]:
    """Lend the TensorRT provider; the folder of its engine is held while a session builds it."""
    if gpu is None:
        raise DeviceUnavailable(
            "The device tensorrt was asked for, and nvidia-smi describes no GPU; its name and "
            "driver are needed to know which engines fit.",
            device=str(Device.TENSORRT),
        )
    version = accelerators.load_tensorrt()
    span = accelerators.input_range(model, *shapes) if shapes else None
    key = accelerators.engine_key(model, gpu, version, placement, span)
    with accelerators.engine_folder(placement.engines, key) as folder:
        yield TENSORRT, accelerators.tensorrt_options(placement, folder, span)


def _require_provider(device: Device) -> None:
    if PROVIDERS[device] not in ort.get_available_providers():
        raise DeviceUnavailable(
            f"The device {device} was asked for, and this ONNX Runtime has no "
            f"{PROVIDERS[device]}; the GPU build comes with the extra facesearch[gpu].",
            device=str(device),
        )


def _start(
    model: bytes, device: Device, settings: ort.SessionOptions, chain: Sequence[Provider]
) -> ort.InferenceSession:
    try:
        # Otherwise a provider that fails, now or in a later run, is replaced by the next one.
        session = ort.InferenceSession(model, settings, providers=[*chain], enable_fallback=0)
    except Exception as error:  # ONNX Runtime's exceptions share no base class but Exception
        if device is Device.CPU:
            raise ModelError(f"ONNX Runtime cannot load this model: {error}") from error
        raise DeviceUnavailable(
            f"The device {device} was asked for and does not start: {error}", device=str(device)
        ) from error
    # A provider whose libraries are missing is left out without an error.
    if session.get_providers()[0] != PROVIDERS[device]:
        raise DeviceUnavailable(
            f"The device {device} was asked for and does not start: "
            f"{accelerators.missing_library(device)}.",
            device=str(device),
        )
    log.info("A model runs on %s.", PROVIDERS[device])
    return session


def _options(threads: int, log_level: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = log_level
    # Threads that spin between two runs take the cores from decoding and from other workers.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
