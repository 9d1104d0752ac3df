"""Recognisers of 8 bits: a pack of its own where it is worth it, and nothing at all where not."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.make_r50 import iresnet
from core.errors import InvalidRequest, ModelError, NameTaken, PackNotInstalled
from core.inference import install, quantising
from core.inference.embedder import OnnxEmbedder
from core.inference.graphs import honest_recogniser
from core.inference.loading import load_models
from core.inference.packs import OWN_MANIFEST, Manifest, RecogniserSpec, load_manifest
from core.inference.quantising import compare, quantise, quantised
from core.inference.session import open_session
from core.settings import Device, Settings

NARROW = (16, 16, 32, 32)
SPEC = RecogniserSpec("arcface", "net.onnx", 128)


def embedder_of(graph: bytes) -> OnnxEmbedder:
    return OnnxEmbedder(open_session(graph, Device.CPU, 1), SPEC)


@pytest.fixture
def settings(tmp_path: Path, open_folder: Path) -> Settings:
    """A models folder with the open pack alone."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "open").symlink_to(open_folder)
    return Settings(_env_file=None, models_dir=tmp_path / "models", device=Device.CPU)


@pytest.fixture(scope="session")
def people(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One photo each of ninety people, and a file that is no photo."""
    folder = tmp_path_factory.mktemp("people")
    for home in sorted((shared_data / "faces" / "lfw").iterdir())[:90]:
        (folder / home.name).mkdir()
        shutil.copy(min(home.iterdir()), folder / home.name)
    (folder / "notes.txt").write_text("They all agreed.")
    return folder


@pytest.mark.parametrize("batch", [None, 1])
def test_the_graph_gets_8_bit_weights_and_takes_what_it_took(
    batch: int | None,
    crops: np.ndarray,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    graph = honest_recogniser(iresnet((1, 1, 1, 1), NARROW, 128, batch=batch))
    before = embedder_of(graph)

    after = embedder_of(quantised(graph, before, crops))

    model = onnx.load_model_from_string(quantised(graph, before, crops))
    heavy = [weight for weight in model.graph.initializer if len(weight.dims) == 4]
    assert {weight.data_type for weight in heavy} == {onnx.TensorProto.INT8}
    found = compare(before, after, crops)
    assert found.cosine[0] > 0.9
    assert found.faces == len(crops)
    assert (capfd.readouterr().err, caplog.messages) == ("", [])


def test_a_network_is_exactly_like_itself(crops: np.ndarray) -> None:
    embedder = embedder_of(honest_recogniser(iresnet((1, 1, 1, 1), NARROW, 128)))

    found = compare(embedder, embedder, crops)

    assert found.likeness == pytest.approx(1)
    assert found.cosine == pytest.approx((1, 1))


def test_what_is_no_network_of_floats_is_refused_in_one_sentence(crops: np.ndarray) -> None:
    graph = honest_recogniser(iresnet((1, 1, 1, 1), NARROW, 128))
    small = quantised(graph, embedder_of(graph), crops)
    cut = onnx.load_model_from_string(small)
    del cut.graph.initializer[:]

    with pytest.raises(ModelError, match="cannot be quantised"):
        quantised(cut.SerializeToString(), embedder_of(graph), crops)


@pytest.mark.shared_data
def test_a_quantised_pack_is_a_pack_like_any_other_and_has_its_own_space(
    people: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantising, "LEAST_GAIN", 0)  # which depends on the processor

    made = quantise("open", people, settings, faces=80)

    pack = load_manifest(settings).pack("open_int8")
    origin = load_manifest(settings).pack("open")
    assert pack == made.pack
    assert pack.space.id != origin.space.id
    assert (pack.detector, pack.licence, pack.threshold) == (
        origin.detector,
        origin.licence,
        origin.threshold,
    )
    assert "before quantising" in pack.threshold_source
    assert (made.calibrated_on, made.comparison.faces) == (60, 20)
    assert made.comparison.cosine[0] > 0.99
    assert install.verify(pack, settings.models_dir).space == pack.space.id
    crops = np.zeros((2, 150, 150, 3), np.uint8)
    assert load_models(pack, settings).embedder.embed(crops).shape == (2, 128)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [("LEAST_GAIN", 1e6, "times as many faces"), ("LEAST_LIKENESS", 1.1, "does not stand 8 bits")],
)
def test_a_pack_that_is_not_worth_it_is_not_installed(
    people: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    value: float,
    reason: str,
) -> None:
    monkeypatch.setattr(quantising, limit, value)

    with pytest.raises(ModelError, match=reason):
        quantise("open", people, settings, faces=70)

    assert not (settings.models_dir / "open_int8").exists()
    assert not (settings.models_dir / OWN_MANIFEST).exists()


def test_too_few_faces_are_refused(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "photos").mkdir()

    with pytest.raises(InvalidRequest, match="shows 0 faces; 64 or more"):
        quantise("open", tmp_path / "photos", settings)


def test_names_that_are_taken_and_packs_that_are_not_there_are_refused(
    tmp_path: Path, settings: Settings, manifest: Manifest
) -> None:
    with pytest.raises(NameTaken):
        quantise("open", tmp_path, settings, name="buffalo_l")
    with pytest.raises(PackNotInstalled):
        quantise("buffalo_l", tmp_path, settings)
