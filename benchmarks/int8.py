"""What 8 bits cost and gain: static quantisation of three recognisers, on people it has not seen.

    python -m benchmarks.int8 WEIGHTS LFW [--pairs FILE] [--networks dlib,mobilefacenet,r50]

WEIGHTS is a folder with det_500m.onnx and mobilefacenet_ms1m_512.onnx, LFW a folder with one folder
of photos per person, FILE a list of pairs (`facesearch evaluate lfw`); dlib's network is that of the
installed pack `open`. Ranges are measured on the people with a single photo, everything else on the
others. Several ways to quantise are compared, all sides in turn, so that a busy moment hits all.

R50 has the topology of w600k_r50 and random weights: its speed says something, its accuracy nothing.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationMethod, QuantType

from benchmarks.make_r50 import iresnet
from core.alignment import align
from core.evaluation.pairs import read_pairs
from core.evaluation.photos import Sample, find_people
from core.evaluation.verification import verify
from core.faces import unit_embedding
from core.images import PhotoLimits, decode
from core.inference.embedder import OnnxEmbedder
from core.inference.graphs import honest_recogniser
from core.inference.install import load_graph
from core.inference.packs import RecogniserSpec, ScrfdSpec, load_manifest
from core.inference.prelu import fast_on_cpu
from core.inference.quantising import quantised
from core.inference.scrfd import Scrfd
from core.inference.session import open_session
from core.inference.templates import TEMPLATES
from core.settings import Device, Settings

THREADS = 2
ROUNDS = 7
BATCHES = (1, 8, 32)
NETWORKS = ("dlib", "mobilefacenet", "r50")
LIMITS = PhotoLimits(max_bytes=2**26, max_pixels=10**8)

HISTOGRAM_FACES = 48
"""Percentile and entropy hold every number of every tensor of the faces that they calibrate on."""

GAIN, LOSS = 1.5, 0.001
"""The gate: times as many faces a second, and share of pairs or probes that may be lost."""


@dataclass(frozen=True)
class Network:
    """A recogniser in 32 bits, as it is loaded on a CPU."""

    name: str
    graph: bytes
    spec: RecogniserSpec
    trained: bool = True

    def embedder(self, graph: bytes | None = None) -> OnnxEmbedder:
        return OnnxEmbedder(open_session(graph or self.graph, Device.CPU, THREADS), self.spec)


@dataclass(frozen=True)
class Way:
    """A way to quantise: options, and layers that stay in 32 bits."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    kept: Callable[[Sequence[onnx.NodeProto]], list[str]] | None = None
    faces: int | None = None


def ends(nodes: Sequence[onnx.NodeProto]) -> list[str]:
    """The first and the last layer with weights."""
    heavy = [node.name for node in nodes if node.op_type in {"Conv", "Gemm", "MatMul"}]
    return [heavy[0], heavy[-1]]


def depthwise(nodes: Sequence[onnx.NodeProto]) -> list[str]:
    """Layers in groups, those of PReLU too, and the arithmetic between them."""
    grouped = [
        node.name for node in nodes if any(a.name == "group" and a.i > 1 for a in node.attribute)
    ]
    return grouped + [node.name for node in nodes if node.op_type in {"Relu", "Add"}]


WAYS = (
    Way("as facesearch does"),
    Way("first, last layer in 32 bits", kept=ends),
    Way("one scale a tensor", {"per_channel": False}),
    Way("weights of 7 bits", {"reduce_range": True}),
    Way(
        "activations symmetric",
        {"activation_type": QuantType.QInt8, "extra_options": {"ActivationSymmetric": True}},
    ),
    Way(
        "percentile 99.99",
        {
            "calibrate_method": CalibrationMethod.Percentile,
            "extra_options": {"CalibPercentile": 99.99},
        },
        faces=HISTOGRAM_FACES,
    ),
    Way("entropy", {"calibrate_method": CalibrationMethod.Entropy}, faces=HISTOGRAM_FACES),
    Way("depthwise layers in 32 bits", kept=depthwise),
)


# --- networks and faces ---------------------------------------------------------------------------


def network(name: str, weights: Path) -> Network:
    """Load one of `NETWORKS`."""
    if name == "dlib":
        settings = Settings()
        pack = load_manifest(settings).pack("open")
        graph = load_graph(pack, settings.models_dir, pack.recogniser)
        return Network(name, _ready(graph), pack.recogniser)
    if name == "mobilefacenet":
        file = weights / "mobilefacenet_ms1m_512.onnx"
        return Network(name, _ready(file.read_bytes()), RecogniserSpec("arcface", file.name, 512))
    return Network(name, _ready(iresnet()), RecogniserSpec("arcface", "r50.onnx", 512), False)


def _ready(graph: bytes) -> bytes:
    """The graph as it is loaded, with a name for every node."""
    model = onnx.load_model_from_string(fast_on_cpu(honest_recogniser(graph)))
    for number, node in enumerate(model.graph.node):
        node.name = f"node_{number}"
    serialised: bytes = model.SerializeToString()
    return serialised


def faces_of(photos: Sequence[Path], weights: Path) -> dict[str, np.ndarray]:
    """The central face of each photo, aligned by each template; a black crop where there is none."""
    file = weights / "det_500m.onnx"
    session = open_session(file.read_bytes(), Device.CPU, THREADS, shapes_lie=True)
    detector = Scrfd(session, ScrfdSpec("scrfd", file.name))
    crops: dict[str, list[np.ndarray]] = {"arcface-112-v1": [], "dlib-150-v1": []}
    for path in photos:
        pixels = decode(path.read_bytes(), LIMITS).pixels
        middle = np.array(pixels.shape[1::-1]) / 2
        found = detector.detect([pixels])[0]
        best = min(
            found,
            key=lambda face: np.linalg.norm(np.reshape(face.box, (2, 2)).mean(axis=0) - middle),
            default=None,
        )
        for name, cut in crops.items():
            side = TEMPLATES[name].side
            crop = best and align(pixels, best.landmarks, TEMPLATES[name].landmarks, side)
            cut.append(np.zeros((side, side, 3), np.uint8) if crop is None else crop)
    return {name: np.stack(cut) for name, cut in crops.items()}


def variants(
    net: Network, crops: np.ndarray, chosen: Sequence[Way]
) -> Iterator[tuple[str, OnnxEmbedder]]:
    """The network in 32 bits and quantised in each way."""
    before = net.embedder()
    yield "32 bits", before
    nodes = onnx.load_model_from_string(net.graph).graph.node
    for way in chosen:
        options = dict(way.options)
        if way.kept is not None:
            options["nodes_to_exclude"] = way.kept(nodes)
        with redirect_stdout(StringIO()):  # ONNX Runtime tells of its histograms
            graph = quantised(net.graph, before, crops[: way.faces], **options)
        yield way.name, net.embedder(graph)


# --- measuring ------------------------------------------------------------------------------------


def speeds(
    sides: Mapping[str, OnnxEmbedder], crops: np.ndarray
) -> dict[str, dict[int, list[float]]]:
    """Faces a second of each side at each batch, in turn."""
    found: dict[str, dict[int, list[float]]] = {
        name: {batch: [] for batch in BATCHES} for name in sides
    }
    for embedder in sides.values():
        embedder.embed(crops[: BATCHES[-1]])  # not counted
    for _ in range(ROUNDS):
        for batch in BATCHES:
            for name, embedder in sides.items():
                begin = perf_counter()
                times = max(1, 8 // batch)
                for _ in range(times):
                    embedder.embed(crops[:batch])
                found[name][batch].append(times * batch / (perf_counter() - begin))
    return found


def embed(embedder: OnnxEmbedder, crops: np.ndarray) -> np.ndarray:
    """Unit vectors."""
    return np.stack([unit_embedding(raw, embedder.dimension)[0] for raw in embedder.embed(crops)])


def rank_1(vectors: np.ndarray, owners: np.ndarray) -> float:
    """Share of later photos whose nearest first photo is of their person."""
    _, first = np.unique(owners, return_index=True)
    probes = np.setdiff1d(np.arange(len(owners)), first)
    nearest = (vectors[probes] @ vectors[first].T).argmax(axis=1)
    return float((owners[first][nearest] == owners[probes]).mean())


def tar(vectors: np.ndarray, owners: np.ndarray, fmr: float) -> float:
    """Share of all pairs of one person that pass where *fmr* of all pairs of two do."""
    pairs = np.triu_indices(len(vectors), 1)
    cosines, same = (vectors @ vectors.T)[pairs], (owners[:, None] == owners)[pairs]
    threshold = np.quantile(cosines[~same], 1 - fmr)
    return float((cosines[same] >= threshold).mean())


def verified(vectors: np.ndarray, photos: Sequence[Path], pairs: Sequence[Any]) -> float:
    """Accuracy on the pairs, by LFW's protocol; not a number without pairs."""
    if not pairs:
        return float("nan")
    samples = {path: Sample(path, vector, "") for path, vector in zip(photos, vectors, strict=True)}
    return verify(pairs, samples).mean


# --- the report -----------------------------------------------------------------------------------


def report_speeds(found: dict[str, dict[int, list[float]]]) -> dict[str, list[float]]:
    """Print them; returns how many times as fast each side is at each batch."""
    base = found["32 bits"]
    print(f"\n{'':30}" + "".join(f"  batch {batch:2}: faces/s, x" for batch in BATCHES))
    gains = {}
    for name, by_batch in found.items():
        gains[name] = [
            median(a / b for a, b in zip(by_batch[n], base[n], strict=True)) for n in BATCHES
        ]
        cells = (
            f"{median(by_batch[n]):15.1f} {gain:7.2f}"
            for n, gain in zip(BATCHES, gains[name], strict=True)
        )
        print(f"{name:30}" + "".join(cells))
    return gains


def measure(net: Network, crops: np.ndarray, split: "Split", pairs: Sequence[Any]) -> None:
    """Quantise one network in every way, and print what that gives."""
    ways = [way for way in WAYS if net.name == "mobilefacenet" or way.kept is not depthwise]
    calibration = crops[split.single]
    if not net.trained:
        ways, calibration = ways[:2], calibration[:16]
    sides = dict(variants(net, calibration, ways))
    print(f"\n## {net.name}: {len(calibration)} faces to calibrate on, {THREADS} threads")
    gains = report_speeds(speeds(sides, crops))
    if not net.trained:
        print("random weights: no accuracy; such a pack needs `facesearch evaluate` on real ones")
        return
    kept = ~split.single
    owners = split.owners[kept]
    photos = [path for path, each in zip(split.photos, kept, strict=True) if each]
    print(f"\n{'':30} cosine mean, least   rank 1   pairs   TAR 1e-3  TAR 1e-4    gate")
    before: tuple[np.ndarray, float, float] | None = None
    for name, embedder in sides.items():
        vectors = embed(embedder, crops[kept])
        rank, share = rank_1(vectors, owners), verified(vectors, photos, pairs)
        before = before or (vectors, rank, share)
        own = (before[0] * vectors).sum(axis=1)
        passed = (
            min(gains[name]) >= GAIN and rank >= before[1] - LOSS and not share < before[2] - LOSS
        )
        print(
            f"{name:30} {own.mean():9.5f} {own.min():.5f}  {rank:7.2%}  {f'{share:.2%}' if pairs else '-':>7}  "
            f"{tar(vectors, owners, 1e-3):7.2%}  {tar(vectors, owners, 1e-4):7.2%}    "
            f"{'passed' if passed else '-'}"
        )


@dataclass(frozen=True)
class Split:
    """Photos, whose they are, and who has only one."""

    photos: list[Path]
    owners: np.ndarray
    single: np.ndarray

    @classmethod
    def of(cls, folder: Path) -> "Split":
        people = find_people(folder)
        photos = [path for each in people.values() for path in each]
        owners = np.array([name for name, each in people.items() for _ in each])
        return cls(photos, owners, np.array([len(people[name]) == 1 for name in owners]))


def main(arguments: Sequence[str]) -> int:
    """Measure the networks; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks.int8")
    parser.add_argument("weights", type=Path)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    given = parser.parse_args(arguments)
    split = Split.of(given.lfw)
    single = {path for path, each in zip(split.photos, split.single, strict=True) if each}
    listed = read_pairs(given.pairs, given.lfw) if given.pairs else []
    pairs = [pair for pair in listed if not {pair.first, pair.second} & single]
    print(
        f"{len(single)} people with one photo to calibrate on; {len(split.photos) - len(single)} "
        f"photos of others, {len(pairs)} pairs\nONNX Runtime {ort.__version__}, NumPy "
        f"{np.__version__}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    crops = faces_of(split.photos, given.weights)
    for name in given.networks.split(","):
        net = network(name, given.weights)
        measure(net, crops[net.spec.template], split, pairs)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
