"""An ONNX file with the topology and tensor contract of w600k_r50, and how fast it runs here.

    python -m benchmarks.make_r50 [FILE]

w600k_r50, the recogniser of buffalo_l, is InsightFace's IResNet-50: its weights may not be shipped
with anything, but what a forward pass costs depends on the topology alone. The weights here are
random, so the vectors mean nothing. Prints faces per second through our embedder on two threads;
FILE keeps the graph.
"""

import platform
import sys
from collections.abc import Sequence
from math import prod
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from core.inference.embedder import OnnxEmbedder
from core.inference.graphs import honest_recogniser
from core.inference.packs import RecogniserSpec
from core.inference.prelu import fast_on_cpu
from core.inference.session import open_session
from core.settings import Device

R50 = (3, 4, 14, 3)
R100 = (3, 13, 30, 3)
"""Blocks of the four stages."""

WIDTHS = (64, 128, 256, 512)
R50_NUMBERS = 43_590_976
"""In the initialisers of w600k_r50.onnx. The trained network has 43,590,848 parameters; the export
folds the normalisation behind a convolution into it and keeps the statistics of the others."""

THREADS = 2
RUNS = 9
BATCHES = (1, 8, 32)


class _Graph:
    """Nodes and random weights, one after the other."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(seed)

    def add(self, kind: str, inputs: Sequence[str], **attributes: object) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [*inputs], [name], **attributes))
        return name

    def weight(self, shape: Sequence[int], spread: float, middle: float = 0.0) -> str:
        name = f"w{len(self.weights)}"
        values = self._random.normal(middle, spread, shape).astype(np.float32)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def conv(self, x: str, sizes: tuple[int, int], side: int, stride: int = 1) -> str:
        """A convolution with the normalisation that was folded into it."""
        inside, outside = sizes
        spread = (1 / (inside * side * side)) ** 0.5
        weights = [self.weight((outside, inside, side, side), spread), self.weight((outside,), 0.1)]
        pads = [side // 2] * 4
        return self.add(
            "Conv", [x, *weights], kernel_shape=[side, side], strides=[stride, stride], pads=pads
        )

    def norm(self, x: str, channels: int) -> str:
        scale, shift, mean = (self.weight((channels,), 0.05, middle) for middle in (1, 0, 0))
        variance = self.weight((channels,), 0.0, 1.0)
        return self.add("BatchNormalization", [x, scale, shift, mean, variance], epsilon=1e-5)

    def prelu(self, x: str, channels: int) -> str:
        return self.add("PRelu", [x, self.weight((channels, 1, 1), 0.0, 0.25)])

    def block(self, x: str, sizes: tuple[int, int], stride: int) -> str:
        inside, outside = sizes
        y = self.norm(x, inside)
        y = self.prelu(self.conv(y, (inside, outside), 3), outside)
        y = self.conv(y, (outside, outside), 3, stride)
        beside = x if stride == 1 else self.conv(x, sizes, 1, stride)
        return self.add("Add", [y, beside])


def iresnet(
    blocks: Sequence[int] = R50,
    widths: Sequence[int] = WIDTHS,
    dimension: int = 512,
    *,
    names: tuple[str, str] = ("input.1", "683"),
    batch: int | None = None,
    seed: int = 0,
) -> bytes:
    """Build the file of an IResNet with random weights.

    Args:
        names: Of the input and the output.
        batch: Fixed batch of the input; None leaves it free, and the output declares 1 as
            w600k_r50's does.
    """
    graph = _Graph(seed)
    x = graph.prelu(graph.conv(names[0], (3, widths[0]), 3), widths[0])
    inside = widths[0]
    for count, width in zip(blocks, widths, strict=True):
        for index in range(count):
            x = graph.block(x, (inside, width), 2 if index == 0 else 1)
            inside = width
    x = graph.add("Flatten", [graph.norm(x, inside)])
    wide = inside * 7 * 7
    x = graph.add(
        "Gemm",
        [x, graph.weight((dimension, wide), wide**-0.5), graph.weight((dimension,), 0.1)],
        transB=1,
    )
    graph.norm(x, dimension)
    graph.nodes[-1].output[0] = names[1]
    free: int | str = "None" if batch is None else batch
    made = helper.make_graph(
        graph.nodes,
        "iresnet",
        [helper.make_tensor_value_info(names[0], TensorProto.FLOAT, [free, 3, 112, 112])],
        [helper.make_tensor_value_info(names[1], TensorProto.FLOAT, [batch or 1, dimension])],
        graph.weights,
    )
    model = helper.make_model(made, ir_version=6, opset_imports=[helper.make_opsetid("", 11)])
    serialised: bytes = model.SerializeToString()
    return serialised


def count(data: bytes) -> int:
    """Return how many numbers the weights of a graph are."""
    weights = onnx.load_model_from_string(data).graph.initializer
    return sum(prod(weight.dims) for weight in weights)


def faces_per_second(embedder: OnnxEmbedder, crops: NDArray[np.uint8]) -> dict[int, list[float]]:
    """Measure each batch size several times, in turn, so that a busy moment hits all of them."""
    found: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    embedder.embed(crops)  # not counted
    for _ in range(RUNS):
        for batch, speeds in found.items():
            begin = perf_counter()
            embedder.embed(crops[:batch])
            speeds.append(batch / (perf_counter() - begin))
    return found


def main(file: str | None = None) -> int:
    """Build, check the size, measure; returns the exit code."""
    data = iresnet()
    numbers = count(data)
    if numbers != R50_NUMBERS:
        print(f"{numbers:,} numbers; w600k_r50 has {R50_NUMBERS:,}", file=sys.stderr)
        return 1
    if file is not None:
        Path(file).write_bytes(data)
    session = open_session(fast_on_cpu(honest_recogniser(data)), Device.CPU, THREADS)
    embedder = OnnxEmbedder(session, RecogniserSpec("arcface", "random.onnx", 512))
    print(f"IResNet-50, random weights: {numbers:,} numbers, {len(data):,} bytes")
    print(
        f"{THREADS} threads on {platform.machine()}; ONNX Runtime {ort.__version__}, "
        f"NumPy {np.__version__}, Python {platform.python_version()}"
    )
    crops = np.random.default_rng(1).integers(0, 256, (32, 112, 112, 3), dtype=np.uint8)
    for batch, speeds in faces_per_second(embedder, crops).items():
        print(
            f"batch {batch:2}: {median(speeds):5.1f} faces/s, median of {RUNS} "
            f"({min(speeds):.1f} to {max(speeds):.1f})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
