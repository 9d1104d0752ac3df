"""Our reader of dlib's file, and the network that it writes."""

import json
from importlib import resources
from pathlib import Path

import numpy as np
import onnx
import pytest

from core.errors import ModelError
from core.inference import dlib_onnx, graphs
from core.inference.packs import Manifest, RecogniserSpec
from core.inference.session import open_session
from core.settings import Device


@pytest.fixture(scope="module")
def serialised(manifest: Manifest, open_folder: Path) -> bytes:
    return (open_folder / manifest.pack("open").recogniser.file).read_bytes()


@pytest.fixture(scope="module")
def converted(serialised: bytes) -> bytes:
    return dlib_onnx.convert(serialised)


@pytest.fixture
def spec(manifest: Manifest) -> RecogniserSpec:
    return manifest.pack("open").recogniser


def test_the_network_computes_what_dlib_computes(converted: bytes, spec: RecogniserSpec) -> None:
    reference = json.loads((resources.files("core.inference") / "dlib_reference.json").read_text())
    picture = dlib_onnx.reference_input().astype(np.float32)
    scaled = ((picture - np.array(spec.mean, np.float32)) / spec.std).transpose(2, 0, 1)[None]

    (found,) = open_session(converted, Device.CPU, 1).run(None, {"input": np.float32(scaled)})

    assert found[0] == pytest.approx(reference["embedding"], abs=2e-6)


def test_the_same_file_always_gives_the_same_bytes(serialised: bytes, converted: bytes) -> None:
    assert dlib_onnx.convert(serialised) == converted


def test_the_graph_takes_any_batch(converted: bytes) -> None:
    session = open_session(converted, Device.CPU, 1)
    batch = np.random.default_rng(3).normal(size=(3, 3, 150, 150)).astype(np.float32)

    (together,) = session.run(None, {"input": batch})
    alone = [session.run(None, {"input": each[None]})[0][0] for each in batch]

    assert together == pytest.approx(np.stack(alone), abs=1e-6)
    assert [dim.dim_param for dim in _input_shape(converted)][:1] == ["n"]


def _input_shape(model: bytes) -> list[onnx.TensorShapeProto.Dimension]:
    value = onnx.load_model_from_string(model).graph.input[0]
    return list(value.type.tensor_type.shape.dim)


@pytest.mark.parametrize("keep", [0, 1, 100, 340, 20_000, 10_000_000, -1000])
def test_a_cut_off_file_is_refused(serialised: bytes, keep: int) -> None:
    with pytest.raises(ModelError, match="not the dlib face recognition network"):
        dlib_onnx.convert(serialised[:keep])


def test_a_file_of_something_else_is_refused() -> None:
    with pytest.raises(ModelError, match="not the dlib face recognition network"):
        dlib_onnx.convert(b"\x01\x05con_4" + bytes(range(256)) * 40)


def test_changed_weights_are_told_by_the_reference(
    serialised: bytes, manifest: Manifest, spec: RecogniserSpec
) -> None:
    # Four bytes in the middle of the first convolution: still a network, but another.
    spoiled = serialised[:1000] + np.float32(9).tobytes() + serialised[1004:]

    with pytest.raises(ModelError, match="differs by"):
        graphs._dlib_graph(spoiled, manifest.pack("open").file(spec.file).sha256, spec)
