"""What the pipeline needs of a detector and a recogniser, whatever network is inside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.faces import DetectedFace, Landmarks, Pixels
from core.settings import Device


class Detector(Protocol):
    """Finds faces and their five landmarks."""

    def detect(self, images: Sequence[Pixels]) -> list[list[DetectedFace]]:
        """Return the faces of each image, best score first, in pixels of that image.

        Any size of at least 1 x 1 pixel is taken, slivers included.
        """
        ...


class Embedder(Protocol):
    """Turns aligned crops into raw embeddings.

    Attributes:
        side: Width and height of a crop, in pixels.
        template: float32 ``(5, 2)``: where the landmarks stand in an aligned crop, in pixels.
        dimension: Numbers in an embedding.
    """

    side: int
    template: Landmarks
    dimension: int

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return raw, unnormalised embeddings ``(n, dimension)`` of RGB crops ``(n, side, side, 3)``.

        ``n`` may be 0. What the space demands beyond one run (flip averaging) happens inside.
        """
        ...


@dataclass(frozen=True, slots=True)
class FaceModels:
    """The two networks of one pack, loaded, and where they run.

    Attributes:
        min_face: Pixels of the photo that the shorter side of a face's box must have; a smaller
            face tells the recogniser too little.
        finest: Pixels of a photo's longer side of which the detector makes use; of a larger photo
            it sees no more. None: of all.
    """

    detector: Detector
    embedder: Embedder
    device: Device = Device.CPU
    min_face: float = 0
    finest: int | None = None
