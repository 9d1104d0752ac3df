"""``facesearch bench ingest`` on photos of the test's own."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from core.pipelines import Pipelines
from web.cli import main

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture
def folder(tmp_path: Path, pipelines: Pipelines, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A photo; the settings know the open pack."""
    assert pipelines, "without models the fixture skips"
    monkeypatch.setenv("FACESEARCH_MODELS_DIR", str(MODELS))
    monkeypatch.setenv("FACESEARCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FACESEARCH_DEVICE", "cpu")
    home = tmp_path / "photos"
    home.mkdir()
    Image.new("RGB", (64, 48)).save(home / "one.jpg")
    return home


def test_a_program_reads_figures_and_what_to_quote_with_them(folder: Path) -> None:
    command = ["bench", "ingest", str(folder), "--photos", "5", "--json"]

    done = CliRunner().invoke(main, command)

    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    assert (figures["photos"], figures["refused"], figures["faces"]) == (5, 0, 0)
    assert list(figures["stages"]) == ["decode", "copies", "detect", "align", "embed", "write"]
    assert figures["photos_per_second"] > 0
    assert figures["batch_fill"] == 0
    assert figures["bare"] is None
    assert figures["setting"]["versions"]["onnxruntime"]


def test_a_person_reads_what_limits(folder: Path) -> None:
    command = ["bench", "ingest", str(folder), "--photos", "3", "--no-database"]

    done = CliRunner().invoke(main, command)

    assert done.exit_code == 0, done.output
    assert "photos/s" in done.stdout
    assert "limits" in done.stdout
    assert "nothing written" in done.stdout


def test_a_folder_without_photos_is_one_line(folder: Path, tmp_path: Path) -> None:
    (folder / "one.jpg").unlink()

    done = CliRunner().invoke(main, ["bench", "ingest", str(folder)])

    assert done.exit_code == 1
    assert "There is no file" in done.stderr
