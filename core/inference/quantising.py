"""Making the recogniser of an installed pack compute with 8-bit numbers, as a pack of its own.

Static quantisation: the range of every tensor is measured on aligned faces and written into the
graph. On a CPU with 8-bit dot products (AVX-512 VNNI, AMX) some networks then embed twice as many
faces a second; others gain nothing or lose what they know. So the result is compared with the
original on faces that were not used to measure the ranges, and kept only if it is worth it.
"""

import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import version_converter

from core.alignment import align
from core.errors import BadImage, InvalidRequest, ModelError
from core.faces import unit_embedding
from core.images import PhotoLimits, decode
from core.inference import archives, install
from core.inference.contracts import Detector
from core.inference.embedder import OnnxEmbedder
from core.inference.graphs import honest_recogniser
from core.inference.install import Installed
from core.inference.loading import load_detector
from core.inference.packs import LocalSource, Pack, PinnedFile
from core.inference.prelu import fast_on_cpu
from core.inference.registering import install_own, packs_without
from core.inference.session import open_session
from core.settings import Device, Settings

PER_CHANNEL_OPSET: Final = 13
"""From here on ONNX has a scale for each channel of a weight."""

CALIBRATION_BATCH: Final = 8

LEAST_FACES: Final = 64
HELD_OUT: Final = 4
"""Every so manieth face is compared and not calibrated on."""

LEAST_GAIN: Final = 1.5
"""Times as many faces a second, or it is not worth another space."""

LEAST_LIKENESS: Final = 0.99
"""Correlation of the cosines of all pairs of faces, before and after. With dlib's network it is
0.999 and accuracy stays the same; with a MobileFaceNet 0.64, and it finds fewer people."""

ROUNDS: Final = 9
PHOTO_LIMITS: Final = PhotoLimits(max_bytes=2**26, max_pixels=10**8)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A recogniser before and after, on the same faces.

    Attributes:
        faces: That were compared.
        gain: How many times as many faces a second, at batches of 8.
        cosine: Least and mean of a face's vectors before and after.
        likeness: Correlation of the cosines of all pairs of faces, which holds for networks whose
            cosines are spread widely or narrowly.
    """

    faces: int
    gain: float
    cosine: tuple[float, float]
    likeness: float


@dataclass(frozen=True, slots=True)
class Quantised:
    """A pack that was made, and how it compares with its origin."""

    pack: Pack
    origin: Pack
    installed: Installed
    manifest: Path
    calibrated_on: int
    comparison: Comparison


def quantise(
    pack_name: str, photos: Path, settings: Settings, *, name: str | None = None, faces: int = 256
) -> Quantised:
    """Quantise the recogniser of an installed pack, compare, install the result as a pack.

    Args:
        photos: A folder with photos of faces, in whatever folders of its own.
        name: Of the new pack; by default that of the old with ``_int8`` behind.
        faces: At most so many are used.

    Raises:
        NameTaken: There is a pack or a folder of the new name.
        PackNotFound, PackNotInstalled: So it is with the pack.
        InvalidRequest: The photos show too few faces.
        ModelError: The network cannot be quantised, or it is not worth it; one sentence says why.
        SetupError, DigestMismatch, DiskFull: As *register* does.
    """
    settings = settings.model_copy(update={"device": Device.CPU})
    name = name or f"{pack_name}_int8"
    with install.disk_errors(settings.models_dir):
        origin = packs_without(name, settings).pack(pack_name)
        accepted = install.show(origin, settings.models_dir).licence_accepted
        graph = honest_recogniser(
            install.load_graph(origin, settings.models_dir, origin.recogniser)
        )
        before = _embedder(graph, origin, settings)
        crops = aligned_faces(load_detector(origin, settings), before, _shuffled(photos), faces)
        if len(crops) < LEAST_FACES:
            raise InvalidRequest(
                f"{photos} shows {len(crops)} faces; {LEAST_FACES} or more are needed."
            )
        held_out = np.arange(len(crops)) % HELD_OUT == 0
        data = quantised(graph, before, crops[~held_out])
        comparison = compare(before, _embedder(data, origin, settings), crops[held_out])
        _require_worth(comparison, origin)
        pack = _pack(origin, name, data)
        installed, manifest = _install(pack, origin, data, settings, accepted)
    return Quantised(pack, origin, installed, manifest, int((~held_out).sum()), comparison)


def quantised(
    graph: bytes, embedder: OnnxEmbedder, crops: NDArray[np.uint8], **options: Any
) -> bytes:
    """Return the graph of a recogniser with 8-bit weights and activations (QDQ).

    Weights are symmetric and by channel, activations unsigned by tensor, ranges from least to
    largest value: docs/performance.md compares this with what else ONNX Runtime offers.

    Args:
        embedder: With the same recogniser; it knows how crops become its input.
        crops: Aligned faces ``(n, side, side, 3)``; they are mirrored too.
        options: Of ``onnxruntime.quantization.quantize_static``, in the place of ours.

    Raises:
        ModelError: ONNX or ONNX Runtime cannot do it.
    """
    # A third of a second that nothing else needs.
    from onnxruntime import quantization  # noqa: PLC0415
    from onnxruntime.quantization import registry  # noqa: PLC0415
    from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: PLC0415

    ours: dict[str, Any] = {
        "per_channel": True,
        "activation_type": quantization.QuantType.QUInt8,
        "weight_type": quantization.QuantType.QInt8,
        # Its tool would take one scale for all factors of a normalisation; there is no kernel for it.
        "op_types_to_quantize": sorted(
            {*registry.QLinearOpsRegistry, *registry.QDQRegistry} - {"BatchNormalization"}
        ),
    }
    with tempfile.TemporaryDirectory(prefix="facesearch-quantise-") as folder:
        plain, folded, small = (Path(folder) / f"{name}.onnx" for name in ("plain", "folded", "q"))
        try:
            # There is no 8-bit kernel for PReLU, and there is one for convolutions.
            model = _with_channel_scales(fast_on_cpu(graph))
            onnx.save(model, plain)
            # Folds each normalisation into its convolution. The symbolic inference of shapes needs
            # one more library, and is for networks that compute with shapes.
            quant_pre_process(plain, folded, skip_symbolic_shape=True)
            faces = _Reader(_batches(model, embedder, crops))
            quantization.quantize_static(folded, small, faces, **ours | options)
        except Exception as error:  # these libraries raise whatever they like
            raise ModelError(f"The recogniser cannot be quantised: {error}") from error
        return small.read_bytes()


def compare(before: OnnxEmbedder, after: OnnxEmbedder, crops: NDArray[np.uint8]) -> Comparison:
    """Embed the same faces with both, in turn."""
    first, second = _units(before, crops), _units(after, crops)
    own = (first * second).sum(axis=1)
    pairs = np.triu_indices(len(crops), 1)
    likeness = np.corrcoef((first @ first.T)[pairs], (second @ second.T)[pairs])[0, 1]
    gains = []
    few = crops[:CALIBRATION_BATCH]
    for _ in range(ROUNDS):
        seconds = [_seconds(embedder, few) for embedder in (before, after)]
        gains.append(seconds[0] / seconds[1])
    return Comparison(
        len(crops), median(gains), (float(own.min()), float(own.mean())), float(likeness)
    )


def aligned_faces(
    detector: Detector, embedder: OnnxEmbedder, photos: Sequence[Path], most: int
) -> NDArray[np.uint8]:
    """Cut the faces of the photos, until there are enough; files that are no photos are left out."""
    crops: list[NDArray[np.uint8]] = []
    for path in photos:
        try:
            pixels = decode(path.read_bytes(), PHOTO_LIMITS).pixels
        except BadImage:
            continue
        for face in detector.detect([pixels])[0]:
            crop = align(pixels, face.landmarks, embedder.template, embedder.side)
            if crop is not None:
                crops.append(crop)
        if len(crops) >= most:
            break
    none = np.empty((0, embedder.side, embedder.side, 3), np.uint8)
    return np.stack(crops[:most]) if crops else none


class _Reader:
    """Batches of input, as ONNX Runtime's tool asks for them."""

    def __init__(self, batches: Iterator[dict[str, NDArray[np.float32]]]) -> None:
        self._batches = batches

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._batches, None)


def _batches(
    model: onnx.ModelProto, embedder: OnnxEmbedder, crops: NDArray[np.uint8]
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Yield every face as it is and mirrored, in batches that the graph takes."""
    entry = model.graph.input[0]
    size = entry.type.tensor_type.shape.dim[0].dim_value or CALIBRATION_BATCH
    both = np.concatenate([crops, crops[:, :, ::-1]])
    for start in range(0, len(both) - size + 1, size):
        yield {entry.name: np.ascontiguousarray(embedder.blob(both[start : start + size]))}


def _with_channel_scales(graph: bytes) -> onnx.ModelProto:
    model = onnx.load_model_from_string(graph)
    version = max(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    if version >= PER_CHANNEL_OPSET:
        return model
    return version_converter.convert_version(model, PER_CHANNEL_OPSET)


def _embedder(graph: bytes, pack: Pack, settings: Settings) -> OnnxEmbedder:
    session = open_session(fast_on_cpu(graph), Device.CPU, settings.inference_threads)
    return OnnxEmbedder(session, pack.recogniser)


def _units(embedder: OnnxEmbedder, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.stack([unit_embedding(raw, embedder.dimension)[0] for raw in embedder.embed(crops)])


def _seconds(embedder: OnnxEmbedder, crops: NDArray[np.uint8]) -> float:
    begin = perf_counter()
    embedder.embed(crops)
    return perf_counter() - begin


def _shuffled(folder: Path) -> list[Path]:
    """Return all files, in an order that mixes people and is the same each time."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    random.Random(0).shuffle(files)  # noqa: S311 - no secret
    return files


def _require_worth(found: Comparison, origin: Pack) -> None:
    if not found.likeness >= LEAST_LIKENESS:  # not a number where all faces are one
        raise ModelError(
            f"The recogniser of {origin.name} does not stand 8 bits: the cosines of pairs of faces "
            f"correlate by {found.likeness:.3f} with what they were, and {LEAST_LIKENESS} is the "
            "least. Nothing was installed."
        )
    if found.gain < LEAST_GAIN:
        raise ModelError(
            f"The recogniser of {origin.name} embeds {found.gain:.2f} times as many faces a second "
            f"with 8 bits on this machine, and {LEAST_GAIN} is the least. Nothing was installed."
        )


def _pack(origin: Pack, name: str, data: bytes) -> Pack:
    file = f"{name}.onnx"
    kept = [each for each in origin.files if each.name != origin.recogniser.file]
    files = (*kept, PinnedFile(file, archives.sha256_of(data), len(data)))
    return replace(
        origin,
        name=name,
        title=f"{origin.title}, 8 bits",
        summary=f"The pack {origin.name} with its recogniser quantised on this machine; for the CPU.",
        threshold_source=f"{origin.name} before quantising: {origin.threshold_source}",
        recogniser=replace(origin.recogniser, kind="arcface", file=file),
        sources=(LocalSource("local", files),),
    )


def _install(
    pack: Pack, origin: Pack, data: bytes, settings: Settings, accepted: bool
) -> tuple[Installed, Path]:
    with tempfile.TemporaryDirectory(prefix="facesearch-quantise-") as folder:
        made = Path(folder) / pack.recogniser.file
        made.write_bytes(data)
        origins = {
            file.name: settings.models_dir / origin.name / file.name
            for file in pack.files
            if file.name != made.name
        }
        return install_own(pack, origins | {made.name: made}, settings, accept_licence=accepted)
