"""PReLU as convolutions: the same numbers, in another graph."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.make_r50 import iresnet
from core.errors import ModelError
from core.inference import prelu
from core.inference.graphs import honest_recogniser
from core.inference.prelu import convolved_prelu
from core.inference.session import open_session
from core.settings import Device

SLOPES = np.array([0.25, 0, -1.5, 1, 2.4, 0.9, -0.1, 1.1], np.float32)
NARROW = (8, 8, 16, 16)


def graph(
    slopes: np.ndarray, *, normalised: bool = False, kernel: tuple[int, ...] = (3, 3)
) -> bytes:
    """A convolution of 3 to 8 channels and a PReLU behind it."""
    random = np.random.default_rng(2)
    weights = {
        "kernel": random.normal(0, 1, (8, 3, *kernel)).astype(np.float32),
        "slopes": slopes,
        **{name: random.uniform(0.5, 2, 8).astype(np.float32) for name in "abcd"},
    }
    nodes = [helper.make_node("Conv", ["x", "kernel"], ["y"])]
    if normalised:
        nodes.append(helper.make_node("BatchNormalization", ["y", *"abcd"], ["n"]))
    nodes.append(helper.make_node("PRelu", ["n" if normalised else "y", "slopes"], ["z"]))
    free = ["n", 3, *("side" for _ in kernel)]
    made = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, free)],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 8, *free[2:]])],
        [
            numpy_helper.from_array(value, name)
            for name, value in weights.items()
            if normalised or name not in "abcd"
        ],
    )
    model = helper.make_model(made, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    onnx.checker.check_model(model)
    return model.SerializeToString()


def kinds(data: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_model_from_string(data).graph.node]


def run(data: bytes, blob: np.ndarray) -> np.ndarray:
    session = open_session(data, Device.CPU, 1)
    (found,) = session.run(None, {session.get_inputs()[0].name: blob})
    return found


@pytest.mark.parametrize("shape", [(8, 1, 1), (1, 8, 1, 1)])
@pytest.mark.parametrize("normalised", [False, True])
def test_slopes_of_every_sign_and_size_give_the_same_numbers(
    shape: tuple[int, ...], normalised: bool
) -> None:
    before = graph(SLOPES.reshape(shape), normalised=normalised)
    blob = np.random.default_rng(1).normal(0, 1, (2, 3, 9, 9)).astype(np.float32)

    after = convolved_prelu(before)

    onnx.checker.check_model(onnx.load_model_from_string(after))
    assert "PRelu" not in kinds(after)
    np.testing.assert_allclose(run(after, blob), run(before, blob), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "slopes", [np.array([0.25], np.float32), np.full((8, 7, 7), 0.25, np.float32)]
)
def test_slopes_that_are_not_by_channel_are_left(slopes: np.ndarray) -> None:
    before = graph(slopes)

    assert convolved_prelu(before) is before


def test_a_network_that_does_not_look_at_pictures_is_left() -> None:
    before = graph(SLOPES.reshape(8, 1, 1), kernel=(3, 3, 3))

    assert convolved_prelu(before) is before


def test_a_whole_recogniser_gives_the_same_vectors(crops: np.ndarray) -> None:
    before = honest_recogniser(iresnet((1, 1, 2, 1), NARROW, 128))
    blob = ((crops.astype(np.float32) - 127.5) / 127.5).transpose(0, 3, 1, 2)

    after = convolved_prelu(before)

    assert kinds(after).count("PRelu") == 0
    np.testing.assert_allclose(run(after, blob), run(before, blob), rtol=1e-4, atol=1e-4)


@pytest.mark.shared_data
def test_a_trained_mobilefacenet_gives_the_same_vectors(weights: Path, crops: np.ndarray) -> None:
    before = honest_recogniser((weights / "mobilefacenet_ms1m_512.onnx").read_bytes())
    blob = ((crops.astype(np.float32) - 127.5) / 127.5).transpose(0, 3, 1, 2)

    ours, theirs = run(convolved_prelu(before), blob), run(before, blob)

    cosines = (ours * theirs).sum(axis=1) / np.linalg.norm(ours, axis=1)
    assert (1 - cosines / np.linalg.norm(theirs, axis=1)).max() < 1e-6


def test_onnx_runtime_has_nothing_to_warn_of(capfd: pytest.CaptureFixture[str]) -> None:
    open_session(convolved_prelu(graph(SLOPES.reshape(8, 1, 1))), Device.CPU, 1)

    assert capfd.readouterr().err == ""


def test_only_processors_on_which_it_was_measured_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = graph(SLOPES.reshape(8, 1, 1))

    monkeypatch.setattr(prelu.platform, "machine", lambda: "aarch64")
    elsewhere = prelu.fast_on_cpu(before)
    monkeypatch.setattr(prelu.platform, "machine", lambda: "x86_64")
    here = prelu.fast_on_cpu(before)

    assert elsewhere is before
    assert here != before


def test_a_weight_that_is_used_inside_of_a_node_stays() -> None:
    """Exporters write a choice, such as whether to drop an axis, as two graphs in an If."""
    model = onnx.load_model_from_string(graph(SLOPES.reshape(8, 1, 1)))
    y = helper.make_tensor_value_info("z2", TensorProto.FLOAT, None)
    for name, value in (("yes", np.array(True)), ("bias", np.full((8, 1, 1), 3, np.float32))):
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    branch = helper.make_graph([helper.make_node("Add", ["z", "bias"], ["z2"])], "b", [], [y])
    choice = helper.make_node("If", ["yes"], ["out"], then_branch=branch, else_branch=branch)
    model.graph.node.append(choice)
    model.graph.output[0].name = "out"
    before = model.SerializeToString()
    blob = np.random.default_rng(1).normal(0, 1, (2, 3, 9, 9)).astype(np.float32)

    after = convolved_prelu(before)

    assert "PRelu" not in kinds(after)
    np.testing.assert_allclose(run(after, blob), run(before, blob), rtol=1e-5, atol=1e-5)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ModelError, match="not an ONNX model"):
        convolved_prelu(b"\xff" * 40)
