"""Archives on this machine on their way into imports, by a command."""

from pathlib import Path

import pytest

from core import import_content
from tests.cli.conftest import Ingesting, ends, told
from tests.packing import PACKS, Pack, tar_gz, zipped
from web.cli import sending
from web.cli.services import PARTLY


@pytest.mark.parametrize(
    ("pack", "suffix"),
    [(PACKS["zip"], "zip"), (PACKS["tar"], "tar"), (tar_gz, "tgz"), (PACKS["tar.zst"], "tar.zst")],
    ids=["zip", "tar", "tgz", "tar.zst"],
)
def test_an_archive_is_an_import_of_its_own(
    ingesting: Ingesting, tmp_path: Path, pack: Pack, suffix: str
) -> None:
    photo = ingesting.photo
    packed = pack([("ann/1.png", photo(1)), ("bob/2.png", photo(2)), ("ann/.DS_Store", b"x")])
    (tmp_path / f"photos.{suffix}").write_bytes(packed)

    with ingesting.worker():
        result = ingesting(tmp_path / f"photos.{suffix}")

    [made] = ingesting.imports()
    assert result.exit_code == 0, result.output
    assert "2 photos: 2 indexed." in result.stdout
    assert "1 hidden or system files were passed over" in result.stdout
    assert (made.source, made.name) == ("archive", f"photos.{suffix}")
    assert ingesting.stored() == {"ann/1.png", "bob/2.png"}


def test_each_entry_ends_in_its_outcome(ingesting: Ingesting, tmp_path: Path) -> None:
    files = [
        ("../up.png", ingesting.photo(1)),
        ("in.zip", b"x"),
        ("letter.txt", b"Dear Sir or Madam"),
        ("2.png", ingesting.photo(2)),
        ("Thumbs.db", b"x"),
    ]
    (tmp_path / "a.zip").write_bytes(zipped(files))

    with ingesting.worker():
        result = ingesting(tmp_path / "a.zip", "--json")

    assert result.exit_code == PARTLY
    assert ends(result) == {
        "../up.png": ("rejected", "entry_name_unsafe"),
        "in.zip": ("rejected", "entry_nested_archive"),
        "letter.txt": ("rejected", "unsupported_format"),
        "2.png": ("indexed", None),
    }
    assert told(result)["passed_over"] == 1
    assert ingesting.stored() == {"2.png"}


def test_archives_in_a_folder_are_imports_and_damaged_ones_are_named(
    ingesting: Ingesting, tmp_path: Path
) -> None:
    folder = tmp_path / "takeout"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "one.zip").write_bytes(zipped([("1.png", ingesting.photo(1))]))
    (folder / "two.tgz").write_bytes(tar_gz([("2.png", ingesting.photo(2))])[:-20])
    (folder / "three.zip").write_bytes(b"not an archive")
    (folder / "empty.zip").write_bytes(b"")
    (folder / "4.png").write_bytes(ingesting.photo(4))

    with ingesting.worker():
        result = ingesting(folder)

    assert result.exit_code == PARTLY
    assert "three.zip: archive_unreadable. This is no archive" in result.stdout
    assert "two.tgz: archive_truncated. The archive ends early" in result.stdout
    assert "empty.zip: archive_unreadable. The file is empty." in result.stdout
    assert {"1.png", "4.png"} <= ingesting.stored()
    assert [each.name for each in ingesting.imports()] == [
        "takeout",
        "deep/one.zip",
        "three.zip",
        "two.tgz",
    ]


def test_an_archive_goes_on_where_it_stopped(
    ingesting: Ingesting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = zipped([(f"{n}.png", ingesting.photo(n)) for n in range(50)])
    (tmp_path / "a.zip").write_bytes(packed)
    monkeypatch.setattr(sending, "PART", 1000)
    offsets: list[int] = []
    append = import_content.append

    def note(*arguments: object, **more: int) -> int:
        offsets.append(more["offset"])
        if len(offsets) == 4:
            raise KeyboardInterrupt
        return append(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(import_content, "append", note)

    with ingesting.worker():
        first = ingesting(tmp_path / "a.zip")
        second = ingesting(tmp_path / "a.zip", "--json")

    assert first.exit_code == 130
    assert "What was sent is kept; the same command goes on" in first.stderr
    assert offsets[:5] == [0, 1000, 2000, 3000, 3000]
    assert told(second)["states"] == {"indexed": 50}
    assert len(ingesting.imports()) == 1


def test_an_archive_that_was_imported_is_not_sent_again_until_it_changes(
    ingesting: Ingesting, tmp_path: Path
) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped([("1.png", ingesting.photo(1))]))

    with ingesting.worker():
        ingesting(path)
        same = ingesting(path, "--json")
        anew = ingesting(path, "--new", "--json")
        path.write_bytes(zipped([("1.png", ingesting.photo(1)), ("2.png", ingesting.photo(2))]))
        changed = ingesting(path, "--json")

    assert "a.zip was imported on" in same.stderr
    assert told(same)["states"] == {"indexed": 1}
    assert told(anew)["states"] == {"skipped": 1}
    assert told(changed)["states"] == {"skipped": 1, "indexed": 1}


def test_an_archive_that_shrinks_while_it_is_sent_is_an_error(
    ingesting: Ingesting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped([(f"{n}.png", ingesting.photo(n)) for n in range(50)]))
    monkeypatch.setattr(sending, "PART", 1000)
    append = import_content.append

    def shrink(*arguments: object, **more: int) -> int:
        path.write_bytes(path.read_bytes()[:1000])
        return append(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(import_content, "append", shrink)

    result = ingesting(path)

    assert result.exit_code == 1
    assert "became shorter while it was sent" in result.stderr


def test_an_archive_without_photos_is_no_failure(ingesting: Ingesting, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped([]))

    with ingesting.worker():
        result = ingesting(tmp_path / "a.zip")

    assert (result.exit_code, result.stdout) == (0, "0 photos: there was nothing to do.\n")


def test_not_waiting_says_how_to_watch(ingesting: Ingesting, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped([("1.png", ingesting.photo(1))]))

    result = ingesting(tmp_path / "a.zip", "--no-wait")

    [made] = ingesting.imports()
    assert result.exit_code == 0
    assert f"a.zip goes on: `facesearch imports watch {made.id}`." in result.stdout


def test_a_dry_run_of_an_archive_stores_nothing(ingesting: Ingesting, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped([("1.png", ingesting.photo(1))]))

    with ingesting.worker():
        result = ingesting(tmp_path / "a.zip", "--dry-run", "--json")

    assert (told(result)["entries"], told(result)["faces"]) == (1, 1)
    assert ingesting.stored() == set()


def test_a_dry_run_of_an_archive_says_how_to_go_on_and_can(
    ingesting: Ingesting, tmp_path: Path
) -> None:
    (tmp_path / "a.zip").write_bytes(zipped([("1.png", ingesting.photo(1))]))

    with ingesting.worker():
        tried = ingesting(tmp_path / "a.zip", "--dry-run")
        [made] = ingesting.imports()
        again = ingesting.run("imports", "watch", made.id, "--json")
        ingesting.run("imports", "confirm", made.id)
        watched = ingesting.run("imports", "watch", made.id)

    assert f"  facesearch imports confirm {made.id}\n" in tried.stdout
    assert f"  facesearch imports delete {made.id}\n" in tried.stdout
    assert told(again)["import_id"] == str(made.id)
    assert watched.stdout == "1 photos: 1 indexed.\n"


def test_a_dry_run_is_of_one_import(ingesting: Ingesting, tmp_path: Path) -> None:
    ingesting.folder(tmp_path / "mixed", range(1))
    (tmp_path / "mixed" / "a.zip").write_bytes(zipped([("1.png", ingesting.photo(1))]))
    (tmp_path / "b.zip").write_bytes(b"")

    several = ingesting(tmp_path / "mixed", "--dry-run")
    empty = ingesting(tmp_path / "b.zip", "--dry-run")

    assert "A dry run is of files and folders, or of one archive." in several.stderr
    assert "There is no forecast: the file is empty." in empty.stderr
    assert ingesting.imports() == []


def test_a_file_whose_name_is_no_utf8_goes_in(ingesting: Ingesting, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "caf\udce9.png").write_bytes(ingesting.photo(1))

    with ingesting.worker():
        result = ingesting(folder)

    assert result.exit_code == 0, result.output
    assert ingesting.stored() == {"caf%E9.png"}


def test_a_bar_shows_a_name_as_it_is(ingesting: Ingesting, tmp_path: Path) -> None:
    (tmp_path / "[x]").mkdir()
    (tmp_path / "[x]" / "[b] :smile:.zip").write_bytes(zipped([("1.png", ingesting.photo(1))]))

    result = ingesting(tmp_path / "[x]", "--no-wait")

    assert result.exit_code == 0, result.output
    assert "[b] :smile:.zip" in result.stderr
