"""The queue with real workers, real beat, real models and a real broker that forgets."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from celery import Celery
from PIL import Image

from core import access, indexes, indexing, intake
from core.blobs import Kind
from core.db.collections import Collection
from core.db.index_work import Action
from core.db.jobs import backlog
from core.doorbell import (
    IMPORT_TASK,
    INDEX_TASK,
    INGEST_QUEUE,
    INGEST_TASK,
    MAINTENANCE_QUEUE,
    REPORT_TASK,
    SEARCH_QUEUE,
    SEARCH_TASK,
    SWEEP_TASK,
)
from core.errors import BlobMissing, ImageTruncated, PackNotInstalled
from core.local import temporary
from core.local.broker import Broker
from core.local.process import Child, wait_ready
from core.offers import Upload
from core.services import Services
from core.settings import Settings
from core.workers_seen import workers
from workers.app import configuration

pytestmark = pytest.mark.usefixtures("pipelines")


class Bell:
    """Rings as the web process does: by name."""

    def __init__(self, settings: Settings) -> None:
        self.app = Celery("test", set_as_current=False)
        self.app.conf.update(configuration(settings))

    def ingest(self) -> None:
        self.app.send_task(INGEST_TASK, queue=INGEST_QUEUE)

    def search(self, request_id: str) -> None:
        self.app.send_task(SEARCH_TASK, args=[request_id], queue=SEARCH_QUEUE)

    def indexes(self) -> None:
        self.app.send_task(INDEX_TASK, queue=MAINTENANCE_QUEUE)

    def imports(self) -> None:
        self.app.send_task(IMPORT_TASK, queue=MAINTENANCE_QUEUE)

    def reports(self) -> None:
        self.app.send_task(REPORT_TASK, queue=MAINTENANCE_QUEUE)


@pytest.fixture
def bell(settings: Settings) -> Bell:
    return Bell(settings)


@pytest.fixture
def upload(services: Services, collection: Collection) -> Callable[..., None]:
    """Take photos in and ring once."""

    def put(doorbell: Any, *photos: bytes) -> None:
        uploads = [Upload(f"{n}.png", photo) for n, photo in enumerate(photos)]
        intake.accept(services, doorbell, collection.id, uploads)

    return put


@pytest.fixture
def states(services: Services) -> Callable[[], dict[str, int]]:
    """How many items there are in each state."""

    def count() -> dict[str, int]:
        with services.pool.connection() as conn:
            return dict(conn.execute("SELECT state, count(*) FROM items GROUP BY state").fetchall())

    return count


def large_photo(number: int) -> bytes:
    """A photo that takes a worker about a tenth of a second."""
    pixels = np.full((1000, 1000, 3), number, dtype=np.uint8)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@contextmanager
def running_broker(home: Path) -> Iterator[str]:
    """A broker of the test's own; its URL is the same whenever it runs in this folder."""
    broker = Broker(home / "broker.sock")
    child = Child(broker.prepare(), home / "broker.log")
    try:
        wait_ready(child, broker.answers, seconds=30)
        yield broker.url
    finally:
        child.stop()


def test_one_ring_is_enough_for_a_backlog_of_many_batches(
    settings: Settings,
    bell: Bell,
    upload: Any,
    photo: Any,
    states: Any,
    start_worker: Any,
    wait_until: Any,
) -> None:
    worker = start_worker(settings.model_copy(update={"batch_photos": 4}))

    upload(bell, *(photo(n) for n in range(30)))

    wait_until(lambda: states() == {"indexed": 30}, seconds=30, log=worker.log)


def test_a_search_is_answered_while_a_backlog_is_indexed(
    services: Services,
    settings: Settings,
    bell: Bell,
    collection: Collection,
    upload: Any,
    photo: Any,
    states: Any,
    start_worker: Any,
    doorbell: Any,
) -> None:
    upload(doorbell, *(large_photo(n) for n in range(30)))
    for _ in range(100):
        bell.ingest()
    start_worker(settings.model_copy(update={"batch_photos": 4}))

    answers = [
        services.exchange.ask(
            photo(number),
            space_id=collection.space_id,
            preview=True,
            timeout_s=10,
            ring=bell.search,
        )
        for number in range(3)
    ]

    assert [(answer.width, answer.faces) for answer in answers] == [(8, ())] * 3
    assert all(answer.preview for answer in answers)
    assert states().get("waiting", 0) > 0, "the backlog was gone before the searches came"


def test_what_a_worker_finds_wrong_with_a_query_photo_reaches_whoever_asked(
    services: Services,
    settings: Settings,
    bell: Bell,
    collection: Collection,
    start_worker: Any,
) -> None:
    start_worker(settings)
    whole = large_photo(1)

    def ask(photo: bytes, space_id: str) -> Any:
        return services.exchange.ask(
            photo, space_id=space_id, preview=False, timeout_s=10, ring=bell.search
        )

    with pytest.raises(ImageTruncated):
        ask(whole[: len(whole) // 2], collection.space_id)
    with pytest.raises(PackNotInstalled):
        ask(whole, "sp_ffffffffffffffffffffffffffffffff")


def test_photos_are_indexed_even_when_the_broker_forgot_every_ring(
    services: Services,
    settings: Settings,
    bell: Bell,
    upload: Any,
    photo: Any,
    states: Any,
    start_worker: Any,
    start_beat: Any,
    wait_until: Any,
) -> None:
    often = settings.model_copy(update={"sweep_s": 1.0})
    upload(bell, *(photo(n) for n in range(5)))
    services.broker.flushall()
    worker = start_worker(often)
    start_beat(often)
    wait_until(lambda: states() == {"indexed": 5}, seconds=30, log=worker.log)

    # Once more, with a worker and a beat that are connected already.
    services.broker.flushall()
    upload(bell, *(photo(n) for n in range(5, 10)))
    services.broker.flushall()

    wait_until(lambda: states() == {"indexed": 10}, seconds=30, log=worker.log)


def test_a_worker_that_is_killed_in_a_batch_loses_nothing_and_doubles_nothing(
    services: Services,
    settings: Settings,
    bell: Bell,
    upload: Any,
    states: Any,
    start_worker: Any,
    start_beat: Any,
    wait_until: Any,
) -> None:
    hasty = settings.model_copy(update={"lease_s": 5, "sweep_s": 1.0, "batch_photos": 6})
    worker = start_worker(hasty)
    upload(bell, *(large_photo(n) for n in range(12)))
    wait_until(lambda: states().get("running", 0) > 0, seconds=20, log=worker.log)

    worker.kill()
    left = states()
    second = start_worker(hasty)
    start_beat(hasty)

    assert left["running"] > 0
    wait_until(lambda: states() == {"indexed": 12}, seconds=60, log=second.log)
    with services.pool.connection() as conn:
        attempts = conn.execute("SELECT attempts, count(*) FROM items GROUP BY 1").fetchall()
    assert dict(attempts) == {1: 12 - left["running"], 2: left["running"]}


def test_a_worker_is_in_the_list_while_it_runs_and_leaves_it_when_it_stops(
    services: Services, settings: Settings, collection: Collection, start_worker: Any
) -> None:
    worker = start_worker(settings)

    (seen,) = workers(services.broker)
    code = worker.stop()

    assert (seen.ready, seen.pid, seen.device) == (True, worker.process.pid, "cpu")
    assert collection.space_id in seen.spaces
    assert code == 0
    assert workers(services.broker) == []


def test_the_sweeper_forgets_what_is_past_its_time_and_removes_files_that_a_deletion_left(
    services: Services,
    collection: Collection,
    settings: Settings,
    bell: Bell,
    start_worker: Any,
    wait_until: Any,
) -> None:
    services.blobs.put(Kind.PHOTO, "ab" * 32, b"of a deleted image")
    with services.pool.connection() as conn:
        token = access.create_login_token(conn, minutes=5)
        access.open_session(conn, token, days=1)
        conn.execute("UPDATE sessions SET expires_at = now() - interval '1 s'")
        conn.execute(
            "INSERT INTO idempotency_keys (requester, key, request, holder, valid_until) "
            "VALUES ('', 'k', '', uuidv7(), now() - interval '1 s')"
        )
        conn.execute(
            "INSERT INTO doomed_files (deletion, kind, key) VALUES (uuidv7(), 'photo', %s)",
            ["ab" * 32],
        )
        conn.execute("INSERT INTO search_days VALUES (%s, '2001-01-01', 1, 0)", [collection.id])
    worker = start_worker(settings)

    bell.app.send_task(SWEEP_TASK, queue=MAINTENANCE_QUEUE)

    def forgotten() -> bool:
        with services.pool.connection() as conn:
            left = conn.execute(
                "SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM doomed_files)"
                " + (SELECT count(*) FROM idempotency_keys) + (SELECT count(*) FROM search_days)"
            ).fetchone()
            return left == (0,)

    wait_until(forgotten, seconds=10, log=worker.log)
    with pytest.raises(BlobMissing):
        services.blobs.get(Kind.PHOTO, "ab" * 32)


def test_a_collection_that_grows_large_gets_a_table_and_an_index_of_its_own(
    services: Services,
    settings: Settings,
    bell: Bell,
    upload: Any,
    collection: Collection,
    fake_pipeline: Any,
    photo: Any,
    doorbell: Any,
    start_worker: Any,
    wait_until: Any,
) -> None:
    upload(doorbell, *(photo(n) for n in range(4)))
    indexing.index_batch(services, {collection.space_id: fake_pipeline})
    worker = start_worker(settings.model_copy(update={"promote_faces": 3}))

    bell.indexes()

    def built() -> bool:
        with services.pool.connection() as conn:
            return indexes.status(conn, collection.id).kinds == ("hnsw",)

    wait_until(built, seconds=10, log=worker.log)


def test_work_on_an_index_whose_worker_is_killed_is_finished_by_another_one(
    services: Services,
    settings: Settings,
    bell: Bell,
    upload: Any,
    collection: Collection,
    fake_pipeline: Any,
    photo: Any,
    doorbell: Any,
    start_worker: Any,
    wait_until: Any,
) -> None:
    fake_pipeline.faces = 250
    upload(doorbell, *(photo(n) for n in range(12)))
    while indexing.index_batch(services, {collection.space_id: fake_pipeline}):
        pass
    killed = start_worker(settings)
    with services.pool.connection() as conn:
        work = indexes.ask(conn, collection.id, Action.PROMOTE, actor="a test")

    def state() -> tuple[str, int]:
        with services.pool.connection() as conn:
            now = indexes.look(conn, work).work
        return now.state, now.attempts

    bell.indexes()
    wait_until(lambda: state()[0] == "running", seconds=10, log=killed.log)
    killed.kill()
    other = start_worker(settings)

    def finished() -> bool:
        bell.indexes()  # as beat does; the killed one's session may be at work for a moment
        return state()[0] == "done"

    wait_until(finished, seconds=20, log=other.log)
    assert state()[1] == 2, "the first try was cut off"
    with services.pool.connection() as conn:
        status = indexes.status(conn, collection.id)
    assert (status.table.faces, status.kinds, status.open) == (3000, ("hnsw",), ())


def test_a_worker_outlives_a_broker_that_goes_and_comes_back_empty(
    settings: Settings,
    upload: Any,
    doorbell: Any,
    photo: Any,
    states: Any,
    start_worker: Any,
    wait_until: Any,
) -> None:
    with temporary.folder() as home:
        with running_broker(home) as url:
            own = settings.model_copy(update={"broker_url": url})
            worker = start_worker(own)
        upload(doorbell, *(photo(n) for n in range(3)))
        with running_broker(home):
            Bell(own).ingest()

            wait_until(lambda: states() == {"indexed": 3}, seconds=60, log=worker.log)
            assert worker.stop() == 0


@pytest.mark.shared_data
def test_two_workers_index_real_photos_once_each(
    services: Services,
    settings: Settings,
    bell: Bell,
    upload: Any,
    states: Any,
    shared_data: Path,
    start_worker: Any,
    wait_until: Any,
) -> None:
    people = sorted((shared_data / "faces" / "lfw").rglob("*.jpg"))[:24]
    small = settings.model_copy(update={"batch_photos": 4})
    with ThreadPoolExecutor(2) as pool:
        first, _ = pool.map(start_worker, [small, small])

    upload(bell, *(path.read_bytes() for path in people))

    wait_until(lambda: states() == {"indexed": 24}, seconds=60, log=first.log)
    with services.pool.connection() as conn:
        found = conn.execute("SELECT count(DISTINCT image_id) FROM faces").fetchone()
        assert backlog(conn).waiting == 0
    assert found == (24,)
