"""What a pack gives on the CPU for a few pictures, kept beside its weights.

Whoever loads the pack later, on this device or another, must get the same.
"""

import logging
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from core.alignment import align
from core.faces import Pixels
from core.images import PhotoLimits, decode
from core.inference import boxes, probing
from core.inference.contracts import Detector
from core.inference.embedder import OnnxEmbedder
from core.inference.packs import Pack
from core.inference.runner import Runner

FILE: Final = "reference.npz"
VERSION: Final = 1
"""Raise it when the file's content changes; those of another version are made anew."""

SAMPLES: Final = "samples"
"""Folder of the demo's photos, beside the packs."""

SIDE: Final = 320
"""Of the picture for the detector, in pixels."""

MOST_FACES: Final = 8
PHOTO_LIMITS: Final = PhotoLimits(max_bytes=2**26, max_pixels=10**8)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Networks:
    """The two networks of a pack on one device, and the sessions inside them."""

    detector: Detector
    embedder: OnnxEmbedder
    detector_session: ort.InferenceSession
    recogniser_session: ort.InferenceSession


@dataclass(frozen=True, slots=True)
class Reference:
    """Pictures and what the CPU makes of them.

    Attributes:
        crops: uint8 ``(n, side, side, 3)``: aligned faces, or drawn pictures where there were none.
        vectors: float32 ``(n, dimension)``: their raw embeddings.
        picture: uint8 ``(320, 320, 3)``, as the detector's blob is made of.
        maps: All outputs of the detector.
    """

    crops: NDArray[np.uint8]
    vectors: NDArray[np.float32]
    picture: Pixels
    maps: tuple[NDArray[np.float32], ...]


def make(pack: Pack, networks: Networks, photos: Iterable[Path]) -> Reference:
    """Run the networks, which are on the CPU.

    Args:
        photos: The faces of the one that shows most of them are taken.
    """
    crops, picture = _faces(networks, photos)
    return Reference(
        crops=crops,
        vectors=networks.embedder.embed(crops),
        picture=picture,
        maps=tuple(maps(pack, networks.detector_session, picture)),
    )


def maps(pack: Pack, session: ort.InferenceSession, picture: Pixels) -> list[NDArray[np.float32]]:
    """Return all that the detector's network says of a picture."""
    return Runner(session).run(blob(pack, picture))


def blob(pack: Pack, picture: Pixels) -> NDArray[np.float32]:
    """Return a picture as the detector's network takes it, ``(1, 3, 320, 320)``."""
    made = picture.transpose(2, 0, 1)[None].astype(np.float32)
    if pack.detector.kind == "scrfd":
        return (made - np.float32(127.5)) / np.float32(128)
    return made


def _faces(networks: Networks, photos: Iterable[Path]) -> tuple[NDArray[np.uint8], Pixels]:
    side, template = networks.embedder.side, networks.embedder.template
    best: list[Pixels] = []
    chosen = probing.pictures(SIDE)[-1]
    for path in photos:
        pixels = decode(path.read_bytes(), PHOTO_LIMITS).pixels
        (found,) = networks.detector.detect([pixels])
        crops = [align(pixels, face.landmarks, template, side) for face in found[:MOST_FACES]]
        faces = [crop for crop in crops if crop is not None]
        if len(faces) > len(best):
            best, chosen = faces, _fitted(pixels)
    return (np.stack(best) if best else probing.pictures(side)), chosen


def _fitted(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, int(width * scale)), max(1, int(height * scale))
    shrunk = np.asarray(cv2.resize(pixels, size), dtype=np.uint8)
    return boxes.padded(shrunk, SIDE, SIDE)


# --- the file -----------------------------------------------------------------------------------


def read(pack: Pack, models_dir: Path) -> Reference | None:
    """Return what is kept; None where nothing is, or what cannot be used."""
    try:
        # Opened here, for numpy leaves a damaged file open.
        with (
            (models_dir / pack.name / FILE).open("rb") as file,
            np.load(file, allow_pickle=False) as kept,
        ):
            if kept["version"] != VERSION or kept["space"] != pack.space.id:
                return None
            return Reference(
                crops=kept["crops"],
                vectors=kept["vectors"],
                picture=kept["picture"],
                maps=tuple(kept[f"arr_{number}"] for number in range(int(kept["maps"]))),
            )
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001 - numpy, zipfile and zlib each have their own
        log.warning("The reference of the pack %s cannot be read (%s).", pack.name, error)
        return None


def keep(pack: Pack, models_dir: Path, reference: Reference) -> None:
    """Write it beside the weights. A folder that cannot be written costs only the time to make it."""
    folder = models_dir / pack.name
    try:
        with tempfile.TemporaryDirectory(prefix=".reference-", dir=folder) as work:
            whole = Path(work) / FILE
            _write(whole, pack, reference)
            os.replace(whole, folder / FILE)
    except OSError as error:
        log.warning("The reference of the pack %s cannot be kept: %s.", pack.name, error.strerror)


def _write(path: Path, pack: Pack, reference: Reference) -> None:
    np.savez_compressed(
        path,
        *reference.maps,
        version=np.array(VERSION),
        space=np.array(pack.space.id),
        crops=reference.crops,
        vectors=reference.vectors,
        picture=reference.picture,
        maps=np.array(len(reference.maps)),
    )
