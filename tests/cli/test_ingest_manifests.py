"""Manifests on this machine on their way into imports, by a command."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from core import import_files
from tests.cli.conftest import Ingesting, ends, told
from web.cli.services import PARTLY


def manifest(path: Path, *lines: Mapping[str, Any]) -> Path:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of files that were sent along."""
    names: list[str] = []
    put_file = import_files.put_file

    def note(services: Any, import_id: Any, name: str, *arguments: Any, **more: Any) -> int:
        names.append(name)
        return put_file(services, import_id, name, *arguments, **more)

    monkeypatch.setattr(import_files, "put_file", note)
    return names


def test_files_that_a_manifest_names_are_sent_along(
    ingesting: Ingesting, tmp_path: Path, put: list[str]
) -> None:
    ingesting.folder(tmp_path / "photos", range(3))
    lines = manifest(
        tmp_path / "list.ndjson",
        {"key": "photos/000.png", "person": {"name": "Ada"}},
        {"key": "second", "file": "photos/001.png", "tags": ["party"]},
        {"key": "photos/9.png"},
    )

    with ingesting.worker():
        result = ingesting("--manifest", lines, "--json")

    assert result.exit_code == PARTLY
    assert sorted(put) == ["photos/000.png", "photos/001.png"]
    assert "photos/9.png is not sent: No such file or directory." in result.stderr
    assert ends(result) == {
        "photos/000.png": ("indexed", None),
        "second": ("indexed", None),
        "photos/9.png": ("rejected", "source_missing"),
    }


def test_a_csv_does_too(ingesting: Ingesting, tmp_path: Path) -> None:
    ingesting.folder(tmp_path, range(1))
    (tmp_path / "list.csv").write_text("key,file,person_name\nfirst,000.png,Ada\n")

    with ingesting.worker():
        result = ingesting("--manifest", tmp_path / "list.csv", "--json")

    assert ends(result) == {"first": ("indexed", None)}


def test_files_beside_the_folder_of_the_manifest_stay_where_they_are(
    ingesting: Ingesting, tmp_path: Path, put: list[str]
) -> None:
    ingesting.folder(tmp_path, range(1))
    (tmp_path / "lists").mkdir()
    absolute = str(tmp_path / "000.png")
    lines = manifest(
        tmp_path / "lists" / "list.ndjson", {"key": "../000.png"}, {"key": "2", "file": absolute}
    )

    with ingesting.worker():
        result = ingesting("--manifest", lines, "--json")

    assert put == []
    assert result.stderr.count("is not below the folder of the manifest") == 2
    assert ends(result) == {
        "../000.png": ("rejected", "source_missing"),
        "2": ("rejected", "source_missing"),
    }


def test_it_goes_on_where_it_stopped(
    ingesting: Ingesting, tmp_path: Path, put: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ingesting.folder(tmp_path, range(20))
    lines = manifest(tmp_path / "list.ndjson", *({"key": f"{n:03}.png"} for n in range(20)))
    put_file = import_files.put_file

    def stop(*arguments: Any, **more: Any) -> int:
        if len(put) == 5:
            raise KeyboardInterrupt
        return put_file(*arguments, **more)

    with monkeypatch.context() as only_once:
        only_once.setattr(import_files, "put_file", stop)
        first = ingesting("--manifest", lines, "--jobs", "1")
    sent_first = list(put)
    with ingesting.worker():
        second = ingesting("--manifest", lines, "--json")

    assert first.exit_code == 130
    assert len(sent_first) == 5
    assert sorted(put) == [f"{n:03}.png" for n in range(20)]
    assert told(second)["states"] == {"indexed": 20}
    assert len(ingesting.imports()) == 1


def test_a_name_that_says_no_format_is_a_usage_error(ingesting: Ingesting, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("")
    (tmp_path / "empty.csv").write_text("")

    assert ingesting("--manifest", tmp_path / "list.txt").exit_code == 2
    assert "empty.csv: manifest_unreadable. The file is empty." in (
        ingesting("--manifest", tmp_path / "empty.csv").stdout
    )
