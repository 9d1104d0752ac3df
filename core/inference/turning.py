"""Photos stored sideways or upside down: where no face stands upright, a detector looks again, turned."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from core.faces import DetectedFace, Landmarks, Pixels
from core.inference.contracts import Detector

QUARTER_TURNS = {
    1: cv2.ROTATE_90_COUNTERCLOCKWISE,
    2: cv2.ROTATE_180,
    3: cv2.ROTATE_90_CLOCKWISE,
}
"""Anticlockwise. OpenCV turns a photo of 16 megapixels six times as fast as numpy."""

UPRIGHT = math.cos(math.radians(45))
"""Cosine of a face's turn up to which it stands more upright than on its side."""

CLEAR = 0.65
"""Score of a face that settles how a photo stands. Of 100 photos of LFW none stayed below it, and 87
of them on their head: SCRFD takes such faces for weak upright ones, the eyes where the mouth is."""


class Turning:
    """Any detector, asked again with the photo turned by 90, 180 and 270 degrees.

    A photo is turned if no clear face stands upright in it: faces that lie on their side or on
    their head are found too, with landmarks in the wrong places. All others take no longer than
    without this class.
    """

    def __init__(self, detector: Detector, threshold: float) -> None:
        """Take a detector.

        Args:
            threshold: Score that the best face of a turned photo must reach. Higher than the
                detector's own: most photos without a face really have none.
        """
        self._detector = detector
        self._threshold = threshold

    def detect(self, images: Sequence[Pixels]) -> list[list[DetectedFace]]:
        """Return the faces of each image, best score first, in pixels of that image as it is.

        Landmarks keep the order of the upright face: in a photo that stands on its head, the eye
        that comes first lies to the right.
        """
        found = self._detector.detect(images)
        return [
            faces if any(_settles(face) for face in faces) else self._turned(image, faces)
            for image, faces in zip(images, found, strict=True)
        ]

    def _turned(self, image: Pixels, faces_as_it_is: list[DetectedFace]) -> list[DetectedFace]:
        """Return the faces of the turn whose best one stands upright.

        The first turn that shows any is often a wrong one: faces that lie on their side are found
        too, with landmarks in the wrong places and now and then with the best score.
        """
        most = max(map(_rightness, faces_as_it_is[:1]), default=0.0)
        chosen = faces_as_it_is
        for turns, code in QUARTER_TURNS.items():
            turned = np.asarray(cv2.rotate(image, code), dtype=np.uint8)
            (faces,) = self._detector.detect([turned])
            if not faces or faces[0].score < self._threshold:
                continue
            rightness = _rightness(faces[0])
            if rightness > most:
                height, width = image.shape[:2]
                most = rightness
                chosen = [_turned_back(face, width, height, turns) for face in faces]
        return chosen


def _settles(face: DetectedFace) -> bool:
    return face.score >= CLEAR and _uprightness(face.landmarks) > UPRIGHT


def _rightness(face: DetectedFace) -> float:
    return face.score * _uprightness(face.landmarks)


def _uprightness(landmarks: Landmarks) -> float:
    """Cosine of the angle by which a face is turned in its picture, by its eyes and mouth."""
    across, down = (landmarks[3:].mean(axis=0) - landmarks[:2].mean(axis=0)).tolist()
    return math.cos(math.atan2(across, down))


def _turned_back(face: DetectedFace, width: int, height: int, turns: int) -> DetectedFace:
    """Map a face of the picture turned anticlockwise to the picture of these sides."""
    corners = _points_back(np.reshape(face.box, (2, 2)), width, height, turns)
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    # A box ends between pixels, a landmark is a pixel: its middle lies half a pixel further.
    landmarks = _points_back(face.landmarks + 0.5, width, height, turns) - 0.5
    return DetectedFace((left, top, right, bottom), landmarks.astype(np.float32), face.score)


def _points_back(
    points: NDArray[np.floating], width: int, height: int, turns: int
) -> NDArray[np.float64]:
    """Turn points ``(n, 2)`` clockwise around the middle: times i, for y points down."""
    middle = np.array([width, height]) / 2
    turned_middle = middle[::-1] if turns % 2 else middle
    turned = (points - turned_middle) @ (1, 1j) * 1j**turns
    return np.stack([turned.real, turned.imag], axis=1) + middle
