"""Trying a recogniser of unknown origin: what its graph takes and gives, and whether that can be
used to tell faces apart.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from core.alignment import similarity, warp
from core.errors import BadEmbedding, ModelError
from core.faces import Pixels, unit_embedding
from core.images import PhotoLimits, decode
from core.inference.contracts import Detector
from core.inference.embedder import OnnxEmbedder
from core.inference.templates import TEMPLATES

SAME_COSINE: Final = 0.9999
"""Of one picture embedded twice, and alone or among others; kernels round differently."""

LEAST_DIFFERENCE: Final = 1e-4
"""Distance of the unit vectors of two quite different pictures; rounding makes 1e-6."""

SEPARATION: Final = 4.0
"""How many times further than a shifted, brighter copy the nearest stranger must be, by 1 - cosine.
On the sample photo of six people: trained networks 8 to 19, IResNets of random weights 1.8 to 2.7."""

SHIFT: Final = 1.5
BRIGHTER: Final = 25
"""How the copy of a face differs: pixels of the crop, gray levels."""

PHOTO_LIMITS: Final = PhotoLimits(max_bytes=2**26, max_pixels=10**8)


@dataclass(frozen=True, slots=True)
class GraphShape:
    """What a graph declares, and what one run of it gave.

    Attributes:
        side: Width and height of a crop, in pixels.
        batch: Faces in every run, where the graph fixes it.
        dimension: Numbers in an embedding.
    """

    input: str
    output: str
    layout: Literal["nchw", "nhwc"]
    side: int
    batch: int | None
    dimension: int


@dataclass(frozen=True, slots=True)
class Probe:
    """What a recogniser gives for pictures without faces.

    Attributes:
        norms: Shortest and longest raw embedding.
    """

    norms: tuple[float, float]

    @property
    def normalised(self) -> bool:
        """The graph scales its embeddings to length 1, so that the norm tells nothing."""
        return all(abs(norm - 1) < 1e-3 for norm in self.norms)  # noqa: PLR2004 - rounding


@dataclass(frozen=True, slots=True)
class FaceCheck:
    """How a recogniser sees the people of one photo.

    Attributes:
        copy: Lowest cosine of a face and its shifted, brighter copy.
        strangers: Highest cosine of two faces.
    """

    photo: str
    faces: int
    copy: float
    strangers: float


def inspect(session: ort.InferenceSession, side: int | None = None) -> GraphShape:
    """Find out what the graph takes and gives, by its declared shapes and one run.

    Args:
        side: Of the crops; needed only where the graph leaves it open, 112 then by default.

    Raises:
        ModelError: This is no recogniser that can be used; one sentence says why.
    """
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(
            f"The graph has {len(inputs)} inputs and {len(outputs)} outputs; a recogniser has one "
            "of each."
        )
    entry = inputs[0]
    if entry.type != "tensor(float)":
        raise ModelError(f"The graph takes {entry.type}; export it with a float32 input.")
    layout = _layout(entry.shape)
    found = _side(entry.shape, layout, side)
    batch = entry.shape[0] if isinstance(entry.shape[0], int) else None
    crop = (3, found, found) if layout == "nchw" else (found, found, 3)
    result = _run(session, entry.name, np.zeros((batch or 1, *crop), np.float32))
    if result.ndim != 2 or len(result) != (batch or 1):  # noqa: PLR2004 - faces, numbers
        raise ModelError(
            f"The graph gives numbers of shape {list(result.shape)} for {batch or 1} faces; "
            "one row of numbers a face is expected."
        )
    return GraphShape(entry.name, outputs[0].name, layout, found, batch, result.shape[1])


def probe(embedder: OnnxEmbedder) -> Probe:
    """Embed a few quite different pictures, together and alone.

    Raises:
        ModelError: The embeddings are not finite, zero, all the same, or not the same each time.
    """
    drawn = pictures(embedder.side)
    try:
        together, norms = _units(embedder, drawn)
        alone = np.concatenate([_units(embedder, each[None])[0] for each in drawn])
    except BadEmbedding as error:
        raise ModelError(f"The graph gives embeddings that cannot be used. {error}") from error
    if (together * alone).sum(axis=1).min() < SAME_COSINE:
        raise ModelError(
            "The graph gives one picture different embeddings, alone and beside others or from run "
            "to run; export it for inference, not for training."
        )
    distances = np.linalg.norm(together[:, None] - together[None], axis=2)
    if distances[~np.eye(len(drawn), dtype=bool)].min() < LEAST_DIFFERENCE:
        raise ModelError("The graph gives quite different pictures the same embedding.")
    return Probe((min(norms), max(norms)))


def check_faces(
    detector: Detector, embedder: OnnxEmbedder, photos: Iterable[Path]
) -> FaceCheck | None:
    """Compare the people of the photo that shows most of them: a photo shows nobody twice.

    Returns:
        None where no photo shows two people.

    Raises:
        BadImage: A photo cannot be read.
        ModelError: A slightly changed copy of a face is not much closer to it than a stranger.
    """
    crowds = [(_faces(detector, embedder, path), path.name) for path in photos]
    (crops, copies), name = max(crowds, key=lambda each: len(each[0][0]), default=(([], []), ""))
    if len(crops) < 2:  # noqa: PLR2004 - somebody and a stranger
        return None
    try:
        faces, _ = _units(embedder, np.stack(crops))
        changed, _ = _units(embedder, np.stack(copies))
    except BadEmbedding as error:
        raise ModelError(
            f"The graph gives faces embeddings that cannot be used. {error}"
        ) from error
    near = (faces * changed).sum(axis=1)
    others = faces @ faces.T - 2 * np.eye(len(faces))
    found = FaceCheck(name, len(crops), float(near.min()), float(others.max()))
    apart = (1 - others.max(axis=1)) >= SEPARATION * (1 - near)
    if not apart.all():
        raise ModelError(
            f"The recogniser does not tell people apart: on {name} a face and its shifted, "
            f"brighter copy have a cosine of {found.copy:.3f}, two strangers {found.strangers:.3f}; "
            "check size, colours, mean and std."
        )
    return found


def _layout(shape: list[int | str | None]) -> Literal["nchw", "nhwc"]:
    if len(shape) != 4:  # noqa: PLR2004 - N, C, H, W
        raise ModelError(
            f"The graph takes numbers of shape {shape}; a batch of colour pictures has four axes."
        )
    if shape[1] == 3:  # noqa: PLR2004 - colours
        return "nchw"
    if shape[3] == 3:  # noqa: PLR2004 - colours
        return "nhwc"
    if isinstance(shape[1], int):
        raise ModelError(
            f"The graph takes numbers of shape {shape}; colour pictures have 3 channels, on the "
            "second axis or on the last."
        )
    return "nchw"


def _side(shape: list[int | str | None], layout: str, wanted: int | None) -> int:
    fixed = {
        each for each in (shape[2:] if layout == "nchw" else shape[1:3]) if isinstance(each, int)
    }
    known = sorted({template.side for template in TEMPLATES.values()})
    if len(fixed) > 1:
        raise ModelError(f"The graph takes pictures of {' x '.join(map(str, shape))}, not squares.")
    side = fixed.pop() if fixed else wanted or 112
    if wanted is not None and side != wanted:
        raise ModelError(f"The graph takes crops of {side} x {side} pixels, not {wanted}.")
    if side not in known:
        sizes = ", ".join(map(str, known))
        raise ModelError(f"The graph takes crops of {side} x {side} pixels; known are {sizes}.")
    return side


def _run(
    session: ort.InferenceSession, name: str, blob: NDArray[np.float32]
) -> NDArray[np.float32]:
    try:
        (result,) = session.run(None, {name: blob})
    except Exception as error:  # ONNX Runtime's exceptions share no base class but Exception
        raise ModelError(
            f"The graph does not run on {list(blob.shape)} numbers: {error}"
        ) from error
    return np.asarray(result)


def pictures(side: int) -> NDArray[np.uint8]:
    """Noise, two slopes and a coloured square; ``(4, side, side, 3)``."""
    slope = np.broadcast_to(
        np.linspace(0, 255, side).astype(np.uint8)[:, None, None], (side,) * 2 + (3,)
    )
    square = np.full((side, side, 3), (200, 120, 60), dtype=np.uint8)
    square[side // 4 : side // 2, side // 4 : side // 2] = (20, 40, 220)
    noise = np.random.default_rng(0).integers(0, 256, slope.shape, dtype=np.uint8)
    return np.stack([noise, slope, slope.transpose(1, 0, 2), square])


def _units(
    embedder: OnnxEmbedder, crops: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], list[float]]:
    found = [unit_embedding(raw, embedder.dimension) for raw in embedder.embed(crops)]
    return np.stack([unit for unit, _ in found]), [norm for _, norm in found]


def _faces(
    detector: Detector, embedder: OnnxEmbedder, path: Path
) -> tuple[list[Pixels], list[Pixels]]:
    """Return the aligned faces of a photo, and a shifted, brighter copy of each."""
    pixels = decode(path.read_bytes(), PHOTO_LIMITS).pixels
    crops, copies = [], []
    for face in detector.detect([pixels])[0]:
        found = similarity(face.landmarks, embedder.template)
        if found is None:
            continue
        moved = similarity(face.landmarks + np.float32(SHIFT / found.scale), embedder.template)
        crop = warp(pixels, found, embedder.side)
        copy = None if moved is None else warp(pixels, moved, embedder.side)
        if crop is not None and copy is not None:
            crops.append(crop)
            copies.append(np.minimum(copy, 255 - BRIGHTER) + np.uint8(BRIGHTER))
    return crops, copies
