"""Reads dlib's serialised face recognition network and writes it as ONNX.

The file is a dump of dlib's C++ objects, the input layer first. Only the layers with weights
matter here, for the rest of the architecture is fixed: each such layer starts with a tag, and its
tensor stands right behind it. An integer is one byte with the number of little-endian bytes that
follow (bit 0x80: negative), a string is its length and its bytes, a tensor is the version 2, four
sizes, and float32 values.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from core.errors import ModelError

SIDE = 150
DIMENSION = 128
FEATURES = 256

STEM = (32, 7)
"""Output channels and kernel of the first convolution, of stride 2."""

BLOCKS = (
    *((32, 1),) * 3,
    (64, 2),
    *((64, 1),) * 3,
    (128, 2),
    *((128, 1),) * 2,
    (256, 2),
    *((256, 1),) * 2,
    (256, 2),
)
"""Output channels and stride of each residual block, of two 3x3 convolutions each."""

OPSET = 13
IR_VERSION = 8
TENSOR_VERSION = 2

Weights = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A convolution or the last matrix: the tag it was found by and its flat parameters."""

    tag: str
    parameters: Weights


def convert(data: bytes) -> bytes:
    """Return the ONNX model of a serialised ``dlib_face_recognition_resnet_model_v1``.

    Its input is float32 ``(n, 3, 150, 150)``, RGB, mean and scale applied; its output the raw
    embeddings ``(n, 128)``. The same bytes always give the same model.

    Raises:
        ModelError: The data is not such a network.
    """
    try:
        graph = _Graph(list(_layers(data))).build()
    except (IndexError, ValueError) as error:
        raise ModelError("This is not the dlib face recognition network.") from error
    model = helper.make_model(
        graph,
        producer_name="facesearch",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model)
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def reference_input() -> NDArray[np.uint8]:
    """An RGB picture ``(150, 150, 3)`` that a formula makes: to check a converted network with."""
    y, x, channel = np.ogrid[:SIDE, :SIDE, :3]
    return np.asarray(np.abs((5 * x + 3 * y + 40 * channel) % 510 - 255), dtype=np.uint8)


# --- reading ------------------------------------------------------------------------------------


def _layers(data: bytes) -> Iterator[Layer]:
    """Yield the layers that have weights, from the input on."""
    tags = {
        b"\x01" + bytes([len(tag)]) + tag: tag.decode() for tag in (b"con_4", b"affine_", b"fc_2")
    }
    position = 0
    while True:
        found = [(at, mark) for mark in tags if (at := data.find(mark, position)) >= 0]
        if not found:
            return
        at, mark = min(found)
        position = at + len(mark)
        if tags[mark] == "fc_2":  # the only layer that says its sizes first
            outputs, position = _integer(data, position)
            inputs, position = _integer(data, position)
            if (inputs, outputs) != (FEATURES, DIMENSION):
                raise ValueError(f"the last layer maps {inputs} to {outputs} numbers")
        parameters, position = _tensor(data, position)
        yield Layer(tags[mark], parameters)


def _integer(data: bytes, position: int) -> tuple[int, int]:
    """Return the integer at *position* and the position behind it."""
    head = data[position]
    end = position + 1 + (head & 0x0F)
    value = int.from_bytes(data[position + 1 : end], "little")
    return (-value if head & 0x80 else value), end


def _tensor(data: bytes, position: int) -> tuple[Weights, int]:
    """Return the values of the tensor at *position*, flat, and the position behind it."""
    sizes = []
    for _ in range(5):
        size, position = _integer(data, position)
        sizes.append(size)
    version, *shape = sizes
    if version != TENSOR_VERSION or min(shape) < 1:
        raise ValueError(f"a tensor of version {version} and sizes {shape}")
    count = int(np.prod(shape))
    values = np.frombuffer(data, dtype="<f4", count=count, offset=position)
    return values, position + 4 * count


# --- writing ------------------------------------------------------------------------------------


class _Graph:
    """The network under construction: *tensor* is what the next node takes, of *shape* (C, H, W)."""

    def __init__(self, layers: list[Layer]) -> None:
        self._layers = iter(layers)
        self._expected = 2 * (1 + 2 * len(BLOCKS)) + 1
        if len(layers) != self._expected:
            raise ValueError(f"{len(layers)} layers with weights instead of {self._expected}")
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self.tensor = "input"
        self.shape = (3, SIDE, SIDE)

    def build(self) -> onnx.GraphProto:
        channels, kernel = STEM
        self._convolution(channels, kernel, 2)
        self._node("Relu")
        self._pool("MaxPool", 3)
        for channels, stride in BLOCKS:
            self._block(channels, stride)
        self._node("GlobalAveragePool")
        self._node("Flatten", axis=1)
        matrix = self._parameters("fc_2", FEATURES * DIMENSION).reshape(FEATURES, DIMENSION)
        self._node("MatMul", self.tensor, self._constant(matrix))
        self._nodes[-1].output[0] = "embedding"
        return helper.make_graph(
            self._nodes,
            "dlib_face_recognition_resnet_v1",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", DIMENSION])],
            self._constants,
        )

    def _block(self, channels: int, stride: int) -> None:
        before = self.tensor, self.shape
        self._convolution(channels, 3, stride)
        self._node("Relu")
        self._convolution(channels, 3, 1)
        main = self.tensor, self.shape
        self.tensor, self.shape = before
        if stride == 2:  # noqa: PLR2004 - the only stride but 1
            self._pool("AveragePool", 2)
        skip = self.tensor, self.shape
        shape = tuple(max(pair) for pair in zip(main[1], skip[1], strict=True))
        self._node("Add", self._padded(*main, shape), self._padded(*skip, shape))
        self.shape = shape[0], shape[1], shape[2]
        self._node("Relu")

    def _convolution(self, channels: int, kernel: int, stride: int) -> None:
        """A convolution with the affine layer behind it folded in."""
        inputs, height, width = self.shape
        weights, bias = _split(
            self._parameters("con_4", channels * (inputs * kernel**2 + 1)), channels
        )
        gamma, beta = _split(self._parameters("affine_", 2 * channels), channels)
        weights = weights.reshape(channels, inputs, kernel, kernel) * gamma[:, None, None, None]
        bias = bias * gamma + beta
        padding = kernel // 2 if stride == 1 else 0  # as dlib does by default
        self._node(
            "Conv",
            self.tensor,
            self._constant(weights),
            self._constant(bias),
            strides=[stride] * 2,
            pads=[padding] * 4,
        )
        self.shape = (
            channels,
            (height + 2 * padding - kernel) // stride + 1,
            (width + 2 * padding - kernel) // stride + 1,
        )

    def _pool(self, kind: str, kernel: int) -> None:
        channels, height, width = self.shape
        self._node(kind, kernel_shape=[kernel] * 2, strides=[2] * 2)
        self.shape = channels, (height - kernel) // 2 + 1, (width - kernel) // 2 + 1

    def _padded(self, tensor: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
        """dlib adds tensors of different shapes as if zeros stood behind the smaller one."""
        if shape == wanted:
            return tensor
        behind = [want - have for want, have in zip(wanted, shape, strict=True)]
        pads = np.array([0, 0, 0, 0, 0, *behind], dtype=np.int64)
        return self._node("Pad", tensor, self._constant(pads))

    def _parameters(self, tag: str, count: int) -> NDArray[np.float64]:
        layer = next(self._layers)
        if layer.tag != tag or layer.parameters.size != count:
            raise ValueError(
                f"{layer.tag} of {layer.parameters.size} where {tag} of {count} belongs"
            )
        return layer.parameters.astype(np.float64)

    def _constant(self, values: NDArray[Any]) -> str:
        name = f"c{len(self._constants)}"
        stored = values.astype(np.float32) if values.dtype.kind == "f" else values
        self._constants.append(numpy_helper.from_array(stored, name))
        return name

    def _node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        output = f"t{len(self._nodes)}"
        self._nodes.append(
            helper.make_node(kind, list(inputs or (self.tensor,)), [output], **attributes)
        )
        self.tensor = output
        return output


def _split(
    parameters: NDArray[np.float64], last: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return parameters[:-last], parameters[-last:]
