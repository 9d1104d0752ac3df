"""`facesearch models quantise` at the terminal: what it prints, and how it ends."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from core.inference import quantising
from web.cli import main

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder with the open pack alone."""
    if not (MODELS / "open" / "installed.json").is_file():
        pytest.skip("the open pack is not installed")
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "open").symlink_to(MODELS / "open")
    monkeypatch.setenv("FACESEARCH_MODELS_DIR", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.shared_data
def test_what_was_found_is_printed_and_the_pack_is_there(
    models: Path, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantising, "LEAST_GAIN", 0)  # which depends on the processor
    (tmp_path / "photos").mkdir()
    for home in sorted((shared_data / "faces" / "lfw").iterdir())[:80]:
        shutil.copy(min(home.iterdir()), tmp_path / "photos")
    run = CliRunner().invoke

    made = run(main, ["models", "quantise", "open", "photos", "--faces", "64"])
    again = json.loads(
        run(main, ["models", "quantise", "open", "photos", "--name", "second", "--json"]).stdout
    )
    taken = run(main, ["models", "quantise", "open", "photos"])

    assert made.exit_code == 0, made.output
    assert "open_int8: CenterFace + dlib ResNet, 8 bits" in made.stdout
    assert "48 to measure ranges on, 16 others compared" in made.stdout
    assert "facesearch evaluate" in made.stdout
    assert (again["pack"], again["origin"]) == ("second", "open")
    assert again["likeness"] > 0.99
    assert run(main, ["models", "verify", "second"]).exit_code == 0
    assert taken.exit_code == 1
    assert "There is a pack open_int8 already" in taken.stderr


def test_a_folder_without_faces_is_refused(models: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()

    result = CliRunner().invoke(main, ["models", "quantise", "open", "photos"])

    assert result.exit_code == 1
    assert "photos shows 0 faces" in result.stderr
    assert not (models / "open_int8").exists()
