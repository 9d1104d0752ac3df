"""Indexing in trouble: batches that break, workers that fall silent, rows and files that vanish."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from core import collections, gallery, indexing
from core.blobs import Kind
from core.db import jobs
from core.errors import DeviceUnavailable
from tests.queues import Queue, assert_counters_are_true

Photo = Callable[[int], bytes]


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


def test_a_photo_that_breaks_each_batch_fails_while_its_neighbours_are_indexed(
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
    assert (image.state, image.reason) == ("dead", "processing_failed")
    assert image.detail == "The last try failed: RuntimeError."
    assert queue.image(first).state == queue.image(last).state == "indexed"
    assert queue.states() == [("indexed", 2), ("failed", 3), ("indexed", 2)]
    assert queue.sweep() == 0
    assert_counters_are_true(queue)


def test_a_dead_photo_that_is_sent_again_gets_another_try(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    (image_id,) = queue.put(photo(1))
    queue.sql("UPDATE items SET attempts = 3, state = 'running', lease_until = now()")
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


def test_a_device_that_refuses_a_pack_costs_a_photo_no_attempt(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    queue.put(photo(0), photo(1))

    class Refusing(dict[str, Any]):
        def __getitem__(self, space_id: str) -> Any:
            raise DeviceUnavailable("The GPU computes something else.")

    for _ in range(5):
        with pytest.raises(DeviceUnavailable):
            indexing.index_batch(
                queue.services, Refusing({queue.collection.space_id: fake_pipeline})
            )

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
    one_at_a_time = threading.Lock()

    def nearly_full_disk(kind: Kind, key: str, data: bytes) -> None:
        with one_at_a_time:
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
