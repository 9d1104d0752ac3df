"""How closely detections, crops and embeddings agree with the library insightface 2.1.

insightface brings its own OpenCV and much else, so it stays out of our environment:

    python -m venv /tmp/peer
    /tmp/peer/bin/pip install insightface==2.1 onnxruntime pydantic-settings pillow-heif simplejpeg
    /tmp/peer/bin/python -m benchmarks.peer_insightface PHOTO WEIGHTS

PHOTO is a picture of people, WEIGHTS a folder with det_500m.onnx, det_2.5g.onnx and
mobilefacenet_ms1m_512.onnx. Prints the largest differences; exits with 1 where a goal is missed.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from insightface.model_zoo.arcface_onnx import ArcFaceONNX
from insightface.model_zoo.scrfd import SCRFD
from insightface.utils.face_align import norm_crop

from core.alignment import align
from core.faces import DetectedFace, Pixels
from core.inference import boxes
from core.inference.embedder import OnnxEmbedder
from core.inference.packs import RecogniserSpec, ScrfdSpec
from core.inference.scrfd import Scrfd
from core.inference.session import open_session
from core.inference.templates import ARCFACE_112
from core.settings import Device

DETECTORS = ("det_500m.onnx", "det_2.5g.onnx")
RECOGNISER = "mobilefacenet_ms1m_512.onnx"
SIDE = 640

GOALS = {
    "box, pixels": 0.01,
    "landmark, pixels": 0.01,
    "crop, gray levels": 1.0,
    "1 - cosine": 1e-4,
}
"""Boxes and landmarks by the largest difference, crops by the mean of all pixels."""


def detect(pixels: Pixels, weights: Path) -> list[DetectedFace]:
    """Our detector, in one pass at the peer's size, of a photo filled up to a square as there."""
    session = open_session(weights.read_bytes(), Device.CPU, 0, shapes_lie=True)
    square = boxes.padded(pixels, *(max(pixels.shape[:2]),) * 2)
    return Scrfd(session, ScrfdSpec("scrfd", weights.name)).detect_at(square, [SIDE])


def peer_detect(image: np.ndarray, weights: Path) -> tuple[np.ndarray, np.ndarray]:
    """The peer's boxes and landmarks of a BGR image."""
    detector = SCRFD(str(weights))
    detector.prepare(-1, det_thresh=0.5, input_size=(SIDE, SIDE))
    boxes, points = detector.detect(image, input_size=(SIDE, SIDE))
    return boxes[:, :4], points


def embed(crops: np.ndarray, weights: Path) -> np.ndarray:
    """Our embeddings of RGB crops."""
    session = open_session(weights.read_bytes(), Device.CPU, 0, shapes_lie=True)
    return OnnxEmbedder(session, RecogniserSpec("arcface", weights.name, 512)).embed(crops)


def peer_embed(crops: Sequence[np.ndarray], weights: Path) -> np.ndarray:
    """The peer's embeddings of BGR crops."""
    recogniser = ArcFaceONNX(str(weights))
    recogniser.prepare(-1)
    return np.stack([recogniser.get_feat(crop).ravel() for crop in crops])


def differences(image: np.ndarray, weights: Path, detector: str) -> dict[str, float]:
    """Everything compared on one BGR image with one detector."""
    pixels = np.ascontiguousarray(image[..., ::-1])
    faces = detect(pixels, weights / detector)
    boxes, points = peer_detect(image, weights / detector)
    if len(faces) != len(boxes):
        sys.exit(f"{detector}: {len(faces)} faces, and the peer finds {len(boxes)}")
    ours = np.stack([align(pixels, face.landmarks, ARCFACE_112.landmarks, 112) for face in faces])
    theirs = [norm_crop(image, each, 112) for each in points]
    theirs_rgb = np.stack(theirs)[..., ::-1]
    a = embed(theirs_rgb, weights / RECOGNISER)
    b = peer_embed(theirs, weights / RECOGNISER)
    cosines = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return {
        "box, pixels": np.abs([face.box for face in faces] - boxes).max(),
        "landmark, pixels": np.abs([face.landmarks for face in faces] - points).max(),
        "crop, gray levels": np.abs(ours.astype(float) - theirs_rgb).mean(),
        "1 - cosine": 1 - cosines.min(),
    }


def main(photo: str, weights: str) -> int:
    """Print the table; returns the exit code."""
    image = cv2.imread(photo)
    missed = 0
    for detector in DETECTORS:
        for what, value in differences(image, Path(weights), detector).items():
            print(f"{detector:14} {what:18} {value:8.2g}   goal: below {GOALS[what]:g}")
            missed += not value < GOALS[what]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
