"""Photos of this machine on their way into an import, by a command."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from core.import_progress import Limit
from tests.cli.conftest import Ingesting, ends, told
from web.cli import import_bars
from web.cli.local_target import LocalTarget
from web.cli.services import PARTLY
from web.cli.targets import Photo

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys that were handed in."""
    keys: list[str] = []
    add = LocalTarget.add

    def note(self: LocalTarget, import_id: UUID, photos: Sequence[Photo]) -> None:
        keys.extend(photo.key for photo in photos)
        add(self, import_id, photos)

    monkeypatch.setattr(LocalTarget, "add", note)
    return keys


def killed(ingesting: Ingesting, *arguments: str | Path, when: Callable[[], bool]) -> None:
    """Start the command in a process of its own, and kill it when something is the case."""
    words = ["ingest", *map(str, arguments), "-c", ingesting.home.name]
    process = subprocess.Popen(
        [sys.executable, "-m", "web.cli", *words],
        cwd=ROOT,
        env=ingesting.services.settings.environment(),
        stderr=subprocess.PIPE,
    )
    while not when():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.kill()
    process.communicate()


def test_a_folder_becomes_one_import_that_is_seen_to_its_end(
    ingesting: Ingesting, tmp_path: Path
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(70))

    with ingesting.worker():
        result = ingesting(folder, "--json")

    [made] = ingesting.imports()
    assert result.exit_code == 0, result.output
    assert told(result)["states"] == {"indexed": 70}
    assert told(result)["import_id"] == str(made.id)
    assert (made.name, made.source, made.state) == ("trip", "files", "read")
    assert len(set(ingesting.keys(made))) == 70


def test_after_it_was_killed_the_same_command_sends_the_rest(
    ingesting: Ingesting, tmp_path: Path, sent: list[str]
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(900))

    def some() -> bool:
        return any(ingesting.keys(each) for each in ingesting.imports())

    killed(ingesting, folder, "--jobs", "2", when=some)
    [made] = ingesting.imports()
    before = ingesting.keys(made)
    with ingesting.worker():
        result = ingesting(folder, "--json")

    [made] = ingesting.imports()
    assert 0 < len(before) < 900
    assert told(result)["states"] == {"indexed": 900}
    assert ingesting.keys(made)[: len(before)] == before
    assert sorted([*before, *sent]) == [f"{number:03}.png" for number in range(900)]


def test_what_came_in_before_is_watched_and_new_files_go_into_another_import(
    ingesting: Ingesting, tmp_path: Path, sent: list[str]
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(3))
    ingesting(folder, "--no-wait")
    sent.clear()

    ingesting.folder(folder, range(3, 5))
    with ingesting.worker():
        result = ingesting(folder, "--json")

    assert sent == ["003.png", "004.png"]
    assert [ingesting.keys(each) for each in ingesting.imports()] == [
        ["000.png", "001.png", "002.png"],
        ["003.png", "004.png"],
    ]
    assert told(result)["states"] == {"indexed": 5}


def test_two_of_the_same_command_at_once_lose_nothing(
    ingesting: Ingesting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: list[str]
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(70))
    add = LocalTarget.add

    def and_the_other_one_is_through(
        self: LocalTarget, import_id: UUID, photos: Sequence[Photo]
    ) -> None:
        add(self, import_id, photos)
        if len(sent) == 32:
            self.change(import_id, "start")

    monkeypatch.setattr(LocalTarget, "add", and_the_other_one_is_through)

    result = ingesting(folder, "--no-wait", "--jobs", "1", "--json")

    assert result.exit_code == 0, result.output
    first, second = map(ingesting.keys, ingesting.imports())
    assert told(result)["states"] == {"waiting": 70}
    assert (len(first), len(second)) == (32, 38)
    assert sorted(first + second) == [f"{number:03}.png" for number in range(70)]


def test_after_a_cancellation_nothing_more_is_sent(
    ingesting: Ingesting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(70))
    add = LocalTarget.add

    def and_cancel(self: LocalTarget, import_id: UUID, photos: Sequence[Photo]) -> None:
        add(self, import_id, photos)
        self.change(import_id, "cancel")

    monkeypatch.setattr(LocalTarget, "add", and_cancel)

    result = ingesting(folder, "--jobs", "1")

    assert result.exit_code == 1
    assert "facesearch: This import takes no more photos" in result.stderr
    assert len(ingesting.imports()) == 1


def test_nothing_is_sent_twice_while_it_is_indexed(
    ingesting: Ingesting, tmp_path: Path, sent: list[str]
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(3))
    ingesting(folder, "--no-wait")

    with ingesting.worker():
        again = ingesting(folder, "--json")

    assert len(sent) == 3
    assert len(ingesting.imports()) == 1
    assert told(again)["states"] == {"indexed": 3}


def test_after_its_end_the_same_command_makes_a_new_import_and_skips_what_is_there(
    ingesting: Ingesting, tmp_path: Path
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(3))
    with ingesting.worker():
        ingesting(folder)
        ingesting.folder(folder, range(3, 4))

        second = ingesting(folder, "--json")
        third = ingesting(folder, "--json")

    assert told(second)["states"] == {"skipped": 3, "indexed": 1}
    assert told(third)["states"] == {"skipped": 4}
    assert len({each.external_id for each in ingesting.imports()}) == 3


def test_options_and_new_make_another_import(ingesting: Ingesting, tmp_path: Path) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(3))
    for options in ([], ["--tag", "x"], ["--new"], []):
        assert ingesting(folder, "--no-wait", *options).exit_code == 0

    assert [len(ingesting.keys(each)) for each in ingesting.imports()] == [3, 3, 3]


def test_a_folder_per_person_names_the_people(ingesting: Ingesting, tmp_path: Path) -> None:
    ingesting.folder(tmp_path / "people" / "Ada_Lovelace", range(1))

    with ingesting.worker():
        ingesting(tmp_path / "people", "--people")

    with ingesting.services.pool.connection() as conn:
        named = conn.execute(
            "SELECT name FROM people JOIN faces ON faces.person_id = people.id"
        ).fetchall()
    assert named == [("Ada Lovelace",)]


def test_on_duplicate_decides_about_photos_that_are_there(
    ingesting: Ingesting, tmp_path: Path
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(1))
    with ingesting.worker():
        ingesting(folder)
        refused = ingesting(folder, "--on-duplicate", "error")

    assert refused.exit_code == PARTLY
    assert "000.png: duplicate_image. The collection has this photo." in refused.stdout


def test_what_cannot_be_read_or_is_too_large_is_told_and_the_others_go_in(
    ingesting: Ingesting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(2))
    with (folder / "film.mov").open("wb") as film:
        film.truncate(ingesting.services.settings.max_photo_mib * 1024 * 1024 + 1)
    (folder / "gone.png").symlink_to(folder / "pipe")
    os.mkfifo(folder / "pipe")
    (folder / "locked.png").write_bytes(b"x")
    opened = Path.open

    def lock(path: Path, *arguments: Any, **more: Any) -> Any:
        if path.name == "locked.png":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **more)

    monkeypatch.setattr(Path, "open", lock)

    with ingesting.worker():
        result = ingesting(folder, "--json")

    assert result.exit_code == PARTLY
    assert ends(result) == {
        "000.png": ("indexed", None),
        "001.png": ("indexed", None),
        "film.mov": ("rejected", "file_too_large"),
        "locked.png": ("failed", "source_unreachable"),
    }


def test_many_refused_ones_are_counted_and_the_way_to_see_all_is_told(
    ingesting: Ingesting, tmp_path: Path
) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    for number in range(23):
        (folder / f"{number:02}.txt").write_bytes(b"Dear Sir or Madam")

    result = ingesting(folder)

    [made] = ingesting.imports()
    assert result.exit_code == PARTLY
    assert result.stdout.count("unsupported_format") == 20
    assert "… and 3 more." in result.stdout
    all_of_them = ingesting.run("imports", "results", str(made.id), "--refused")
    assert all_of_them.stdout.count("unsupported_format") == 23


def test_it_waits_for_room_while_workers_are_behind(
    ingesting: Ingesting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(100))
    monkeypatch.setenv("FACESEARCH_IMPORT_AHEAD", "10")

    with ingesting.worker():
        result = ingesting(folder, "--json")

    assert told(result)["states"] == {"indexed": 100}


def test_without_a_worker_it_gives_up_and_keeps_what_was_sent(
    ingesting: Ingesting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(3))
    monkeypatch.setattr(import_bars, "NEEDS_SOMEBODY", frozenset({"no_worker"}))
    monkeypatch.setattr(import_bars, "PATIENCE_S", 0.3)
    monkeypatch.setattr(import_bars, "LOOK_EVERY_S", 0.1)

    result = ingesting(folder)

    assert result.exit_code == 1
    assert "what was sent is kept and waits. No worker is running" in result.stderr
    assert len(ingesting.keys(ingesting.imports()[0])) == 3


def test_ctrl_c_says_what_goes_on_and_how_to_end_it(ingesting: Ingesting, tmp_path: Path) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(3))
    process = subprocess.Popen(
        [sys.executable, "-m", "web.cli", "ingest", str(folder), "-c", ingesting.home.name],
        cwd=ROOT,
        env=ingesting.services.settings.environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    while not any(each.state == "read" for each in ingesting.imports()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, remarks = process.communicate(timeout=30)

    [made] = ingesting.imports()
    assert process.returncode == 130
    assert "Indexing goes on without this command:\n" in remarks
    assert f"facesearch imports watch {made.id}\n" in remarks
    assert f"facesearch imports cancel {made.id}\n" in remarks


def test_a_dry_run_of_a_folder_tries_a_sample_and_stores_nothing(
    ingesting: Ingesting, tmp_path: Path
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(4))
    (folder / "letter.txt").write_bytes(b"Dear Sir or Madam")

    with ingesting.worker():
        for_programs = ingesting(folder, "--dry-run", "--json")
        for_people = ingesting(folder, "--dry-run")

    forecast = told(for_programs)
    assert (forecast["entries"], forecast["sampled"], forecast["faces"]) == (5, 5, 4)
    assert forecast["reasons"] == {"unsupported_format": 1}
    assert forecast["import_id"] is None
    assert "5, of which 5 were tried" in for_people.stdout
    assert "confirm" not in for_people.stdout
    assert ingesting.stored() == set()
    assert ingesting.imports() == []


def test_a_dry_run_that_nobody_tries_leaves_nothing_to_confirm(
    ingesting: Ingesting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(2))
    monkeypatch.setattr(import_bars, "NEEDS_SOMEBODY", frozenset({Limit.WORKERS.value}))
    monkeypatch.setattr(import_bars, "PATIENCE_S", 0.1)

    result = ingesting(folder, "--dry-run")

    [made] = ingesting.imports()
    assert result.exit_code == 1
    assert made.state == "cancelled"


def test_paths_a_manifest_and_a_folder_of_the_server_exclude_each_other(
    ingesting: Ingesting, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()

    assert ingesting().exit_code == 2
    assert ingesting(tmp_path, "--server-folder", "/photos").exit_code == 2
    assert "There is no file at these paths." in ingesting(tmp_path / "empty").stderr


def test_a_folder_of_the_server_is_read_by_it(
    ingesting: Ingesting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ingesting.folder(tmp_path / "photos", range(3))
    refused = ingesting("--server-folder", folder)
    monkeypatch.setenv("FACESEARCH_IMPORT_FOLDERS", str(tmp_path))

    made = ingesting("--server-folder", folder, "--no-wait", "--json")

    assert refused.exit_code == 1
    assert "FACESEARCH_IMPORT_FOLDERS does not allow" in refused.stderr
    assert made.exit_code == 0, made.output
    [found] = ingesting.imports()
    assert (found.source, found.path, found.name) == ("folder", str(folder), "photos")
