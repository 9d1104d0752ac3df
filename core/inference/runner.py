"""Running a network where it is: plainly on the CPU, by buffers on a GPU."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from core.errors import DeviceUnavailable
from core.inference.accelerators import PROVIDERS
from core.settings import Device

MOST_SHAPES: Final = 16
"""Shapes whose buffers are kept on a GPU; the detectors and the embedder use fewer there."""

MEMORY: Final = {Device.CPU: "cpu", Device.CUDA: "cuda", Device.TENSORRT: "cuda"}
"""What ONNX Runtime calls the memory of a device."""


def device_of(session: ort.InferenceSession) -> Device:
    """Return where a session computes, by its first provider."""
    used = session.get_providers()[0]
    return next(device for device, provider in PROVIDERS.items() if provider == used)


class Runner:
    """A network of one input. Safe to use from several threads.

    On a GPU one run goes at a time: two would only wait for each other there, each with buffers of
    its own. On the CPU runs go side by side.

    Attributes:
        device: Where it computes.
        fixed_shapes: Each new shape of the input costs time and memory that is kept, so that few
            shapes filled up with nothing are better than many that fit.
    """

    def __init__(self, session: ort.InferenceSession, *, bound: bool | None = None) -> None:
        """Take a session.

        Args:
            bound: Run with buffers on the device; by default so on a GPU.
        """
        self._session = session
        self._input = session.get_inputs()[0].name
        self._outputs = [output.name for output in session.get_outputs()]
        self.device = device_of(session)
        self.fixed_shapes = self.device is not Device.CPU
        self._bound = self.fixed_shapes if bound is None else bound
        options = session.get_provider_options()[PROVIDERS[self.device]]
        self._place = MEMORY[self.device], int(options.get("device_id", 0))
        self._buffers: OrderedDict[tuple[int, ...], tuple[ort.OrtValue, ort.IOBinding]]
        self._buffers = OrderedDict()
        self._lock = threading.Lock()

    def run(self, blob: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return all outputs, in the order of the graph, as arrays of the caller's own.

        Raises:
            DeviceUnavailable: The GPU failed: its shapes are fixed, so that no photo is to blame.
        """
        try:
            return self._run(blob)
        except Exception as error:  # ONNX Runtime's exceptions share no base class but Exception
            if self.device is Device.CPU:
                raise
            raise DeviceUnavailable(
                f"The device {self.device} failed in a run: {error}.", device=str(self.device)
            ) from error

    def _run(self, blob: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        if not self._bound:
            plain: list[NDArray[np.float32]] = self._session.run(None, {self._input: blob})
            return plain
        with self._lock, self._buffers_for(blob.shape) as (value, binding):
            value.update_inplace(np.ascontiguousarray(blob))
            # Anew for each run: a buffer that is there must have the declared shape, and the
            # exporters of SCRFD declared those of one input size.
            for name in self._outputs:
                binding.bind_output(name, *self._place)
            self._session.run_with_iobinding(binding)
            found: list[NDArray[np.float32]] = binding.copy_outputs_to_cpu()
            return found

    @contextmanager
    def _buffers_for(self, shape: tuple[int, ...]) -> Iterator[tuple[ort.OrtValue, ort.IOBinding]]:
        """Lend the buffers of a shape. Those of a run that failed are not used again."""
        pair = self._buffers.pop(shape, None) or self._new_buffers(shape)
        yield pair
        self._buffers[shape] = pair
        if len(self._buffers) > MOST_SHAPES:
            self._buffers.popitem(last=False)

    def _new_buffers(self, shape: tuple[int, ...]) -> tuple[ort.OrtValue, ort.IOBinding]:
        """Make the buffer of the input; those of the outputs come from the session's arena."""
        value = ort.OrtValue.ortvalue_from_shape_and_type(list(shape), np.float32, *self._place)
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(self._input, value)
        return value, binding
