"""Photos that a command takes out of archives."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core import gallery
from core.db.collections import Collection
from core.services import Services
from tests.packing import PACKS, Pack, tar_gz, zipped
from web.cli import main
from web.cli.services import PARTLY

Ingest = Callable[..., Result]


@pytest.fixture
def ingest(
    services: Services, collection: Collection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Ingest:
    """Run `facesearch ingest`; no worker is there."""
    for name, value in services.settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str | Path) -> Result:
        command = ["ingest", *map(str, arguments), "-c", collection.name, "--no-wait"]
        return CliRunner().invoke(main, command)

    return invoke


def stored(services: Services, collection: Collection) -> set[str | None]:
    with services.pool.connection() as conn:
        return {image.filename for image in gallery.images(conn, collection.id, limit=99)}


def states(result: Result) -> dict[str, Any]:
    items = json.loads(result.stdout)["items"]
    return {item["key"]: (item["state"], item["reason"]) for item in items}


@pytest.mark.parametrize(
    ("pack", "suffix"),
    [(PACKS["zip"], "zip"), (PACKS["tar"], "tar"), (tar_gz, "tgz"), (PACKS["tar.zst"], "tar.zst")],
    ids=["zip", "tar", "tgz", "tar.zst"],
)
def test_an_archive_is_read_like_a_folder(
    ingest: Ingest,
    services: Services,
    collection: Collection,
    tmp_path: Path,
    photo: Callable[[int], bytes],
    pack: Pack,
    suffix: str,
) -> None:
    packed = pack([("ann/1.png", photo(1)), ("bob/2.png", photo(2)), ("ann/.DS_Store", b"x")])
    (tmp_path / f"photos.{suffix}").write_bytes(packed)

    first = ingest(tmp_path / f"photos.{suffix}")
    again = ingest(tmp_path / f"photos.{suffix}", "--json")

    assert first.exit_code == 0, first.output
    assert "2 photos: 2 waiting." in first.stdout
    assert "1 hidden or system files were passed over" in first.stdout
    assert stored(services, collection) == {"ann/1.png", "bob/2.png"}
    assert set(states(again).values()) == {("skipped", "duplicate_image")}


def test_each_entry_ends_in_its_outcome(
    ingest: Ingest,
    services: Services,
    collection: Collection,
    tmp_path: Path,
    photo: Callable[[int], bytes],
) -> None:
    files = [
        ("../up.png", photo(1)),
        ("in.zip", b"x"),
        ("letter.txt", b"Dear Sir or Madam"),
        ("2.png", photo(2)),
        ("Thumbs.db", b"x"),
    ]
    (tmp_path / "a.zip").write_bytes(zipped(files))

    result = ingest(tmp_path / "a.zip", "--json")

    assert result.exit_code == PARTLY
    assert states(result) == {
        "../up.png": ("rejected", "entry_name_unsafe"),
        "in.zip": ("rejected", "entry_nested_archive"),
        "letter.txt": ("rejected", "unsupported_format"),
        "2.png": ("waiting", None),
    }
    assert json.loads(result.stdout)["passed_over"] == 1
    assert stored(services, collection) == {"2.png"}


def test_archives_in_a_folder_are_opened_and_damaged_ones_named(
    ingest: Ingest,
    services: Services,
    collection: Collection,
    tmp_path: Path,
    photo: Callable[[int], bytes],
) -> None:
    folder = tmp_path / "takeout"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "one.zip").write_bytes(zipped([("1.png", photo(1))]))
    (folder / "two.tgz").write_bytes(tar_gz([("2.png", photo(2))])[:-20])
    (folder / "three.zip").write_bytes(b"not an archive")
    (folder / "4.png").write_bytes(photo(4))

    result = ingest(folder)

    assert result.exit_code == PARTLY
    assert "three.zip: archive_unreadable. This is no archive" in result.stdout
    assert "two.tgz: archive_truncated. The archive ends early" in result.stdout
    assert {"deep/one.zip/1.png", "4.png"} <= stored(services, collection)


def test_photos_of_an_archive_go_in_by_rounds_that_fit_a_request(
    ingest: Ingest,
    services: Services,
    collection: Collection,
    tmp_path: Path,
    photo: Callable[[int], bytes],
) -> None:
    (tmp_path / "a.zip").write_bytes(zipped([(f"{n}.png", photo(n)) for n in range(70)]))

    result = ingest(tmp_path / "a.zip")

    with services.pool.connection() as conn:
        jobs = conn.execute("SELECT count(*) FROM items GROUP BY job_id ORDER BY 1").fetchall()
    assert "70 photos: 70 waiting." in result.stdout
    assert [count for (count,) in jobs] == [6, 32, 32]


def test_an_archive_without_photos_is_no_failure(ingest: Ingest, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped([]))

    result = ingest(tmp_path / "a.zip")

    assert (result.exit_code, result.stdout) == (0, "0 photos: there was nothing to do.\n")


def test_a_file_whose_name_is_no_utf8_goes_in(
    ingest: Ingest,
    services: Services,
    collection: Collection,
    tmp_path: Path,
    photo: Callable[[int], bytes],
) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "caf\udce9.png").write_bytes(photo(1))

    result = ingest(folder)

    assert result.exit_code == 0, result.output
    assert stored(services, collection) == {"caf%E9.png"}
