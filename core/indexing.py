"""Indexing: claim waiting photos, find their faces, and write everything in one transaction.

Whoever rings, a worker takes what waits longest. Running it twice, or on two workers at once,
changes nothing: a claim has a lease, and only its holder may finish it.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from uuid import UUID, uuid4

import psycopg

from core import enrolment
from core.analysis import Analyser
from core.db import arrivals
from core.db import collections as collection_rows
from core.db import faces as face_rows
from core.db import images as image_rows
from core.db import jobs as job_rows
from core.db import people as people_rows
from core.db.faces import NewFace
from core.db.jobs import Claimed
from core.db.pool import Connection, Pool
from core.errors import BadImage, BlobMissing, DeviceUnavailable, DiskFull, StorageUnavailable
from core.gates import Gate, split
from core.images import Copies
from core.inference.packs import Manifest
from core.keeping import Keeps, doom_photos
from core.leases import kept
from core.outcomes import Outcome, finish
from core.pictures import delete_crops, read_photos, store
from core.pipeline import AnalysedPhoto, SkippedFace
from core.removal import forget_bytes, remove_files
from core.services import Services
from core.settings import Settings
from core.stages import Cost, Stage, Timings, Work

logger = logging.getLogger(__name__)

LONGEST_BATCH_LEASES = 30
"""A batch that takes longer than this many leases hangs: its lease is no longer renewed."""

SURROUNDINGS = (
    OSError, psycopg.OperationalError, DeviceUnavailable, DiskFull, StorageUnavailable,
)  # fmt: skip
"""A full disk, a database or a bucket that is away, a GPU that computes something else: no photo is to
blame, so the attempt does not count."""

WORKER_LOST = "Its worker died or hung each time it tried this photo."


@dataclass(frozen=True, slots=True)
class _Clock:
    """Of a batch.

    Attributes:
        began: When its photos were claimed.
        analysed: When the last of its faces was embedded.
        places: See `core.stages.Cost`.
    """

    began: float
    analysed: float
    places: Mapping[Stage, int]


def index_batch(services: Services, pipelines: Mapping[str, Analyser]) -> int:
    """Claim one batch of one space and index it; return the number of photos claimed.

    The last try of a photo that may have killed its process before comes when nothing else is indexed in
    this process.

    Args:
        pipelines: By space id: only photos of these spaces are claimed.

    Raises:
        Exception: Whatever broke the whole batch. Its photos wait again, and each alone, for the
            attempt counts; unless it was one of the `SURROUNDINGS`.
    """
    is_due = services.solitude.is_due(services.settings.sweep_s)
    if is_due and _last_try_waits(services, pipelines):
        return _index_alone(services, pipelines)
    done = _index_in_company(services, pipelines)
    if done or not _last_try_waits(services, pipelines):
        return done
    return _index_alone(services, pipelines)


def _index_in_company(services: Services, pipelines: Mapping[str, Analyser]) -> int:
    with services.solitude.company():
        return _index(services, pipelines, tries=max(1, services.settings.max_attempts - 1))


def _last_try_waits(services: Services, pipelines: Mapping[str, Analyser]) -> bool:
    most = services.settings.max_attempts
    with services.pool.connection() as conn:
        return job_rows.last_try_waits(conn, space_ids=list(pipelines), max_attempts=most)


def _index_alone(services: Services, pipelines: Mapping[str, Analyser]) -> int:
    settings = services.settings
    most = settings.max_attempts
    with services.solitude.alone(settings.lease_s) as ready:
        done = _index(services, pipelines, tries=most, least=most - 1) if ready else 0
    return done or _index_in_company(services, pipelines)


def _index(
    services: Services, pipelines: Mapping[str, Analyser], *, tries: int, least: int = 0
) -> int:
    """Index one batch of photos that were tried less often than *tries*, and *least* times or more."""
    settings = services.settings
    lease = uuid4()
    began = perf_counter()
    with services.pool.connection() as conn:
        claims = job_rows.claim(
            conn,
            space_ids=list(pipelines),
            lease=lease,
            lease_s=settings.lease_s,
            limit=settings.batch_photos,
            max_attempts=tries,
            least_attempts=least,
        )
    if not claims:
        return 0
    try:
        renew = partial(_renew, services.pool, lease, settings.lease_s)
        with kept(renew, settings.lease_s, most_leases=LONGEST_BATCH_LEASES):
            pipeline = pipelines[claims[0].space_id]
            outcomes = _analyse(services, pipeline, claims)
            _write(
                services,
                lease,
                outcomes,
                _Clock(began, perf_counter(), _places(pipeline, settings)),
            )
    except Exception as error:
        _release(services.pool, lease, error)
        raise
    return len(claims)


def _analyse(services: Services, pipeline: Analyser, claims: Sequence[Claimed]) -> list[Outcome]:
    """Read and analyse the photos that still exist."""
    # Left out is what was deleted after the upload; `_write` closes those items.
    stored = [claim for claim in claims if claim.sha256 is not None]
    photos = read_photos(services.blobs, [claim.sha256 for claim in stored if claim.sha256])
    read = list(zip(stored, photos, strict=True))
    present = [(claim, data) for claim, data in read if not isinstance(data, BlobMissing)]
    outcomes = [Outcome(claim, data) for claim, data in read if isinstance(data, BlobMissing)]
    keep_photos = any(Keeps(claim.keeps).photos for claim, _ in present)
    copies = Copies.HASH | (Copies.BOTH if keep_photos else Copies.NONE)
    results = pipeline.analyse([photo for _, photo in present], copies=copies)
    outcomes += [
        Outcome(claim, _gated(services.manifest, claim, result), _faces(result))
        for (claim, _), result in zip(present, results, strict=True)
    ]
    return outcomes


def _places(pipeline: Analyser, settings: Settings) -> Mapping[Stage, int]:
    """Add how many batches can be written at once: one thread of a worker is kept for searches."""
    return {**pipeline.places, Stage.WRITE: settings.worker_threads - 1}


def _faces(result: AnalysedPhoto | BadImage) -> int:
    return 0 if isinstance(result, BadImage) else len(result.faces)


def _gated(
    manifest: Manifest, claim: Claimed, result: AnalysedPhoto | BadImage
) -> AnalysedPhoto | BadImage:
    """Move the faces that the collection's gate refuses to those that were left out."""
    gate = Gate(claim.quality_gate)
    if isinstance(result, BadImage) or gate is Gate.OFF:
        return result
    kept, refused = split(result.faces, gate, manifest.floors(claim.space_id, gate))
    left_out = [SkippedFace(face.face, why[0], tuple(why[1:])) for face, why in refused]
    return replace(result, faces=tuple(kept), skipped=(*result.skipped, *left_out))


def _write(services: Services, lease: UUID, outcomes: Sequence[Outcome], clock: _Clock) -> None:
    """Store crops and previews, then rows; whoever lost the lease meanwhile writes no row."""
    with services.pool.connection() as conn:
        faces = _new_faces(conn, outcomes)
    with services.pool.connection() as conn, _crops_go_with_rows(services, faces):
        _store_blobs(services, outcomes, faces)
        written = _write_rows(conn, lease, outcomes, faces)
        finished = [each for each in outcomes if each.claim.image_id in written]
        needless = doom_photos(conn, lease, ((each.claim.sha256, each.keeps) for each in finished))
        _add_work(conn, finished, clock)
    _clean_up(services, outcomes, faces, written)
    if needless:
        remove_files(services.pool, services.blobs, lease)


@contextmanager
def _crops_go_with_rows(services: Services, faces: Sequence[NewFace]) -> Iterator[None]:
    """Remove the crops when their rows will certainly not be there: the next try makes others.

    To be entered after the connection, so that a commit whose outcome is unknown removes nothing.
    """
    try:
        yield
    except Exception:
        delete_crops(services.blobs, faces)
        raise


def _write_rows(
    conn: Connection, lease: UUID, outcomes: Sequence[Outcome], faces: Sequence[NewFace]
) -> set[UUID]:
    """Write what is still ours; return the images that were written."""
    claims = [outcome.claim for outcome in outcomes]
    collection_rows.hold(conn, [claim.collection_id for claim in claims])
    waiting = image_rows.lock_waiting(conn, [c.image_id for c in claims if c.image_id])
    # Whoever deletes people locks them before the items that they are named with.
    held = people_rows.hold_many(conn, sorted(job_rows.leased_people(conn, lease)))
    ours = job_rows.lock_leased(conn, lease)
    claimed = {claim.image_id: ours[claim.item_id] for claim in claims if claim.item_id in ours}
    waiting = {image_id: facets for image_id, facets in waiting.items() if image_id in claimed}
    # As they are under the lock of the image: they may have changed while it was analysed.
    kept = [
        replace(face, facets=waiting[face.image_id]) for face in faces if face.image_id in waiting
    ]
    people = {image: person for image, person in claimed.items() if person in held}
    kept = enrolment.named(conn, kept, people)
    face_rows.insert_many(conn, kept)
    arrivals.note(conn, {face.id: face.collection_id for face in kept})
    done = set()
    for outcome in outcomes:
        if outcome.claim.item_id in ours:
            finish(conn, outcome, waiting)
            done.add(outcome.claim.item_id)
    for item_id in ours.keys() - done:
        job_rows.finish(conn, item_id, state="skipped", reason="image_deleted")
    for collection_id, count in sorted(Counter(face.collection_id for face in kept).items()):
        collection_rows.count(conn, collection_id, faces=count)
    return set(waiting)


def _add_work(conn: Connection, written: Sequence[Outcome], clock: _Clock) -> None:
    """Add what the batch cost to its jobs, as the last statements of its transaction.

    In the order of their ids, so that two batches of the same jobs never wait in a circle.
    """
    now = perf_counter()
    photos: defaultdict[UUID, list[tuple[Timings, int]]] = defaultdict(list)
    for each in written:
        if isinstance(each.result, AnalysedPhoto):
            photos[each.claim.job_id].append((each.result.timings, each.embedded))
    total = sum(map(len, photos.values()))
    for job_id in sorted(photos):
        part = len(photos[job_id]) / total
        writing = Cost(part * (now - clock.analysed), 0.0, clock.places[Stage.WRITE])
        work = Work.of(photos[job_id], clock.places) + Work(stages={Stage.WRITE: writing})
        job_rows.add_work(conn, job_id, work, seconds=now - clock.began)


def _new_faces(conn: Connection, outcomes: Sequence[Outcome]) -> list[NewFace]:
    analysed = [
        (outcome.claim, position, face)
        for outcome in outcomes
        if isinstance(outcome.result, AnalysedPhoto)
        for position, face in enumerate(outcome.result.faces)
    ]
    ids = face_rows.new_ids(conn, len(analysed))
    return [
        NewFace(face_id, claim.collection_id, claim.image_id, position, face)
        for face_id, (claim, position, face) in zip(ids, analysed, strict=True)
        if claim.image_id is not None
    ]


def _store_blobs(services: Services, outcomes: Sequence[Outcome], faces: Sequence[NewFace]) -> None:
    """Store those pictures that their collections keep."""
    crops = {each.claim.image_id for each in outcomes if each.keeps.crops}
    photos = [
        (each.claim.sha256, each.result)
        for each in outcomes
        if each.keeps.photos and each.claim.sha256 and isinstance(each.result, AnalysedPhoto)
    ]
    store(services.blobs, [face for face in faces if face.image_id in crops], photos)


def _clean_up(
    services: Services,
    outcomes: Sequence[Outcome],
    faces: Sequence[NewFace],
    written: set[UUID],
) -> None:
    """Remove the files that were stored for images that were deleted meanwhile."""
    delete_crops(services.blobs, [face for face in faces if face.image_id not in written])
    for outcome in outcomes:
        claim = outcome.claim
        if claim.image_id not in written and claim.sha256 is not None:
            forget_bytes(services.pool, services.blobs, claim.sha256)


def _release(pool: Pool, lease: UUID, error: Exception) -> None:
    """Let the photos of a broken batch wait again; if even that fails their lease runs out."""
    detail = f"The last try failed: {type(error).__name__}."
    try:
        with pool.connection() as conn:
            job_rows.release(conn, lease, detail=detail, forgiven=isinstance(error, SURROUNDINGS))
    except psycopg.Error:
        logger.exception("a claim could not be released; its lease will run out")


def _renew(pool: Pool, lease: UUID, lease_s: float) -> None:
    with pool.connection() as conn:
        job_rows.renew(conn, lease, lease_s=lease_s)


def sweep(services: Services) -> int:
    """Give up photos without attempts left; return how many there were."""
    with services.pool.connection() as conn:
        job_rows.adopt(conn)
        lost = job_rows.give_up(
            conn, max_attempts=services.settings.max_attempts, detail=WORKER_LOST
        )
    for item in lost:
        logger.error("image %s was given up: %s", item.image_id, item.detail)
    return len(lost)


def work_waits(services: Services, space_ids: Sequence[str]) -> bool:
    """Say whether photos of these spaces wait for a worker."""
    with services.pool.connection() as conn:
        return job_rows.work_waits(
            conn, space_ids=space_ids, max_attempts=services.settings.max_attempts
        )
