"""Pipelines by space: loaded when needed, once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnxruntime as ort
import pytest

from core.errors import DeviceUnavailable, PackNotInstalled
from core.inference.accelerators import CUDA
from core.inference.packs import load_manifest
from core.pipeline import AnalysedPhoto
from core.pipelines import Pipelines
from core.settings import Device, Settings

MODELS = Path(__file__).parents[1] / "models"


def test_only_installed_packs_are_served(pipelines: Pipelines) -> None:
    manifest = load_manifest(Settings(_env_file=None))
    space_id = manifest.pack("open").space.id

    assert space_id in pipelines
    assert space_id in list(pipelines)
    assert len(pipelines) == len(list(pipelines))
    assert "sp_other" not in pipelines
    with pytest.raises(KeyError):
        pipelines["sp_other"]


def test_a_pack_is_loaded_once_whoever_asks(pipelines: Pipelines) -> None:
    (space_id, *_) = pipelines

    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(pipelines.__getitem__, [space_id] * 4))

    assert len({id(pipeline) for pipeline in loaded}) == 1
    assert pipelines.device == "cpu"


def test_a_loaded_pipeline_analyses_photos(
    pipelines: Pipelines, photo: Callable[[int], bytes]
) -> None:
    (space_id, *_) = pipelines

    (result,) = pipelines[space_id].analyse([photo(1)])

    assert isinstance(result, AnalysedPhoto)
    assert (result.header.width, result.faces) == (8, ())


def test_a_pack_that_is_not_installed_names_the_cure(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, models_dir=tmp_path)
    manifest = load_manifest(settings)
    empty = Pipelines(manifest, settings)

    assert list(empty) == []
    assert empty.device == ""
    with pytest.raises(PackNotInstalled, match="facesearch models install open"):
        empty.require(manifest.pack("open"))


@pytest.mark.skipif(CUDA in ort.get_available_providers(), reason="this ONNX Runtime has CUDA")
def test_a_pack_that_the_device_refuses_is_served_by_others(
    pipelines: Pipelines, caplog: pytest.LogCaptureFixture
) -> None:
    (space_id, *_) = pipelines
    settings = Settings(_env_file=None, models_dir=MODELS, device=Device.CUDA)
    worker = Pipelines(load_manifest(settings), settings)
    before = len(worker)

    for _ in range(2):
        with pytest.raises(DeviceUnavailable, match="device cuda was asked for"):
            worker[space_id]

    assert space_id not in worker
    assert (len(worker), len(list(worker))) == (before - 1, before - 1)
    assert caplog.text.count("pack open is not served by this worker. The device cuda") == 1
