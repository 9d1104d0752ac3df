"""The SCRFD detector: anchor-free maps at strides 8, 16 and 32, two anchors in each cell."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from core.errors import ModelError
from core.faces import DetectedFace, Pixels
from core.inference import boxes
from core.inference.boxes import Candidates
from core.inference.packs import ScrfdSpec
from core.inference.runner import Runner

STRIDES = (8, 16, 32)
ANCHORS = 2
SCORE, BOX, POINTS = 1, 4, 10
"""Numbers per anchor in the three kinds of output."""

MEAN, STD = 127.5, 128.0


class Scrfd:
    """Finds faces with any SCRFD graph that has five points and takes any input size."""

    def __init__(self, session: ort.InferenceSession, spec: ScrfdSpec) -> None:
        """Take a session.

        Raises:
            ModelError: The graph is not such a one.
        """
        (entry,) = session.get_inputs()
        kinds = sorted(output.shape[-1] for output in session.get_outputs())
        if kinds != sorted((SCORE, BOX, POINTS) * len(STRIDES)):
            raise ModelError("The detector is not an SCRFD with five points and three strides.")
        if any(isinstance(side, int) for side in entry.shape[2:]):
            raise ModelError(f"The detector takes only one input size, {entry.shape[2:]}.")
        self._network = Runner(session)
        self._spec = spec

    def detect(self, images: Sequence[Pixels]) -> list[list[DetectedFace]]:
        """Return the faces of each image, best score first, in pixels of that image."""
        return [
            self.detect_at(image, boxes.passes(self._spec.sides, max(image.shape[:2])))
            for image in images
        ]

    def detect_at(self, image: Pixels, sides: Sequence[int]) -> list[DetectedFace]:
        """Detect in one run for each side of the square input, ascending multiples of 32."""
        runs = [self._run(image, side) for side in sides]
        return boxes.merged(runs, self._spec.nms, extra=1)

    def _run(self, image: Pixels, side: int) -> Candidates:
        height, width = image.shape[:2]
        scale = side / max(height, width)
        inner = max(1, int(height * scale)), max(1, int(width * scale))
        canvas = boxes.padded(boxes.resized(image, *inner), side, side)
        made = cv2.dnn.blobFromImage(canvas, 1 / STD, mean=(MEAN, MEAN, MEAN))
        blob = np.asarray(made, dtype=np.float32)
        outputs = self._network.run(blob)
        levels = _levels(outputs, side, self._spec.threshold)
        found, points, scores = (np.concatenate(part) for part in zip(*levels, strict=True))
        # Each axis by its own factor: rounding makes them differ, most where a side is short.
        back = np.array([width / inner[1], height / inner[0]], dtype=np.float32)
        return Candidates(found * np.tile(back, 2), points * back, scores)


def _levels(
    outputs: Sequence[NDArray[np.float32]], side: int, threshold: float
) -> Iterator[Candidates]:
    """Decode each stride into boxes, points and scores in pixels of the input.

    Names and order of the outputs differ between exports: an output's kind shows in its numbers
    per anchor, its stride in how many anchors it has.
    """
    scores, distances, offsets = (
        sorted((_rows(each) for each in outputs if each.shape[-1] == kind), key=len, reverse=True)
        for kind in (SCORE, BOX, POINTS)
    )
    for stride, score, distance, offset in zip(STRIDES, scores, distances, offsets, strict=True):
        chosen = np.flatnonzero(score[:, 0] >= threshold)
        cells = side // stride
        row, column = np.divmod(chosen // ANCHORS, cells)
        centre = np.stack([column, row], axis=1).astype(np.float32) * stride
        reach = distance[chosen] * stride
        yield Candidates(
            np.concatenate([centre - reach[:, :2], centre + reach[:, 2:]], axis=1),
            centre[:, None] + offset[chosen].reshape(-1, 5, 2) * stride,
            score[chosen, 0],
        )


def _rows(output: NDArray[np.float32]) -> NDArray[np.float32]:
    """Drop the batch axis that some exports have."""
    return output.reshape(-1, output.shape[-1])
