"""Names of entries: whatever they are, what is shown and stored is safe."""

import io
import tarfile
import unicodedata
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.archive_entries import (
    LONGEST_NAME,
    decode,
    for_reports,
    is_junk,
    printable,
    safe_name,
)
from core.archives import is_archive
from core.errors import EntryNameUnsafe
from tests.packing import read, refused, tarred, zipped

PIECES = ["..", ".", "/", "\\", "C:", "K\u0301", "\u212a:", "\0", "\n", "\u202e", "a", "é", "e\u0301", "%",
          "E", "\u0301", "\udce9", "\ud800", " ", "👩\u200d👧", "日本", "__MACOSX", "\u2028"]  # fmt: skip

anything = st.one_of(
    st.text(),
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.binary(max_size=40).map(decode),
)


@given(anything)
def test_a_safe_name_is_relative_stays_inside_and_can_be_stored(raw: str) -> None:
    try:
        name = safe_name(raw)
    except EntryNameUnsafe:
        return
    parts = name.split("/")

    assert not {"", ".", ".."} & set(parts)
    assert not PurePosixPath(name).is_absolute()
    assert not PureWindowsPath(name).drive
    assert (Path("/home") / name).resolve().is_relative_to("/home")
    assert name.encode("utf-8").decode("utf-8") == name
    assert not any(unicodedata.category(each) in {"Cc", "Cs"} for each in name)
    assert unicodedata.is_normalized("NFC", name)
    assert len(name) <= LONGEST_NAME


@given(anything)
def test_a_safe_name_stays_as_it_is(raw: str) -> None:
    try:
        name = safe_name(raw)
    except EntryNameUnsafe:
        return

    assert safe_name(name) == name


@given(anything)
def test_what_reports_show_is_one_line_that_can_be_stored(raw: str) -> None:
    shown = for_reports(raw)

    assert shown.encode("utf-8").decode("utf-8") == shown
    assert len(shown.splitlines()) <= 1
    assert printable(printable(raw)) == printable(raw)


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(
        lambda name: not name.endswith(("/", "\\"))
    )
)
def test_every_file_of_an_archive_has_an_outcome_whatever_its_name(name: str) -> None:
    for pack in (zipped, tarred):
        assert len(read(pack([(name, b"x"), ("z", b"z")]))) == 2


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("./ann//1.jpg", "ann/1.jpg"),
        ("ann\\1.jpg", "ann/1.jpg"),
        ("Jose\u0301.jpg", "José.jpg"),
        ("a..b/...jpg", "a..b/...jpg"),
        ("photo\0.jpg", "photo%00.jpg"),
        ("gpj.\u202eexe.jpg", "gpj.%E2%80%AEexe.jpg"),
        ("caf\udce9.jpg", "caf%E9.jpg"),
        ("x" * LONGEST_NAME, "x" * LONGEST_NAME),
    ],
)
def test_names_become(raw: str, name: str) -> None:
    assert safe_name(raw) == name


@pytest.mark.parametrize(
    "raw",
    ["", "/", ".", "a/..", "..", "../a", "\\a", "/a", "c:a", "\u212a:a", "x" * (LONGEST_NAME + 1)],
)
def test_names_are_refused(raw: str) -> None:
    with pytest.raises(EntryNameUnsafe):
        safe_name(raw)


def test_a_name_that_was_refused_is_shown_in_short() -> None:
    [(name, code)] = refused(read(zipped([("x/" * 600 + "y", b"x")])))

    assert len(name) < 200
    assert code == "entry_name_unsafe"


@pytest.mark.parametrize(
    ("name", "junk"),
    [
        (".DS_Store", True),
        ("a/THUMBS.DB", True),
        ("__MACOSX/a.jpg", True),
        ("._a.jpg", True),
        (".git/a.jpg", True),
        ("a/Desktop.ini", True),
        ("a.jpg", False),
        ("thumbs.db/a.jpg", False),
        ("a/__MACOSX.jpg", False),
    ],
)
def test_junk_is_told_by_its_name(name: str, junk: bool) -> None:
    assert is_junk(name) is junk


@pytest.mark.parametrize(
    ("name", "archive"),
    [("a.zip", True), ("A.TAR.GZ", True), ("a.tgz", True), ("a.tar.zst", True), ("a.tar", True),
     ("a.gz", False), ("a.jpg", False), ("zip", False)],
)  # fmt: skip
def test_an_archive_is_told_by_its_suffix(name: str, archive: bool) -> None:
    assert is_archive(Path(name)) is archive


names = st.text("abcé日", min_size=1, max_size=12).map(lambda name: f"{name}.jpg")


@given(
    st.lists(st.tuples(names, st.binary(max_size=300)), min_size=1, unique_by=lambda file: file[0])
)
def test_the_readers_of_the_standard_library_see_the_same(files: list[tuple[str, bytes]]) -> None:
    by_zip, by_tar = zipped(files), tarred(files)
    with zipfile.ZipFile(io.BytesIO(by_zip)) as archive:
        of_zip = [(name, archive.read(name)) for name in archive.namelist()]
    with tarfile.open(fileobj=io.BytesIO(by_tar)) as tar:
        of_tar = [(each.name, tar.extractfile(each).read()) for each in tar]  # type: ignore[union-attr]

    for packed, expected in ((by_zip, of_zip), (by_tar, of_tar)):
        # A file of chance may begin as an archive does.
        outcomes = read(packed)
        assert len(outcomes) == len(expected)
        for outcome, (name, data) in zip(outcomes, expected, strict=True):
            assert outcome.name == unicodedata.normalize("NFC", name)  # type: ignore[union-attr]
            assert getattr(outcome, "data", data) == data
