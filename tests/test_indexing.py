"""The queue's promises: nothing lost, nothing twice, and one bad photo harms nobody else."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from core import collections, gallery, indexing, intake
from core.blobs import Kind
from core.db import jobs
from core.db.collections import Collection
from core.db.images import Image
from core.intake import Upload
from core.services import Services

Photo = Callable[[int], bytes]


class Queue:
    """Photos go in, batches run, and the truth can be looked at."""

    def __init__(self, services: Services, doorbell: Any, collection: Collection) -> None:
        self.services = services
        self.doorbell = doorbell
        self.collection = collection

    def put(self, *photos: bytes) -> list[UUID]:
        """Upload photos as one job; return the ids of their images."""
        uploads = [Upload(f"{n}.png", photo) for n, photo in enumerate(photos)]
        receipt = intake.accept(self.services, self.doorbell, self.collection.id, uploads)
        return [item.image_id for item in receipt.items if item.image_id is not None]

    def run(self, pipeline: Any, services: Services | None = None) -> int:
        """Run one batch."""
        used = services or self.services
        return indexing.index_batch(used, {self.collection.space_id: pipeline})

    def sweep(self) -> int:
        return indexing.sweep(self.services)

    def image(self, image_id: UUID) -> Image:
        with self.services.pool.connection() as conn:
            return gallery.image(conn, image_id).image

    def states(self) -> list[tuple[str, int]]:
        """State and attempts of every item, oldest first."""
        return self.sql("SELECT state, attempts FROM items ORDER BY id")

    def sql(self, query: str, *params: Any) -> Any:
        with self.services.pool.connection() as conn:
            cursor = conn.execute(query, params)
            return cursor.fetchall() if cursor.description else None

    def files(self) -> dict[str, int]:
        """How many blobs there are of each kind."""
        root = self.services.settings.data_dir / "blobs"
        return {
            kind.value: sum(1 for path in (root / kind.value).rglob("*") if path.is_file())
            for kind in Kind
        }

    def expire_leases(self) -> None:
        self.sql("UPDATE items SET lease_until = now() - interval '1 s' WHERE state = 'running'")


@pytest.fixture
def queue(services: Services, doorbell: Any, collection: Collection) -> Queue:
    return Queue(services, doorbell, collection)


def test_a_batch_stores_faces_files_and_states(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    fake_pipeline.faces, fake_pipeline.skipped = 2, 1
    (image_id,) = queue.put(photo(1))

    claimed = queue.run(fake_pipeline)

    with queue.services.pool.connection() as conn:
        stored = gallery.image(conn, image_id)
    assert claimed == 1
    assert (stored.image.state, stored.image.reason, stored.image.face_count) == (
        "indexed",
        None,
        2,
    )
    assert stored.image.detail == "Faces that were found and not indexed: bad_landmarks (1)."
    assert [face.position for face in stored.faces] == [0, 1]
    assert queue.files() == {"photos": 1, "thumbnails": 1, "previews": 1, "crops": 2}
    assert queue.states() == [("indexed", 1)]


def test_all_waiting_photos_of_a_space_go_into_one_batch(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    queue.put(*(photo(n) for n in range(5)))
    limit = queue.services.settings.batch_photos

    assert queue.run(fake_pipeline) == 5
    assert fake_pipeline.batches == [5]
    assert limit >= 5


def test_a_batch_takes_no_more_than_the_settings_say(
    queue: Queue, fake_pipeline: Any, photo: Photo, services: Services
) -> None:
    queue.put(*(photo(n) for n in range(20)))

    assert queue.run(fake_pipeline) == services.settings.batch_photos == 16
    assert queue.run(fake_pipeline) == 4


def test_a_photo_without_a_face_is_indexed_and_says_so(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    fake_pipeline.faces = 0
    (image_id,) = queue.put(photo(1))

    queue.run(fake_pipeline)

    image = queue.image(image_id)
    assert (image.state, image.reason, image.face_count) == ("indexed", "no_face_found", 0)


def test_a_photo_whose_faces_are_all_unusable_says_which_and_why(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    fake_pipeline.faces, fake_pipeline.skipped = 0, 2
    (image_id,) = queue.put(photo(1))

    queue.run(fake_pipeline)

    image = queue.image(image_id)
    assert (image.state, image.reason) == ("indexed", "no_usable_face")
    assert image.detail == "Faces that were found and not indexed: bad_landmarks (2)."


def test_faces_left_out_beside_others_are_written_down_with_their_reason(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    fake_pipeline.skipped = 1
    [image_id] = queue.put(photo(1))

    queue.run(fake_pipeline)

    image = queue.image(image_id)
    assert (image.face_count, image.reason) == (1, None)
    assert image.skipped_faces == [
        {"box": [1.0, 0.0, 5.0, 4.0], "score": 0.9, "reason": "bad_landmarks"}
    ]


def test_a_damaged_photo_is_rejected_with_its_reason_and_its_neighbours_are_indexed(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    fake_pipeline.refuse = {photo(1)}
    good, bad, also_good = queue.put(photo(0), photo(1), photo(2))

    queue.run(fake_pipeline)

    image = queue.image(bad)
    assert (image.state, image.reason, image.detail) == (
        *("rejected", "image_unreadable"),
        "It is damaged.",
    )
    assert queue.image(good).state == queue.image(also_good).state == "indexed"


def test_indexing_again_changes_nothing(queue: Queue, fake_pipeline: Any, photo: Photo) -> None:
    queue.put(*(photo(n) for n in range(3)))
    queue.run(fake_pipeline)
    before = queue.sql("SELECT id, image_id, position FROM faces ORDER BY id")

    assert queue.run(fake_pipeline) == 0
    assert queue.sql("SELECT id, image_id, position FROM faces ORDER BY id") == before


def test_a_batch_with_nothing_waiting_runs_no_model(queue: Queue, fake_pipeline: Any) -> None:
    assert queue.run(fake_pipeline) == 0
    assert fake_pipeline.batches == []


def test_photos_of_a_space_that_this_worker_lacks_are_left_for_others(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    queue.put(photo(1))

    assert indexing.index_batch(queue.services, {"sp_other": fake_pipeline}) == 0
    assert not indexing.work_waits(queue.services, ["sp_other"])
    assert indexing.work_waits(queue.services, [queue.collection.space_id])


def test_workers_on_one_backlog_index_each_photo_once(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    queue.put(*(photo(n) for n in range(60)))

    def work() -> int:
        done = 0
        while claimed := queue.run(fake_pipeline):
            done += claimed
        return done

    with ThreadPoolExecutor(3) as pool:
        done = [future.result() for future in [pool.submit(work) for _ in range(3)]]

    assert sum(done) == sum(fake_pipeline.batches) == 60
    assert set(queue.states()) == {("indexed", 1)}
    assert queue.sql("SELECT count(*) FROM faces") == [(60,)]
    assert_counters_are_true(queue)


def test_a_broken_batch_is_released_and_its_photos_come_back_alone(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    fake_pipeline.poison = {photo(1)}
    queue.put(photo(0), photo(1), photo(2))

    with pytest.raises(RuntimeError, match="cannot stand"):
        queue.run(fake_pipeline)

    assert queue.states() == [("waiting", 1)] * 3
    assert queue.run(fake_pipeline) == 1
    assert queue.states() == [("indexed", 2), ("waiting", 1), ("waiting", 1)]


def test_poison_ends_dead_while_its_neighbours_are_indexed(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    fake_pipeline.poison = {photo(1)}
    first, poison, last = queue.put(photo(0), photo(1), photo(2))

    while indexing.work_waits(queue.services, [queue.collection.space_id]):
        try:
            queue.run(fake_pipeline)
        except RuntimeError:
            continue

    assert queue.sweep() == 1
    image = queue.image(poison)
    assert (image.state, image.reason) == ("dead", "worker_lost")
    assert image.detail == "The last try failed: RuntimeError."
    assert queue.image(first).state == queue.image(last).state == "indexed"
    assert queue.states() == [("indexed", 2), ("dead", 3), ("indexed", 2)]
    assert queue.sweep() == 0
    assert_counters_are_true(queue)


def test_a_dead_photo_that_is_sent_again_gets_another_try(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    (image_id,) = queue.put(photo(1))
    queue.sql("UPDATE items SET attempts = 3")
    queue.sweep()

    again = queue.put(photo(1))
    queue.run(fake_pipeline)

    assert again == [image_id]
    assert queue.image(image_id).state == "indexed"
    assert queue.states() == [("dead", 3), ("indexed", 1)]


def test_trouble_of_the_surroundings_costs_a_photo_no_attempt(
    queue: Queue, fake_pipeline: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.put(photo(0), photo(1))

    def full_disk(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(type(queue.services.blobs), "put", full_disk)
        for _ in range(5):
            with pytest.raises(OSError, match="No space"):
                queue.run(fake_pipeline)

    assert queue.sweep() == 0
    assert queue.run(fake_pipeline) == 2
    assert queue.states() == [("indexed", 1)] * 2


@pytest.mark.parametrize("failing", [Kind.CROP, Kind.PREVIEW])
def test_a_try_that_fails_leaves_no_crops_behind(
    queue: Queue,
    fake_pipeline: Any,
    photo: Photo,
    monkeypatch: pytest.MonkeyPatch,
    failing: Kind,
) -> None:
    fake_pipeline.faces = 3
    queue.put(photo(0))
    blobs = queue.services.blobs
    put, stored = blobs.put, []

    def nearly_full_disk(kind: Kind, key: str, data: bytes) -> None:
        if kind is failing and stored:
            raise OSError(28, "No space left on device")
        put(kind, key, data)
        stored.append(key)

    with monkeypatch.context() as patch:
        patch.setattr(blobs, "put", nearly_full_disk)
        with pytest.raises(OSError, match="No space"):
            queue.run(fake_pipeline)

    assert stored, "some were stored before the disk was full"
    assert queue.files()["crops"] == 0
    assert queue.run(fake_pipeline) == 1
    assert queue.files()["crops"] == 3


def test_rows_that_cannot_be_written_leave_no_crops_behind(
    queue: Queue, fake_pipeline: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.put(photo(0))

    def away(*_: Any, **__: Any) -> None:
        raise psycopg.OperationalError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "finish", away)
        with pytest.raises(psycopg.OperationalError, match="away"):
            queue.run(fake_pipeline)

    assert queue.files()["crops"] == 0


def test_a_silent_workers_photos_are_taken_over_alone_and_its_late_result_is_not_written(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    other: Any = type(fake_pipeline)()
    taken_over = []

    def fall_silent(_: Any) -> None:
        queue.expire_leases()
        taken_over.append(queue.run(other))

    fake_pipeline.before = fall_silent
    queue.put(photo(0), photo(1))

    queue.run(fake_pipeline)

    assert taken_over == [1]
    assert queue.states() == [("indexed", 2), ("indexed", 1)]
    assert queue.sql("SELECT count(*) FROM faces") == [(2,)]
    assert queue.files() == {"photos": 2, "thumbnails": 2, "previews": 2, "crops": 2}
    assert_counters_are_true(queue)


def test_a_lease_is_kept_as_long_as_the_batch_runs(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    short = queue.services.settings.model_copy(update={"lease_s": 0.3})
    services = replace(queue.services, settings=short)
    fake_pipeline.before = lambda _: threading.Event().wait(1)
    queue.put(photo(1))

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(queue.run, fake_pipeline, services)
        threading.Event().wait(0.7)
        taken_meanwhile = queue.run(type(fake_pipeline)())
        running.result()

    assert taken_meanwhile == 0
    assert queue.states() == [("indexed", 1)]


def test_a_photo_whose_workers_all_fell_silent_is_given_up(
    queue: Queue, photo: Photo, settings: Any
) -> None:
    (image_id,) = queue.put(photo(1))
    queue.sql(
        "UPDATE items SET state = 'running', attempts = %s, lease_until = now() - interval '1 s'",
        settings.max_attempts,
    )

    assert queue.sweep() == 1
    image = queue.image(image_id)
    assert (image.state, image.reason, image.detail) == (
        *("dead", "worker_lost"),
        indexing.WORKER_LOST,
    )


def test_an_image_deleted_while_it_is_indexed_stays_deleted_with_all_its_files(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    kept, gone = queue.put(photo(0), photo(1))
    fake_pipeline.before = lambda _: gallery.delete_image(
        queue.services.pool, queue.services.blobs, gone
    )

    queue.run(fake_pipeline)

    assert queue.sql("SELECT id FROM images") == [(kept,)]
    assert queue.states() == [("indexed", 1), ("skipped", 1)]
    assert queue.files() == {"photos": 1, "thumbnails": 1, "previews": 1, "crops": 1}
    assert_counters_are_true(queue)


def test_an_image_deleted_before_its_turn_closes_its_item(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    (gone,) = queue.put(photo(1))
    gallery.delete_image(queue.services.pool, queue.services.blobs, gone)

    assert queue.run(fake_pipeline) == 1
    assert queue.sql("SELECT state, reason FROM items") == [("skipped", "image_deleted")]


def test_a_collection_deleted_while_it_is_indexed_stays_deleted_with_all_its_files(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    queue.put(photo(0), photo(1))
    fake_pipeline.before = lambda _: collections.delete(
        queue.services.pool,
        queue.services.blobs,
        queue.collection.id,
        confirm=str(queue.collection.id),
    )

    queue.run(fake_pipeline)

    assert queue.sql("SELECT count(*) FROM faces") == [(0,)]
    assert queue.files() == {"photos": 0, "thumbnails": 0, "previews": 0, "crops": 0}


def test_a_photo_whose_file_is_lost_says_so_and_is_read_again_when_sent_again(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    lost, kept = queue.put(photo(0), photo(1))
    queue.services.blobs.delete(Kind.PHOTO, queue.image(lost).sha256.hex())

    queue.run(fake_pipeline)

    assert (queue.image(lost).state, queue.image(lost).reason) == ("rejected", "blob_missing")
    assert queue.image(kept).state == "indexed"
    queue.put(photo(0))
    queue.run(fake_pipeline)
    assert queue.image(lost).state == "indexed"


def test_a_database_that_goes_away_loses_no_photo(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    queue.put(photo(1))

    def cut(_: Any) -> None:
        with psycopg.connect(queue.services.settings.database_url or "", autocommit=True) as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    fake_pipeline.before = cut

    assert queue.run(fake_pipeline) == 1
    assert queue.states() == [("indexed", 1)]


def test_deleting_and_indexing_at_the_same_time_never_waits_in_a_circle(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    images = queue.put(*(photo(n) for n in range(48)))
    settings = queue.services.settings.model_copy(update={"batch_photos": 4})
    small = replace(queue.services, settings=settings)

    def work() -> None:
        while queue.run(fake_pipeline, small):
            pass

    def delete(some: list[UUID]) -> None:
        for image_id in some:
            gallery.delete_image(queue.services.pool, queue.services.blobs, image_id)

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(work) for _ in range(2)]
        futures += [pool.submit(delete, images[start::4]) for start in (0, 1)]
        for future in futures:
            future.result()

    assert queue.sql("SELECT count(*) FROM images") == [(24,)]
    assert queue.files() == {"photos": 24, "thumbnails": 24, "previews": 24, "crops": 24}
    assert_counters_are_true(queue)


def assert_counters_are_true(queue: Queue) -> None:
    """The counters of collections and images equal the rows that they count."""
    false = queue.sql(
        """
        SELECT c.id FROM collections AS c
         WHERE c.image_count <> (SELECT count(*) FROM images WHERE collection_id = c.id)
            OR c.face_count <> (SELECT count(*) FROM faces WHERE collection_id = c.id)
        UNION ALL
        SELECT i.id FROM images AS i
         WHERE i.face_count <> (SELECT count(*) FROM faces WHERE image_id = i.id)
        """
    )
    assert false == []


def test_a_claim_that_cannot_be_released_runs_out(
    queue: Queue, fake_pipeline: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.put(photo(1))
    fake_pipeline.poison = {photo(1)}

    def away(*_: Any, **__: Any) -> int:
        raise psycopg.OperationalError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "release", away)
        with pytest.raises(RuntimeError, match="cannot stand"):
            queue.run(fake_pipeline)
    assert queue.states() == [("running", 1)]

    queue.expire_leases()
    fake_pipeline.poison = set()

    assert queue.run(fake_pipeline) == 1
    assert queue.states() == [("indexed", 2)]


def test_a_lease_that_cannot_be_renewed_does_not_stop_the_batch(
    queue: Queue, fake_pipeline: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = queue.services.settings.model_copy(update={"lease_s": 0.3})
    tried = threading.Event()

    def away(*_: Any, **__: Any) -> int:
        tried.set()
        raise psycopg.OperationalError("the database is away")

    monkeypatch.setattr(jobs, "renew", away)
    fake_pipeline.before = lambda _: tried.wait(10)
    queue.put(photo(1))

    assert queue.run(fake_pipeline, replace(queue.services, settings=short)) == 1
    assert queue.states() == [("indexed", 1)]
