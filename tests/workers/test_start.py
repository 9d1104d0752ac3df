"""A worker that must not work ends at its start, and its last words say why."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import onnxruntime as ort
import pytest

from core.errors import PackNotInstalled
from core.inference import reference
from core.inference.accelerators import CUDA
from core.inference.install import show
from core.inference.loading import keep_reference
from core.inference.packs import load_manifest
from core.services import Services
from core.settings import Device, Settings
from core.workers_seen import workers
from tests.worker_processes import Worker


@pytest.fixture
def last_words(services: Services) -> Iterator[Callable[[Settings], str]]:
    """Start a worker that ends by itself with a failure; returns the last line of its log."""
    started: list[Worker] = []

    def start(settings: Settings) -> str:
        worker = Worker(settings, "worker", "--loglevel", "INFO")
        started.append(worker)
        assert worker.process.wait(60) == 1
        assert workers(services.broker) == []
        return worker.log.read_text().splitlines()[-1]

    yield start
    for worker in started:
        worker.stop()


def own_models(settings: Settings, folder: Path) -> tuple[Settings, Path]:
    """Copy the open pack into a models folder of the test's own; returns its recogniser, too."""
    pack = load_manifest(settings).pack("open")
    try:
        installed = show(pack, settings.models_dir).folder
    except PackNotInstalled as error:
        pytest.skip(str(error))
    copy = folder / "models" / "open"
    shutil.copytree(installed, copy)
    moved = settings.model_copy(update={"models_dir": folder / "models"})
    return moved, copy / pack.recogniser.graph


@pytest.mark.skipif(CUDA in ort.get_available_providers(), reason="this ONNX Runtime has CUDA")
def test_a_worker_without_the_device_that_it_was_told_ends_and_says_so(
    settings: Settings, last_words: Callable[[Settings], str]
) -> None:
    said = last_words(settings.model_copy(update={"device": Device.CUDA}))

    assert "CRITICAL" in said
    assert "The device cuda was asked for, and this ONNX Runtime has no CUDAExecution" in said


def test_a_worker_that_cannot_read_its_weights_ends_and_names_them(
    settings: Settings, last_words: Callable[[Settings], str], tmp_path: Path
) -> None:
    settings, graph = own_models(settings, tmp_path)
    graph.unlink()
    graph.mkdir()  # to root, no permission is missing

    said = last_words(settings)

    assert "CRITICAL" in said
    assert "This worker cannot be set up" in said
    assert graph.name in said


def test_a_worker_whose_database_is_not_fit_ends_and_names_the_cure(
    settings: Settings, services: Services, last_words: Callable[[Settings], str]
) -> None:
    with services.pool.connection() as conn:
        conn.execute("UPDATE pg_extension SET extversion = '0.8.2' WHERE extname = 'vector'")

    said = last_words(settings)

    assert "CRITICAL" in said
    assert said.endswith("Run ALTER EXTENSION vector UPDATE in this database.")


def test_a_worker_whose_networks_give_something_else_than_before_ends_with_the_cosine(
    settings: Settings, last_words: Callable[[Settings], str], tmp_path: Path
) -> None:
    settings, _ = own_models(settings, tmp_path)
    pack = load_manifest(settings).pack("open")
    kept = keep_reference(pack, settings)
    others = reference.Reference(kept.crops, kept.vectors[::-1], kept.picture, kept.maps)
    reference.keep(pack, settings.models_dir, others)

    said = last_words(settings)

    assert "CRITICAL" in said
    assert "The pack open does not give what it gave before" in said
    assert "the cosine of an embedding of a face is 0." in said
