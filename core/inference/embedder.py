"""Aligned crops to raw embeddings, for every recogniser of the ArcFace kind and for dlib's."""

from collections.abc import Iterator

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from core.errors import ModelError
from core.inference.packs import RecogniserSpec
from core.inference.runner import Runner
from core.inference.templates import TEMPLATES

BATCHES = (1, 8, 16, 32, 64)
"""Batch sizes on an accelerator, filled up with black crops: for every new shape it searches
kernels and keeps memory. The CPU runs any size equally well, and would compute the filling."""

CPU_BATCH = 32
"""Larger batches are no faster on a CPU and take more memory."""


class OnnxEmbedder:
    """A recogniser of one input and one output, as the manifest describes it.

    Attributes:
        side, template, dimension: As in ``core.inference.contracts.Embedder``.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        spec: RecogniserSpec,
        batches: tuple[int, ...] | None = None,
    ) -> None:
        """Check the graph against the manifest by its declared shapes and one run.

        Args:
            batches: Sizes of a run, ascending; by default what suits the device.

        Raises:
            ModelError: The graph is not the one that the manifest describes.
        """
        template = TEMPLATES[spec.template]
        self.side = template.side
        self.template = template.landmarks
        self.dimension = spec.dimension
        self._session = session
        self._network = Runner(session)
        self._spec = spec
        self._mean = np.array(spec.mean, dtype=np.float32)
        self._std = np.array(spec.std, dtype=np.float32)
        crop = (3, self.side, self.side)
        self._shape = crop if spec.layout == "nchw" else (*crop[1:], crop[0])
        self._check_graph()
        self._batches = self._fixed_batch() or batches
        if self._batches is None and self._network.fixed_shapes:
            self._batches = BATCHES
        self.embed(np.full((1, self.side, self.side, 3), 127, dtype=np.uint8))

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return raw embeddings ``(n, dimension)`` of RGB crops ``(n, side, side, 3)``."""
        if self._spec.flip == "none":
            return self._run_all(crops)
        both = self._run_all(np.concatenate([crops, crops[:, :, ::-1]]))
        return both[: len(crops)] + both[len(crops) :]

    def _run_all(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        raw = np.empty((len(crops), self.dimension), dtype=np.float32)
        for start, count, size in self._runs(len(crops)):
            blob = np.zeros((size, *self._shape), dtype=np.float32)
            blob[:count] = self.blob(crops[start : start + count])
            (output,) = self._network.run(blob)
            if output.shape != (size, self.dimension):
                raise ModelError(
                    f"The recogniser gives numbers of shape {list(output.shape)}; "
                    f"the manifest says {self.dimension} for each face."
                )
            raw[start : start + count] = output[:count]
        return raw

    def _runs(self, total: int) -> Iterator[tuple[int, int, int]]:
        """Yield first crop, crops and batch size of each run."""
        largest = self._batches[-1] if self._batches else CPU_BATCH
        for start in range(0, total, largest):
            count = min(largest, total - start)
            size = min(n for n in self._batches if n >= count) if self._batches else count
            yield start, count, size

    def blob(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the network takes for these crops."""
        scaled = (crops.astype(np.float32) - self._mean) / self._std
        ordered = scaled if self._spec.colours == "rgb" else scaled[..., ::-1]
        return ordered if self._spec.layout == "nhwc" else ordered.transpose(0, 3, 1, 2)

    def _check_graph(self) -> None:
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelError(
                f"The recogniser has {len(inputs)} inputs and {len(outputs)} outputs; "
                "one of each is expected."
            )
        (entry,) = inputs
        fits = (
            len(entry.shape) == 4  # noqa: PLR2004 - N, C, H, W
            and all(
                not isinstance(given, int) or given == wanted
                for given, wanted in zip(entry.shape[1:], self._shape, strict=True)
            )
        )
        if not fits or entry.type != "tensor(float)":
            raise ModelError(
                f"The recogniser takes {entry.type} of shape {entry.shape}; the manifest's "
                f"template gives float crops of {' x '.join(map(str, self._shape))}."
            )

    def _fixed_batch(self) -> tuple[int] | None:
        """A graph exported with a fixed batch takes only that, again and again."""
        size = self._session.get_inputs()[0].shape[0]
        return (size,) if isinstance(size, int) else None
