"""Blobs as objects of a bucket, named ``PREFIX/KIND/LAST TWO DIGITS/KEY`` as the files of a folder."""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final

from core.blobs import Kind, Stored, Tally, is_key, require_key
from core.errors import BlobMissing
from core.settings import Settings

if TYPE_CHECKING:
    from core.s3 import Bucket

DELETES_AT_ONCE: Final = 16
"""Requests, one for each object: not every server knows the one that removes many."""


class S3Blobs:
    """The blobs in ``BLOBS_URL``. The bucket is opened when it is first used.

    Beside what each method says, every one raises `StorageUnavailable` when the server is away or
    refuses us, and `DiskFull` when it has no room left.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._name, self._prefix = split(settings)
        self._opening = threading.Lock()
        self._opened: Bucket | None = None

    def put(self, kind: Kind, key: str, data: bytes) -> None:
        """Store an object; the server has it when this returns."""
        self._bucket.put(self._object(kind, key), data)

    def get(self, kind: Kind, key: str) -> bytes:
        """Read an object."""
        data = self._bucket.get(self._object(kind, key))
        if data is None:
            raise BlobMissing(f"The stored {kind.value} file is missing.")
        return data

    def delete(self, kind: Kind, key: str) -> None:
        """Remove an object. (Where the bucket keeps versions, the server hides it.)"""
        self._bucket.delete(self._object(kind, key))

    def delete_many(self, kind: Kind, keys: Iterable[str]) -> None:
        """Remove several at a time; after a failure those that were not begun are left."""
        with ThreadPoolExecutor(DELETES_AT_ONCE, thread_name_prefix="blobs") as threads:
            list(threads.map(partial(self.delete, kind), keys))

    def keys(self, kind: Kind) -> Iterator[Stored]:
        """List objects; their names are in the order of `core.blobs.place`."""
        prefix = f"{self._prefix}{kind.value}/"
        for each in self._bucket.list(prefix):
            folder, _, key = each.key.removeprefix(prefix).partition("/")
            if is_key(kind, key) and folder == key[-2:]:
                yield Stored(key, each.size, each.written)

    def leftovers(self, before: float, *, remove: bool = False) -> Tally:
        """Look for uploads in parts that were not ended.

        We make none; programs that copy a folder of blobs into the bucket do.
        """
        found = Tally()
        for kind in Kind:
            for upload in self._bucket.uploads(f"{self._prefix}{kind.value}/"):
                if upload.began < before:
                    found += Tally(1, self._bucket.part_bytes(upload))
                    if remove:
                        self._bucket.abort(upload)
        return found

    def close(self) -> None:
        """Give the connections back."""
        if self._opened is not None:
            self._opened.close()

    def _object(self, kind: Kind, key: str) -> str:
        require_key(key)
        return f"{self._prefix}{kind.value}/{key[-2:]}/{key}"

    @property
    def _bucket(self) -> "Bucket":
        with self._opening:
            if self._opened is None:
                from core.s3 import Bucket  # noqa: PLC0415  costs memory and time, see there

                self._opened = Bucket.of(self._settings, self._name)
            return self._opened


def split(settings: Settings) -> tuple[str, str]:
    """Return the bucket of ``BLOBS_URL``, and what the names of our objects begin with."""
    assert settings.blobs_url is not None, "blobs are in a bucket"
    name, _, prefix = settings.blobs_url.removeprefix("s3://").partition("/")
    return name, f"{prefix.rstrip('/')}/" if prefix else ""
