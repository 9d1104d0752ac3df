"""Photos from the buckets of the operator: those that are allowed, and no byte of others."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from core.errors import FileTooLarge, SourceMissing, SourceNotAllowed, SourceUnreachable
from core.objects import Objects
from core.settings import MIB, Settings
from tests.object_storage import PREFIX, ObjectStorage, answering, bucket_of

Reader = Callable[..., Objects]


@pytest.fixture
def chosen(plain_settings: Settings, object_storage: ObjectStorage) -> Settings:
    """Settings of a bucket with one photo, ``face/search/in/photo.jpg``, that allow nothing."""
    settings = object_storage.of(plain_settings)
    object_storage.put(settings, "in/photo.jpg", b"photo")
    return settings


@pytest.fixture
def reader(chosen: Settings) -> Iterator[Reader]:
    """Read objects, with other settings where they are given; closed after the test."""
    with ExitStack() as opened:

        def make(**other: Any) -> Objects:
            allowed = {"import_buckets": bucket_of(chosen), **other}
            return opened.enter_context(Objects(chosen.model_copy(update=allowed)))

        yield make


@pytest.fixture
def address(chosen: Settings) -> str:
    return f"s3://{bucket_of(chosen)}/{PREFIX}/in/photo.jpg"


@pytest.mark.parametrize("allowed", ["{}", "{}/", "other-one, {}/face", "{}/face/search/in/"])
def test_an_object_of_an_allowed_bucket_is_read(
    reader: Reader, chosen: Settings, address: str, allowed: str
) -> None:
    objects = reader(import_buckets=allowed.format(bucket_of(chosen)))

    assert objects.fetch(address) == b"photo"


@pytest.mark.parametrize("allowed", [None, "other-one", "{}/fac", "{}/face/search/i", "{}/in"])
def test_nothing_is_asked_for_outside_of_what_is_allowed(
    reader: Reader, chosen: Settings, address: str, allowed: str | None
) -> None:
    nowhere = "http://127.0.0.1:1"
    objects = reader(
        import_buckets=allowed and allowed.format(bucket_of(chosen)), s3_endpoint=nowhere
    )

    with pytest.raises(SourceNotAllowed, match="IMPORT_BUCKETS"):
        objects.fetch(address)


@pytest.mark.parametrize(
    "key", ["in/../../secret.jpg", "../photo.jpg", "./photo.jpg", "in/..", "in/./photo.jpg"]
)
def test_a_key_that_some_servers_take_for_a_way_upwards_is_refused(
    reader: Reader, chosen: Settings, key: str
) -> None:
    with pytest.raises(SourceNotAllowed, match="between slashes"):
        reader().fetch(f"s3://{bucket_of(chosen)}/{key}")


@pytest.mark.parametrize(
    "text", ["", "photo.jpg", "s3://", "s3://bucket", "s3://bucket/", "s3:///key", "http://b/k"]
)
def test_what_names_no_object_is_refused(reader: Reader, text: str) -> None:
    with pytest.raises(SourceNotAllowed, match="s3://bucket/key"):
        reader().fetch(text)


def test_names_of_any_kind_are_found(
    reader: Reader, chosen: Settings, object_storage: ObjectStorage
) -> None:
    for name in ("Zoë & Söhne/a+b %20=?#.jpg", "..b/c..", "日本/写真.jpg"):
        object_storage.put(chosen, name, name.encode())

        assert reader().fetch(f"s3://{bucket_of(chosen)}/{PREFIX}/{name}") == name.encode()


def test_an_object_or_a_bucket_that_is_not_there_is_missing(reader: Reader, address: str) -> None:
    with pytest.raises(SourceMissing, match="no such object"):
        reader().fetch(f"{address}2")
    with pytest.raises(SourceMissing, match="no bucket none-such"):
        reader(import_buckets="none-such").fetch("s3://none-such/photo.jpg")


def test_several_buckets_of_one_server_are_read(
    reader: Reader, chosen: Settings, object_storage: ObjectStorage, address: str
) -> None:
    second = object_storage.of(chosen)
    object_storage.put(second, "b.jpg", b"second")
    objects = reader(import_buckets=f"{bucket_of(chosen)},{bucket_of(second)}")

    assert objects.fetch(address) == b"photo"
    assert objects.fetch(f"s3://{bucket_of(second)}/{PREFIX}/b.jpg") == b"second"


@pytest.mark.parametrize("bytes_more", [0, 1])
def test_the_limit_of_a_photo_is_that_of_an_object(
    reader: Reader, chosen: Settings, object_storage: ObjectStorage, bytes_more: int
) -> None:
    object_storage.put(chosen, "large.jpg", bytes(MIB + bytes_more))
    objects, large = reader(max_photo_mib=1), f"s3://{bucket_of(chosen)}/{PREFIX}/large.jpg"

    if not bytes_more:
        assert len(objects.fetch(large)) == MIB
        return
    with pytest.raises(FileTooLarge) as raised:
        objects.fetch(large)
    assert raised.value.details["max_bytes"] == MIB


@pytest.mark.parametrize(
    "wrong", [{"s3_endpoint": "http://127.0.0.1:1"}, {"s3_secret_key": "wrong"}]
)
def test_a_server_that_is_away_or_knows_no_key_of_ours_may_be_asked_later(
    chosen: Settings, address: str, wrong: dict[str, str]
) -> None:
    given = {"import_buckets": bucket_of(chosen), **wrong}
    settings = Settings.model_validate({**chosen.model_dump(), **given})
    with Objects(settings) as objects, pytest.raises(SourceUnreachable) as raised:
        objects.fetch(address)

    assert raised.value.retryable


def test_an_object_whose_size_is_not_said_is_read_up_to_the_limit(
    reader: Reader, address: str
) -> None:
    with answering(200, "photo", chunked=True) as url:
        assert reader(s3_endpoint=url).fetch(address) == b"photo"
    with answering(200, "x" * (2 * MIB), chunked=True) as url, pytest.raises(FileTooLarge):
        reader(s3_endpoint=url, max_photo_mib=1).fetch(address)


def test_an_object_that_our_key_may_not_read_is_not_allowed(reader: Reader, address: str) -> None:
    denied = answering(403, "<Error><Code>AccessDenied</Code></Error>")
    with denied as url, pytest.raises(SourceNotAllowed, match="AccessDenied"):
        reader(s3_endpoint=url).fetch(address)
