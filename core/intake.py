"""Taking photos in: checked, stored and written down before anybody is told that they are."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg.errors import ForeignKeyViolation, UniqueViolation

from core.db import collections as collection_rows
from core.db import images as image_rows
from core.db import jobs as job_rows
from core.db.images import Image
from core.doorbell import Doorbell
from core.errors import BrokerUnavailable, CollectionNotFound, NameTaken
from core.images import PhotoLimits
from core.offers import Refusal, Upload, check
from core.services import Services, require_disk
from core.storing import Accepted, Place, files_go_with_rows, store

logger = logging.getLogger(__name__)

FIRST_LOOK_S = 0.02
LONGEST_PAUSE_S = 0.25


@dataclass(frozen=True, slots=True)
class Receipt:
    """A job and its items, in the sender's order."""

    job_id: UUID
    items: tuple[Accepted, ...]


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
        BacklogFull: Too many photos wait for workers; nothing was stored.
        DiskFull: There is too little disk; nothing was stored.
    """
    services.pressure.require_room(services.pool, services.settings.max_backlog)
    require_disk(services.settings, sum(len(upload.data) for upload in uploads))
    limits = PhotoLimits.of(services.settings)
    photos = [check(upload, limits) for upload in uploads]
    for photo in photos:
        if strict and isinstance(photo, Refusal):
            raise photo.error
    try:
        with files_go_with_rows(services, photos), services.pool.connection() as conn:
            collection_rows.hold(conn, [collection_id])
            job_id = job_rows.insert(conn, collection_id=collection_id, kind="upload")
            job_rows.open_lane(conn, collection_id, collection_id=collection_id)
            place = Place(collection_id, job_id, lane=collection_id)
            items = store(conn, services, place, photos, range(len(photos)))
    except ForeignKeyViolation:
        raise CollectionNotFound(collection_id) from None
    except UniqueViolation:
        raise NameTaken("An external id is in use in this collection.") from None
    if any(item.state == "waiting" for item in items):
        ring(doorbell)
    return Receipt(job_id, tuple(items))


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
