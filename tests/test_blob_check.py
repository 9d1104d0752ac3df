"""Files without a row and rows without a file are found; nothing that is needed is removed."""

import os
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from core import blob_check, collections, gallery, intake
from core.blob_check import Found, Report, Trouble, check, remove_orphans
from core.blobs import Kind, Stored, Tally, place
from core.db import images as image_rows
from core.db.collections import Collection
from core.db.pool import Connection
from core.offers import Upload
from core.services import Services

Photo = Callable[[int], bytes]
HOURS_2 = 7200


def file(services: Services, kind: Kind, key: str) -> Path:
    return services.settings.data_dir / "blobs" / kind / key[-2:] / key


def put_old(services: Services, kind: Kind, key: str, data: bytes = b"data") -> Path:
    services.blobs.put(kind, key, data)
    path = file(services, kind, key)
    make_old(path)
    return path


def make_old(path: Path) -> None:
    os.utime(path, (time.time() - HOURS_2,) * 2)


def digest(number: int) -> str:
    return sha256(b"%d" % number).hexdigest()


def files(services: Services) -> set[Path]:
    return {path for path in services.settings.data_dir.rglob("blobs/**/*") if path.is_file()}


def age_all(services: Services) -> None:
    for path in files(services):
        make_old(path)


def crop_key(services: Services, image_id: UUID) -> str:
    with services.pool.connection() as conn:
        (face,) = gallery.image(conn, image_id).faces
    return face.id.hex


def test_a_system_in_order_has_no_fault_and_nothing_to_remove(
    services: Services, store: Any, photo: Photo
) -> None:
    store(*(photo(number) for number in range(5)))
    age_all(services)

    report = check(services, deep=True)

    assert report.whole
    assert report.removable == Tally()
    assert {kind: found.used.files for kind, found in report.kinds.items()} == dict.fromkeys(
        Kind, 5
    )
    assert all(found.files == 5 for found in report.kinds.values())


def test_an_empty_system_is_in_order(services: Services) -> None:
    report = check(services, deep=True)

    assert report.whole
    assert set(report.kinds.values()) == {Found()}
    assert remove_orphans(services) == Tally()


@pytest.mark.parametrize("kind", Kind)
def test_orphans_are_counted_and_removed_and_the_rest_stays(
    services: Services, store: Any, photo: Photo, kind: Kind
) -> None:
    store(photo(1))
    age_all(services)
    kept = files(services)
    keys = [uuid4().hex if kind is Kind.CROP else digest(number) for number in range(450)]
    for key in keys:
        put_old(services, kind, key)

    found = check(services).kinds[kind]
    removed = remove_orphans(services)

    assert found.orphans == removed == Tally(450, 1800)
    assert found.used.files == 1
    assert files(services) == kept
    assert check(services).removable == Tally()


def test_what_is_young_is_left_alone(services: Services) -> None:
    services.blobs.put(Kind.CROP, uuid4().hex, b"crop")
    services.blobs.put(Kind.PHOTO, digest(1), b"photo")
    temporary = file(services, Kind.PHOTO, digest(1)).with_name(".new-1")
    temporary.write_bytes(b"")

    report = check(services)

    assert report.removable == remove_orphans(services) == Tally()
    assert [found.recent for found in report.kinds.values() if found.files] == [
        Tally(1, 5),
        Tally(1, 4),
    ]
    assert len(files(services)) == 3


def test_temporary_files_of_a_power_cut_are_found_and_removed(services: Services) -> None:
    temporary = put_old(services, Kind.CROP, uuid4().hex).with_name(".new-x")
    temporary.write_bytes(b"half")
    make_old(temporary)

    assert check(services).leftovers == Tally(1, 4)
    assert remove_orphans(services) == Tally(2, 8)
    assert files(services) == set()


def test_files_that_a_killed_worker_left_are_orphans(
    services: Services,
    store: Any,
    photo: Photo,
    fake_pipeline: Any,
    collection: Collection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("core.indexing._write_rows", killed)
        with pytest.raises(SystemExit):
            store(photo(1))
    age_all(services)

    found = check(services)
    removed = remove_orphans(services)

    assert found.whole
    assert {kind: each.orphans.files for kind, each in found.kinds.items()} == {
        Kind.PHOTO: 0, Kind.THUMBNAIL: 0, Kind.PREVIEW: 0, Kind.CROP: 1,
    }  # fmt: skip
    assert removed.files == 1


def test_a_photo_whose_upload_was_killed_is_an_orphan(
    services: Services,
    collection: Collection,
    doorbell: Any,
    photo: Photo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(image_rows, "insert", killed)
        with pytest.raises(SystemExit):
            intake.accept(services, doorbell, collection.id, [Upload("1.png", photo(1))])
    age_all(services)

    assert remove_orphans(services) == Tally(1, len(photo(1)))
    assert files(services) == set()


@pytest.mark.parametrize("kind", Kind)
def test_a_missing_file_is_told_with_its_image(
    services: Services, store: Any, photo: Photo, collection: Collection, kind: Kind
) -> None:
    lost, _ = store(photo(1), photo(2))
    key = crop_key(services, lost) if kind is Kind.CROP else sha256(photo(1)).hexdigest()
    services.blobs.delete(kind, key)

    report = check(services)

    (fault,) = report.kinds[kind].faults
    assert not report.whole
    assert (fault.kind, fault.key, fault.trouble) == (kind, key, Trouble.MISSING)
    assert (fault.image_id, fault.filename, fault.collection) == (lost, "0.png", collection.name)
    assert sum(found.missing for found in report.kinds.values()) == 1
    assert sum(found.damaged for found in report.kinds.values()) == 0


def test_a_lost_folder_is_counted_whole_and_named_up_to_a_limit(
    services: Services, store: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blob_check, "MOST_FAULTS", 4)
    monkeypatch.setattr(blob_check, "AT_ONCE", 2)
    store(*(photo(number) for number in range(7)))
    for path in files(services):
        path.unlink()

    report = check(services)

    assert [found.missing for found in report.kinds.values()] == [7] * 4
    assert [len(found.faults) for found in report.kinds.values()] == [4] * 4


def test_a_photo_of_another_size_and_an_empty_file_are_damaged(
    services: Services, store: Any, photo: Photo
) -> None:
    (image_id,) = store(photo(1))
    key = sha256(photo(1)).hexdigest()
    services.blobs.put(Kind.PHOTO, key, photo(1)[:-1])
    services.blobs.put(Kind.THUMBNAIL, key, b"")
    services.blobs.put(Kind.CROP, crop_key(services, image_id), b"")

    report = check(services)

    assert [found.damaged for found in report.kinds.values()] == [1, 1, 0, 1]
    assert report.kinds[Kind.PHOTO].faults[0].trouble is Trouble.DAMAGED


def test_changed_bytes_of_the_same_size_need_a_deep_look(
    services: Services, store: Any, photo: Photo
) -> None:
    store(photo(1), photo(2))
    changed = bytearray(photo(1))
    changed[-1] ^= 1
    services.blobs.put(Kind.PHOTO, sha256(photo(1)).hexdigest(), bytes(changed))

    assert check(services).whole
    assert check(services, deep=True).kinds[Kind.PHOTO].damaged == 1


def test_a_file_that_the_disk_cannot_read_is_damaged_and_other_errors_are_errors(
    services: Services, store: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(photo(1))
    trouble = OSError(5, "Input/output error")

    def unreadable(_: Kind, __: str) -> bytes:
        raise trouble

    monkeypatch.setattr(services.blobs, "get", unreadable)
    assert check(services, deep=True).kinds[Kind.PHOTO].damaged == 1

    trouble = PermissionError(13, "Permission denied")
    with pytest.raises(PermissionError):
        check(services, deep=True)


def test_what_a_photo_may_lack_in_its_state_is_no_fault(
    services: Services,
    store: Any,
    photo: Photo,
    fake_pipeline: Any,
    collection: Collection,
    doorbell: Any,
) -> None:
    fake_pipeline.refuse = {photo(1)}
    fake_pipeline.faces, fake_pipeline.skipped = 0, 2
    store(photo(1), photo(2))
    intake.accept(services, doorbell, collection.id, [Upload("waits.png", photo(3))])
    age_all(services)

    report = check(services, deep=True)

    assert report.whole
    assert report.removable == Tally()
    assert [found.used.files for found in report.kinds.values()] == [3, 1, 1, 0]


def test_photos_of_several_collections_are_asked_for_once(
    services: Services, store: Any, photo: Photo, collection: Collection, doorbell: Any
) -> None:
    store(photo(1))
    with services.pool.connection() as conn:
        other = collections.create(conn, services.manifest.pack("open"), name="other")
    intake.accept(services, doorbell, other.id, [Upload("same.png", photo(1))])
    services.blobs.delete(Kind.PREVIEW, sha256(photo(1)).hexdigest())

    report = check(services)

    assert [found.missing for found in report.kinds.values()] == [0, 0, 1, 0]
    assert report.kinds[Kind.PREVIEW].faults[0].collection == collection.name


def test_files_of_deleted_rows_are_left_to_those_who_remove_them(
    services: Services, store: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    (image_id,) = store(photo(1))
    age_all(services)
    with monkeypatch.context() as patch:
        patch.setattr(gallery, "remove_files", lambda *_: 0)
        gallery.delete_image(services.pool, services.blobs, image_id)
    services.blobs.delete(Kind.THUMBNAIL, sha256(photo(1)).hexdigest())

    report = check(services)

    assert report.whole
    assert report.removable == remove_orphans(services) == Tally()
    assert [found.doomed.files for found in report.kinds.values()] == [1, 0, 1, 1]


def _between(
    services: Services, monkeypatch: pytest.MonkeyPatch, kind: Kind, act: Callable[[], object]
) -> None:
    """Do something after the rows of a kind were asked for, and before its files are listed."""
    listed = services.blobs.keys

    def keys(asked: Kind) -> Iterator[Stored]:
        if asked is kind:
            act()
        yield from listed(asked)

    monkeypatch.setattr(services.blobs, "keys", keys)


def test_a_photo_that_is_deleted_during_the_check_misses_nothing(
    services: Services, store: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = store(photo(1), photo(2))

    def delete() -> None:
        gallery.delete_image(services.pool, services.blobs, first)

    _between(services, monkeypatch, Kind.PHOTO, delete)

    report = check(services, deep=True)

    assert report.whole
    assert [found.used.files for found in report.kinds.values()] == [1] * 4
    assert gallery.photo(services.pool, services.blobs, second)[1] == photo(2)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("act", [check, remove_orphans])
def test_rows_that_are_written_during_the_check_keep_their_files_however_old(
    services: Services,
    store: Any,
    photo: Photo,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[Services], object],
    kind: Kind,
) -> None:
    def take_in() -> None:
        store(photo(1))
        age_all(services)

    _between(services, monkeypatch, kind, take_in)

    outcome = act(services)

    assert outcome == Tally() or (isinstance(outcome, Report) and outcome.removable == Tally())
    assert len(files(services)) == 4


def test_an_upload_of_the_same_bytes_that_came_first_keeps_its_photo(
    services: Services, collection: Collection, photo: Photo
) -> None:
    key = sha256(photo(1)).hexdigest()
    put_old(services, Kind.PHOTO, key)
    removed: list[Tally] = []
    remover = threading.Thread(target=lambda: removed.append(remove_orphans(services)))
    with services.pool.connection() as conn:
        image_rows.lock_bytes(conn, bytes.fromhex(key))
        remover.start()
        wait_for_a_lock(services)
        services.blobs.put(Kind.PHOTO, key, photo(1))
        insert_image(conn, collection, bytes.fromhex(key), len(photo(1)))
    remover.join(20)

    assert removed == [Tally()]
    assert services.blobs.get(Kind.PHOTO, key) == photo(1)


def test_an_upload_of_the_same_bytes_that_comes_during_the_removal_stores_its_photo_after_it(
    services: Services,
    collection: Collection,
    doorbell: Any,
    photo: Photo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = sha256(photo(1)).hexdigest()
    put_old(services, Kind.PHOTO, key)
    delete = services.blobs.delete
    uploads = [Upload("1.png", photo(1))]
    upload = threading.Thread(
        target=intake.accept, args=(services, doorbell, collection.id, uploads)
    )

    def during_an_upload(kind: Kind, doomed: str) -> None:
        upload.start()
        wait_for_a_lock(services)
        delete(kind, doomed)

    with monkeypatch.context() as patch:
        patch.setattr(services.blobs, "delete", during_an_upload)
        removed = remove_orphans(services)
    upload.join(20)

    assert removed == Tally(1, 4)
    assert services.blobs.get(Kind.PHOTO, key) == photo(1)
    assert check(services, deep=True).kinds[Kind.PHOTO].used == Tally(1, len(photo(1)))


def wait_for_a_lock(services: Services) -> None:
    """Return once somebody waits for the lock on some bytes."""
    query = (
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
        "WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
    )
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with services.pool.connection() as conn:
            if conn.execute(query).fetchone() == (1,):
                return
        time.sleep(0.01)
    pytest.fail("nobody waits")


def insert_image(conn: Connection, collection: Collection, digest: bytes, size: int) -> None:
    image_rows.insert(
        conn,
        collection_id=collection.id,
        sha256=digest,
        external_id=None,
        metadata={},
        filename="1.png",
        format="png",
        bytes=size,
        width=8,
        height=8,
    )


def test_most_files_without_a_row_are_odd_once_they_are_many(
    services: Services, store: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(photo(1))
    for number in range(5):
        put_old(services, Kind.PHOTO, digest(number))

    report = check(services)

    assert not report.odd
    monkeypatch.setattr(blob_check, "MANY", 4)
    assert report.odd


def test_many_files_take_no_more_memory_than_few(
    services: Services, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 20_000
    keys = sorted((digest(n) for n in range(count)), key=place)
    with services.pool.connection() as conn:
        conn.execute(
            "INSERT INTO images (collection_id, sha256, format, bytes, width, height) "
            "SELECT %s, sha256(n::text::bytea), 'png', 1, 8, 8 FROM generate_series(0, %s) AS n",
            (collection.id, count - 1),
        )

    def listed(kind: Kind) -> Iterator[Stored]:
        yield from (Stored(key, 1, 0.0) for key in keys if kind is Kind.PHOTO)

    monkeypatch.setattr(services.blobs, "keys", listed)
    tracemalloc.start()
    try:
        report = check(services)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert report.kinds[Kind.PHOTO] == Found(used=Tally(count, count))
    assert peak < 4_000_000
