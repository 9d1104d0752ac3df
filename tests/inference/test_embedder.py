"""Recognisers on real weights: every batch gives what each crop alone gives."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from core.errors import ModelError
from core.faces import unit_embedding
from core.inference.contracts import FaceModels
from core.inference.embedder import OnnxEmbedder
from core.inference.packs import RecogniserSpec
from core.inference.session import open_session
from core.settings import Device

NAME = "mobilefacenet_ms1m_512.onnx"

Crops = NDArray[np.uint8]


def load(data: bytes, batches: tuple[int, ...] | None = None, **changes: object) -> OnnxEmbedder:
    session = open_session(data, Device.CPU, 2, shapes_lie=True)
    fields = {"kind": "arcface", "file": NAME, "dimension": 512, **changes}
    return OnnxEmbedder(session, RecogniserSpec(**fields), batches)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def data(weights: Path) -> bytes:
    return (weights / NAME).read_bytes()


@pytest.fixture(scope="module")
def embedder(data: bytes) -> OnnxEmbedder:
    return load(data)


def cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> list[float]:
    return [
        float(unit_embedding(a, a.size)[0] @ unit_embedding(b, b.size)[0])
        for a, b in zip(one, other, strict=True)
    ]


def fixed_batch(data: bytes, size: int) -> bytes:
    model = onnx.load_model_from_string(data)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = size
    return bytes(model.SerializeToString())


def test_it_says_how_crops_must_be(embedder: OnnxEmbedder) -> None:
    assert (embedder.side, embedder.dimension) == (112, 512)
    assert embedder.template.shape == (5, 2)


def test_no_crops_are_no_embeddings(embedder: OnnxEmbedder) -> None:
    assert embedder.embed(np.empty((0, 112, 112, 3), np.uint8)).shape == (0, 512)


@pytest.mark.parametrize("batches", [None, (1, 8, 16), (4,), (1,)])
def test_a_crop_does_not_notice_its_batch(
    data: bytes, crops: Crops, batches: tuple[int, ...] | None
) -> None:
    embedder = load(data, batches)

    together = embedder.embed(crops)

    alone = np.concatenate([load(data).embed(crop[None]) for crop in crops])
    assert together == pytest.approx(alone, abs=1e-4)


def test_a_graph_of_a_fixed_batch_is_run_again_and_again(
    data: bytes, embedder: OnnxEmbedder, crops: Crops
) -> None:
    for size in (1, 4):
        found = load(fixed_batch(data, size)).embed(crops)

        assert found == pytest.approx(embedder.embed(crops), abs=1e-4)


def test_more_crops_than_a_batch_holds_keep_their_order(
    embedder: OnnxEmbedder, crops: Crops
) -> None:
    many = np.concatenate([crops] * 8)  # 72: more than two runs on the CPU

    found = embedder.embed(many)

    assert found == pytest.approx(np.tile(embedder.embed(crops), (8, 1)), abs=1e-4)


def test_flip_sum_adds_the_mirrored_crop(data: bytes, embedder: OnnxEmbedder, crops: Crops) -> None:
    found = load(data, flip="sum").embed(crops)

    expected = embedder.embed(crops) + embedder.embed(crops[:, :, ::-1])
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_mirrored_face_gives_the_same_flip_sum(data: bytes, crops: Crops) -> None:
    embedder = load(data, flip="sum")

    assert min(cosines(embedder.embed(crops), embedder.embed(crops[:, :, ::-1]))) > 0.999999


def test_colour_order_mean_and_scale_are_the_manifests(
    data: bytes, embedder: OnnxEmbedder, crops: Crops
) -> None:
    bgr = load(data, colours="bgr").embed(crops)
    # The same numbers reach the network in another way: (x - 63.5) / 63.5 of half the gray.
    half = load(data, mean=(63.5, 63.5, 63.5), std=63.75).embed(crops // 2)

    assert bgr == pytest.approx(embedder.embed(crops[..., ::-1]), abs=1e-4)
    assert min(cosines(half, embedder.embed(crops))) > 0.99


def test_the_mean_belongs_to_its_colour(data: bytes, embedder: OnnxEmbedder, crops: Crops) -> None:
    dark = np.clip(crops, 20, 255)
    shifted = dark - np.array([10, 0, 20], np.uint8)

    found = load(data, mean=(117.5, 127.5, 107.5)).embed(shifted)

    assert found == pytest.approx(embedder.embed(dark), abs=1e-4)


def test_another_dimension_than_the_manifests_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match="manifest says 128"):
        load(data, dimension=128)


def test_another_crop_size_than_the_templates_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match="3 x 150 x 150"):
        load(data, template="dlib-150-v1")


def test_a_graph_of_several_outputs_is_refused(weights: Path) -> None:
    with pytest.raises(ModelError, match="1 inputs and 9 outputs"):
        load((weights / "det_500m.onnx").read_bytes())


def test_the_open_recogniser_gives_a_face_and_its_mirror_image_one_embedding(
    open_models: FaceModels,
) -> None:
    crops = np.random.default_rng(7).integers(0, 256, (3, 150, 150, 3), dtype=np.uint8)

    found = open_models.embedder.embed(crops)

    assert found.shape == (3, 128)
    assert min(cosines(found, open_models.embedder.embed(crops[:, :, ::-1]))) > 0.999999
