"""The queue's promises: nothing lost, nothing twice, and one bad photo harms nobody else."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core import gallery, indexing, people
from core.blobs import Kind
from core.db import arrivals
from core.services import Services
from core.stages import Stage, Work
from tests.queues import Queue, assert_counters_are_true

Photo = Callable[[int], bytes]


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


def test_new_faces_arrive_where_somebody_has_a_name(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    fake_pipeline.faces, fake_pipeline.skipped = 2, 1
    home = queue.collection.id
    queue.put(photo(1))
    queue.run(fake_pipeline)
    with queue.services.pool.connection() as conn:
        assert arrivals.take(conn, home, 9) == []
        people.create(conn, home, name="Ada", actor="test")

    (image_id,) = queue.put(photo(2))
    queue.run(fake_pipeline)

    with queue.services.pool.connection() as conn:
        stored = gallery.image(conn, image_id)
        assert set(arrivals.take(conn, home, 9)) == {face.id for face in stored.faces}
    assert len(stored.faces) == 2


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
        {
            "box": [1.0, 0.0, 5.0, 4.0],
            "score": 0.9,
            "reason": "bad_landmarks",
            "reasons": ["bad_landmarks"],
        }
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


def test_what_a_batch_cost_is_added_to_each_of_its_jobs(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    fake_pipeline.refuse = {photo(3)}
    queue.put(photo(0), photo(1))
    queue.put(photo(2), photo(3))
    queue.run(fake_pipeline)
    queue.put(photo(4))
    queue.run(fake_pipeline)

    jobs = queue.sql("SELECT work, started_at <= now() FROM jobs ORDER BY id")

    work = [Work.from_json(stored) for stored, _ in jobs]
    assert [(each.photos, each.faces) for each in work] == [(2, 2), (1, 1), (1, 1)]
    assert work[0].stages[Stage.DETECT].busy == pytest.approx(0.4)
    shares = [each.stages[Stage.WRITE].busy for each in work]
    assert shares[0] == pytest.approx(2 * shares[1])
    assert all(each.stages[Stage.WRITE].places == 2 for each in work)
    assert [started for _, started in jobs] == [True] * 3


def test_a_second_batch_of_a_job_adds_to_the_first(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    queue.put(*(photo(n) for n in range(20)))
    queue.run(fake_pipeline)
    [(first,)] = queue.sql("SELECT started_at FROM jobs")

    queue.run(fake_pipeline)

    [(stored, started)] = queue.sql("SELECT work, started_at FROM jobs")
    assert Work.from_json(stored).photos == 20
    assert started == first


def test_one_batch_is_analysed_while_another_one_is_written(
    queue: Queue, fake_pipeline: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.put(*(photo(n) for n in range(20)))
    blobs = queue.services.blobs
    put, second_began = blobs.put, threading.Event()

    def slow_disk(kind: Kind, key: str, data: bytes) -> None:
        assert second_began.wait(10), "nobody analyses while files are written"
        put(kind, key, data)

    def note(photos: Sequence[bytes]) -> None:
        if len(fake_pipeline.batches) > 1:
            second_began.set()

    fake_pipeline.before = note
    monkeypatch.setattr(blobs, "put", slow_disk)

    with ThreadPoolExecutor(2) as threads:
        running = [threads.submit(queue.run, fake_pipeline) for _ in range(2)]
        done = sorted(future.result() for future in running)

    assert done == [4, 16]
    assert set(queue.states()) == {("indexed", 1)}


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
