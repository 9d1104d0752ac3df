"""``facesearch blobs check``: what it says, asks and removes."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from core import blob_check
from core.blobs import Kind
from core.services import Services
from web.cli import main
from web.cli.services import PARTLY

Run = Callable[..., Result]


@pytest.fixture
def run(services: Services, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `facesearch blobs check` with the settings of this test."""
    for name, value in services.settings.environment().items():
        monkeypatch.setenv(name, value)

    def invoke(*arguments: str, answer: str | None = None) -> Result:
        return CliRunner().invoke(main, ["blobs", "check", *arguments], input=answer)

    return invoke


@pytest.fixture
def orphan(services: Services) -> Path:
    """A crop of two hours ago that no face has."""
    key = uuid4().hex
    services.blobs.put(Kind.CROP, key, bytes(1000))
    (path,) = (services.settings.data_dir / "blobs" / "crops").rglob(key)
    os.utime(path, (time.time() - 7200,) * 2)
    return path


@pytest.fixture
def lost(services: Services, store: Any, photo: Callable[[int], bytes]) -> str:
    """The id of an image in whose photo a bit has changed, and whose thumbnail is gone."""
    (image_id,) = store(photo(1))
    (listed,) = services.blobs.keys(Kind.PHOTO)
    changed = bytearray(photo(1))
    changed[0] ^= 1
    services.blobs.put(Kind.PHOTO, listed.key, bytes(changed))
    services.blobs.delete(Kind.THUMBNAIL, listed.key)
    return str(image_id)


def test_a_system_in_order_is_exit_code_0(run: Run, store: Any, photo: Any) -> None:
    store(photo(1))

    result = run("--deep", "--remove")

    assert result.exit_code == 0, result.output
    assert "thumbnails  1 (9 bytes)" in result.stdout
    assert "emove" not in result.output


def test_orphans_are_told_and_stay_without_remove(run: Run, orphan: Path) -> None:
    result = run()

    assert result.exit_code == 0
    assert result.stdout.endswith("--remove would remove 1 file (1.0 kB).\n")
    assert orphan.exists()


@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, False), ("n\n", 1, True)])
def test_removing_asks_first_and_no_is_no(
    run: Run, orphan: Path, answer: str, code: int, left: bool
) -> None:
    result = run("--remove", answer=answer)

    assert "Remove 1 file (1.0 kB)?" in result.stderr
    assert result.exit_code == code
    assert orphan.exists() == left


def test_a_program_removes_unasked_and_reads_what_was_removed(run: Run, orphan: Path) -> None:
    result = run("--remove", "--yes", "--json")

    told = json.loads(result.stdout)
    assert result.exit_code == 0
    assert told["kinds"]["crops"]["orphans"] == told["removed"] == {"files": 1, "bytes": 1000}
    assert told["leftovers"] == {"files": 0, "bytes": 0}
    assert not orphan.exists()


def test_a_younger_grace_is_refused_and_an_older_one_keeps(run: Run, orphan: Path) -> None:
    assert run("--grace", "1").exit_code == 2
    assert json.loads(run("--grace", "180", "--json").stdout)["kinds"]["crops"]["orphans"] == {
        "files": 0,
        "bytes": 0,
    }


def test_files_of_another_database_are_not_removed_unasked(
    run: Run, orphan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blob_check, "MANY", 0)

    result = run("--remove", "--yes")

    assert result.exit_code == 1
    assert "facesearch: Most files belong to nothing in this database" in result.stderr
    assert orphan.exists()


def test_missing_and_damaged_files_are_named_with_their_image(run: Run, lost: str) -> None:
    shallow = run()
    deep = run("--deep")

    assert shallow.exit_code == deep.exit_code == PARTLY
    assert "missing: thumbnails/" in shallow.stdout
    assert "damaged" not in shallow.stdout.split("\n", 1)[1]
    assert "damaged: photos/" in deep.stdout
    assert deep.stdout.count(f" of 0.png in trip, image {lost}\n") == 2


def test_programs_read_what_is_wrong(run: Run, lost: str) -> None:
    told = json.loads(run("--deep", "--json").stdout)

    (fault,) = told["kinds"]["photos"]["faults"]
    assert told["whole"] is False
    assert told["removed"] is None
    assert (fault["trouble"], fault["image_id"]) == ("damaged", lost)
    assert [told["kinds"][kind]["missing"] for kind in ("photos", "thumbnails")] == [0, 1]
