"""Files by their digest: whole or not at all, and never outside their folder."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.blobs import FolderBlobs, Kind
from core.errors import BlobMissing

KEY = "00ff" * 16


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


def test_bytes_come_back_as_they_were(blobs: FolderBlobs) -> None:
    data = bytes(range(256)) * 1000

    blobs.put(Kind.PHOTO, KEY, data)

    assert blobs.get(Kind.PHOTO, KEY) == data


def test_the_last_put_counts(blobs: FolderBlobs) -> None:
    blobs.put(Kind.CROP, KEY, b"first")
    blobs.put(Kind.CROP, KEY, b"second")

    assert blobs.get(Kind.CROP, KEY) == b"second"


def test_kinds_do_not_meet(blobs: FolderBlobs) -> None:
    blobs.put(Kind.PHOTO, KEY, b"photo")

    with pytest.raises(BlobMissing):
        blobs.get(Kind.THUMBNAIL, KEY)


def test_what_is_deleted_is_gone_and_deleting_again_is_fine(blobs: FolderBlobs) -> None:
    blobs.put(Kind.PHOTO, KEY, b"photo")

    blobs.delete(Kind.PHOTO, KEY)
    blobs.delete(Kind.PHOTO, KEY)

    with pytest.raises(BlobMissing, match="photos"):
        blobs.get(Kind.PHOTO, KEY)


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "ABCDEF", "ab/cd", "ab\0", "xyz"])
def test_a_key_that_is_not_hex_reaches_no_file(blobs: FolderBlobs, key: str) -> None:
    for use in (blobs.get, blobs.delete):
        with pytest.raises(ValueError, match="no key"):
            use(Kind.PHOTO, key)
    with pytest.raises(ValueError, match="no key"):
        blobs.put(Kind.PHOTO, key, b"")


def test_a_write_that_fails_leaves_what_was_there(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs.put(Kind.PHOTO, KEY, b"whole")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            blobs.put(Kind.PHOTO, KEY, b"half")

    assert blobs.get(Kind.PHOTO, KEY) == b"whole"
    assert [path.name for path in blobs.root.rglob("*") if path.is_file()] == [KEY]


def test_many_writers_of_one_key_leave_one_whole_file(blobs: FolderBlobs) -> None:
    contents = [bytes([number]) * 50_000 for number in range(16)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda data: blobs.put(Kind.PHOTO, KEY, data), contents))

    assert blobs.get(Kind.PHOTO, KEY) in contents
    assert sum(path.is_file() for path in blobs.root.rglob("*")) == 1


def test_ids_of_the_same_moment_are_spread_over_folders(blobs: FolderBlobs) -> None:
    for number in range(64):
        blobs.put(Kind.CROP, f"0199c5d0{number:024x}", b"crop")

    assert len(list((blobs.root / "crops").iterdir())) == 64
