"""From a pinned file to the graph that ONNX Runtime loads; made once, at install."""

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from core.errors import ModelError
from core.inference import dlib_onnx
from core.inference.packs import Pack, RecogniserSpec
from core.inference.protos import parsed, serialised, true_inputs
from core.inference.session import open_session
from core.settings import Device

BATCH = "photos"
"""Name of the batch axis of a detector's graph that may be trusted with several."""

MOST_AT_ONCE = 4
"""Photos in one run of a detector."""

PHOTOS_LATE, PHOTOS_FIRST = (2, 3, 0, 1), (0, 2, 3, 1)
"""Orders of the axes in front of SCRFD's outputs: as exported, and as a batch needs them."""

REFERENCE_TOLERANCE = 1e-4
"""Right conversions differ from dlib by 3e-7; the numbers themselves reach 0.3."""


def make_graphs(pack: Pack, folder: Path) -> list[str]:
    """Write the graphs that are not pinned files themselves; returns their names.

    Raises:
        ModelError: A file cannot be converted, or its graph does not compute what it should.
    """
    made = []
    for network in (pack.detector, pack.recogniser):
        if network.graph == network.file:
            continue
        data = (folder / network.file).read_bytes()
        if network.kind == "centerface":
            graph = dynamic_graph(data)
        else:
            assert isinstance(network, RecogniserSpec)
            graph = _dlib_graph(data, pack.file(network.file).sha256, network)
        (folder / network.graph).write_bytes(graph)
        made.append(network.graph)
    return made


def dynamic_graph(data: bytes) -> bytes:
    """Let CenterFace take any batch and any sides that are multiples of 32.

    Raises:
        ModelError: The data is not an ONNX model.
    """
    model = parsed(data, "detector")
    graph = model.graph
    _keep_weights(graph)
    # Counters of the training; ONNX Runtime warns of each that no node uses.
    used = {name for node in graph.node for name in node.input}
    constants = [constant for constant in graph.initializer if constant.name in used]
    del graph.initializer[:]
    graph.initializer.extend(constants)
    for value, sides in (*((v, "") for v in graph.input), *((v, "_cells") for v in graph.output)):
        batch, _, height, width = value.type.tensor_type.shape.dim
        batch.dim_param = "n"
        height.dim_param, width.dim_param = f"height{sides}", f"width{sides}"
    return serialised(model)


def batched_scrfd(data: bytes) -> bytes:
    """Let an SCRFD take several photos in a run; returns the graph as it is where it cannot.

    Its exporter moves height and width in front of the photos and then drops that axis, which
    mixes the photos of a batch. Here they stay in front: each output becomes ``(photos, anchors,
    numbers)``, and what a photo gets does not depend on those beside it.

    Raises:
        ModelError: The data is not an ONNX model.
    """
    model = parsed(data, "detector")
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output}
    for number, output in enumerate(graph.output):
        moved, flattened = _head(output.name, makers)
        if moved is None or flattened is None:
            return data
        moved.attribute[0].ints[:] = PHOTOS_FIRST
        numbers = output.type.tensor_type.shape.dim[-1].dim_value
        shape = numpy_helper.from_array(np.array([0, -1, numbers]), f"facesearch.rows.{number}")
        graph.initializer.append(shape)
        flattened.input[1] = shape.name
        output.CopyFrom(
            onnx.helper.make_tensor_value_info(
                output.name, onnx.TensorProto.FLOAT, [BATCH, None, numbers]
            )
        )
    graph.input[0].type.tensor_type.shape.dim[0].dim_param = BATCH
    del graph.value_info[:]
    return serialised(model)


def _head(
    output: str, makers: Mapping[str, onnx.NodeProto]
) -> tuple[onnx.NodeProto | None, onnx.NodeProto | None]:
    """Return the nodes that move the axes of an output and flatten it, if they are as expected."""
    flattened = makers[output]
    while flattened.op_type == "Sigmoid":
        flattened = makers[flattened.input[0]]
    moved = makers.get(flattened.input[0])
    if flattened.op_type != "Reshape" or moved is None or moved.op_type != "Transpose":
        return None, None
    return (moved, flattened) if tuple(moved.attribute[0].ints) == PHOTOS_LATE else (None, None)


def honest_recogniser(data: bytes) -> bytes:
    """Return a recogniser's graph without what ONNX Runtime would warn of, for its session only.

    ArcFace's exporter freed the batch of the input and left 1 on the output; MXNet's listed the
    weights as inputs. Any other warning stays to be seen.

    Raises:
        ModelError: The data is not an ONNX model, or not the whole of one.
    """
    model = parsed(data, "recogniser")
    graph = model.graph
    if any(weight.data_location == onnx.TensorProto.EXTERNAL for weight in graph.initializer):
        raise ModelError("The recogniser keeps its weights in a second file; save both as one.")
    listed = _keep_weights(graph)
    lies = [
        value
        for value in graph.output
        if len(graph.input) == 1 and not _fixed_batch(graph.input[0]) and _fixed_batch(value)
    ]
    if not listed and not lies:
        return data
    for value in lies:
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    return serialised(model)


def _keep_weights(graph: onnx.GraphProto) -> bool:
    """Take weights out of the inputs; returns whether there were any.

    Listed there they could be replaced at each run: ONNX Runtime warns of each, and cannot fold
    them.
    """
    inputs = true_inputs(graph)
    listed = len(inputs) < len(graph.input)
    del graph.input[:]
    graph.input.extend(inputs)
    return listed


def _fixed_batch(value: onnx.ValueInfoProto) -> bool:
    dims = value.type.tensor_type.shape.dim
    return len(dims) > 0 and dims[0].dim_value > 0


def _dlib_graph(data: bytes, sha256: str, spec: RecogniserSpec) -> bytes:
    graph = dlib_onnx.convert(data)
    reference = json.loads(
        resources.files("core.inference").joinpath("dlib_reference.json").read_text("utf-8")
    )
    if sha256 != reference["weights_sha256"]:
        return graph  # other weights of the same architecture: there is nothing to compare with
    picture = dlib_onnx.reference_input()[None].astype(np.float32)
    scaled = (picture - np.array(spec.mean, np.float32)) / np.array(spec.std, np.float32)
    session = open_session(graph, Device.CPU, 0)
    (found,) = session.run(None, {"input": np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))})
    difference = float(np.abs(found[0] - np.array(reference["embedding"])).max())
    if not difference < REFERENCE_TOLERANCE:
        raise ModelError(
            f"The converted recogniser differs by {difference:.2g} from what dlib computes."
        )
    return graph
