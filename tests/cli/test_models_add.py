"""`facesearch models add` at the terminal: what it prints, and how it ends."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.inference.topologies import vit
from web.cli import main

MODELS = Path(__file__).parents[2] / "models"

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `facesearch models` beside the open pack."""
    if not (MODELS / "open" / "installed.json").is_file():
        pytest.skip("the open pack is not installed")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "open").symlink_to(MODELS / "open")
    monkeypatch.setenv("FACESEARCH_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(main, ["models", *map(str, arguments)])

    return invoke


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    path.write_bytes(vit(512, blocks=1))
    return path


def test_what_was_found_is_printed_and_the_pack_is_listed(run: Run, file: Path) -> None:
    added = run("add", file, "--name", "ours", "--licence", "MIT", "--commercial-use")
    listed = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    shown = run("show", "ours")

    printed = " ".join(added.stdout.split())
    assert added.exit_code == 0, added.output
    assert "input: 112 x 112 pixels, NCHW, any batch" in printed
    assert "embedding: 512 numbers, not normalised" in printed
    assert "not compared; `facesearch demo --fetch`" in printed
    assert listed["ours"]["installed"]
    assert listed["ours"]["licence"]["commercial"]
    assert "MIT" in shown.stdout
    assert "None" not in shown.stdout
    assert run("verify", "ours").exit_code == 0


def test_programs_get_json(run: Run, file: Path, tmp_path: Path) -> None:
    added = json.loads(
        run("add", file, "--name", "ours", "--mean", "1,2,3", "--std", "128", "--json").stdout
    )

    assert added["graph"]["layout"] == "nchw"
    assert added["faces"] is None
    assert added["pack"] == "ours"
    assert (tmp_path / "models" / "ours" / "reference.npz").is_file()


def test_the_faces_of_the_sample_photos_are_compared_where_they_are(
    run: Run, file: Path, tmp_path: Path
) -> None:
    if not (MODELS / "samples" / "t1.jpg").is_file():
        pytest.skip("the sample photos are not installed")
    (tmp_path / "models" / "samples").symlink_to(MODELS / "samples")

    result = run("add", file, "--name", "ours")

    assert result.exit_code == 1
    assert "does not tell people apart" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "models" / "ours").exists()


def test_mistakes_of_usage_end_with_2(run: Run, file: Path) -> None:
    assert run("add", file).exit_code == 2
    assert run("add", "nowhere.onnx", "--name", "ours").exit_code == 2
    for wrong in (
        ("--mean", "gray"), ("--std", "1,,2"), ("--size", "100"), ("--threshold-source", "ours"),
    ):  # fmt: skip
        assert run("add", file, "--name", "ours", *wrong).exit_code == 2
