"""The SCRFD detector: anchor-free maps at strides 8, 16 and 32, two anchors in each cell."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from core.errors import ModelError
from core.faces import DetectedFace, Pixels
from core.inference import boxes
from core.inference.boxes import Candidates
from core.inference.graphs import BATCH, MOST_AT_ONCE
from core.inference.packs import ScrfdSpec
from core.inference.runner import Runner

STRIDES = (8, 16, 32)
ANCHORS = 2
SCORE, BOX, POINTS = 1, 4, 10
"""Numbers per anchor in the three kinds of output."""

MEAN, STD = 127.5, 128.0

SMALLEST = 320
"""A smaller photo is enlarged to this: it costs little there."""

ENLARGED = 1.25
"""How far any other is enlarged. Of 337 faces in 250-pixel photos 330 that are found at 640 pixels
are found at 320 too, in a quarter of the time; the others are cut off by the edge or weak."""


class _Fitted(NamedTuple):
    """A photo as a run takes it.

    Attributes:
        canvas: Its top left is the photo, the rest black.
        back: Pixels of the photo per pixel of the canvas, across and down.
    """

    canvas: Pixels
    back: NDArray[np.float32]


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
        # Only a graph of our own making is trusted to keep the photos of a batch apart.
        self._at_once = MOST_AT_ONCE if entry.shape[0] == BATCH else 1

    def detect(self, images: Sequence[Pixels]) -> list[list[DetectedFace]]:
        """Return the faces of each image, best score first, in pixels of that image."""
        return self._detect([(image, self._sides(image)) for image in images])

    def detect_at(self, image: Pixels, sides: Sequence[int]) -> list[DetectedFace]:
        """Detect in one run for each longer side of the input, ascending multiples of 32."""
        (faces,) = self._detect([(image, sides)])
        return faces

    def _sides(self, image: Pixels) -> list[int]:
        enough = max(SMALLEST, math.ceil(max(image.shape[:2]) * ENLARGED))
        return boxes.passes(self._spec.sides, enough)

    def _detect(self, looks: Sequence[tuple[Pixels, Sequence[int]]]) -> list[list[DetectedFace]]:
        fitted = [self._fitted(image, side) for image, sides in looks for side in sides]
        found = iter(self._run_all(fitted))
        return [
            boxes.merged([next(found) for _ in sides], self._spec.nms, extra=1)
            for _, sides in looks
        ]

    def _fitted(self, image: Pixels, side: int) -> _Fitted:
        height, width = image.shape[:2]
        scale = side / max(height, width)
        inner = max(1, int(height * scale)), max(1, int(width * scale))
        if self._network.fixed_shapes:
            canvas = (boxes.square(self._spec.sides, side),) * 2
        else:
            canvas = boxes.round_up(inner[0]), boxes.round_up(inner[1])
        # Each axis by its own factor: rounding makes them differ, most where a side is short.
        back = np.array([width / inner[1], height / inner[0]], dtype=np.float32)
        return _Fitted(boxes.padded(boxes.resized(image, *inner), *canvas), back)

    def _run_all(self, fitted: Sequence[_Fitted]) -> list[Candidates]:
        found: dict[int, Candidates] = {}
        for group in boxes.together([each.canvas.shape for each in fitted], self._at_once):
            canvases = [fitted[number].canvas for number in group]
            if len(group) > 1:  # filled up, for each new shape costs an accelerator time
                canvases += [np.zeros_like(canvases[0])] * (self._at_once - len(group))
            made = cv2.dnn.blobFromImages(canvases, 1 / STD, mean=(MEAN, MEAN, MEAN))
            outputs = self._network.run(np.asarray(made, dtype=np.float32))
            for place, number in enumerate(group):
                own = [each[place] if self._at_once > 1 else each for each in outputs]
                found[number] = self._candidates(own, fitted[number])
        return [found[number] for number in range(len(fitted))]

    def _candidates(self, outputs: Sequence[NDArray[np.float32]], fitted: _Fitted) -> Candidates:
        levels = _levels(outputs, fitted.canvas.shape[1], self._spec.threshold)
        found, points, scores = (np.concatenate(part) for part in zip(*levels, strict=True))
        return Candidates(found * np.tile(fitted.back, 2), points * fitted.back, scores)


def _levels(
    outputs: Sequence[NDArray[np.float32]], width: int, threshold: float
) -> Iterator[Candidates]:
    """Decode each stride into boxes, points and scores in pixels of an input of this width.

    Names and order of the outputs differ between exports: an output's kind shows in its numbers
    per anchor, its stride in how many anchors it has.
    """
    scores, distances, offsets = (
        sorted((_rows(each) for each in outputs if each.shape[-1] == kind), key=len, reverse=True)
        for kind in (SCORE, BOX, POINTS)
    )
    for stride, score, distance, offset in zip(STRIDES, scores, distances, offsets, strict=True):
        chosen = np.flatnonzero(score[:, 0] >= threshold)
        row, column = np.divmod(chosen // ANCHORS, width // stride)
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
