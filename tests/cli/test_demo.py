"""The demo is the whole main job on real photos, with every process it takes."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.finding import Decision
from core.settings import Settings
from web.cli.demo import right

ROOT = Path(__file__).parents[2]


@pytest.fixture
def models_dir() -> Path:
    """The models of this clone, with pack and sample photos."""
    folder = ROOT / "models"
    if not (folder / "open").is_dir() or not (folder / "samples").is_dir():
        reason = "the open pack and the sample photos are not installed: `make test` does that"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


def run_demo(tmp_path: Path, models_dir: Path, port: int) -> subprocess.CompletedProcess[str]:
    settings = Settings(
        data_dir=tmp_path / "data", models_dir=models_dir, port=port, min_free_disk_mib=0
    )
    return subprocess.run(
        [sys.executable, "-m", "web.cli", "demo", "--exit"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**settings.environment(), "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        timeout=180,
    )


def test_the_demo_finds_the_right_person_and_nobody_else_twice(
    tmp_path: Path, models_dir: Path, free_port: int
) -> None:
    for _ in range(2):
        found = run_demo(tmp_path, models_dir, free_port)

        assert found.returncode == 0, found.stdout + found.stderr
        first = next(line for line in found.stdout.splitlines() if line.startswith("│ 1 "))
        cells = [cell.strip() for cell in first.split("│")[1:-1]]
        assert [cells[index] for index in (0, 1, 4, 5)] == [
            "1",
            "Barack Obama",
            "match",
            "obama.jpg",
        ]
        assert found.stdout.splitlines()[-1] == "Found."


def photo(*rows: tuple[str | None, str, Decision]) -> Any:
    """A found photo of one face; rows are person, file name and decision."""
    matches = tuple(
        SimpleNamespace(
            decision=decision, neighbour=SimpleNamespace(person_name=name, filename=file)
        )
        for name, file, decision in rows
    )
    return SimpleNamespace(faces=(SimpleNamespace(found=SimpleNamespace(matches=matches)),))


PERSON = ("Barack Obama", "obama.jpg", Decision.MATCH)
HIMSELF = (None, "obama3.jpg", Decision.MATCH)
OTHER_MATCH = (None, "biden.jpg", Decision.MATCH)
OTHER = (None, "biden.jpg", Decision.NO_MATCH)


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([PERSON, HIMSELF, OTHER], True),
        ([PERSON, OTHER_MATCH], False),
        ([HIMSELF, PERSON], False),
        ([OTHER], False),
        ([], False),
    ],
)
def test_only_the_right_person_at_rank_1_and_nobody_else_counts_as_right(
    rows: list[tuple[str | None, str, Decision]], verdict: bool
) -> None:
    assert right(photo(*rows)) is verdict
