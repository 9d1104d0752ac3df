"""The whole system with its photos in a bucket: in, found, checked, gone, and while the bucket is away."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from core import checks, gallery, intake, search, storage_check
from core.blob_check import Trouble, check, remove_orphans
from core.blobs import OF_A_PHOTO, Kind, Tally
from core.blobs_s3 import S3Blobs
from core.checks import Checked
from core.db import images as image_rows
from core.db.collections import Collection
from core.db.pool import Connection, connect
from core.errors import DiskFull, SetupError, StorageUnavailable
from core.finding import Options
from core.findings import Level
from core.indexing import index_batch
from core.offers import Upload
from core.removal import remove_files
from core.services import Services, require_disk, services_for
from core.settings import Settings
from tests.object_storage import PREFIX, ObjectStorage, Wire, bucket_of
from web.cli import main
from web.cli.services import PARTLY
from web.doorbell import CeleryDoorbell

Photo = Callable[[int], bytes]
DAY = 86_400


@pytest.fixture
def settings(settings: Settings, object_storage: ObjectStorage) -> Settings:
    """As everywhere, with the blobs in a bucket."""
    return object_storage.of(settings)


@pytest.fixture
def fragile(
    settings: Settings, own_storage: ObjectStorage, wire: Wire
) -> Iterator[tuple[Services, Settings]]:
    """Services whose bucket can be cut off."""
    chosen = own_storage.of(settings, port=wire.port)
    with services_for(chosen) as opened:
        yield opened, chosen


def objects(services: Services) -> set[tuple[Kind, str]]:
    return {(kind, each.key) for kind in Kind for each in services.blobs.keys(kind)}


def test_a_photo_goes_its_whole_way(
    services: Services,
    collection: Collection,
    start_worker: Callable[..., Any],
    wait_until: Callable[..., None],
    shared_data: Path,
    object_storage: ObjectStorage,
) -> None:
    folders = sorted(path for path in (shared_data / "faces" / "lfw").iterdir() if path.is_dir())
    photos = [sorted(folder.glob("*.jpg"))[0].read_bytes() for folder in folders[:2]]
    worker = start_worker(services.settings)
    bell = CeleryDoorbell(services.settings)
    uploads = [Upload(f"{number}.jpg", photo) for number, photo in enumerate(photos)]

    receipt = intake.accept(services, bell, collection.id, uploads)
    ids = [item.image_id for item in receipt.items if item.image_id]

    def indexed() -> bool:
        with services.pool.connection() as conn:
            return {image.state for image in image_rows.many(conn, ids).values()} == {"indexed"}

    wait_until(indexed, seconds=60, log=worker.log)
    assert gallery.photo(services.pool, services.blobs, ids[0])[1] == photos[0]
    assert gallery.small_copy(services.pool, services.blobs, ids[0], Kind.PREVIEW)
    assert {kind for kind, _ in objects(services)} == set(Kind)
    assert not (services.settings.data_dir / "blobs").exists()

    (face,) = search.by_photo(services, bell, [collection], photos[1], Options(limit=1)).faces
    assert face.found is not None
    assert face.found.matches[0].neighbour.image_id == ids[1]
    assert face.found.matches[0].neighbour.cosine > 0.99

    for image_id in ids:
        gallery.delete_image(services.pool, services.blobs, image_id)
    assert object_storage.objects(services.settings) == []


def test_a_bucket_that_is_away_costs_no_photo_an_attempt(
    fragile: tuple[Services, Settings],
    own_storage: ObjectStorage,
    doorbell: Any,
    collection: Collection,
    fake_pipeline: Any,
    photo: Photo,
) -> None:
    services, _ = fragile
    intake.accept(services, doorbell, collection.id, [Upload("a.png", photo(1))])
    queue = _Queue(services, collection, fake_pipeline)
    own_storage.kill()

    for _ in range(services.settings.max_attempts + 1):
        with pytest.raises(StorageUnavailable):
            queue.run()
    assert queue.states() == [("waiting", 0)]

    fake_pipeline.before = lambda photos: own_storage.kill()  # between reading and writing
    own_storage.start()
    with pytest.raises(StorageUnavailable):
        queue.run()
    assert queue.states() == [("waiting", 0)]

    fake_pipeline.before = lambda photos: None
    own_storage.start()
    assert queue.run() == 1
    assert queue.states() == [("indexed", 1)]
    assert len(objects(services)) == 4


def test_an_upload_while_the_bucket_is_away_stores_nothing_and_says_so(
    fragile: tuple[Services, Settings],
    own_storage: ObjectStorage,
    doorbell: Any,
    collection: Collection,
    photo: Photo,
) -> None:
    services, _ = fragile
    own_storage.kill()

    with pytest.raises(StorageUnavailable) as raised:
        intake.accept(services, doorbell, collection.id, [Upload("a.png", photo(1))])

    assert raised.value.retryable
    with services.pool.connection() as conn:
        assert conn.execute("SELECT count(*) FROM images").fetchone() == (0,)
        assert conn.execute("SELECT count(*) FROM items").fetchone() == (0,)
    own_storage.start()
    intake.accept(services, doorbell, collection.id, [Upload("a.png", photo(1))])
    assert len(objects(services)) == 1


def test_what_a_deletion_could_not_remove_is_removed_later(
    fragile: tuple[Services, Settings],
    own_storage: ObjectStorage,
    doorbell: Any,
    collection: Collection,
    photo: Photo,
) -> None:
    services, _ = fragile
    receipt = intake.accept(services, doorbell, collection.id, [Upload("a.png", photo(1))])
    (image_id,) = [item.image_id for item in receipt.items if item.image_id]
    own_storage.kill()
    with pytest.raises(StorageUnavailable):
        gallery.delete_image(services.pool, services.blobs, image_id)
    own_storage.start()
    assert len(objects(services)) == 1

    assert remove_files(services.pool, services.blobs) == 1
    assert objects(services) == set()


def test_room_on_this_machine_is_not_asked_for_where_photos_go_to_a_bucket(
    services: Services, settings: Settings, tmp_path: Path
) -> None:
    too_much = 1 << 60
    require_disk(settings, too_much)
    with pytest.raises(DiskFull):
        require_disk(settings.model_copy(update={"blobs_url": None}), too_much)


def test_orphans_and_losses_in_a_bucket_are_found_and_only_orphans_removed(
    services: Services, store: Any, photo: Photo, object_storage: ObjectStorage
) -> None:
    (lost, damaged) = store(photo(1), photo(2))
    with services.pool.connection() as conn:
        digests = [image.sha256.hex() for image in image_rows.many(conn, [lost, damaged]).values()]
        keys = dict(zip(image_rows.many(conn, [lost, damaged]), digests, strict=True))
    services.blobs.delete(Kind.THUMBNAIL, keys[lost])
    services.blobs.put(Kind.PHOTO, keys[damaged], b"something else")
    for number in range(300):
        key = f"{number:032x}"
        object_storage.put(services.settings, f"crops/{key[-2:]}/{key}", b"old", age_s=DAY)
    object_storage.put(services.settings, f"crops/ff/{'f' * 32}", b"young")
    upload: Any = {"Bucket": bucket_of(services.settings), "Key": f"{PREFIX}/photos/aa/{'a' * 64}"}
    object_storage.client.create_multipart_upload(**upload)

    report = check(services, deep=True)

    faults = [
        (fault.kind, fault.trouble, fault.image_id)
        for found in report.kinds.values()
        for fault in found.faults
    ]
    assert sorted(faults) == [
        (Kind.PHOTO, Trouble.DAMAGED, damaged),
        (Kind.THUMBNAIL, Trouble.MISSING, lost),
    ]
    assert report.kinds[Kind.CROP].orphans == Tally(300, 900)
    assert report.kinds[Kind.CROP].recent == Tally(1, 5)
    assert report.leftovers == Tally()  # it began a moment ago
    assert remove_orphans(services) == Tally(300, 900)
    assert check(services, grace_s=-60).leftovers == Tally(1, 0)
    assert len(objects(services)) == 8


def test_the_command_checks_a_bucket(
    services: Services,
    store: Any,
    photo: Photo,
    object_storage: ObjectStorage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store(photo(1))
    object_storage.put(services.settings, f"crops/00/{'0' * 32}", b"old", age_s=DAY)
    for kind in OF_A_PHOTO[1:]:
        (listed,) = services.blobs.keys(kind)
        services.blobs.delete(kind, listed.key)
    for name, value in services.settings.environment().items():
        monkeypatch.setenv(name, value)

    result = CliRunner().invoke(main, ["blobs", "check", "--remove", "--yes", "--json"])

    told = json.loads(result.stdout)
    assert result.exit_code == PARTLY, result.output
    assert (told["kinds"]["thumbnails"]["missing"], told["kinds"]["previews"]["missing"]) == (1, 1)
    assert told["removed"] == {"files": 1, "bytes": 3}
    assert len(objects(services)) == 2


# --- at the start --------------------------------------------------------------------------------


@pytest.fixture
def own(settings: Settings) -> Iterator[Connection]:
    assert settings.database_url is not None
    with closing(connect(settings.database_url)) as conn:
        yield conn


def test_a_bucket_that_can_be_used_is_left_as_it_was(
    settings: Settings, object_storage: ObjectStorage, caplog: pytest.LogCaptureFixture
) -> None:
    assert [each.level for each in storage_check.look(settings)] == [Level.OK]
    checks.require(settings, logging.getLogger("tests"))

    assert bucket_of(settings) not in caplog.text
    assert object_storage.objects(settings) == []


@pytest.mark.parametrize(
    ("wrong", "what", "cure"),
    [
        ({"blobs_url": "s3://none-such"}, "NoSuchBucket", "Create it, or correct FACESEARCH_BLOBS_URL"),
        ({"s3_secret_key": "wrong"}, "SignatureDoesNotMatch", "Set FACESEARCH_S3_ACCESS_KEY"),
        ({"s3_access_key": "NOBODYKNOWSTHISKEY"}, "InvalidAccessKeyId", "Set FACESEARCH_S3_ACCESS"),
        ({"s3_access_key": None, "s3_secret_key": None}, "NoCredentials", "Set FACESEARCH_S3_ACCE"),
    ],
)  # fmt: skip
def test_a_process_does_not_start_where_its_bucket_refuses_it(
    settings: Settings, plain_settings: Settings, wrong: dict[str, Any], what: str, cure: str
) -> None:
    chosen = Settings.model_validate({**settings.model_dump(), **wrong})

    with pytest.raises(SetupError) as raised:
        checks.require(chosen, logging.getLogger())

    assert what in str(raised.value)
    assert cure in str(raised.value)
    assert "secret-of-the-tests" not in str(raised.value)


def test_a_server_that_is_away_is_a_warning_for_searches_do_without_it(
    settings: Settings, free_port: int, caplog: pytest.LogCaptureFixture, own: Connection
) -> None:
    away = settings.model_copy(update={"s3_endpoint": f"http://127.0.0.1:{free_port}"})

    checks.require(away, logging.getLogger("tests"))

    assert "cannot be used now, and photos wait" in caplog.text
    (told,) = [each for each in Checked(away).findings(own) if each.level is not Level.OK]
    assert bucket_of(settings) in told.what


def test_a_page_that_is_asked_often_writes_nothing(
    settings: Settings, own: Connection, own_storage: ObjectStorage, wire: Wire
) -> None:
    sent: list[bytes] = []
    chosen = own_storage.of(settings, port=wire.port)
    wire.change = lambda data: sent.append(data) or data

    findings = Checked(chosen).findings(own)

    assert findings[-1].level is Level.OK
    assert [data.split()[0] for data in sent] == [b"GET"]


def test_nothing_is_asked_where_photos_are_in_a_folder(plain_settings: Settings) -> None:
    assert storage_check.look(plain_settings) == storage_check.glance(plain_settings) == []


def test_secrets_are_neither_shown_nor_logged(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with closing(S3Blobs(settings)) as blobs:
        blobs.put(Kind.CROP, "0" * 32, b"crop")

    for secret in (settings.s3_access_key, settings.s3_secret_key):
        assert secret is not None
        assert (
            secret.get_secret_value() not in f"{settings!r} {settings.model_dump()} {caplog.text}"
        )
        assert secret.get_secret_value() in settings.environment().values()


class _Queue:
    """One batch after the other, on services of the test's own."""

    def __init__(self, services: Services, collection: Collection, pipeline: Any) -> None:
        self._services = services
        self._pipelines = {collection.space_id: pipeline}

    def run(self) -> int:
        return index_batch(self._services, self._pipelines)

    def states(self) -> list[tuple[str, int]]:
        with self._services.pool.connection() as conn:
            return conn.execute("SELECT state, attempts FROM items ORDER BY id").fetchall()
