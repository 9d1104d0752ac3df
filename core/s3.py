"""One bucket of an S3-compatible server, and what its failures mean.

Importing this and opening a bucket take a fifth of a second and 38 MiB, so that is left to whoever
uses one.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, TypeVar, cast

import botocore.session
from botocore import exceptions
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from core.errors import DiskFull, FaceSearchError, StorageRefused, StorageUnavailable
from core.settings import Settings

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")

ANYWHERE: Final = "us-east-1"
"""The region of servers that know none."""

CONNECTIONS: Final = 32
"""Kept open at most, if there are not more threads."""

BLOBS_OF_A_THREAD: Final = 8
"""That a batch of a worker stores at the same time."""

_FULL: Final = frozenset(
    {"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "InsufficientStorage"}
)
_NOTHING: Final = frozenset({"NoSuchKey", "404", "NoSuchVersion"})
_PASSING: Final = frozenset(
    {"SlowDown", "RequestTimeout", "BadDigest", "IncompleteBody", "OperationAborted"}
)
_AWAY: Final = (
    exceptions.ConnectionError,
    exceptions.HTTPClientError,
    exceptions.IncompleteReadError,
)

_OUT_OF_SPACE: Final = 507
_LATER: Final = frozenset({408, 429})
_ITS_FAULT: Final = 500


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server may take.

    Attributes:
        connect_s: Until it takes a connection.
        answer_s: Until the next bytes of its answer.
        tries: Of a request, with pauses of a second or two between them.
    """

    connect_s: float = 3
    answer_s: float = 15
    tries: int = 3


USUAL: Final = Patience()
"""At the worst some 50 s for one put: an upload holds a transaction meanwhile, and Postgres ends one
that nobody uses for 60 s (`core.db.pool`)."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An object, as a list tells it: its *written* time is in seconds since 1970."""

    key: str
    size: int
    written: float


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload in parts that was not ended; *began* is in seconds since 1970."""

    key: str
    id: str
    began: float


@dataclass(frozen=True, slots=True)
class Opened:
    """An object that is being read; *size* is in bytes, 0 where the server does not say it."""

    size: int
    _body: "StreamingBody"

    def read(self, size: int | None = None) -> bytes:
        """Return the next bytes, at most *size*; none at the end.

        Raises:
            StorageUnavailable: The answer broke off.
        """
        with _told():
            return bytes(self._body.read(size))


class Bucket:
    """One bucket. Threads may share it.

    Every method raises `StorageUnavailable` when the server is away or fails, `StorageRefused` when
    it refuses us, and `DiskFull` when it has no room left.
    """

    def __init__(self, client: "S3Client", name: str) -> None:
        self._client = client
        self.name = name

    @classmethod
    def of(cls, settings: Settings, name: str, patience: Patience = USUAL) -> Self:
        """Return a bucket of the server that *settings* name; nothing is asked of it yet."""
        with _told():
            return cls(_client(settings, patience), name)

    def sibling(self, name: str) -> Self:
        """Return another bucket of the same server, which shares the connections."""
        return type(self)(self._client, name)

    def close(self) -> None:
        """Give the connections back, those of all siblings."""
        self._client.close()

    def put(self, key: str, data: bytes) -> None:
        """Store an object, whole or not at all; the server has it when this returns."""
        # Every server compares this digest, while some ignore newer ones.
        digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        with _told():
            self._client.put_object(Bucket=self.name, Key=key, Body=data, ContentMD5=digest)

    def get(self, key: str) -> bytes | None:
        """Return an object's bytes; None: there is no such object."""
        with self.open(key) as opened:
            return None if opened is None else opened.read()

    @contextmanager
    def open(self, key: str) -> Iterator[Opened | None]:
        """Read an object in parts; None: there is no such object."""
        body = self._body(key)
        if body is None:
            yield None
            return
        size, stream = body
        with closing(stream):
            yield Opened(size, stream)

    def _body(self, key: str) -> "tuple[int, StreamingBody] | None":
        try:
            with _told():
                answer = self._client.get_object(Bucket=self.name, Key=key)
        except StorageRefused as refusal:
            if refusal.details.get("reason") in _NOTHING:
                return None
            raise
        return answer.get("ContentLength", 0), answer["Body"]

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens when there is none."""
        with _told():
            self._client.delete_object(Bucket=self.name, Key=key)

    def list(self, prefix: str) -> Iterator[Listed]:
        """List the objects below *prefix* in the order of their keys, a thousand per request.

        Raises:
            StorageRefused: The server lists in another order.
        """
        before = ""
        pages = self._client.get_paginator("list_objects_v2")
        for page in _each(pages.paginate(Bucket=self.name, Prefix=prefix)):
            for item in page.get("Contents", []):
                if item["Key"] <= before:
                    raise StorageRefused(
                        "The object storage does not list in the order of the keys.", reason="order"
                    )
                before = item["Key"]
                yield Listed(before, item["Size"], item["LastModified"].timestamp())

    def reach(self, prefix: str) -> None:
        """Ask for the first object below *prefix*, only to see whether we may."""
        with _told():
            self._client.list_objects_v2(Bucket=self.name, Prefix=prefix, MaxKeys=1)

    def uploads(self, prefix: str) -> Iterator[Upload]:
        """List the uploads in parts, below *prefix*, that were not ended."""
        pages = self._client.get_paginator("list_multipart_uploads")
        asked = pages.paginate(Bucket=self.name, Prefix=prefix)
        with _none_is_fine():  # as rclone says of a bucket that never had one
            for page in _each(asked):
                for item in page.get("Uploads", []):
                    yield Upload(item["Key"], item["UploadId"], item["Initiated"].timestamp())

    def part_bytes(self, upload: Upload) -> int:
        """Return how much of an upload arrived so far; 0 when it was ended meanwhile."""
        pages = self._client.get_paginator("list_parts")
        asked = pages.paginate(Bucket=self.name, Key=upload.key, UploadId=upload.id)
        arrived = 0
        with _none_is_fine():
            for page in _each(asked):
                arrived += sum(part["Size"] for part in page.get("Parts", []))
        return arrived

    def abort(self, upload: Upload) -> None:
        """Forget an upload and its parts; nothing happens when it was ended meanwhile."""
        with _none_is_fine(), _told():
            self._client.abort_multipart_upload(
                Bucket=self.name, Key=upload.key, UploadId=upload.id
            )


def _client(settings: Settings, patience: Patience) -> "S3Client":
    session = botocore.session.get_session()
    access, secret = settings.s3_access_key, settings.s3_secret_key
    in_path = settings.s3_path_style
    if in_path is None:
        in_path = settings.s3_endpoint is not None
    threads = max(settings.web_threads, BLOBS_OF_A_THREAD * settings.worker_threads)
    client = session.create_client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        region_name=settings.s3_region or session.get_config_variable("region") or ANYWHERE,
        aws_access_key_id=access.get_secret_value() if access else None,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=Config(
            connect_timeout=patience.connect_s,
            read_timeout=patience.answer_s,
            retries={"mode": "standard", "total_max_attempts": patience.tries},
            max_pool_connections=max(CONNECTIONS, threads),
            tcp_keepalive=True,
            s3={"addressing_style": "path" if in_path else "virtual"},
            # Other servers than that of AWS do not all know the checksums of newer clients.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    return cast("S3Client", client)


@contextmanager
def _none_is_fine() -> Iterator[None]:
    """Go on when an upload in parts is not there."""
    try:
        yield
    except StorageRefused as refusal:
        if refusal.details.get("reason") != "NoSuchUpload":
            raise


@contextmanager
def _told() -> Iterator[None]:
    """Put failures of the server, and of the way to it, into our words."""
    try:
        yield
    except ClientError as error:
        raise _meaning(error) from error
    except _AWAY as error:
        raise StorageUnavailable("The object storage cannot be reached.") from error
    except BotoCoreError as error:
        raise StorageRefused(
            "The object storage cannot be used as it is set up.", reason=type(error).__name__
        ) from error


def _meaning(error: ClientError) -> FaceSearchError:
    reason = error.response.get("Error", {}).get("Code", "unknown")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status == _OUT_OF_SPACE or reason in _FULL:
        return DiskFull("The object storage is full.")
    if status >= _ITS_FAULT or status in _LATER or reason in _PASSING:
        return StorageUnavailable(f"The object storage failed: {reason}.", reason=reason)
    return StorageRefused(f"The object storage refuses us: {reason}.", reason=reason)


def _each(pages: Iterable[T]) -> Iterator[T]:
    """Yield the pages of a list, whose requests are made on the way."""
    rest = iter(pages)
    while True:
        with _told():
            page = next(rest, None)
        if page is None:
            return
        yield page
