"""Recognisers of other origins: each topology, layout and declaration gives what it computes."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from benchmarks.make_r50 import R50, R50_NUMBERS, R100, count, iresnet
from core.errors import ModelError
from core.inference.embedder import OnnxEmbedder
from core.inference.graphs import honest_recogniser
from core.inference.packs import RecogniserSpec
from core.inference.session import open_session
from core.settings import Device
from tests.inference.topologies import vit

NARROW = (8, 8, 16, 16)

Crops = NDArray[np.uint8]


def load(data: bytes, dimension: int, **changes: object) -> OnnxEmbedder:
    session = open_session(honest_recogniser(data), Device.CPU, 2)
    fields = {"kind": "arcface", "file": "x.onnx", "dimension": dimension, **changes}
    return OnnxEmbedder(session, RecogniserSpec(**fields))  # type: ignore[arg-type]


def close(found: NDArray[np.float32], expected: NDArray[np.float32]) -> bool:
    return bool(np.abs(found - expected).max() < 1e-4 * np.abs(expected).max())


TOPOLOGIES: dict[str, Callable[[], tuple[bytes, int]]] = {
    "r50": lambda: (iresnet(R50, NARROW), 512),
    "r50, data, batch 1": lambda: (iresnet(R50, NARROW, 128, names=("data", "fc1"), batch=1), 128),
    "r100, input": lambda: (iresnet(R100, NARROW, names=("input", "output")), 512),
    "vit": lambda: (vit(512), 512),
    "vit, 768, normalised": lambda: (vit(768, name="data", normalised=True), 768),
    "vit, batch 4": lambda: (vit(512, batch=4), 512),
}


@pytest.mark.parametrize("colours", ["rgb", "bgr"])
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_topology_gives_a_crop_one_embedding_alone_and_in_a_batch(
    name: str, colours: str, crops: Crops
) -> None:
    data, dimension = TOPOLOGIES[name]()
    embedder = load(data, dimension, colours=colours)

    together = embedder.embed(crops)

    alone = np.concatenate([embedder.embed(crop[None]) for crop in crops])
    assert together.shape == (9, dimension)
    assert np.unique(together.round(3), axis=0).shape == together.shape
    assert close(together, alone)


def test_a_fixed_batch_gives_what_a_free_one_gives(crops: Crops) -> None:
    free, fixed = (load(iresnet(R50, NARROW, batch=batch), 512) for batch in (None, 1))

    assert close(fixed.embed(crops), free.embed(crops))


def test_channels_last_gives_what_channels_first_gives(crops: Crops) -> None:
    first = load(vit(512, blocks=2), 512)
    last = load(vit(512, blocks=2, channels_last=True), 512, layout="nhwc", colours="rgb")
    blue_first = load(vit(512, blocks=2, channels_last=True), 512, layout="nhwc", colours="bgr")

    assert close(last.embed(crops), first.embed(crops))
    assert close(blue_first.embed(crops[..., ::-1]), first.embed(crops))


@pytest.mark.parametrize("last", [False, True])
def test_the_other_layout_than_the_manifests_is_refused(last: bool) -> None:
    data = vit(512, blocks=1, channels_last=last)

    with pytest.raises(ModelError, match="3 x 112 x 112" if last else "112 x 112 x 3"):
        load(data, 512, layout="nchw" if last else "nhwc")


def test_mean_and_std_belong_to_their_colours(crops: Crops) -> None:
    data = vit(512, blocks=2)
    mean, std = (120.0, 110.0, 100.0), (60.0, 55.0, 50.0)
    # What has the given mean and std in these channels is the picture itself in these units.
    scaled = crops.astype(np.float32)
    expected_input = ((scaled - mean) / std).astype(np.float32).transpose(0, 3, 1, 2)
    session = open_session(data, Device.CPU, 2)

    found = load(data, 512, mean=mean, std=std).embed(crops)
    blue_first = load(data, 512, mean=mean, std=std, colours="bgr").embed(crops)

    assert close(found, session.run(None, {"input": expected_input})[0])
    flipped = np.ascontiguousarray(expected_input[:, ::-1])
    assert close(blue_first, session.run(None, {"input": flipped})[0])


def test_arcfaces_untrue_batch_is_not_warned_of(
    crops: Crops, capfd: pytest.CaptureFixture[str]
) -> None:
    data = iresnet(R50, NARROW)
    session = open_session(data, Device.CPU, 2)
    OnnxEmbedder(session, RecogniserSpec("arcface", "x.onnx", 512)).embed(crops)
    assert "Expected shape" in capfd.readouterr().err

    load(data, 512).embed(crops)

    assert capfd.readouterr().err == ""


def test_weights_listed_as_inputs_are_not_warned_of(
    crops: Crops, capfd: pytest.CaptureFixture[str]
) -> None:
    model = onnx.load_model_from_string(iresnet(R50, NARROW, batch=1))
    expected = load(model.SerializeToString(), 512).embed(crops)
    for weight in model.graph.initializer:
        model.graph.input.append(
            onnx.helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims)
        )

    found = load(model.SerializeToString(), 512).embed(crops)

    assert close(found, expected)
    assert capfd.readouterr().err == ""


def test_a_graph_that_tells_the_truth_is_left_as_it_is() -> None:
    data = vit(512, blocks=1)

    assert honest_recogniser(data) is data


def test_the_generated_r50_has_the_contract_and_the_numbers_of_w600k_r50() -> None:
    data = iresnet()

    session = open_session(data, Device.CPU, 2)
    (given,), (found,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape) == ("input.1", ["None", 3, 112, 112])
    assert (found.name, found.shape) == ("683", [1, 512])
    assert count(data) == R50_NUMBERS
