"""Fixtures: whole systems of their own, with the quick models of the shared data."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from core.inference.install import install
from core.inference.packs import read_manifest
from tests.conftest import TEST_PACKS
from tests.faults.system import System, free_port, running


@pytest.fixture(scope="session")
def quick_models(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the pack ``test_scrfd`` is installed."""
    folder = tmp_path_factory.mktemp("models")
    pack = read_manifest(TEST_PACKS).packs["test_scrfd"]
    install(pack, folder, source=shared_data / "weights", accept_licence=True)
    return folder


@pytest.fixture
def system(quick_models: Path) -> Iterator[Callable[..., System]]:
    """Start a system, with these settings; it is gone after the test."""
    with ExitStack() as stack:

        def start(**changes: Any) -> System:
            return stack.enter_context(running(quick_models, TEST_PACKS, free_port(), **changes))

        yield start
