"""What a GPU gains, and whether it sees what the CPU sees.

    python -m benchmarks.gpu [PACK] [--device cuda --device tensorrt ...]

Without --device: the CPU, and every accelerator that starts here. For each, and for 16 bits too:
seconds until a pack is loaded and proven, at the first and the second time (TensorRT keeps its
engines), the least cosine with the CPU, photos per second of the detector, and faces per second of
the recogniser at each batch size. The topology of w600k_r50 follows, with random weights: see
benchmarks/make_r50.py.

First, what needs no GPU: the cosine that 16-bit arithmetic costs each network of the pack, emulated
on the CPU with every intermediate number rounded.
"""

import argparse
import platform
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import onnxruntime as ort

from benchmarks.make_r50 import iresnet
from core.alignment import align
from core.errors import DeviceUnavailable
from core.images import decode
from core.inference import accelerators, reference
from core.inference.accelerators import PROVIDERS, Placement, half_precision
from core.inference.contracts import FaceModels
from core.inference.embedder import BATCHES, OnnxEmbedder
from core.inference.graphs import honest_recogniser
from core.inference.install import load_graph
from core.inference.loading import detector_of, keep_reference, load_models
from core.inference.packs import Pack, RecogniserSpec, load_manifest
from core.inference.proof import cosine
from core.inference.session import open_session
from core.settings import Device, Settings

ROUNDS = 7
PHOTO = (960, 1280, 3)
R50 = RecogniserSpec("arcface", "random.onnx", 512)
CPU_BATCHES = (1, 8, 32)


def main() -> int:
    """Measure everything that is there; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("pack", nargs="?")
    parser.add_argument("--device", action="append", type=Device, choices=list(PROVIDERS))
    asked = parser.parse_args()
    settings = Settings()
    pack = load_manifest(settings).pack(asked.pack or settings.pack)
    _describe_machine()
    _show_emulated(pack, settings)
    graph = honest_recogniser(iresnet())
    for device, fp16 in _variants(asked.device):
        chosen = settings.model_copy(update={"device": device, "gpu_fp16": fp16})
        print(f"\n{device}{', 16 bits' if fp16 else ''}")
        try:
            _show_pack(pack, chosen)
            _show_r50(graph, chosen)
        except DeviceUnavailable as error:
            print(f"  {error}")
    return 0


def _describe_machine() -> None:
    for gpu in accelerators.gpus():
        print(
            f"GPU {gpu.index}: {gpu.name}, {gpu.memory_mib} MiB, compute capability "
            f"{gpu.compute_capability}, driver {gpu.driver}"
        )
    print(
        f"{platform.machine()}; ONNX Runtime {ort.__version__} for CUDA {ort.cuda_version or '-'}, "
        f"NumPy {np.__version__}, Python {platform.python_version()}"
    )


def _variants(asked: list[Device] | None) -> Iterator[tuple[Device, bool]]:
    there = ort.get_available_providers()
    for device in asked or [each for each, provider in PROVIDERS.items() if provider in there]:
        yield device, False
        if device is not Device.CPU:
            yield device, True


def _show_emulated(pack: Pack, settings: Settings) -> None:
    """Compare both networks on the reference, and the whole way from photo to vector."""
    kept = reference.read(pack, settings.models_dir) or keep_reference(pack, settings)
    graphs = [
        load_graph(pack, settings.models_dir, each) for each in (pack.detector, pack.recogniser)
    ]
    look, embed = _emulating(graphs[0]), _emulating(honest_recogniser(graphs[1]))
    half = FaceModels(detector_of(look, pack.detector), OnnxEmbedder(embed, pack.recogniser))
    maps = reference.maps(pack, look, kept.picture)
    vectors = half.embedder.embed(kept.crops)
    print(f"16 bits emulated, pack {pack.name}, least cosine with 32 bits:")
    print(f"  maps of the detector: {min(map(cosine, maps, kept.maps)):.6f}")
    print(f"  embeddings of the same crops: {min(map(cosine, vectors, kept.vectors)):.6f}")
    full = load_models(pack, settings.model_copy(update={"device": Device.CPU}))
    found = [
        cosine(*pair)
        for path in sorted((settings.models_dir / reference.SAMPLES).glob("*.jpg"))
        for pair in zip(*(_vectors(each, path) for each in (full, half)), strict=True)
    ]
    if found:
        print(f"  from photo to vector, {len(found)} faces of the samples: {min(found):.6f}")


def _vectors(models: FaceModels, path: Path) -> list[np.ndarray]:
    """Return the embeddings of a photo's faces, from left to right."""
    pixels = decode(path.read_bytes(), reference.PHOTO_LIMITS).pixels
    (faces,) = models.detector.detect([pixels])
    embedder = models.embedder
    crops = [
        align(pixels, face.landmarks, embedder.template, embedder.side)
        for face in sorted(faces, key=lambda face: face.box[0])
    ]
    return list(embedder.embed(np.stack([crop for crop in crops if crop is not None])))


def _emulating(graph: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    # Optimised, the graph would lose the rounding between its nodes: the CPU has no 16-bit kernels.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(half_precision(graph), options, providers=[accelerators.CPU])


def _show_pack(pack: Pack, settings: Settings) -> None:
    seconds = []
    for _ in range(2):
        begin = perf_counter()
        models = load_models(pack, settings)
        seconds.append(perf_counter() - begin)
    print(f"  {pack.name}: loaded and proven in {seconds[0]:.1f} s, then in {seconds[1]:.1f} s")
    photo = np.random.default_rng(0).integers(0, 256, PHOTO, dtype=np.uint8)
    speed = _per_second(1, lambda: _look(models, photo))
    print(f"  detector, {PHOTO[1]} x {PHOTO[0]}: {speed} photos/s")
    _show_batches(models.embedder.embed, models.embedder.side, settings.device)


def _look(models: FaceModels, photo: np.ndarray) -> None:
    inner = getattr(models.detector, "_detector", models.detector)  # noise need not be turned
    inner.detect([photo])


def _show_r50(graph: bytes, settings: Settings) -> None:
    crops = np.random.default_rng(1).integers(0, 256, (8, 112, 112, 3), dtype=np.uint8)
    shapes = tuple((n, 3, 112, 112) for n in (BATCHES[0], BATCHES[-2], BATCHES[-1]))
    assert len(shapes) == 3  # noqa: S101
    with tempfile.TemporaryDirectory() as folder:
        placement = Placement.of(settings.model_copy(update={"models_dir": Path(folder)}))
        begin = perf_counter()
        session = open_session(
            graph, settings.device, settings.inference_threads, placement=placement, shapes=shapes
        )
        embedder = OnnxEmbedder(session, R50)
        seconds = perf_counter() - begin
        cpu = OnnxEmbedder(open_session(graph, Device.CPU, 0), R50)
        least = min(map(cosine, embedder.embed(crops), cpu.embed(crops)))
        print(f"  w600k_r50's topology: loaded in {seconds:.1f} s, least cosine {least:.6f}")
        _show_batches(embedder.embed, 112, settings.device)


def _show_batches(embed: Callable[[np.ndarray], np.ndarray], side: int, device: Device) -> None:
    for size in CPU_BATCHES if device is Device.CPU else BATCHES:
        crops = np.random.default_rng(2).integers(0, 256, (size, side, side, 3), dtype=np.uint8)
        print(f"  batch {size:2}: {_per_second(size, lambda: embed(crops))} faces/s")  # noqa: B023


def _per_second(things: int, run: Callable[[], object]) -> str:
    run()
    speeds = []
    for _ in range(ROUNDS):
        begin = perf_counter()
        run()
        speeds.append(things / (perf_counter() - begin))
    return f"{median(speeds):8.1f} ({min(speeds):.1f} to {max(speeds):.1f})"


if __name__ == "__main__":
    raise SystemExit(main())
