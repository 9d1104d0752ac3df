"""Recognisers with random weights, of the families that people register. No trained network is
needed to prove that a graph is taken as it is declared.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PATCH = 16


class _Vit:
    """Nodes and weights of a vision transformer on crops of 112 pixels."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(3)

    def add(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [*inputs], [name], **attributes))
        return name

    def constant(self, values: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def random(self, *shape: int) -> str:
        return self.constant(self._random.normal(0, shape[0] ** -0.5, shape).astype(np.float32))

    def norm(self, x: str, width: int) -> str:
        ones, zeros = np.ones(width, np.float32), np.zeros(width, np.float32)
        return self.add("LayerNormalization", x, self.constant(ones), self.constant(zeros))

    def attention(self, x: str, width: int, heads: int) -> str:
        split = self.constant(np.array([0, 0, heads, width // heads]))
        query, key, value = (
            self.add("Reshape", self.add("MatMul", x, self.random(width, width)), split)
            for _ in range(3)
        )
        query, value = (self.add("Transpose", y, perm=[0, 2, 1, 3]) for y in (query, value))
        key = self.add("Transpose", key, perm=[0, 2, 3, 1])
        scale = self.constant(np.array((width / heads) ** -0.5, np.float32))
        weights = self.add("Softmax", self.add("Mul", self.add("MatMul", query, key), scale))
        mixed = self.add("Transpose", self.add("MatMul", weights, value), perm=[0, 2, 1, 3])
        joined = self.add("Reshape", mixed, self.constant(np.array([0, 0, width])))
        return self.add("MatMul", joined, self.random(width, width))


def vit(
    dimension: int,
    *,
    blocks: int = 12,
    width: int = 48,
    name: str = "input",
    channels_last: bool = False,
    normalised: bool = False,
    batch: int | str = "batch",
) -> bytes:
    """Build a ViT: patch embedding, *blocks* of attention and two layers, layer norm, projection."""
    graph = _Vit()
    x = graph.add("Transpose", name, perm=[0, 3, 1, 2]) if channels_last else name
    patches = graph.random(width, 3, PATCH, PATCH)
    x = graph.add("Conv", x, patches, kernel_shape=[PATCH] * 2, strides=[PATCH] * 2)
    tokens = (112 // PATCH) ** 2
    x = graph.add("Reshape", x, graph.constant(np.array([0, width, tokens])))
    x = graph.add("Add", graph.add("Transpose", x, perm=[0, 2, 1]), graph.random(tokens, width))
    for _ in range(blocks):
        x = graph.add("Add", x, graph.attention(graph.norm(x, width), width, 4))
        y = graph.add("MatMul", graph.norm(x, width), graph.random(width, 4 * width))
        y = graph.add("MatMul", graph.add("Gelu", y), graph.random(4 * width, width))
        x = graph.add("Add", x, y)
    x = graph.add("Flatten", graph.norm(x, width))
    x = graph.add("MatMul", x, graph.random(tokens * width, dimension))
    if normalised:
        graph.add("LpNormalization", x, axis=1, p=2)
    graph.nodes[-1].output[0] = "embedding"
    crop = (112, 112, 3) if channels_last else (3, 112, 112)
    return finished(
        graph.nodes, graph.weights, (name, (batch, *crop)), ("embedding", (batch, dimension))
    )


def finished(
    nodes: list[onnx.NodeProto],
    weights: list[onnx.TensorProto],
    given: tuple[str, tuple[int | str, ...]],
    found: tuple[str, tuple[int | str, ...]],
    kind: int = TensorProto.FLOAT,
) -> bytes:
    """Serialise a graph of one input and one output."""
    graph = helper.make_graph(
        nodes,
        "recogniser",
        [helper.make_tensor_value_info(given[0], kind, given[1])],
        [helper.make_tensor_value_info(found[0], TensorProto.FLOAT, found[1])],
        weights,
    )
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)])
    return bytes(model.SerializeToString())
