"""What collections keep of their photos: the originals, crops of faces only, or vectors only."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest

from core import collections, gallery, removal
from core.blob_check import check, remove_orphans
from core.blobs import OF_A_PHOTO, Kind
from core.db import blob_check as check_rows
from core.db import images as image_rows
from core.db.collections import Collection
from core.db.pool import Connection, connect
from core.errors import BlobMissing, NotKept
from core.keeping import Keeps
from core.services import Services
from tests.queues import Queue, assert_counters_are_true

Photo = Callable[[int], bytes]
Open = Callable[[Keeps], Queue]

FILES = {
    Keeps.ORIGINALS: {"photos": 1, "thumbnails": 1, "previews": 1, "crops": 2},
    Keeps.CROPS: {"photos": 0, "thumbnails": 0, "previews": 0, "crops": 2},
    Keeps.VECTORS: {"photos": 0, "thumbnails": 0, "previews": 0, "crops": 0},
}
"""Of one photo with two faces."""

WITHOUT_PHOTOS = (Keeps.CROPS, Keeps.VECTORS)


@pytest.fixture
def open_queue(services: Services, doorbell: Any) -> Open:
    """Make a collection that keeps something; return its queue."""

    def make(keeps: Keeps) -> Queue:
        with services.pool.connection() as conn:
            pack = services.manifest.pack("open")
            made = collections.create(conn, pack, name=f"{keeps} {UUID(int=0)}", keeps=keeps)
        return Queue(services, doorbell, made)

    return make


@pytest.fixture(autouse=True)
def agreeing(services: Services) -> Iterator[None]:
    """At the end of each test no row misses its file, and no file is without its row."""
    yield
    removal.remove_files(services.pool, services.blobs)
    report = check(services)
    assert report.whole, report.kinds
    for kind, found in report.kinds.items():
        assert (found.orphans.files, found.recent.files, found.doomed.files) == (0, 0, 0), kind


def die(*_: object) -> int:
    raise SystemExit("killed before any file was removed")


def written_down(queue: Queue) -> int:
    count: int = queue.sql("SELECT count(*) FROM doomed_files")[0][0]
    return count


@pytest.mark.parametrize("keeps", Keeps)
def test_of_an_indexed_photo_is_left_what_its_collection_keeps(
    open_queue: Open, fake_pipeline: Any, photo: Photo, keeps: Keeps
) -> None:
    queue = open_queue(keeps)
    fake_pipeline.faces = 2
    (image_id,) = queue.put(photo(1))

    queue.run(fake_pipeline)

    image = queue.image(image_id)
    assert (image.state, image.kept, image.face_count) == ("indexed", keeps, 2)
    assert queue.files() == FILES[keeps]
    assert queue.sql("SELECT count(*) FROM faces WHERE embedding IS NOT NULL") == [(2,)]
    assert written_down(queue) == 0
    assert_counters_are_true(queue)


@pytest.mark.parametrize("keeps", WITHOUT_PHOTOS)
def test_what_is_not_kept_is_refused_by_name_and_not_called_missing(
    open_queue: Open, store: Any, photo: Photo, keeps: Keeps
) -> None:
    queue = open_queue(keeps)
    pool, blobs = queue.services.pool, queue.services.blobs
    (image_id,) = store(photo(1), into=queue.collection)
    # Somebody else keeps the very same photo, which is nobody's business here.
    store(photo(1))

    with pytest.raises(NotKept):
        gallery.photo(pool, blobs, image_id)
    for kind in (Kind.THUMBNAIL, Kind.PREVIEW):
        with pytest.raises(NotKept):
            gallery.small_copy(pool, blobs, image_id, kind)
    with pool.connection() as conn:
        (face,) = gallery.image(conn, image_id).faces
    if keeps.crops:
        assert gallery.crop(pool, blobs, face.id)
    else:
        with pytest.raises(NotKept) as refused:
            gallery.crop(pool, blobs, face.id)
        assert refused.value.details == {"image_id": str(image_id), "kept": "vectors"}


@pytest.mark.parametrize("keeps", WITHOUT_PHOTOS)
def test_a_photo_that_waits_is_stored_whatever_is_kept_later(
    open_queue: Open, photo: Photo, keeps: Keeps
) -> None:
    queue = open_queue(keeps)
    (image_id,) = queue.put(photo(1))

    found, data = gallery.photo(queue.services.pool, queue.services.blobs, image_id)

    assert (found.state, found.kept) == ("waiting", "originals")
    assert data == photo(1)


@pytest.mark.parametrize("keeps", WITHOUT_PHOTOS)
def test_a_rejected_photo_goes_too(
    open_queue: Open, fake_pipeline: Any, photo: Photo, keeps: Keeps
) -> None:
    queue = open_queue(keeps)
    fake_pipeline.refuse = {photo(1)}
    (image_id,) = queue.put(photo(1))

    queue.run(fake_pipeline)

    assert (queue.image(image_id).state, queue.image(image_id).kept) == ("rejected", keeps)
    assert sum(queue.files().values()) == 0


def test_a_photo_that_was_given_up_stays_until_another_try_succeeds(
    open_queue: Open, fake_pipeline: Any, photo: Photo
) -> None:
    queue = open_queue(Keeps.CROPS)
    (image_id,) = queue.put(photo(1))
    queue.sql("UPDATE items SET attempts = 3")
    queue.sweep()
    given_up, kept = queue.image(image_id), queue.files()["photos"]

    again = queue.put(photo(1))
    queue.run(fake_pipeline)

    assert (given_up.state, given_up.kept, kept) == ("dead", "originals", 1)
    assert again == [image_id]
    assert (queue.image(image_id).state, queue.image(image_id).kept) == ("indexed", "crops")
    assert queue.files()["photos"] == 0


def test_a_photo_whose_file_was_lost_can_be_sent_again(
    open_queue: Open, fake_pipeline: Any, photo: Photo
) -> None:
    queue = open_queue(Keeps.VECTORS)
    (image_id,) = queue.put(photo(1))
    queue.services.blobs.delete(Kind.PHOTO, sha256(photo(1)).hexdigest())
    queue.run(fake_pipeline)
    lost = queue.image(image_id)

    queue.put(photo(1))
    waiting = queue.image(image_id)
    queue.run(fake_pipeline)

    assert (lost.reason, lost.kept) == ("blob_missing", "vectors")
    assert (waiting.state, waiting.kept) == ("waiting", "originals")
    assert (queue.image(image_id).state, queue.image(image_id).kept) == ("indexed", "vectors")


@pytest.mark.parametrize("keeps", WITHOUT_PHOTOS)
def test_a_photo_that_is_sent_again_is_a_duplicate_and_stored_by_nobody(
    open_queue: Open, store: Any, photo: Photo, keeps: Keeps
) -> None:
    queue = open_queue(keeps)
    first = store(photo(1), into=queue.collection)
    before = queue.files()

    again = queue.put(photo(1))

    assert again == first
    assert queue.files() == before
    assert [state for state, _ in queue.states()] == ["indexed", "skipped"]


def test_one_batch_may_hold_photos_of_every_kind(
    open_queue: Open, fake_pipeline: Any, photo: Photo
) -> None:
    queues = {keeps: open_queue(keeps) for keeps in Keeps}
    images = {keeps: queue.put(photo(1), photo(2))[0] for keeps, queue in queues.items()}

    assert queues[Keeps.CROPS].run(fake_pipeline) == 6

    for keeps, queue in queues.items():
        assert queue.image(images[keeps]).kept == keeps
    assert queue.files() == {"photos": 2, "thumbnails": 2, "previews": 2, "crops": 4}


@pytest.mark.parametrize("keeps", WITHOUT_PHOTOS)
@pytest.mark.parametrize("originals_first", [True, False])
def test_a_photo_that_another_collection_keeps_stays_until_that_lets_it_go(
    open_queue: Open, store: Any, photo: Photo, keeps: Keeps, originals_first: bool
) -> None:
    keeping, other = open_queue(Keeps.ORIGINALS), open_queue(keeps)
    order = (keeping, other) if originals_first else (other, keeping)
    images = {queue: store(photo(1), into=queue.collection)[0] for queue in order}
    pool, blobs = keeping.services.pool, keeping.services.blobs
    there = gallery.photo(pool, blobs, images[keeping])[1], keeping.files()

    gallery.delete_image(pool, blobs, images[keeping])

    crops = int(keeps.crops)
    assert there[0] == photo(1)
    assert there[1] == {"photos": 1, "thumbnails": 1, "previews": 1, "crops": 1 + crops}
    assert keeping.files() == {"photos": 0, "thumbnails": 0, "previews": 0, "crops": crops}
    assert other.image(images[other]).state == "indexed"


def test_a_photo_that_still_waits_elsewhere_is_not_taken_away(
    open_queue: Open, fake_pipeline: Any, photo: Photo
) -> None:
    vectors, crops = open_queue(Keeps.VECTORS), open_queue(Keeps.CROPS)
    for queue in (vectors, crops):
        queue.put(photo(1))
    crops.sql("UPDATE items SET attempts = 1")  # such photos are tried alone, the older one first

    vectors.run(fake_pipeline)
    between = vectors.files()
    crops.run(fake_pipeline)

    assert between["photos"] == 1
    assert vectors.files() == {"photos": 0, "thumbnails": 0, "previews": 0, "crops": 1}
    assert crops.sql("SELECT DISTINCT state FROM images") == [("indexed",)]


@pytest.mark.parametrize("keeps", WITHOUT_PHOTOS)
def test_a_worker_that_dies_before_it_removed_the_photo_leaves_that_to_the_sweeper(
    open_queue: Open,
    fake_pipeline: Any,
    photo: Photo,
    monkeypatch: pytest.MonkeyPatch,
    keeps: Keeps,
) -> None:
    queue = open_queue(keeps)
    (image_id,) = queue.put(photo(1))
    with monkeypatch.context() as patch:
        patch.setattr("core.indexing.remove_files", die)
        with pytest.raises(SystemExit):
            queue.run(fake_pipeline)
    found = check(queue.services).kinds[Kind.PHOTO]

    assert queue.image(image_id).state == "indexed"
    assert (found.doomed.files, found.orphans.files, found.missing) == (1, 0, 0)
    assert removal.remove_files(queue.services.pool, queue.services.blobs) == 1
    assert queue.files()["photos"] == 0


def test_a_photo_that_is_sent_before_a_dead_workers_is_removed_is_not_lost(
    open_queue: Open, fake_pipeline: Any, store: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = open_queue(Keeps.VECTORS)
    queue.put(photo(1))
    with monkeypatch.context() as patch:
        patch.setattr("core.indexing.remove_files", die)
        with pytest.raises(SystemExit):
            queue.run(fake_pipeline)
    (image_id,) = store(photo(1))

    removal.remove_files(queue.services.pool, queue.services.blobs)

    assert gallery.photo(queue.services.pool, queue.services.blobs, image_id)[1] == photo(1)


def test_a_disk_that_fails_while_a_photo_is_removed_loses_no_face(
    open_queue: Open, fake_pipeline: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = open_queue(Keeps.CROPS)
    (image_id,) = queue.put(photo(1))

    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(queue.services.blobs, "delete", read_only)
        with pytest.raises(OSError, match="Read-only"):
            queue.run(fake_pipeline)

    assert queue.image(image_id).face_count == 1
    assert queue.states() == [("indexed", 1)]
    assert removal.remove_files(queue.services.pool, queue.services.blobs) == 1


def test_a_change_counts_for_later_photos_and_leaves_the_earlier_ones(
    open_queue: Open, store: Any, photo: Photo
) -> None:
    queue = open_queue(Keeps.ORIGINALS)
    kept = []
    for number, keeps in enumerate((Keeps.ORIGINALS, Keeps.VECTORS, Keeps.CROPS)):
        with queue.services.pool.connection() as conn:
            changed = collections.change(conn, queue.collection.id, keeps=keeps)
        assert changed.keeps == keeps
        (image_id,) = store(photo(number), into=queue.collection)
        kept.append(queue.image(image_id).kept)

    assert kept == ["originals", "vectors", "crops"]
    assert queue.files() == {"photos": 1, "thumbnails": 1, "previews": 1, "crops": 2}


def test_a_late_worker_that_began_before_the_change_leaves_no_pictures(
    open_queue: Open, fake_pipeline: Any, photo: Photo
) -> None:
    queue = open_queue(Keeps.ORIGINALS)
    other: Any = type(fake_pipeline)()

    def fall_silent(_: Any) -> None:
        queue.expire_leases()
        with queue.services.pool.connection() as conn:
            collections.change(conn, queue.collection.id, keeps=Keeps.VECTORS)
        assert queue.run(other) == 1

    fake_pipeline.before = fall_silent
    (image_id,) = queue.put(photo(1))

    queue.run(fake_pipeline)

    assert queue.image(image_id).kept == "vectors"
    assert sum(queue.files().values()) == 0


def test_a_collection_that_is_deleted_while_its_photo_is_analysed_leaves_nothing(
    open_queue: Open, fake_pipeline: Any, photo: Photo
) -> None:
    queue = open_queue(Keeps.CROPS)

    def delete(_: Any) -> None:
        made = queue.collection.id
        collections.delete(queue.services.pool, queue.services.blobs, made, confirm=str(made))

    fake_pipeline.before = delete
    queue.put(photo(1))

    queue.run(fake_pipeline)

    assert sum(queue.files().values()) == 0


@pytest.mark.parametrize(("keeps", "expected"), [("originals", 5), ("crops", 3), ("vectors", 0)])
def test_a_deletion_writes_down_only_what_is_there(
    open_queue: Open,
    store: Any,
    photo: Photo,
    monkeypatch: pytest.MonkeyPatch,
    keeps: str,
    expected: int,
) -> None:
    queue = open_queue(Keeps(keeps))
    store(photo(1), photo(2), into=queue.collection)
    (third,) = store(photo(3), into=queue.collection)
    gallery.delete_image(queue.services.pool, queue.services.blobs, third)
    (fourth,) = store(photo(4), into=queue.collection)
    queue.sql("UPDATE images SET state = 'rejected' WHERE id = %s", fourth)
    made = queue.collection.id
    with monkeypatch.context() as patch:
        patch.setattr(collections, "remove_files", lambda *_: 0)
        collections.delete(queue.services.pool, queue.services.blobs, made, confirm=str(made))

    assert written_down(queue) == expected + (keeps == "originals")
    removal.remove_files(queue.services.pool, queue.services.blobs)
    assert sum(queue.files().values()) == 0


@pytest.mark.parametrize("keeps", WITHOUT_PHOTOS)
def test_pictures_that_a_collection_does_not_keep_are_orphans(
    open_queue: Open, store: Any, photo: Photo, keeps: Keeps
) -> None:
    queue = open_queue(keeps)
    (image_id,) = store(photo(1), into=queue.collection)
    with queue.services.pool.connection() as conn:
        (face,) = gallery.image(conn, image_id).faces
    before = queue.files()
    for kind in OF_A_PHOTO:
        queue.services.blobs.put(kind, sha256(photo(1)).hexdigest(), b"from an old backup")
    queue.services.blobs.put(Kind.CROP, face.id.hex, b"from an old backup")

    report = check(queue.services, grace_s=-10)
    removed = remove_orphans(queue.services, grace_s=-10)

    found = [report.kinds[kind].orphans.files for kind in Kind]
    assert found == [1, 1, 1, 0 if keeps.crops else 1]
    assert report.whole
    assert removed.files == sum(found)
    assert queue.files() == before


def test_a_missing_crop_is_a_fault_only_where_crops_are_kept(
    open_queue: Open, store: Any, photo: Photo
) -> None:
    queue = open_queue(Keeps.CROPS)
    (image_id,) = store(photo(1), into=queue.collection)
    with queue.services.pool.connection() as conn:
        (face,) = gallery.image(conn, image_id).faces
    crop = gallery.crop(queue.services.pool, queue.services.blobs, face.id)
    queue.services.blobs.delete(Kind.CROP, face.id.hex)

    (fault,) = check(queue.services).kinds[Kind.CROP].faults
    with pytest.raises(BlobMissing):
        gallery.crop(queue.services.pool, queue.services.blobs, face.id)
    queue.sql("UPDATE images SET kept = 'vectors'")
    on_purpose = check(queue.services)
    url = queue.services.settings.database_url
    assert url is not None
    with connect(url, autocommit=True) as conn:
        named = list(check_rows.named(conn, Kind.CROP))

    assert fault.image_id == image_id
    assert on_purpose.whole
    assert named == []
    queue.sql("UPDATE images SET kept = 'crops'")
    queue.services.blobs.put(Kind.CROP, face.id.hex, crop)


def test_a_worker_waits_for_whoever_just_stores_the_same_bytes(
    open_queue: Open, fake_pipeline: Any, photo: Photo
) -> None:
    keeping, other = open_queue(Keeps.ORIGINALS), open_queue(Keeps.CROPS)
    pool, digest = other.services.pool, sha256(photo(1)).digest()
    other.put(photo(1))

    with ThreadPoolExecutor(1) as threads:
        with pool.connection() as conn:
            # As an upload does, which is not committed yet.
            image_rows.lock_bytes(conn, digest)
            image_id = _waiting_image(conn, keeping.collection.id, photo(1))
            run = threads.submit(other.run, fake_pipeline)
            while not run.done() and not _somebody_waits(other):
                time.sleep(0.01)
        run.result()

    assert gallery.photo(pool, other.services.blobs, image_id)[1] == photo(1)
    assert other.sql("SELECT kept FROM images WHERE state = 'indexed'") == [("crops",)]


def _waiting_image(conn: Connection, collection_id: UUID, photo: bytes) -> UUID:
    made = image_rows.insert(
        conn,
        collection_id=collection_id,
        sha256=sha256(photo).digest(),
        external_id=None,
        metadata={},
        filename="same.png",
        format="png",
        bytes=len(photo),
        width=8,
        height=8,
    )
    assert made is not None
    return made


def _somebody_waits(queue: Queue) -> bool:
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    return bool(queue.sql(waiting))


@pytest.mark.parametrize("round_", range(20))
def test_the_same_bytes_in_collections_of_every_kind_at_once(
    open_queue: Open, fake_pipeline: Any, photo: Photo, round_: int
) -> None:
    """Uploads, workers, the sweeper and a deletion meet; each collection has what it keeps."""
    queues = [open_queue(keeps) for keeps in Keeps]
    photos = [photo(100 * round_ + number) for number in range(3)]
    fake_pipeline.refuse = {photos[0]}
    originals: Queue = queues[0]

    def send(queue: Queue) -> None:
        for _ in range(2):
            for each in photos:
                queue.put(each)

    def work(queue: Queue) -> None:
        for _ in range(6):
            queue.run(fake_pipeline)
            removal.remove_files(queue.services.pool, queue.services.blobs)

    def delete_one() -> None:
        for (image_id,) in originals.sql(
            "SELECT id FROM images WHERE sha256 = %s", sha256(photos[1]).digest()
        ):
            gallery.delete_image(originals.services.pool, originals.services.blobs, image_id)

    with ThreadPoolExecutor(7) as threads:
        running = [threads.submit(send, queue) for queue in queues]
        running += [threads.submit(work, queue) for queue in queues]
        if round_ % 2:
            running.append(threads.submit(delete_one))
        for each in running:
            each.result()
    while originals.run(fake_pipeline):
        pass
    removal.remove_files(originals.services.pool, originals.services.blobs)

    rows = originals.sql(
        "SELECT c.keeps, i.kept, i.state, i.id FROM images AS i JOIN collections AS c "
        "ON c.id = i.collection_id"
    )
    assert all(kept == keeps for keeps, kept, _, _ in rows)
    assert {state for _, _, state, _ in rows} == {"indexed", "rejected"}
    for keeps, _, _, image_id in rows:
        if keeps == "originals":
            gallery.photo(originals.services.pool, originals.services.blobs, image_id)
    kept = sum(keeps == "originals" for keeps, *_ in rows)
    indexed = sum(state == "indexed" and keeps == "originals" for keeps, _, state, _ in rows)
    crops = sum(state == "indexed" and keeps != "vectors" for keeps, _, state, _ in rows)
    assert originals.files() == {
        "photos": kept, "thumbnails": indexed, "previews": indexed, "crops": crops
    }  # fmt: skip
    assert_counters_are_true(originals)


def test_a_new_collection_keeps_originals(collection: Collection) -> None:
    assert collection.keeps == Keeps.ORIGINALS
