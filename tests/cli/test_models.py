"""`facesearch models` at the terminal: what it prints, and how it ends."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from web.cli import main

TEST_PACKS = Path(__file__).parents[1] / "data" / "packs.toml"
MODELS = Path(__file__).parents[2] / "models"

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `facesearch models` with the packs of the tests and an empty models folder."""
    monkeypatch.setenv("FACESEARCH_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("FACESEARCH_EXTRA_PACKS", str(TEST_PACKS))
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(main, ["models", *map(str, arguments)])

    return invoke


@pytest.fixture
def weights(shared_data: Path) -> Path:
    return shared_data / "weights"


@pytest.fixture
def installed(run: Run, weights: Path, tmp_path: Path) -> Path:
    """The folder of the installed pack test_scrfd."""
    result = run("install", "test_scrfd", "--from", weights, "--accept-license")
    assert result.exit_code == 0, result.output
    return tmp_path / "models" / "test_scrfd"


def test_the_packs_are_listed_with_what_may_be_done_with_them(run: Run) -> None:
    shown = run("list")
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}

    assert all(name in shown.stdout for name in ("open", "buffalo_l", "test_casia"))
    assert rows["open"]["licence"]["commercial"] is True
    assert rows["buffalo_l"]["licence"]["acceptance"] is True
    assert rows["buffalo_l"]["threshold"] == 0.4078
    assert all(row["installed"] is None for row in rows.values())


def test_a_pack_is_shown_with_licence_threshold_and_digests(run: Run) -> None:
    shown = " ".join(run("show", "buffalo_l").stdout.split())

    assert "0.4078 (published for buffalo_l: MR-ALL, FAR 1e-6)" in shown
    assert "non-commercial research" in shown
    assert "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91" in shown


def test_without_acceptance_the_licence_is_told_and_nothing_installed(
    run: Run, weights: Path, tmp_path: Path
) -> None:
    result = run("install", "test_scrfd", "--from", weights)

    assert result.exit_code == 1
    assert "`facesearch models install test_scrfd --accept-license`" in result.stderr
    assert not (tmp_path / "models" / "test_scrfd").exists()


@pytest.mark.usefixtures("installed")
def test_an_installed_pack_is_listed_shown_and_intact(run: Run) -> None:
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    shown = json.loads(run("show", "test_scrfd", "--json").stdout)
    verified = run("verify")

    assert rows["test_scrfd"] == shown
    assert shown["installed"]["licence_accepted"] is True
    assert verified.exit_code == 0
    assert verified.stdout == "The pack test_scrfd is intact.\n"


def test_an_installed_pack_needs_no_second_acceptance(run: Run, installed: Path) -> None:
    again = run("install", "test_scrfd", "--json")

    assert again.exit_code == 0
    assert json.loads(again.stdout)["installed"]["folder"] == str(installed)


def test_each_install_writes_down_what_this_machine_makes_of_faces(
    run: Run, installed: Path
) -> None:
    kept = installed / "reference.npz"
    with np.load(kept) as reference:
        first = reference["vectors"]
    kept.write_bytes(b"of another machine")

    run("install", "test_scrfd")

    with np.load(kept) as reference:
        np.testing.assert_array_equal(reference["vectors"], first)


def test_a_changed_file_is_found_and_ends_with_an_error(run: Run, installed: Path) -> None:
    (installed / "det_500m.onnx").write_bytes(b"rotten")

    told = run("verify", "test_scrfd")
    listed = run("verify", "--json")

    assert told.exit_code == listed.exit_code == 1
    assert "det_500m.onnx of the model pack test_scrfd is missing or has changed" in told.stderr
    (row,) = json.loads(listed.stdout)
    assert (row["pack"], row["intact"]) == ("test_scrfd", False)


def test_a_pack_that_is_not_there_is_not_intact(run: Run) -> None:
    assert run("verify", "buffalo_l").exit_code == 1
    assert run("verify").stdout == "No pack is installed.\n"


def test_a_wrong_file_is_refused_in_one_line(run: Run, weights: Path, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "det_500m.onnx").write_bytes(b"x")
    (files / "mobilefacenet_ms1m_512.onnx").symlink_to(weights / "mobilefacenet_ms1m_512.onnx")

    result = run("install", "test_scrfd", "--from", files, "--accept-license")

    assert result.exit_code == 1
    assert "det_500m.onnx in files is not the file that the manifest pins" in result.stderr
    assert not (tmp_path / "models" / "test_scrfd").exists()


def test_mistakes_of_usage_end_with_2(run: Run) -> None:
    assert run("install").exit_code == 2
    assert run("install", "open", "--from", "nowhere").exit_code == 2
    assert run("instal", "open").exit_code == 2


def test_an_unknown_pack_is_answered_with_the_known_ones(run: Run) -> None:
    for command in ("show", "install", "verify"):
        result = run(command, "buffalo")

        assert result.exit_code == 1
        assert "known are antelopev2, buffalo_l" in result.stderr


def test_the_open_pack_installs_from_its_own_files(run: Run) -> None:
    if not (MODELS / "open" / "installed.json").is_file():
        pytest.skip("the open pack is not installed")

    result = run("install", "open", "--from", MODELS / "open")

    assert result.exit_code == 0
    assert "Licence: MIT licence" in result.stderr
    assert "The pack open is installed in" in result.stdout
