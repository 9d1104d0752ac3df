"""``facesearch evaluate`` on real photos and real models."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core.inference.install import install
from core.inference.packs import read_manifest
from web.cli import main

pytestmark = pytest.mark.shared_data

TEST_PACKS = Path(__file__).parents[1] / "data" / "packs.toml"
PEOPLE = ("Abdullah_Gul", "Adel_Al-Jubeir", "Al_Gore", "Angelina_Jolie", "Aaron_Eckhart")

Run = Callable[..., Result]


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


def evaluate(*arguments: object) -> Result:
    """Run `facesearch evaluate` with the pack that is installed."""
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments), "--pack", "test_scrfd"])


def test_people_are_found_among_a_few(people: Path) -> None:
    photos = sum(1 for path in people.rglob("*.jpg"))

    done = evaluate(people, "--json")

    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["photos"] == photos
    assert report["failures"] == {}
    assert report["accuracy"]["rank_1"]["rate"] == 1
    assert report["accuracy"]["threshold"] == 0.32
    assert report["setting"]["versions"]["onnxruntime"]


def test_a_person_reads_a_table(people: Path) -> None:
    done = evaluate("people", people, "--gallery", "all", "--threshold", "0.5")

    assert done.exit_code == 0, done.output
    assert "100.00%" in done.stdout
    assert "0.500" in done.stdout


def test_options_may_come_before_a_bare_folder(people: Path) -> None:
    done = evaluate("--gallery", "all", people)

    assert done.exit_code == 0, done.output
    assert "5 people, one photo each (all)" in done.stdout


def test_a_pack_that_is_not_installed_is_one_line_with_the_cure(people: Path) -> None:
    done = CliRunner().invoke(main, ["evaluate", str(people), "--pack", "buffalo_l"])

    assert done.exit_code == 1
    assert "facesearch models install buffalo_l" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def pairs(people: Path) -> Path:
    """LFW's own format, in two folds."""
    lines = ["2\t2"]
    lines += ["Abdullah_Gul\t1\t3", "Al_Gore\t1\t2", "Al_Gore\t1\tAbdullah_Gul\t1",
              "Al_Gore\t1\tAngelina_Jolie\t1"]  # fmt: skip
    lines += ["Abdullah_Gul\t8\t9", "Angelina_Jolie\t1\t2", "Al_Gore\t2\tAbdullah_Gul\t3",
              "Al_Gore\t2\tAaron_Eckhart\t1"]  # fmt: skip
    (people.parent / "pairs.txt").write_text("\n".join(lines))
    return people.parent / "pairs.txt"


def test_pairs_are_judged_in_folds_and_drawn(people: Path, pairs: Path, tmp_path: Path) -> None:
    plots, report = tmp_path / "plots", tmp_path / "report.html"

    done = evaluate("lfw", people, "--pairs", pairs, "--plots", plots, "--report", report, "--json")

    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["same"], found["different"], found["failed"]) == (4, 4, 0)
    assert found["mean"] == 1
    assert [fold["correct"]["total"] for fold in found["folds"]] == [4, 4]
    assert {path.name for path in plots.iterdir()} == {"det.png", "scores.png"}
    page = report.read_text()
    assert page.count("data:image/png;base64,") == 4
    assert "http" not in page


def test_a_photo_without_a_face_makes_its_pairs_wrong(people: Path, pairs: Path) -> None:
    (people / "Al_Gore" / "Al_Gore_0001.jpg").write_bytes(b"no picture")

    done = evaluate("lfw", people, "--pairs", pairs)

    assert done.exit_code == 0, done.output
    assert "1 unsupported_format" in done.stdout
    assert "3 pairs, counted as wrong" in done.stdout


def test_strangers_are_searched_for_too(people: Path, tmp_path: Path) -> None:
    photos = sum(1 for path in people.rglob("*.jpg"))
    report = tmp_path / "report.html"

    done = evaluate("identification", people, "--strangers", "0.4", "--report", report, "--json")

    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["rounds"], found["enrolled"]) == (2, 3)
    assert 0 < found["strangers"] < photos
    assert found["rank_1"]["rate"] == 1
    assert found["own"]["fnir"]["count"] == 0
    assert [each["fpir"] for each in found["targets"]] == [0.003, 0.01]
    assert report.read_text().count("data:image/png;base64,") == 4


def test_names_of_people_cannot_write_into_a_report(people: Path, tmp_path: Path) -> None:
    (people / "Al_Gore").rename(people / "<script>alert(1)<")
    report = tmp_path / "report.html"

    done = CliRunner().invoke(
        main, ["calibrate", str(people), "--pack", "test_scrfd", "--report", str(report)]
    )

    assert done.exit_code == 0, done.output
    assert "&lt;script&gt;alert" in report.read_text()
    assert "<script" not in report.read_text()


def test_pairs_of_lfw_are_told_apart_as_well_as_by_the_reference(
    people: Path, shared_data: Path
) -> None:
    faces = shared_data / "faces"

    done = evaluate("lfw", faces, "--pairs", faces / "lfw_pairs.csv", "--json")

    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["best"]["correct"]["count"] >= 2995  # 99.83 % of 3,000
    assert found["mean"] >= 0.998
    assert found["failed"] == 0
