"""Storing photos that were handed in: files and rows together, each photo once in its collection."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from psycopg.errors import OperationalError

from core import duplicates, enrolment
from core.blobs import Kind
from core.db import collections as collection_rows
from core.db import images as image_rows
from core.db import jobs as job_rows
from core.db.images import Known
from core.db.pool import Connection
from core.enrolment import PersonRef
from core.errors import NameTaken
from core.facets import Facets
from core.offers import Checked, OnDuplicate, Refusal
from core.removal import forget_bytes
from core.services import Services

FILES_AT_ONCE: Final = 8
"""Most of storing is waiting for the disk, which takes several as fast as one."""

STAY_S: Final = 20.0
"""Postgres ends a transaction in which nothing is asked for a minute; a slow bucket may need longer."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where photos go.

    Attributes:
        lane: Whose turn it is when workers take them.
        each_alone: One whose external id is in use is rejected, and the others are stored.
    """

    collection_id: UUID
    job_id: UUID
    lane: UUID
    on_duplicate: OnDuplicate = OnDuplicate.SKIP
    each_alone: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of one photo.

    Attributes:
        state: ``waiting``, ``skipped`` (the collection has these bytes), ``rejected``, or ``failed``
            (its source could not be reached).
        image_id: Of the new image, or of the first with the same bytes; None when there is none.
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


@contextmanager
def files_go_with_rows(services: Services, photos: Sequence[Checked | Refusal]) -> Iterator[None]:
    """Remove the files that were stored when their rows were not.

    To be entered before the connection, so that the rows are certainly not there.
    """
    try:
        yield
    except OperationalError:
        raise  # the rows may be there, and nobody can be asked now
    except Exception:
        for sha256 in {photo.sha256 for photo in photos if isinstance(photo, Checked)}:
            forget_bytes(services.pool, services.blobs, sha256)
        raise


def store(
    conn: Connection,
    services: Services,
    place: Place,
    photos: Sequence[Checked | Refusal],
    positions: Sequence[int],
) -> list[Accepted]:
    """Store photos and their items, inside `files_go_with_rows`; the collection must be held.

    Args:
        positions: Of the items in their job. One that is there and has no photo yet is filled in.

    Raises:
        psycopg.errors.UniqueViolation: An external id is in use. With `Place.each_alone`: it was taken
            at this moment; a second try says of which photo.
    """
    known = _lock_and_look(conn, place, photos)
    if place.each_alone:
        photos = _refuse_taken_ids(conn, place, photos, known)
    usable = [photo for photo in photos if isinstance(photo, Checked)]
    fresh = {each.sha256: each for each in reversed(usable) if _is_wanted(known.get(each.sha256))}
    _put(conn, services, list(fresh.values()))
    updates = place.on_duplicate is OnDuplicate.UPDATE
    named = usable if updates else fresh.values()
    people, new_people = enrolment.people(
        conn, place.collection_id, [each.upload.person for each in named if each.upload.person]
    )
    accepted = []
    new_images = 0
    for position, photo in zip(positions, photos, strict=True):
        made, is_new = _store_one(conn, place, known, people, position, photo)
        new_images += is_new
        accepted.append(made)
    if new_images or new_people:
        collection_rows.count(conn, place.collection_id, images=new_images, people=new_people)
    return accepted


def _lock_and_look(
    conn: Connection, place: Place, photos: Sequence[Checked | Refusal]
) -> dict[bytes, Known]:
    """Return those whose bytes the collection has; nobody else changes that until the end."""
    # Locked in one order by everybody, so that two uploads of the same photos never deadlock.
    digests = sorted({photo.sha256 for photo in photos if isinstance(photo, Checked)})
    for sha256 in digests:
        image_rows.lock_bytes(conn, sha256)
    image_rows.hold_known(conn, place.collection_id, digests)
    return image_rows.known(conn, place.collection_id, digests)


def _is_wanted(known: Known | None) -> bool:
    """Whether the bytes must be stored: those whose workers died or whose file was lost, too."""
    return known is None or known.state == "dead" or known.reason == "blob_missing"


def _refuse_taken_ids(
    conn: Connection,
    place: Place,
    photos: Sequence[Checked | Refusal],
    known: Mapping[bytes, Known],
) -> list[Checked | Refusal]:
    """Refuse those new photos whose external id another photo has, or another one before them."""
    wanted = [each.upload.external_id for each in photos if isinstance(each, Checked)]
    owners = image_rows.external_ids(conn, place.collection_id, [each for each in wanted if each])
    left: list[Checked | Refusal] = []
    for photo in photos:
        external_id = photo.upload.external_id if isinstance(photo, Checked) else None
        if isinstance(photo, Checked) and external_id is not None:
            owner = owners.setdefault(external_id, photo.sha256)
            is_told = photo.sha256 not in known or place.on_duplicate is OnDuplicate.UPDATE
            if owner != photo.sha256 and is_told:
                taken = NameTaken(f"The external id {external_id!r} is in use.")
                left.append(Refusal(photo.upload.key, taken))
                continue
        left.append(photo)
    return left


def _put(conn: Connection, services: Services, photos: Sequence[Checked]) -> None:
    """Store files, several at a time: most of it is waiting for the disk."""

    def put(photo: Checked) -> None:
        services.blobs.put(Kind.PHOTO, photo.sha256.hex(), photo.upload.data)

    # Leaving the block waits for all, so that nobody writes behind the back of a clean-up.
    with ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="photos") as writers:
        left: Collection[Future[None]] = [writers.submit(put, photo) for photo in photos]
        while left:
            done, left = wait(left, timeout=STAY_S)
            for each in done:
                each.result()
            if left:
                job_rows.stay(conn)


def _store_one(
    conn: Connection,
    place: Place,
    known: dict[bytes, Known],
    people: Mapping[PersonRef, UUID],
    position: int,
    photo: Checked | Refusal,
) -> tuple[Accepted, bool]:
    """Write the rows of one photo; return what became of it, and whether it made a new image."""
    if isinstance(photo, Refusal):
        state = "failed" if photo.passing else "rejected"
        reason, detail = photo.error.code, str(photo.error)
        accepted = Accepted(position, photo.key, state, None, reason, detail)
        return _with_item(conn, place, accepted, None), False
    before = known.get(photo.sha256)
    person = people.get(photo.upload.person) if photo.upload.person else None
    key = photo.upload.key
    if not _is_wanted(before):
        assert before is not None, "there are bytes to be found again"
        if place.on_duplicate is OnDuplicate.UPDATE:
            duplicates.update(conn, place.collection_id, before, photo.upload, person)
        state = "rejected" if place.on_duplicate is OnDuplicate.ERROR else "skipped"
        told = "The collection has this photo." if state == "rejected" else None
        found = Accepted(position, key, state, before.id, "duplicate_image", told)
        return _with_item(conn, place, found, None), False
    if before is not None:
        image_rows.wait_again(conn, before.id)
        image_id = before.id
    else:
        image_id = _insert(conn, place, photo)
    known[photo.sha256] = Known(image_id, photo.sha256, "waiting", None)
    waiting = Accepted(position, key, "waiting", image_id)
    return _with_item(conn, place, waiting, person), before is None


def _insert(conn: Connection, place: Place, photo: Checked) -> UUID:
    upload = photo.upload
    image_id = image_rows.insert(
        conn,
        collection_id=place.collection_id,
        sha256=photo.sha256,
        external_id=upload.external_id,
        metadata=upload.metadata,
        filename=upload.key,
        format=photo.header.format,
        bytes=len(upload.data),
        width=photo.header.width,
        height=photo.header.height,
        # Of the header, not of the worker that decodes: so it is there before anybody can change it.
        facets=Facets(upload.tags, upload.captured_at or photo.header.captured_at),
    )
    assert image_id is not None, "the lock on the bytes keeps others from inserting them"
    return image_id


def _with_item(
    conn: Connection, place: Place, accepted: Accepted, person_id: UUID | None
) -> Accepted:
    job_rows.put_item(
        conn,
        job_id=place.job_id,
        collection_id=place.collection_id,
        image_id=accepted.image_id,
        lane=place.lane if accepted.state == "waiting" else None,
        person_id=person_id,
        position=accepted.position,
        key=accepted.key,
        state=accepted.state,
        reason=accepted.reason,
        detail=accepted.detail,
    )
    return accepted
