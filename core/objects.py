"""Reading photos from the buckets that the operator allowed, and from no others."""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from core.errors import (
    FileTooLarge,
    SourceMissing,
    SourceNotAllowed,
    SourceUnreachable,
    StorageRefused,
    StorageUnavailable,
)
from core.settings import MIB, Settings

if TYPE_CHECKING:
    from core.s3 import Bucket

SCHEME: Final = "s3://"

_CHUNK: Final = 1 << 18
_MISSING: Final = frozenset({"NoSuchBucket"})
_DENIED: Final = frozenset({"AccessDenied", "AllAccessDisabled", "InvalidObjectState"})


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket, or what begins with *prefix* in one; a prefix ends with a slash or is empty."""

    bucket: str
    prefix: str

    def has(self, bucket: str, key: str) -> bool:
        """Say whether an object is there."""
        return bucket == self.bucket and key.startswith(self.prefix)


def places(settings: Settings) -> list[Place]:
    """Return what ``IMPORT_BUCKETS`` allows."""
    found = []
    for text in (settings.import_buckets or "").split(","):
        bucket, _, prefix = text.strip().removesuffix("/").partition("/")
        if bucket:
            found.append(Place(bucket, f"{prefix}/" if prefix else ""))
    return found


def split_address(address: str) -> tuple[str, str]:
    """Return bucket and key of ``s3://bucket/key``.

    Raises:
        SourceNotAllowed: It is no such address, or its key has parts that some servers take for a way
            upwards.
    """
    bucket, _, key = address.removeprefix(SCHEME).partition("/")
    if not address.startswith(SCHEME) or not bucket or not key:
        raise SourceNotAllowed("An object is named as s3://bucket/key.")
    if {".", ".."} & set(key.split("/")):
        raise SourceNotAllowed("The key of an object may not have . or .. between slashes.")
    return bucket, key


class Objects:
    """Reads objects; threads may share it. The server is looked for when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._places = places(settings)
        self._most = settings.max_photo_mib * MIB
        self._opening = threading.Lock()
        self._server: Bucket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        if self._server is not None:
            self._server.close()

    def fetch(self, address: str) -> bytes:
        """Return the bytes of an object, named as ``s3://bucket/key``.

        Raises:
            SourceNotAllowed: The operator does not allow it, or the server does not let us read it.
            SourceMissing: There is no such object, or no such bucket.
            SourceUnreachable: The server is away, fails, or does not know our key.
            FileTooLarge: It has more bytes than a photo may; no more than that were read.
        """
        bucket, key = split_address(address)
        if not any(place.has(bucket, key) for place in self._places):
            raise SourceNotAllowed("FACESEARCH_IMPORT_BUCKETS does not allow this object.")
        try:
            return self._read(bucket, key)
        except StorageRefused as refusal:
            reason = refusal.details.get("reason")
            if reason in _MISSING:
                raise SourceMissing(f"There is no bucket {bucket}.") from refusal
            if reason in _DENIED:
                raise SourceNotAllowed(f"The server refuses this object: {reason}.") from refusal
            raise SourceUnreachable(str(refusal)) from refusal
        except StorageUnavailable as failure:
            raise SourceUnreachable(str(failure)) from failure

    def _read(self, bucket: str, key: str) -> bytes:
        with self._bucket(bucket).open(key) as opened:
            if opened is None:
                raise SourceMissing("There is no such object.")
            if opened.size > self._most:
                raise FileTooLarge.over(self._most)
            data = bytearray()
            while part := opened.read(_CHUNK):
                data += part
                if len(data) > self._most:
                    raise FileTooLarge.over(self._most)
            return bytes(data)

    def _bucket(self, name: str) -> "Bucket":
        with self._opening:
            if self._server is None:
                from core.s3 import Bucket  # noqa: PLC0415  costs memory and time, see there

                self._server = Bucket.of(self._settings, name)
            return self._server.sibling(name)
