"""Blobs by their key: whole or not at all, and never elsewhere; in a folder and in a bucket."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from core.blobs import BlobStore, FolderBlobs, Kind, Tally, place
from core.errors import BlobMissing, DiskFull
from core.services import open_blobs
from core.settings import Settings
from tests.object_storage import ObjectStorage

KEY = "00ff" * 16


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


@pytest.fixture(params=["folder", "bucket"])
def either(
    request: pytest.FixtureRequest, plain_settings: Settings, object_storage: ObjectStorage
) -> Iterator[BlobStore]:
    """Both stores, one after the other."""
    in_folder = request.param == "folder"
    store = open_blobs(plain_settings if in_folder else object_storage.of(plain_settings))
    yield store
    store.close()


def test_bytes_come_back_as_they_were(either: BlobStore) -> None:
    data = bytes(range(256)) * 1000

    either.put(Kind.PHOTO, KEY, data)

    assert either.get(Kind.PHOTO, KEY) == data


def test_the_last_put_counts(either: BlobStore) -> None:
    either.put(Kind.CROP, KEY, b"first")
    either.put(Kind.CROP, KEY, b"second")

    assert either.get(Kind.CROP, KEY) == b"second"


def test_kinds_do_not_meet(either: BlobStore) -> None:
    either.put(Kind.PHOTO, KEY, b"photo")

    with pytest.raises(BlobMissing):
        either.get(Kind.THUMBNAIL, KEY)


def test_what_is_deleted_is_gone_and_deleting_again_is_fine(either: BlobStore) -> None:
    either.put(Kind.PHOTO, KEY, b"photo")

    either.delete(Kind.PHOTO, KEY)
    either.delete(Kind.PHOTO, KEY)

    with pytest.raises(BlobMissing, match="photos"):
        either.get(Kind.PHOTO, KEY)


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "ABCDEF", "ab/cd", "ab\0", "xyz"])
def test_a_key_that_is_not_hex_reaches_no_file(either: BlobStore, key: str) -> None:
    for use in (either.get, either.delete):
        with pytest.raises(ValueError, match="no key"):
            use(Kind.PHOTO, key)
    with pytest.raises(ValueError, match="no key"):
        either.put(Kind.PHOTO, key, b"")


def test_a_write_that_a_full_disk_ends_says_so_and_leaves_what_was_there(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs.put(Kind.PHOTO, KEY, b"whole")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(DiskFull):
            blobs.put(Kind.PHOTO, KEY, b"half")

    assert blobs.get(Kind.PHOTO, KEY) == b"whole"
    assert [path.name for path in blobs.root.rglob("*") if path.is_file()] == [KEY]


def test_many_writers_of_one_key_leave_one_whole_file(either: BlobStore) -> None:
    contents = [bytes([number]) * 50_000 for number in range(50)]

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(lambda data: either.put(Kind.PHOTO, KEY, data), contents))

    assert either.get(Kind.PHOTO, KEY) in contents
    assert [(each.key, each.bytes) for each in either.keys(Kind.PHOTO)] == [(KEY, 50_000)]
    assert either.leftovers(time.time() + 60) == Tally()


def test_many_are_deleted_at_once_and_others_stay(either: BlobStore) -> None:
    keys = [sha256(bytes([number])).hexdigest() for number in range(40)]
    for key in keys:
        either.put(Kind.PHOTO, key, b"photo")
        either.put(Kind.PREVIEW, key, b"preview")

    either.delete_many(Kind.PHOTO, [*keys[1:], KEY])

    assert [each.key for each in either.keys(Kind.PHOTO)] == keys[:1]
    assert len(list(either.keys(Kind.PREVIEW))) == 40
    either.delete_many(Kind.CROP, [])


def test_nothing_at_all_can_be_stored_too(either: BlobStore) -> None:
    either.put(Kind.CROP, KEY[:32], b"")

    assert either.get(Kind.CROP, KEY[:32]) == b""


def test_ids_of_the_same_moment_are_spread_over_folders(blobs: FolderBlobs) -> None:
    for number in range(64):
        blobs.put(Kind.CROP, f"0199c5d0{number:024x}", b"crop")

    assert len({crop.parent for crop in (blobs.root / "crops").glob("*/*")}) == 64


def test_all_folders_of_a_kind_are_made_at_once_and_again_where_one_is_gone(
    blobs: FolderBlobs,
) -> None:
    blobs.put(Kind.CROP, KEY[:32], b"crop")
    crops = blobs.root / "crops"
    first = len(list(crops.iterdir()))
    (crops / "00").rmdir()

    blobs.put(Kind.CROP, f"{0:032x}", b"crop")

    assert first == len(list(crops.iterdir())) == 256
    assert blobs.get(Kind.CROP, f"{0:032x}") == b"crop"


def test_every_new_folder_is_synced_in_the_one_above(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    for module in ("core.blobs", "core.durable"):
        monkeypatch.setattr(f"{module}.sync_folder", synced.append)

    blobs.put(Kind.PHOTO, KEY, b"photo")
    blobs.put(Kind.PHOTO, KEY, b"again")

    photos = blobs.root / "photos"
    folder = photos / "ff"
    assert synced == [blobs.root.parent, blobs.root, photos, folder, folder]


def test_blobs_are_listed_in_the_order_of_their_place_with_size_and_time(
    either: BlobStore,
) -> None:
    keys = [sha256(bytes([number])).hexdigest() for number in range(50)]
    began = time.time()
    for number, key in enumerate(keys):
        either.put(Kind.PREVIEW, key, bytes(number))

    listed = list(either.keys(Kind.PREVIEW))

    assert [each.key for each in listed] == sorted(keys, key=place)
    assert {each.key: each.bytes for each in listed} == {key: n for n, key in enumerate(keys)}
    assert all(began - 1 <= each.written <= time.time() + 1 for each in listed)
    assert list(either.keys(Kind.PHOTO)) == []


def test_what_is_no_blob_is_not_listed(blobs: FolderBlobs) -> None:
    blobs.put(Kind.PHOTO, KEY, b"photo")
    folder = blobs.root / "photos" / "ff"
    for name in (".new-abc", ".DS_Store", "00" * 32, "ff", KEY.upper(), f"{KEY}.jpg"):
        (folder / name).write_bytes(b"no blob")
    (folder / f"{'ff' * 31}ff").mkdir()
    (blobs.root / "photos" / "lost+found").mkdir()

    assert [each.key for each in blobs.keys(Kind.PHOTO)] == [KEY]


def test_a_file_that_goes_away_while_its_folder_is_read_is_left_out(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs.put(Kind.PHOTO, KEY, b"photo")

    class Gone:
        name = KEY

        def is_file(self) -> bool:
            raise FileNotFoundError

    class Folder:
        def __enter__(self) -> list[Gone]:
            return [Gone()]

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr("os.scandir", lambda _: Folder())

    assert list(blobs.keys(Kind.PHOTO)) == []


def test_temporary_files_are_left_over_once_nobody_writes_them(blobs: FolderBlobs) -> None:
    blobs.put(Kind.CROP, KEY[:32], b"crop")
    folder = blobs.root / "crops" / "ff"
    for name, age in ((".new-old", 100), (".new-fresh", 0)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age,) * 2)

    counted = blobs.leftovers(time.time() - 50)
    removed = blobs.leftovers(time.time() - 50, remove=True)

    assert counted == removed == Tally(1, 4)
    assert sorted(path.name for path in folder.iterdir()) == [".new-fresh", KEY[:32]]
