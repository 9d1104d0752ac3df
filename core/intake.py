"""Taking photos in: checked, stored and written down before anybody is told that they are."""

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.errors import ForeignKeyViolation, OperationalError, UniqueViolation

from core.blobs import Kind
from core.db import collections as collection_rows
from core.db import images as image_rows
from core.db import jobs as job_rows
from core.db.images import Image
from core.db.pool import Connection
from core.doorbell import Doorbell
from core.errors import BadImage, BrokerUnavailable, CollectionNotFound, NameTaken
from core.facets import Facets
from core.images import PhotoHeader, PhotoLimits, inspect
from core.removal import forget_bytes
from core.services import Services, require_disk

logger = logging.getLogger(__name__)

FIRST_LOOK_S = 0.02
LONGEST_PAUSE_S = 0.25


@dataclass(frozen=True, slots=True)
class Upload:
    """One photo as it came in.

    Attributes:
        key: The name the sender knows it by; echoed in every answer about it.
        tags: As `core.facets.clean_tags` leaves them.
        captured_at: When it was taken; None: as its EXIF says.
    """

    key: str
    data: bytes
    external_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: Sequence[str] = ()
    captured_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of one upload.

    Attributes:
        state: ``waiting``, ``skipped`` (the collection has these bytes) or ``rejected``.
        image_id: Of the new image, or of the first with the same bytes; None when rejected.
    """

    position: int
    key: str
    state: str
    image_id: UUID | None
    reason: str | None = None
    detail: str | None = None

    @property
    def deduplicated(self) -> bool:
        """Whether the bytes were there already."""
        return self.state == "skipped"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A job and its items, in the sender's order."""

    job_id: UUID
    items: tuple[Accepted, ...]


@dataclass(frozen=True, slots=True)
class _Checked:
    upload: Upload
    sha256: bytes
    header: PhotoHeader | None
    refusal: BadImage | None


def accept(
    services: Services,
    doorbell: Doorbell,
    collection_id: UUID,
    uploads: Sequence[Upload],
    *,
    strict: bool = False,
) -> Receipt:
    """Store photos and queue them; each is accepted, skipped or rejected on its own.

    When this returns, everything accepted survives a power cut.

    Args:
        strict: Raise the first refusal, and store nothing, instead of writing it down.

    Raises:
        BadImage: See *strict*.
        CollectionNotFound: There is no such collection.
        NameTaken: An external id is in use; nothing was stored.
        DiskFull: There is too little disk; nothing was stored.
    """
    require_disk(services.settings, sum(len(upload.data) for upload in uploads))
    limits = PhotoLimits.of(services.settings)
    checked = [_check(upload, limits) for upload in uploads]
    for photo in checked:
        if strict and photo.refusal is not None:
            raise photo.refusal
    try:
        with _files_go_with_rows(services, checked), services.pool.connection() as conn:
            receipt = _store(conn, services, collection_id, checked)
    except ForeignKeyViolation:
        raise CollectionNotFound(collection_id) from None
    except UniqueViolation:
        raise NameTaken("An external id is in use in this collection.") from None
    if any(item.state == "waiting" for item in receipt.items):
        ring(doorbell)
    return receipt


@contextmanager
def _files_go_with_rows(services: Services, checked: Sequence[_Checked]) -> Iterator[None]:
    """Remove the files that were stored when their rows were not."""
    try:
        yield
    except OperationalError:
        raise  # the rows may be there, and nobody can be asked now
    except Exception:
        for sha256 in {photo.sha256 for photo in checked if photo.header is not None}:
            forget_bytes(services.pool, services.blobs, sha256)
        raise


def ring(doorbell: Doorbell) -> None:
    """Ask for a worker; a broker that is away only delays, since the sweeper rings again."""
    try:
        doorbell.ingest()
    except BrokerUnavailable:
        logger.warning("the broker is away; waiting photos will be found by the sweeper")


def wait_for_images(
    services: Services, image_ids: Sequence[UUID], timeout_s: float
) -> dict[UUID, Image]:
    """Return the images once none of them waits, or as they are after *timeout_s*."""
    deadline = time.monotonic() + timeout_s
    pause = FIRST_LOOK_S
    while True:
        with services.pool.connection() as conn:
            images = image_rows.many(conn, image_ids)
        waiting = any(image.state == "waiting" for image in images.values())
        if not waiting or time.monotonic() + pause > deadline:
            return images
        time.sleep(pause)
        pause = min(LONGEST_PAUSE_S, pause * 1.5)


def _check(upload: Upload, limits: PhotoLimits) -> _Checked:
    sha256 = hashlib.sha256(upload.data).digest()
    try:
        return _Checked(upload, sha256, inspect(upload.data, limits), None)
    except BadImage as refusal:
        return _Checked(upload, sha256, None, refusal)


def _store(
    conn: Connection, services: Services, collection_id: UUID, checked: Sequence[_Checked]
) -> Receipt:
    collection_rows.hold(conn, [collection_id])
    # Locked in one order by everybody, so that two uploads of the same photos never deadlock.
    digests = sorted({photo.sha256 for photo in checked if photo.header is not None})
    for sha256 in digests:
        image_rows.lock_bytes(conn, sha256)
    job_id = job_rows.insert(conn, collection_id=collection_id, kind="upload")
    image_rows.hold_known(conn, collection_id, digests)
    items = []
    new_images = 0
    for position, photo in enumerate(checked):
        item, is_new = _store_one(conn, services, collection_id, position, photo)
        new_images += is_new
        job_rows.insert_item(
            conn,
            job_id=job_id,
            collection_id=collection_id,
            image_id=item.image_id,
            position=position,
            key=item.key,
            state=item.state,
            reason=item.reason,
            detail=item.detail,
        )
        items.append(item)
    if new_images:
        collection_rows.count(conn, collection_id, images=new_images)
    return Receipt(job_id, tuple(items))


def _store_one(
    conn: Connection, services: Services, collection_id: UUID, position: int, photo: _Checked
) -> tuple[Accepted, bool]:
    """Return what became of the photo, and whether it made a new image."""
    key = photo.upload.key
    if photo.header is None:
        assert photo.refusal is not None, "a photo without header was refused"
        reason, detail = photo.refusal.code, str(photo.refusal)
        return Accepted(position, key, "rejected", None, reason, detail), False
    known = image_rows.by_bytes(conn, collection_id, photo.sha256)
    lost = known is not None and (known.state == "dead" or known.reason == "blob_missing")
    if known is not None and not lost:
        return Accepted(position, key, "skipped", known.id, "duplicate_image"), False
    services.blobs.put(Kind.PHOTO, photo.sha256.hex(), photo.upload.data)
    if known is not None:
        # Its workers died or its file was lost; sending it again asks for another try.
        image_rows.wait_again(conn, known.id)
        return Accepted(position, key, "waiting", known.id), False
    image_id = image_rows.insert(
        conn,
        collection_id=collection_id,
        sha256=photo.sha256,
        external_id=photo.upload.external_id,
        metadata=photo.upload.metadata,
        filename=key,
        format=photo.header.format,
        bytes=len(photo.upload.data),
        width=photo.header.width,
        height=photo.header.height,
        # Of the header, not of the worker that decodes: so it is there before anybody can change it.
        facets=Facets(photo.upload.tags, photo.upload.captured_at or photo.header.captured_at),
    )
    assert image_id is not None, "the lock on the bytes keeps others from inserting them"
    return Accepted(position, key, "waiting", image_id), True
