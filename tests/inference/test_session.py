"""Which device a model gets, and which it must not get silently."""

import logging
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from core.errors import DeviceUnavailable, ModelError
from core.inference.accelerators import CPU, CUDA, Placement
from core.inference.session import open_session
from core.settings import Device


@pytest.fixture(scope="module")
def model() -> bytes:
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "relu",
        [info("x", TensorProto.FLOAT, ["n"])],
        [info("y", TensorProto.FLOAT, [4])],
    )
    opset = [helper.make_opsetid("", 13)]
    return helper.make_model(graph, ir_version=8, opset_imports=opset).SerializeToString()


@pytest.fixture
def lying_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ONNX Runtime that names CUDA and then starts on the CPU, as one without a driver does."""
    real = ort.InferenceSession
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    monkeypatch.setattr(
        ort, "InferenceSession", lambda model, options, **_: real(model, options, [CPU])
    )


without_cuda = pytest.mark.skipif(
    CUDA in ort.get_available_providers(), reason="this ONNX Runtime has CUDA"
)


def test_where_a_model_runs_is_logged(model: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        opened = open_session(model, Device.CPU, 1)

    assert opened.get_providers() == [CPU]
    assert "runs on CPUExecutionProvider" in caplog.text


@without_cuda
@pytest.mark.parametrize("device", [Device.CUDA, Device.TENSORRT])
def test_a_device_that_is_missing_is_an_error(model: bytes, device: Device) -> None:
    with pytest.raises(DeviceUnavailable, match=rf"device {device} was asked for.*\[gpu\]"):
        open_session(model, device, 1)


@pytest.mark.usefixtures("lying_cuda")
def test_a_device_never_falls_back_at_the_start(model: bytes) -> None:
    with pytest.raises(DeviceUnavailable, match=r"does not start: .*providers_cuda\.so"):
        open_session(model, Device.CUDA, 1)


def test_a_device_never_falls_back_in_a_run(model: bytes) -> None:
    """ONNX Runtime's Python part starts anew on the next provider when one fails in a run."""
    assert not open_session(model, Device.CPU, 1)._enable_fallback


def test_two_sessions_of_one_moment_have_a_profile_each(model: bytes, tmp_path: Path) -> None:
    placement = Placement(profile=tmp_path)

    opened = [open_session(model, Device.CPU, 1, placement=placement) for _ in range(2)]

    prefixes = {each.get_session_options().profile_file_prefix for each in opened}
    assert len(prefixes) == 2
    assert all(each.startswith(f"{tmp_path}/") for each in prefixes)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ModelError, match="cannot load this model"):
        open_session(b"no model", Device.CPU, 1)


def test_threads_are_as_asked_for_and_do_not_spin(model: bytes) -> None:
    options = open_session(model, Device.CPU, 3).get_session_options()

    assert options.intra_op_num_threads == 3
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.parametrize(("shapes_lie", "warned"), [(False, True), (True, False)])
def test_only_graphs_known_for_wrong_shapes_are_silenced(
    model: bytes, capfd: pytest.CaptureFixture[str], shapes_lie: bool, warned: bool
) -> None:
    opened = open_session(model, Device.CPU, 1, shapes_lie=shapes_lie)

    (result,) = opened.run(None, {"x": np.zeros(7, np.float32)})

    assert result.shape == (7,)
    assert ("VerifyOutputSizes" in capfd.readouterr().err) is warned
