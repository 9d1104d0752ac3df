"""Faces repeat what their photo says, whatever changes while they are indexed."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from core import gallery, intake
from core.db import faces as face_rows
from core.offers import Upload
from core.services import Services
from tests.queues import Queue

Photo = Callable[[int], bytes]
NOON = datetime(2024, 5, 31, 12, tzinfo=UTC)
NIGHT = datetime(2024, 6, 1, tzinfo=UTC)


def change(services: Services, image_id: UUID, **given: Any) -> None:
    with services.pool.connection() as conn:
        gallery.change_image(conn, image_id, **given)


def repeated(queue: Queue, image_id: UUID) -> list[tuple[list[str], datetime | None]]:
    """What the faces of an image say."""
    with queue.services.pool.connection() as conn:
        return [(face.tags, face.captured_at) for face in gallery.image(conn, image_id).faces]


def put(queue: Queue, photo: bytes, **given: Any) -> UUID:
    upload = Upload("a.png", photo, **given)
    receipt = intake.accept(queue.services, queue.doorbell, queue.collection.id, [upload])
    assert receipt.items[0].image_id is not None
    return receipt.items[0].image_id


def test_faces_repeat_the_tags_and_the_time_of_their_photo(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    fake_pipeline.faces = 2
    tagged = put(queue, photo(1), tags=("vip", "Ä b"), captured_at=NOON)
    plain = put(queue, photo(2))

    queue.run(fake_pipeline)

    assert repeated(queue, tagged) == [(["vip", "Ä b"], NOON)] * 2
    assert repeated(queue, plain) == [([], None)] * 2


def test_a_change_while_a_photo_is_analysed_reaches_its_faces(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    image_id = put(queue, photo(1), tags=("old",), captured_at=NOON)

    def meanwhile(photos: Sequence[bytes]) -> None:
        change(queue.services, image_id, tags=["new"], no_captured_at=True)

    fake_pipeline.before = meanwhile
    queue.run(fake_pipeline)

    assert repeated(queue, image_id) == [(["new"], None)]


def test_a_change_while_the_faces_are_written_waits_and_then_reaches_them(
    queue: Queue, fake_pipeline: Any, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = put(queue, photo(1), tags=("old",))
    insert_many = face_rows.insert_many
    changing = threading.Thread(
        target=change, args=[queue.services, image_id], kwargs={"tags": ["new"]}
    )

    def with_the_photo_locked(*args: Any) -> None:
        insert_many(*args)
        changing.start()
        changing.join(0.3)
        assert changing.is_alive()

    monkeypatch.setattr(face_rows, "insert_many", with_the_photo_locked)
    queue.run(fake_pipeline)
    changing.join(10)

    assert repeated(queue, image_id) == [(["new"], None)]


def test_faces_never_end_up_with_other_facets_than_their_photo(
    queue: Queue, fake_pipeline: Any, photo: Photo
) -> None:
    ids = queue.put(*(photo(n) for n in range(24)))
    one_at_a_time = replace(
        queue.services, settings=queue.services.settings.model_copy(update={"batch_photos": 3})
    )
    done = threading.Event()

    def keep_changing(name: str) -> int:
        changes = 0
        while not done.is_set():
            for image_id in ids:
                at = NOON if changes % 2 else NIGHT
                change(queue.services, image_id, tags=[f"{name} {changes}"], captured_at=at)
                changes += 1
        return changes

    with ThreadPoolExecutor(3) as threads:
        changing = [threads.submit(keep_changing, name) for name in ("a", "b")]
        while queue.run(fake_pipeline, one_at_a_time):
            pass
        done.set()
        changed = sum(future.result() for future in changing)

    assert changed > 0
    assert queue.sql("SELECT count(*) FROM faces") == [(24,)]
    assert queue.sql(
        "SELECT faces.id FROM faces JOIN images ON images.id = faces.image_id"
        " WHERE (faces.tags, faces.captured_at) IS DISTINCT FROM (images.tags, images.captured_at)"
    ) == []  # fmt: skip
