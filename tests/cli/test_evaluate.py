"""``facesearch evaluate`` on real photos and real models."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from core.inference.install import install
from core.inference.packs import read_manifest
from web.cli import main

pytestmark = pytest.mark.shared_data

TEST_PACKS = Path(__file__).parents[1] / "data" / "packs.toml"
PEOPLE = ("Abdullah_Gul", "Adel_Al-Jubeir", "Al_Gore", "Angelina_Jolie", "Aaron_Eckhart")


@pytest.fixture
def people(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A few people's photos; the settings know the test packs, and one is installed."""
    install(
        read_manifest(TEST_PACKS).packs["test_scrfd"],
        tmp_path / "models",
        source=shared_data / "weights",
        accept_licence=True,
    )
    for name in PEOPLE:
        shutil.copytree(shared_data / "faces" / "lfw" / name, tmp_path / "people" / name)
    monkeypatch.setenv("FACESEARCH_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("FACESEARCH_EXTRA_PACKS", str(TEST_PACKS))
    monkeypatch.setenv("FACESEARCH_DEVICE", "cpu")
    return tmp_path / "people"


def test_people_are_found_among_a_few(people: Path) -> None:
    photos = sum(1 for path in people.rglob("*.jpg"))

    done = CliRunner().invoke(main, ["evaluate", str(people), "--pack", "test_scrfd", "--json"])

    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["photos"] == photos
    assert report["failures"] == {}
    assert report["accuracy"]["rank_1"]["rate"] == 1
    assert report["accuracy"]["threshold"] == 0.32
    assert report["setting"]["versions"]["onnxruntime"]


def test_a_person_reads_a_table(people: Path) -> None:
    command = ["evaluate", str(people), "--pack", "test_scrfd", "--gallery", "all"]

    done = CliRunner().invoke(main, [*command, "--threshold", "0.5"])

    assert done.exit_code == 0, done.output
    assert "100.00%" in done.stdout
    assert "0.500" in done.stdout


def test_a_pack_that_is_not_installed_is_one_line_with_the_cure(people: Path) -> None:
    done = CliRunner().invoke(main, ["evaluate", str(people), "--pack", "buffalo_l"])

    assert done.exit_code == 1
    assert "facesearch models install buffalo_l" in done.stderr
    assert len(done.stderr.splitlines()) == 1
