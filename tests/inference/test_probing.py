"""What is refused as a recogniser, each with its own sentence; and faces told apart or not."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.make_r50 import R50, iresnet
from core.errors import ModelError
from core.inference.contracts import FaceModels
from core.inference.embedder import OnnxEmbedder
from core.inference.graphs import honest_recogniser
from core.inference.packs import RecogniserSpec
from core.inference.probing import GraphShape, check_faces, inspect, probe
from core.inference.session import open_session
from core.settings import Device
from tests.inference.topologies import finished, vit

SAMPLES = Path(__file__).parents[2] / "models" / "samples"
NARROW = (8, 8, 16, 16)


def shape_of(data: bytes, side: int | None = None) -> GraphShape:
    return inspect(open_session(honest_recogniser(data), Device.CPU, 2), side)


def embedder_of(data: bytes) -> OnnxEmbedder:
    shape = shape_of(data)
    session = open_session(honest_recogniser(data), Device.CPU, 2)
    spec = RecogniserSpec("arcface", "x.onnx", shape.dimension, layout=shape.layout)
    return OnnxEmbedder(session, spec)


def tiny(
    *shape: int | str, kind: int = TensorProto.FLOAT, nodes: list[onnx.NodeProto] | None = None
) -> bytes:
    """A graph that shrinks pictures to few numbers, or what *nodes* make of them."""
    pads = numpy_helper.from_array(np.array([0, -1]), "rows")
    default = [
        helper.make_node("Cast", ["input"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["float", "rows"], ["output"]),
    ]
    return finished(nodes or default, [pads], ("input", shape), ("output", ("n", "d")), kind)


def after(*nodes: onnx.NodeProto) -> bytes:
    """Rows of numbers, changed by *nodes* from ``rows_of`` to ``output``."""
    pool = helper.make_node(
        "AveragePool", ["input"], ["small"], kernel_shape=[16, 16], strides=[16, 16]
    )
    rows = helper.make_node("Reshape", ["small", "rows"], ["rows_of"])
    return tiny("n", 3, 112, 112, nodes=[pool, rows, *nodes])


def test_a_graph_is_described_as_it_declares_itself() -> None:
    assert shape_of(iresnet(R50, NARROW, 128, names=("data", "fc1"), batch=1)) == GraphShape(
        "data", "fc1", "nchw", 112, 1, 128
    )
    assert shape_of(vit(768, blocks=1, channels_last=True)) == GraphShape(
        "input", "embedding", "nhwc", 112, None, 768
    )


@pytest.mark.parametrize(("side", "found"), [(None, 112), (224, 224)])
def test_a_size_that_the_graph_leaves_open_is_the_users(side: int | None, found: int) -> None:
    data = tiny("n", 3, "h", "w")

    assert shape_of(data, side).side == found


@pytest.mark.parametrize(
    ("data", "side", "reason"),
    [
        (tiny("n", 3, 112, 112, kind=TensorProto.FLOAT16), None, r"takes tensor\(float16\)"),
        (tiny("n", 3, 112), None, "four axes"),
        (tiny("n", 1, 112, 112), None, "3 channels"),
        (tiny("n", 3, 112, 96), None, "not squares"),
        (tiny("n", 3, 96, 96), None, "96 x 96 pixels; known are 112, 128, 150, 224"),
        (tiny("n", 3, 112, 112), 224, "112 x 112 pixels, not 224"),
        (
            tiny("n", 3, 112, 112, nodes=[helper.make_node("Relu", ["input"], ["output"])]),
            None,
            r"shape \[1, 3, 112, 112\] for 1 faces",
        ),
        (b"text", None, "not an ONNX model"),
    ],
)  # fmt: skip
def test_what_is_no_recogniser_is_refused(data: bytes, side: int | None, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        shape_of(data, side)


def test_a_graph_of_several_outputs_is_refused() -> None:
    model = onnx.load_model_from_string(vit(512, blocks=1))
    model.graph.output.append(helper.make_tensor_value_info("t1", TensorProto.FLOAT, None))

    with pytest.raises(ModelError, match="1 inputs and 2 outputs"):
        shape_of(model.SerializeToString())


def test_weights_in_a_second_file_are_refused() -> None:
    model = onnx.load_model_from_string(vit(512, blocks=1))
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], "weights.bin")

    with pytest.raises(ModelError, match="second file"):
        shape_of(model.SerializeToString())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (after(helper.make_node("Log", ["rows_of"], ["output"])), "cannot be used"),
        (after(helper.make_node("Sub", ["rows_of", "rows_of"], ["output"])), "length 0.0"),
        (
            after(
                helper.make_node("Sub", ["rows_of", "rows_of"], ["none"]),
                helper.make_node("Cos", ["none"], ["output"]),
            ),
            "quite different pictures the same",
        ),
        (
            after(
                helper.make_node("RandomNormalLike", ["rows_of"], ["noise"]),
                helper.make_node("Add", ["rows_of", "noise"], ["output"]),
            ),
            "not for training",
        ),
    ],
)
def test_embeddings_that_tell_nothing_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        probe(embedder_of(data))


def test_a_face_must_not_depend_on_those_beside_it() -> None:
    mixing = after(
        helper.make_node("ReduceMax", ["rows_of"], ["top"], keepdims=1),
        helper.make_node("Sub", ["rows_of", "top"], ["output"]),
    )

    with pytest.raises(ModelError, match="alone and beside others"):
        probe(embedder_of(mixing))


@pytest.mark.parametrize("normalised", [False, True])
def test_whether_a_graph_normalises_is_seen(normalised: bool) -> None:
    assert probe(embedder_of(vit(512, blocks=1, normalised=normalised))).normalised is normalised


# --- faces ----------------------------------------------------------------------------------------


@pytest.fixture
def photos() -> list[Path]:
    found = sorted(SAMPLES.glob("*.jpg"))
    if not found:
        pytest.skip("the sample photos are not installed")
    return found


def test_a_trained_recogniser_tells_the_people_of_a_photo_apart(
    open_models: FaceModels, photos: list[Path]
) -> None:
    assert isinstance(open_models.embedder, OnnxEmbedder)

    found = check_faces(open_models.detector, open_models.embedder, photos)

    assert found is not None
    assert (found.photo, found.faces) == ("t1.jpg", 6)
    assert found.strangers < found.copy


def test_a_network_of_random_weights_is_refused(
    open_models: FaceModels, photos: list[Path]
) -> None:
    embedder = embedder_of(iresnet(R50, NARROW))

    with pytest.raises(ModelError, match=r"does not tell people apart: on t1\.jpg"):
        check_faces(open_models.detector, embedder, photos)


def test_without_a_photo_of_two_people_nothing_is_compared(
    open_models: FaceModels, photos: list[Path]
) -> None:
    assert isinstance(open_models.embedder, OnnxEmbedder)
    alone = [photo for photo in photos if photo.name == "obama.jpg"]

    assert check_faces(open_models.detector, open_models.embedder, alone) is None
    assert check_faces(open_models.detector, open_models.embedder, []) is None
