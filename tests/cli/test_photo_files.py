"""Files that are found, and how each is called."""

import os
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.archive_entries import LONGEST_NAME, printable
from core.settings import MIB
from web.cli.photo_files import labels, photo_files, short


def keys(*paths: Path) -> list[str]:
    return [file.key for file in photo_files(paths)]


def write(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_files_are_called_by_their_path_below_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "b" / "1.jpg", tmp_path / "a.jpg", tmp_path / "b" / "c" / "2.jpg")
    write(tmp_path / ".hidden" / "3.jpg", tmp_path / "b" / ".4.jpg", tmp_path / "Thumbs.db")

    assert keys(tmp_path) == ["a.jpg", "b/1.jpg", "b/c/2.jpg"]


def test_of_several_paths_each_name_comes_first_and_is_another_one(tmp_path: Path) -> None:
    write(tmp_path / "x" / "ann" / "1.jpg", tmp_path / "y" / "ann" / "1.jpg", tmp_path / "1.jpg")

    found = keys(tmp_path / "x" / "ann", tmp_path / "y" / "ann", tmp_path / "1.jpg")

    assert found == ["ann/1.jpg", "ann (2)/1.jpg", "1.jpg"]


@pytest.mark.parametrize(
    "names",
    [
        ["caf\u00e9.jpg", "cafe\u0301.jpg", "caf\u00e9.jpg (2)"],
        ["caf\udce9.jpg", "caf%E9.jpg"],
        ['a"b.jpg', "a%22b.jpg"],
        ["a\nb.jpg", "a%0Ab.jpg"],
    ],
)
def test_odd_names_of_a_folder_stay_different(tmp_path: Path, names: Sequence[str]) -> None:
    write(*(tmp_path / name for name in names))

    found = keys(tmp_path)

    assert len(set(found)) == len(names)
    assert all(printable(key) == key and "%22" not in key for key in found)


def test_a_key_that_is_too_long_keeps_its_end_and_stays_different() -> None:
    long, other = "a" * LONGEST_NAME + "/1.jpg", "b" * LONGEST_NAME + "/1.jpg"

    assert short(long) != short(other)
    assert short(long).endswith("aaa/1.jpg")
    assert len(short(long)) <= LONGEST_NAME
    assert short("1.jpg") == "1.jpg"


def test_labels_are_the_names_where_nothing_speaks_against_it() -> None:
    assert labels(["a", "b", "a", "a (2)"]) == ["a", "b", "a (2)", "a (2) (2)"]


def test_a_folder_that_cannot_be_read_is_told_and_its_neighbours_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a" / "1.jpg", tmp_path / "b" / "2.jpg")
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    troubles: list[tuple[str, OSError]] = []

    found = [file.key for file in photo_files([tmp_path], lambda *told: troubles.append(told))]

    assert found == ["b/2.jpg"]
    assert [key for key, _ in troubles] == ["a/"]
    with pytest.raises(PermissionError):
        keys(tmp_path)


def test_links_to_files_are_followed_and_those_to_folders_are_not(tmp_path: Path) -> None:
    write(tmp_path / "far" / "1.jpg")
    inside = tmp_path / "photos"
    inside.mkdir()
    (inside / "link.jpg").symlink_to(tmp_path / "far" / "1.jpg")
    (inside / "folder").symlink_to(tmp_path / "far")
    (inside / "ring").symlink_to(inside / "ring")

    troubles: list[str] = []
    found = [file.key for file in photo_files([inside], lambda key, _: troubles.append(key))]

    assert found == ["link.jpg"]
    assert troubles in ([], ["ring"])


def test_memory_does_not_grow_with_the_number_of_files(tmp_path: Path) -> None:
    for folder in range(100):
        (tmp_path / f"{folder:03}").mkdir()
        for number in range(100):
            os.close(os.open(tmp_path / f"{folder:03}" / f"{number}.jpg", os.O_CREAT | os.O_WRONLY))

    tracemalloc.start()
    count = sum(1 for _ in photo_files([tmp_path]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 10_000
    assert peak < MIB / 4
