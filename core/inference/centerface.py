"""The CenterFace detector: one heat map of face centres at a quarter of the photo's size."""

from collections.abc import Sequence

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from core.faces import DetectedFace, Pixels
from core.inference import boxes
from core.inference.boxes import Candidates
from core.inference.packs import CenterFaceSpec
from core.inference.runner import Runner

CELL = 4
"""Pixels of the input per cell of the output maps."""


class CenterFace:
    """Finds faces with a graph that ``core.inference.graphs`` made dynamic."""

    def __init__(self, session: ort.InferenceSession, spec: CenterFaceSpec) -> None:
        self._network = Runner(session)
        self._spec = spec

    def detect(self, images: Sequence[Pixels]) -> list[list[DetectedFace]]:
        """Return the faces of each image, best score first, in pixels of that image."""
        return [self._detect(image) for image in images]

    def _detect(self, image: Pixels) -> list[DetectedFace]:
        sides = boxes.passes(self._spec.sides, max(image.shape[:2]))
        return boxes.merged([self._run(image, side) for side in sides], self._spec.nms)

    def _run(self, image: Pixels, longest: int) -> Candidates:
        height, width = image.shape[:2]
        scale = min(1.0, longest / max(height, width))
        inner = max(1, round(height * scale)), max(1, round(width * scale))
        if self._network.fixed_shapes:
            sides = (boxes.square(self._spec.sides, longest),) * 2
        else:
            sides = boxes.round_up(inner[0]), boxes.round_up(inner[1])
        canvas = boxes.padded(boxes.resized(image, *inner), *sides)
        blob = np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], dtype=np.float32)
        heat, size, offset, marks = (m[0] for m in self._network.run(blob))
        found, points, scores = _decode(heat, size, offset, marks, self._spec.threshold)
        # Each axis by its own factor: rounding makes them differ where a side is a few pixels.
        back = np.array([width / inner[1], height / inner[0]], dtype=np.float32)
        return Candidates(found * np.tile(back, 2), points * back, scores)


def _decode(
    heat: NDArray[np.float32],
    scale: NDArray[np.float32],
    offset: NDArray[np.float32],
    landmarks: NDArray[np.float32],
    threshold: float,
) -> Candidates:
    """Return what the maps hold, in pixels of the input.

    Args:
        heat: ``(1, rows, columns)``; the other maps have 2, 2 and 10 channels. In each pair of
            channels the vertical part comes first.
    """
    rows, columns = np.nonzero(heat[0] > threshold)
    height, width = np.exp(scale[:, rows, columns]) * CELL
    down, right = offset[:, rows, columns]
    top = (rows + down + 0.5) * CELL - height / 2
    left = (columns + right + 0.5) * CELL - width / 2
    found = np.stack([left, top, left + width, top + height], axis=1)
    pairs = landmarks[:, rows, columns].reshape(5, 2, -1)
    points = np.stack([pairs[:, 1] * width + left, pairs[:, 0] * height + top], axis=-1)
    return Candidates(
        found.astype(np.float32),
        points.transpose(1, 0, 2).astype(np.float32),
        heat[0, rows, columns],
    )
