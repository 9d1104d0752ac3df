"""Hashes of pictures that were indexed before there were any: some in each round, until all have one."""

import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final

from core.blobs import BlobStore, Kind
from core.db import images as rows
from core.errors import BadImage, BlobMissing, StorageUnavailable
from core.images import PhotoLimits, decode
from core.picture_hash import SHARP, picture_hash
from core.pictures import BLOBS_AT_ONCE
from core.services import Services

logger = logging.getLogger(__name__)

ROUND_S: Final = 2.0
"""For which a round goes on: a thread of the worker does nothing else meanwhile."""

AT_ONCE: Final = 64
"""Images of one transaction; what a killed worker had done of them is done again."""


def hash_older(services: Services) -> int:
    """Hash images without a picture hash for a while, oldest first; return how many were looked at.

    The thumbnail is read, and where it is missing or damaged the photo. An image of which neither can be
    used is marked, so that no round tries it again.

    Raises:
        OSError, StorageUnavailable: Nothing of a batch could be read; it is tried again another time.
    """
    until = time.monotonic() + ROUND_S
    limits = PhotoLimits.of(services.settings)
    done = 0
    while time.monotonic() < until:
        with services.pool.connection() as conn:
            older = rows.without_hash(conn, limit=AT_ONCE)
        if not older:
            break
        found = _hashes(services.blobs, limits, [image.sha256 for image in older])
        with services.pool.connection() as conn:
            rows.keep_hashes(
                conn, {image.id: each for image, each in zip(older, found, strict=True)}
            )
        for image, each in zip(older, found, strict=True):
            if each is None:
                logger.warning("image %s has no picture hash: nothing of it can be read", image.id)
        done += len(older)
    return done


def _hashes(blobs: BlobStore, limits: PhotoLimits, digests: Sequence[bytes]) -> list[bytes | None]:
    """Hash pictures by the SHA-256 of their photos; None: it cannot be read, while others can."""
    with ThreadPoolExecutor(BLOBS_AT_ONCE, thread_name_prefix="hashes") as readers:
        found = list(readers.map(partial(_hash, blobs, limits), digests))
    failed = [each for each in found if isinstance(each, OSError | StorageUnavailable)]
    if len(failed) == len(found):
        raise failed[0]
    return [each if isinstance(each, bytes) else None for each in found]


def _hash(
    blobs: BlobStore, limits: PhotoLimits, sha256: bytes
) -> bytes | OSError | StorageUnavailable | None:
    for kind in (Kind.THUMBNAIL, Kind.PHOTO):
        try:
            with suppress(BlobMissing, BadImage):
                photo = decode(blobs.get(kind, sha256.hex()), limits, enough=SHARP)
                return picture_hash(photo.pixels)
        except (OSError, StorageUnavailable) as error:
            return error
    return None
