"""Blobs in a bucket: what the server, the wire and the settings can do to them."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from core import s3
from core.blobs import Kind, Tally
from core.blobs_s3 import S3Blobs
from core.errors import BlobMissing, DiskFull, StorageRefused, StorageUnavailable
from core.s3 import Bucket, Patience
from core.settings import Settings
from tests.object_storage import PREFIX, SECRET_KEY, ObjectStorage, Wire, answering, bucket_of

KEY = "00ff" * 16
BRIEF = Patience(connect_s=0.5, answer_s=0.5, tries=1)
OPEN = Callable[..., Bucket]


@pytest.fixture
def chosen(plain_settings: Settings, object_storage: ObjectStorage) -> Settings:
    """Settings of a bucket of this test's own."""
    return object_storage.of(plain_settings)


@pytest.fixture
def blobs(chosen: Settings) -> Iterator[S3Blobs]:
    with closing(S3Blobs(chosen)) as made:
        yield made


@pytest.fixture
def fragile(
    plain_settings: Settings, own_storage: ObjectStorage, wire: Wire
) -> Iterator[tuple[S3Blobs, Settings]]:
    """Blobs on a server that can be killed, behind a wire that can be cut."""
    settings = own_storage.of(plain_settings, port=wire.port)
    with closing(S3Blobs(settings)) as made:
        yield made, settings


def test_objects_are_named_as_the_files_of_a_folder_are(
    blobs: S3Blobs, chosen: Settings, object_storage: ObjectStorage
) -> None:
    blobs.put(Kind.PHOTO, KEY, b"photo")
    blobs.put(Kind.CROP, KEY[:31] + "1", b"crop")

    assert object_storage.objects(chosen) == [f"crops/f1/{KEY[:31]}1", f"photos/ff/{KEY}"]


def test_a_bucket_without_a_prefix_can_be_used(
    plain_settings: Settings, object_storage: ObjectStorage
) -> None:
    settings = object_storage.of(plain_settings)
    bucket = bucket_of(settings)
    for url in (f"s3://{bucket}", f"s3://{bucket}/", f"s3://{bucket}/a/b/"):
        with closing(S3Blobs(settings.model_copy(update={"blobs_url": url}))) as made:
            made.put(Kind.CROP, KEY[:32], b"crop")
            assert [each.key for each in made.keys(Kind.CROP)] == [KEY[:32]]

    found = object_storage.client.list_objects_v2(Bucket=bucket)["Contents"]
    assert [item["Key"] for item in found] == [
        f"a/b/crops/ff/{KEY[:32]}",
        f"crops/ff/{KEY[:32]}",
    ]


def test_what_is_no_blob_is_not_listed(
    blobs: S3Blobs, chosen: Settings, object_storage: ObjectStorage
) -> None:
    blobs.put(Kind.PHOTO, KEY, b"photo")
    for name in (
        KEY,
        f"ff/{KEY.upper()}",
        f"ff/{KEY}.jpg",
        f"00/{KEY}",
        f"ff/more/{KEY}",
        f"ff/{KEY[:32]}",
    ):
        object_storage.put(chosen, f"photos/{name}", b"no blob")

    assert [(each.key, each.bytes) for each in blobs.keys(Kind.PHOTO)] == [(KEY, 5)]


def test_lists_of_more_than_a_page_are_whole_and_in_order(
    blobs: S3Blobs, chosen: Settings, object_storage: ObjectStorage
) -> None:
    for number in range(1100):
        object_storage.put(chosen, f"crops/{number % 3:02x}/{number:030x}{number % 3:02x}", b"")

    keys = [each.key for each in blobs.keys(Kind.CROP)]

    assert len(keys) == 1100
    assert keys == sorted(keys, key=lambda key: (key[-2:], key))


def test_uploads_in_parts_that_were_not_ended_are_left_over(
    blobs: S3Blobs, chosen: Settings, object_storage: ObjectStorage
) -> None:
    where = {"Bucket": bucket_of(chosen), "Key": f"{PREFIX}/photos/ff/{KEY}"}
    client = object_storage.client
    upload: Any = client.create_multipart_upload(**where)  # type: ignore[arg-type]
    client.upload_part(**where, UploadId=upload["UploadId"], PartNumber=1, Body=b"12345")  # type: ignore[arg-type]

    assert blobs.leftovers(time.time() - 60) == Tally()
    assert blobs.leftovers(time.time() + 60) == Tally(1, 5)
    assert blobs.leftovers(time.time() + 60, remove=True) == Tally(1, 5)
    assert blobs.leftovers(time.time() + 60) == Tally()


def test_a_server_that_is_killed_in_the_middle_of_a_put_leaves_what_was_there(
    fragile: tuple[S3Blobs, Settings], own_storage: ObjectStorage, wire: Wire
) -> None:
    blobs, settings = fragile
    blobs.put(Kind.PHOTO, KEY, b"whole")
    passed = 0

    def die_after_a_megabyte(data: bytes) -> bytes | None:
        nonlocal passed
        passed += len(data)
        if passed > 1 << 20:
            own_storage.kill()
            return None
        return data

    wire.change = die_after_a_megabyte
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        blobs.put(Kind.PHOTO, KEY, bytes(4 << 20))
    wire.change = lambda data: data
    own_storage.start()

    assert passed > 1 << 20
    assert blobs.get(Kind.PHOTO, KEY) == b"whole"
    assert own_storage.objects(settings) == [f"photos/ff/{KEY}"]
    blobs.put(Kind.PHOTO, KEY, b"again")
    assert blobs.get(Kind.PHOTO, KEY) == b"again"


def test_what_was_acknowledged_is_there_after_a_power_cut_of_the_server(
    fragile: tuple[S3Blobs, Settings], own_storage: ObjectStorage
) -> None:
    blobs, _ = fragile
    for number in range(20):
        blobs.put(Kind.CROP, f"{number:032x}", b"crop")
    own_storage.kill()
    own_storage.start()

    assert len(list(blobs.keys(Kind.CROP))) == 20


def test_a_connection_that_is_cut_once_costs_nothing(
    fragile: tuple[S3Blobs, Settings], wire: Wire
) -> None:
    blobs, _ = fragile
    cuts = iter([None])
    wire.change = lambda data: next(cuts, data)

    blobs.put(Kind.PHOTO, KEY, b"photo")

    assert blobs.get(Kind.PHOTO, KEY) == b"photo"
    assert wire.connections > 1


def test_bytes_that_change_on_the_way_are_refused_by_the_server(
    fragile: tuple[S3Blobs, Settings], wire: Wire
) -> None:
    blobs, _ = fragile
    wire.change = lambda data: data.replace(b"original", b"tampered")

    with pytest.raises(StorageUnavailable, match="BadDigest"):
        blobs.put(Kind.PHOTO, KEY, b"original")

    wire.change = lambda data: data
    with pytest.raises(BlobMissing):
        blobs.get(Kind.PHOTO, KEY)


def test_a_server_that_hangs_is_given_up(
    plain_settings: Settings, own_storage: ObjectStorage, wire: Wire, open_bucket: OPEN
) -> None:
    settings = own_storage.of(plain_settings, port=wire.port)
    wire.hangs = True
    bucket = open_bucket(settings, Patience(connect_s=0.3, answer_s=0.3, tries=2))
    began = time.monotonic()

    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        bucket.put("key", b"data")

    assert time.monotonic() - began < 5
    assert wire.connections == 2


def test_a_put_at_its_slowest_ends_before_postgres_ends_the_transaction_around_it() -> None:
    pauses = sum(range(1, s3.USUAL.tries))
    waits = s3.USUAL.tries * (s3.USUAL.connect_s + s3.USUAL.answer_s)

    assert waits + pauses < 60  # idle_in_transaction_session_timeout of core.db.pool


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (503, "SlowDown", StorageUnavailable),
        (500, "InternalError", StorageUnavailable),
        (429, "TooManyRequests", StorageUnavailable),
        (400, "RequestTimeout", StorageUnavailable),
        (507, "XMinioStorageFull", DiskFull),
        (403, "QuotaExceeded", DiskFull),
        (403, "AccessDenied", StorageRefused),
        (400, "ExpiredToken", StorageRefused),
        (404, "NoSuchBucket", StorageRefused),
    ],
)
def test_each_answer_of_a_server_has_its_meaning(
    chosen: Settings, open_bucket: OPEN, status: int, code: str, error: type[Exception]
) -> None:
    with answering(status, f"<Error><Code>{code}</Code></Error>") as url:
        bucket = open_bucket(chosen.model_copy(update={"s3_endpoint": url}), BRIEF)

        for use in (lambda: bucket.put("key", b""), lambda: bucket.get("key")):
            with pytest.raises(error) as raised:
                use()
            assert type(raised.value) is error


def test_a_server_that_lists_in_another_order_is_refused(
    chosen: Settings, open_bucket: OPEN
) -> None:
    item = "<Contents><Key>{}</Key><Size>1</Size><LastModified>2026-11-30T00:00:00Z</LastModified>"
    items = "".join(f"{item.format(key)}</Contents>" for key in ("b", "a"))
    with answering(200, f"<ListBucketResult>{items}</ListBucketResult>") as url:
        bucket = open_bucket(chosen.model_copy(update={"s3_endpoint": url}), BRIEF)

        with pytest.raises(StorageRefused, match="order"):
            list(bucket.list(""))


def test_a_machine_without_credentials_is_refused_before_anything_is_sent(
    chosen: Settings, open_bucket: OPEN
) -> None:
    bucket = open_bucket(chosen.model_copy(update={"s3_access_key": None, "s3_secret_key": None}))

    with pytest.raises(StorageRefused) as raised:
        bucket.put("key", b"data")

    assert raised.value.details["reason"] == "NoCredentialsError"


def test_credentials_are_found_as_the_tools_of_aws_do(
    chosen: Settings, open_bucket: OPEN, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chosen.s3_access_key is not None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", chosen.s3_access_key.get_secret_value())
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    bucket = open_bucket(chosen.model_copy(update={"s3_access_key": None, "s3_secret_key": None}))

    bucket.put("key", b"data")

    assert bucket.get("key") == b"data"


def test_the_library_is_loaded_by_whoever_uses_a_bucket_and_by_nobody_else() -> None:
    script = (
        "import sys\n"
        "import web.app, workers.tasks, core.objects, core.imports\n"
        "from core.blobs_s3 import S3Blobs\n"
        "from core.settings import Settings\n"
        "S3Blobs(Settings(_env_file=None, blobs_url='s3://bucket')).close()\n"
        "sys.exit('botocore' in sys.modules)\n"
    )

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
