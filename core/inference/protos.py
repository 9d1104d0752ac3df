"""ONNX files as graphs that can be looked at and changed in memory."""

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from core.errors import ModelError


def parsed(data: bytes, network: str) -> onnx.ModelProto:
    """Read a serialised model.

    Args:
        network: What the file is of, for the message.

    Raises:
        ModelError: The data is not an ONNX model.
    """
    try:
        return onnx.load_model_from_string(data)
    except DecodeError as error:
        raise ModelError(f"The {network}'s file is not an ONNX model.") from error


def serialised(model: onnx.ModelProto) -> bytes:
    """Return the same bytes for the same model."""
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def true_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """Return the inputs of a graph that are not weights: some exporters list those too."""
    weights = {constant.name for constant in graph.initializer}
    return [value for value in graph.input if value.name not in weights]
