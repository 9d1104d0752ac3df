"""Photos on their way in: read from the request, waited for when that is preferred."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

from flask import request

from core import gallery, intake
from core.db.images import Image
from core.intake import Receipt
from core.offers import Upload
from core.storing import Accepted
from web import problems
from web.api import reading
from web.api.models.images import ImageWithFaces, RawUploadQuery, UploadForm, UploadItem
from web.services import services, web

LONGEST_WAIT_S = 60
WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?(?=$|[,;\s])", re.IGNORECASE)


def read_uploads() -> list[Upload]:
    """Return the photos of this request, in their order.

    Raises:
        InvalidRequest: There is none, there are too many, or a field is wrong.
    """
    if reading.is_raw_photo():
        query = reading.query(RawUploadQuery)
        photo = reading.raw_photo()
        key = reading.clean_key(query.filename or photo.key)
        return [
            Upload(
                key,
                photo.data,
                query.external_id,
                tags=query.tags,
                captured_at=query.captured_at,
            )
        ]
    form = reading.multipart(UploadForm, "photos", "photo")
    photos = form.all_photos
    require_few(len(photos))
    return [
        Upload(
            photo.key,
            photo.data,
            form.external_id,
            form.metadata or {},
            tags=form.tags,
            captured_at=form.captured_at,
        )
        for photo in photos
    ]


def require_few(count: int) -> None:
    """Refuse a form of too many photos.

    Raises:
        InvalidRequest: It names the limit.
    """
    most = services().settings.max_photos_per_request
    if count > most:
        message = f"{count} came; at most {most} are taken in one request."
        raise reading.invalid("photos", message)


def preferred_wait() -> int:
    """Return the seconds of ``Prefer: wait``, at most `LONGEST_WAIT_S`; 0 when it is not there."""
    found = WAIT.search(request.headers.get("Prefer", ""))
    return min(int(found[1]), LONGEST_WAIT_S) if found else 0


@contextmanager
def may_wait() -> Iterator[bool]:
    """Take a place among those who wait; False when all are taken.

    Waiting requests hold threads: without this, some uploads could keep everybody else out.
    """
    waiters = web().waiters
    taken = waiters.acquire(blocking=False)
    try:
        yield taken
    finally:
        if taken:
            waiters.release()


def finished_images(receipt: Receipt, wait_s: float) -> dict[UUID, Image] | None:
    """Wait for the images of a job; None when some still wait after *wait_s*.

    An image that is deleted meanwhile is missing in the answer.
    """
    ids = [item.image_id for item in receipt.items if item.image_id is not None]
    images = intake.wait_for_images(services(), ids, wait_s)
    if any(image.state == "waiting" for image in images.values()):
        return None
    return images


def raise_refusal(image: Image) -> None:
    """Fail when a worker could not use this photo.

    Raises:
        FaceSearchError: What the worker found.
    """
    if image.state in ("rejected", "dead"):
        detail = image.detail or "This photo cannot be used."
        raise problems.image_error(image.reason or "", detail, image_id=str(image.id))


def with_images(receipt: Receipt, images: Mapping[UUID, Image]) -> list[UploadItem]:
    """Show items with their finished images."""
    with services().pool.connection() as conn:
        found = gallery.with_faces(conn, list(images.values()))
    shown = {each.image.id: ImageWithFaces.of_rows(each.image, each.faces) for each in found}
    return [UploadItem.of(item, _of(item, shown)) for item in receipt.items]


def _of(item: Accepted, shown: Mapping[UUID, ImageWithFaces]) -> ImageWithFaces | None:
    return None if item.image_id is None else shown.get(item.image_id)
