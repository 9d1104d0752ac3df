"""Can photos be kept in the bucket that the settings name? Nothing is asked where they are in a folder."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from core.blobs_s3 import split
from core.errors import DiskFull, StorageRefused, StorageUnavailable
from core.findings import Finding, Level
from core.settings import Settings

if TYPE_CHECKING:
    from core.s3 import Bucket

KEYS: Final = "Set FACESEARCH_S3_ACCESS_KEY and FACESEARCH_S3_SECRET_KEY to a key of this server."
REGION: Final = "Set FACESEARCH_S3_REGION to the region of the bucket."

CURES: Final[Mapping[str, str]] = {
    "NoSuchBucket": "Create it, or correct FACESEARCH_BLOBS_URL.",
    "AccessDenied": "Give our key the permissions that docs/object-storage.md lists.",
    "NoCredentialsError": KEYS,
    "InvalidAccessKeyId": KEYS,
    "SignatureDoesNotMatch": KEYS,
    "AuthorizationHeaderMalformed": REGION,
    "PermanentRedirect": REGION,
    "RequestTimeTooSkewed": "Set the clock of this machine.",
    "order": "Use a server that lists objects in the order of their keys, as S3 says.",
    "bytes": "Use a server that gives back what was stored.",
}
OTHER_CURE: Final = "Correct FACESEARCH_BLOBS_URL and the settings that begin with FACESEARCH_S3."


def look(settings: Settings) -> list[Finding]:
    """Store, read, list and remove a small object."""
    if settings.blobs_url is None:
        return []
    return [_finding(settings, _try_everything)]


def glance(settings: Settings) -> list[Finding]:
    """Only ask for a list, and be patient for seconds at most; to be asked every minute."""
    if settings.blobs_url is None:
        return []
    return [_finding(settings, lambda bucket, prefix: bucket.reach(prefix), hasty=True)]


def _finding(
    settings: Settings, use: "Callable[[Bucket, str], None]", *, hasty: bool = False
) -> Finding:
    name, prefix = split(settings)
    try:
        with _bucket(settings, name, hasty=hasty) as bucket:
            use(bucket, prefix)
    except StorageRefused as refusal:
        reason = str(refusal.details["reason"])
        return Finding(
            Level.ERROR,
            f"Photos cannot be kept in the bucket {name}: {reason}.",
            CURES.get(reason, OTHER_CURE),
        )
    except StorageUnavailable as failure:
        return Finding(
            Level.WARNING,
            f"The bucket {name} cannot be used now, and photos wait: {failure}",
            "See to the object storage, or correct FACESEARCH_S3_ENDPOINT.",
        )
    except DiskFull:
        return Finding(Level.WARNING, f"The bucket {name} is full.", "Make room in it.")
    return Finding(Level.OK, f"Photos are in the bucket {name}")


@contextmanager
def _bucket(settings: Settings, name: str, *, hasty: bool) -> "Iterator[Bucket]":
    from core.s3 import Bucket, Patience  # noqa: PLC0415  costs memory and time, see there

    patience = Patience(2, 4, 1) if hasty else Patience(3, 10, 2)
    bucket = Bucket.of(settings, name, patience)
    try:
        yield bucket
    finally:
        bucket.close()


def _try_everything(bucket: "Bucket", prefix: str) -> None:
    """Do whatever blobs are used for.

    Raises:
        StorageRefused: We may not, or the server does something else than it should.
    """
    key, data = f"{prefix}checks/{secrets.token_hex(16)}", secrets.token_bytes(1000)
    bucket.put(key, data)
    try:
        # AWS says that a missing object is forbidden to whoever may not list.
        if bucket.get(key) != data or bucket.get(f"{key}0") is not None:
            raise StorageRefused("It gives back something else.", reason="bytes")
        if key not in {each.key for each in bucket.list(f"{prefix}checks/")}:
            raise StorageRefused("It lists something else.", reason="order")
    except StorageUnavailable:
        with suppress(StorageUnavailable):
            bucket.delete(key)
        raise
    bucket.delete(key)
