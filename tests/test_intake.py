"""Taking photos in: stored before it is said, once however often they come."""

import hashlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from PIL import Image

from core import collections, gallery, intake
from core.blobs import Kind
from core.db.collections import Collection
from core.errors import (
    BrokerUnavailable,
    CollectionNotFound,
    DiskFull,
    NameTaken,
    UnsupportedFormat,
)
from core.intake import Receipt
from core.offers import Upload
from core.services import Services

Photo = Callable[[int], bytes]


@pytest.fixture
def accept(services: Services, doorbell: Any, collection: Collection) -> Callable[..., Receipt]:
    def into(*photos: bytes, to: Collection = collection) -> Receipt:
        uploads = [Upload(f"{n}.png", photo) for n, photo in enumerate(photos)]
        return intake.accept(services, doorbell, to.id, uploads)

    return into


def count(services: Services, table: str) -> int:
    with services.pool.connection() as conn:
        row = conn.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    return int(row[0]) if row else 0


def photo_files(services: Services) -> int:
    root = services.settings.data_dir / "blobs" / "photos"
    return sum(1 for path in root.rglob("*") if path.is_file())


def test_an_accepted_photo_is_stored_counted_queued_and_rung_for(
    services: Services, doorbell: Any, collection: Collection, accept: Any, photo: Photo
) -> None:
    (item,) = accept(photo(1)).items

    with services.pool.connection() as conn:
        image = gallery.image(conn, item.image_id).image
        counted = collections.get(conn, collection.id)
    assert (item.key, item.state, item.deduplicated) == ("0.png", "waiting", False)
    assert (image.state, image.format, image.width, image.height) == ("waiting", "png", 8, 8)
    assert image.sha256 == hashlib.sha256(photo(1)).digest()
    assert services.blobs.get(Kind.PHOTO, image.sha256.hex()) == photo(1)
    assert counted.image_count == 1
    assert doorbell.ingests == 1


def test_one_request_rings_once_however_many_photos_it_brings(
    accept: Any, doorbell: Any, photo: Photo
) -> None:
    accept(*(photo(n) for n in range(10)))

    assert doorbell.ingests == 1


def test_the_same_bytes_give_the_first_image(
    services: Services, doorbell: Any, accept: Any, photo: Photo
) -> None:
    (first,) = accept(photo(1)).items

    (again,) = accept(photo(1)).items

    assert (again.state, again.reason, again.deduplicated) == ("skipped", "duplicate_image", True)
    assert again.image_id == first.image_id
    assert (count(services, "images"), photo_files(services)) == (1, 1)
    assert doorbell.ingests == 1


def test_the_same_bytes_twice_in_one_request_give_one_image(
    services: Services, accept: Any, photo: Photo
) -> None:
    first, again = accept(photo(1), photo(1)).items

    assert (first.state, again.state) == ("waiting", "skipped")
    assert first.image_id == again.image_id
    assert count(services, "images") == 1


def test_another_collection_gets_an_image_of_its_own_of_the_same_bytes(
    services: Services, accept: Any, photo: Photo
) -> None:
    with services.pool.connection() as conn:
        other = collections.create(conn, services.manifest.pack("open"), name="other")
    accept(photo(1))

    (item,) = accept(photo(1), to=other).items

    assert item.state == "waiting"
    assert (count(services, "images"), photo_files(services)) == (2, 1)


def test_the_same_bytes_in_many_requests_at_once_give_one_image_and_one_file(
    services: Services, collection: Collection, accept: Any, photo: Photo
) -> None:
    with ThreadPoolExecutor(20) as pool:
        receipts = list(pool.map(lambda _: accept(photo(1), photo(2)), range(20)))

    items = [item for receipt in receipts for item in receipt.items]
    with services.pool.connection() as conn:
        counted = collections.get(conn, collection.id)
    assert Counter(item.state for item in items) == {"waiting": 2, "skipped": 38}
    assert len({item.image_id for item in items}) == 2
    assert (count(services, "images"), photo_files(services), counted.image_count) == (2, 2, 2)


def test_requests_with_the_same_photos_in_any_order_never_wait_in_a_circle(
    services: Services, accept: Any, photo: Photo
) -> None:
    photos = [photo(n) for n in range(8)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda order: accept(*order), [photos, photos[::-1]] * 6))

    assert count(services, "images") == 8


def test_an_upload_that_races_a_delete_never_loses_its_file(
    services: Services, accept: Any, photo: Photo
) -> None:
    accept(photo(1))

    def delete_again_and_again() -> None:
        for _ in range(40):
            with services.pool.connection() as conn:
                rows = conn.execute("SELECT id FROM images").fetchall()
            for (image_id,) in rows:
                gallery.delete_image(services.pool, services.blobs, image_id)

    deleter = Thread(target=delete_again_and_again)
    deleter.start()
    while deleter.is_alive():
        accept(photo(1))
    deleter.join()

    accept(photo(1))
    assert services.blobs.get(Kind.PHOTO, hashlib.sha256(photo(1)).hexdigest()) == photo(1)
    assert count(services, "images") == 1


def test_a_refused_photo_says_why_and_its_neighbours_are_taken(
    services: Services, accept: Any, photo: Photo
) -> None:
    receipt = accept(photo(1), b"no picture at all", b"", photo(2))

    assert [(item.state, item.reason) for item in receipt.items] == [
        ("waiting", None),
        ("rejected", "unsupported_format"),
        ("rejected", "image_empty"),
        ("waiting", None),
    ]
    assert receipt.items[1].detail is not None
    with services.pool.connection() as conn:
        job = gallery.job(conn, receipt.job_id)
    assert (job.total, job.waiting, job.rejected) == (4, 2, 2)
    assert photo_files(services) == 2


def test_a_request_of_refused_photos_only_rings_for_nobody(accept: Any, doorbell: Any) -> None:
    accept(b"no picture")

    assert doorbell.ingests == 0


def test_a_strict_request_stores_nothing_when_one_photo_is_refused(
    services: Services, doorbell: Any, collection: Collection, photo: Photo
) -> None:
    uploads = [Upload("good.png", photo(1)), Upload("bad", b"no picture")]

    with pytest.raises(UnsupportedFormat):
        intake.accept(services, doorbell, collection.id, uploads, strict=True)

    assert (count(services, "images"), count(services, "jobs"), photo_files(services)) == (0, 0, 0)


def test_an_unknown_collection_stores_nothing(
    services: Services, doorbell: Any, photo: Photo
) -> None:
    with pytest.raises(CollectionNotFound):
        intake.accept(services, doorbell, UUID(int=7), [Upload("a.png", photo(1))])

    assert (count(services, "jobs"), photo_files(services)) == (0, 0)


def test_an_external_id_that_is_in_use_stores_nothing(
    services: Services, doorbell: Any, collection: Collection, photo: Photo
) -> None:
    def send(*photos: bytes) -> None:
        uploads = [Upload(f"{n}", data, external_id="p-1") for n, data in enumerate(photos)]
        intake.accept(services, doorbell, collection.id, uploads)

    send(photo(1))
    with pytest.raises(NameTaken):
        send(photo(2))

    assert (count(services, "images"), count(services, "jobs")) == (1, 1)
    assert photo_files(services) == 1


def test_a_request_that_fails_half_way_leaves_no_file(
    services: Services,
    accept: Any,
    photo: Photo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accept(photo(0))
    put = services.blobs.put

    def nearly_full_disk(kind: Kind, key: str, data: bytes) -> None:
        if data == photo(2):
            raise OSError(28, "No space left on device")
        put(kind, key, data)

    monkeypatch.setattr(services.blobs, "put", nearly_full_disk)
    with pytest.raises(OSError, match="No space"):
        accept(photo(0), photo(1), photo(2))

    assert (count(services, "images"), photo_files(services)) == (1, 1)


def test_nothing_is_taken_when_the_disk_is_nearly_full(
    services: Services, doorbell: Any, collection: Collection, photo: Photo
) -> None:
    greedy = services.settings.model_copy(update={"min_free_disk_mib": 10**9})

    with pytest.raises(DiskFull):
        intake.accept(
            replace(services, settings=greedy), doorbell, collection.id, [Upload("a", photo(1))]
        )

    assert count(services, "images") == 0


def test_a_broker_that_is_away_delays_photos_and_loses_none(
    services: Services, collection: Collection, photo: Photo, store: Any
) -> None:
    class Broken:
        def ingest(self) -> None:
            raise BrokerUnavailable("The broker cannot be reached.")

        def search(self, request_id: str) -> None:
            raise AssertionError(request_id)

    receipt = intake.accept(services, Broken(), collection.id, [Upload("a.png", photo(1))])

    store()
    with services.pool.connection() as conn:
        assert gallery.job(conn, receipt.job_id).indexed == 1


def test_waiting_for_images_ends_when_the_last_is_indexed(
    services: Services, accept: Any, photo: Photo, store: Any
) -> None:
    ids = [item.image_id for item in accept(photo(1), photo(2)).items]

    early = intake.wait_for_images(services, ids, timeout_s=0.1)
    indexer = Thread(target=store)
    indexer.start()
    late = intake.wait_for_images(services, ids, timeout_s=30)
    indexer.join()

    assert {image.state for image in early.values()} == {"waiting"}
    assert {image.state for image in late.values()} == {"indexed"}


def test_photos_over_the_limits_are_refused_before_they_are_decoded(
    services: Services, doorbell: Any, collection: Collection, photo: Photo
) -> None:
    large = photo(1) + bytes(2**20)
    small = services.settings.model_copy(update={"max_photo_mib": 1})

    receipt = intake.accept(
        replace(services, settings=small), doorbell, collection.id, [Upload("a", large)]
    )

    assert receipt.items[0].reason == "file_too_large"


def test_the_time_that_the_sender_gives_wins_over_that_of_exif(
    services: Services, doorbell: Any, collection: Collection
) -> None:
    exif = Image.Exif()
    exif[0x8769] = {0x9003: "2020:01:01 00:00:00"}
    taken = datetime(2020, 1, 1, tzinfo=UTC)
    given = datetime(2024, 5, 31, tzinfo=UTC)

    def sent(colour: str, **more: Any) -> tuple[list[str], datetime | None]:
        stream = BytesIO()
        Image.new("RGB", (8, 8), colour).save(stream, "JPEG", exif=exif)
        upload = Upload("a.jpg", stream.getvalue(), **more)
        (item,) = intake.accept(services, doorbell, collection.id, [upload]).items
        with services.pool.connection() as conn:
            image = gallery.image(conn, item.image_id).image
        return image.tags, image.captured_at

    assert sent("red") == ([], taken)
    assert sent("blue", captured_at=given, tags=("a",)) == (["a"], given)


def test_bytes_that_are_there_already_keep_what_the_first_sender_said(
    services: Services, doorbell: Any, collection: Collection, photo: Photo
) -> None:
    first = datetime(2024, 5, 31, tzinfo=UTC)
    uploads = [
        Upload("a.png", photo(1), tags=("a",), captured_at=first),
        Upload("b.png", photo(1), tags=("b",), captured_at=first.replace(year=2023)),
    ]

    new, again = intake.accept(services, doorbell, collection.id, uploads).items

    assert again.image_id == new.image_id
    with services.pool.connection() as conn:
        image = gallery.image(conn, new.image_id).image
    assert (image.tags, image.captured_at) == (["a"], first)
