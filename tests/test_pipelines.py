"""Pipelines by space: loaded when needed, once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import PackNotInstalled
from core.inference.packs import load_manifest
from core.pipeline import AnalysedPhoto
from core.pipelines import Pipelines
from core.settings import Settings


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
