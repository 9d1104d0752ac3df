"""A process that reads pictures on request, so that a test survives what they do to it.

Standard input: the length of a file as 8 bytes, then the file; a length of 0 asks to tidy up first.
Standard output: one line of JSON for each. Arguments: the most pixels of a picture; ``decode``,
``fake`` or the folder of an installed pack: how far the file goes.
"""

import ctypes
import gc
import json
import platform
import struct
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from core.errors import BadImage
from core.faces import DetectedFace, Pixels
from core.images import Copies, PhotoLimits, decode, inspect
from core.inference.contracts import FaceModels
from core.inference.loading import load_models
from core.inference.packs import read_manifest, tracked_manifest
from core.inference.templates import ARCFACE_112
from core.pipeline import Pipeline
from core.settings import MIB, Device, Settings


class EverywhereDetector:
    """Finds one face over the whole picture, one beyond it and one whose landmarks are one point."""

    def detect(self, images: Sequence[Pixels]) -> list[list[DetectedFace]]:
        return [self._faces(*image.shape[:2]) for image in images]

    def _faces(self, height: int, width: int) -> list[DetectedFace]:
        scale = np.array([width, height], dtype=np.float32)
        marks = ARCFACE_112.landmarks / 112
        return [
            DetectedFace((0, 0, width, height), marks * scale, 0.9),
            DetectedFace((-width, 0, width, 3 * height), (3 * marks - 1) * scale, 0.8),
            DetectedFace((0, 0, width, height), 0 * marks, 0.7),
        ]


class MeanEmbedder:
    """Takes the mean of a crop's columns for its embedding."""

    side = 112
    template = ARCFACE_112.landmarks
    dimension = 336

    def embed(self, crops: np.ndarray) -> np.ndarray:
        return crops.mean(axis=1, dtype=np.float32).reshape(len(crops), self.dimension)


def reader(limits: PhotoLimits, how: str) -> Callable[[bytes], str]:
    """Return what reads a file and says in a word what became of it."""
    if how == "decode":
        return lambda data: _decoded(data, limits)
    if how == "fake":
        models = FaceModels(EverywhereDetector(), MeanEmbedder())
    else:
        folder = Path(how)
        settings = Settings(_env_file=None, models_dir=folder.parent, device=Device.CPU)
        models = load_models(read_manifest(tracked_manifest()).pack(folder.name), settings)
    pipeline = Pipeline(models, limits, max_faces=50, decode_threads=1)
    return lambda data: _analysed(data, pipeline)


def _decoded(data: bytes, limits: PhotoLimits) -> str:
    try:
        inspect(data, limits)
        photo = decode(data, limits)
    except BadImage as error:
        return error.code
    height, width, channels = photo.pixels.shape
    assert (photo.header.width, photo.header.height, channels) == (width, height, 3)
    assert photo.pixels.dtype == np.uint8
    return "read"


def _analysed(data: bytes, pipeline: Pipeline) -> str:
    (result,) = pipeline.analyse([data], copies=Copies.BOTH)
    if isinstance(result, BadImage):
        return result.code
    for face in result.faces:
        assert np.isfinite(face.embedding).all()
    return "read"


def _answer(read: Callable[[bytes], str], data: bytes) -> dict[str, Any]:
    begin = time.process_time()
    try:
        outcome, fault = read(data), None
    except Exception:  # noqa: BLE001 - any at all is what the test looks for
        outcome, fault = "crashed", traceback.format_exc()
    return {"outcome": outcome, "fault": fault, "cpu_s": time.process_time() - begin}


def _tidied() -> dict[str, Any]:
    """Give back what is not in use, and say what is left, in MiB."""
    gc.collect()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
    return {"memory": psutil.Process().memory_info().rss / MIB}


def main(max_pixels: str, how: str) -> None:
    """Serve until standard input ends."""
    warnings.simplefilter("ignore")
    read = reader(PhotoLimits(32 * MIB, int(max_pixels)), how)
    while head := sys.stdin.buffer.read(8):
        (size,) = struct.unpack("<Q", head)
        answer = _answer(read, sys.stdin.buffer.read(size)) if size else _tidied()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
