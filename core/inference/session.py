"""ONNX Runtime sessions on the device that was asked for, and nowhere else."""

import logging
from collections.abc import Mapping
from typing import Any, TypeAlias

import onnxruntime as ort

from core.errors import DeviceUnavailable, ModelError
from core.settings import Device

log = logging.getLogger(__name__)

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"

Provider: TypeAlias = tuple[str, Mapping[str, Any]]

CUDA_OPTIONS: Mapping[str, Any] = {
    # Photos have many sizes, and an exhaustive search for the best kernel runs for each anew.
    "cudnn_conv_algo_search": "HEURISTIC",
    # Doubling the arena at each growth holds memory that another process on the GPU could use.
    "arena_extend_strategy": "kSameAsRequested",
}

CHAINS: Mapping[Device, tuple[Provider, ...]] = {
    Device.CPU: ((CPU, {}),),
    # The CPU behind is for single operators without a kernel; whether the device itself is in
    # use is checked after the start.
    Device.CUDA: ((CUDA, CUDA_OPTIONS), (CPU, {})),
    Device.TENSORRT: ((TENSORRT, {}), (CUDA, CUDA_OPTIONS), (CPU, {})),
}

WARNINGS, ERRORS = 2, 3
"""ONNX Runtime's log levels."""


def open_session(
    model: bytes, device: Device, threads: int, *, shapes_lie: bool = False
) -> ort.InferenceSession:
    """Load a model. Which provider it got is logged.

    Args:
        model: A serialised ONNX model.
        threads: Of one run on the CPU; 0 is one per core.
        shapes_lie: Print no warnings. The exporters of SCRFD and ArcFace wrote the output shapes
            of one input size into the graphs; the results are right at every other size, and
            ONNX Runtime warns of each output at each run, by the session's log level.

    Raises:
        DeviceUnavailable: A device asked for by name is missing or does not start.
        ModelError: This is not a model, or it uses what this ONNX Runtime lacks.
    """
    options = _options(threads, ERRORS if shapes_lie else WARNINGS)
    if device is not Device.AUTO:
        return _start(model, device, options)
    if CUDA in ort.get_available_providers():
        try:
            return _start(model, Device.CUDA, options)
        except DeviceUnavailable as error:
            log.warning("%s Going on with the CPU.", error)
    return _start(model, Device.CPU, options)


def _start(model: bytes, device: Device, settings: ort.SessionOptions) -> ort.InferenceSession:
    chain = CHAINS[device]
    wanted = chain[0][0]
    if wanted not in ort.get_available_providers():
        raise DeviceUnavailable(
            f"The device {device} was asked for, and this ONNX Runtime has no {wanted}; "
            "the GPU build comes with the extra facesearch[gpu].",
            device=str(device),
        )
    if device is not Device.CPU:
        ort.preload_dlls()  # CUDA and cuDNN out of NVIDIA's wheels, where those are installed
    try:
        session = ort.InferenceSession(
            model, settings, providers=[(name, dict(options)) for name, options in chain]
        )
    except Exception as error:  # ONNX Runtime's exceptions share no base class but Exception
        if device is Device.CPU:
            raise ModelError(f"ONNX Runtime cannot load this model: {error}") from error
        raise DeviceUnavailable(
            f"The device {device} was asked for and does not start: {error}", device=str(device)
        ) from error
    # ONNX Runtime falls back to the next provider without an error.
    if session.get_providers()[0] != wanted:
        raise DeviceUnavailable(
            f"The device {device} was asked for and does not start; ONNX Runtime's messages "
            "above say why.",
            device=str(device),
        )
    log.info("A model runs on %s.", wanted)
    return session


def _options(threads: int, log_level: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = log_level
    # Threads that spin between two runs take the cores from decoding and from other workers.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
