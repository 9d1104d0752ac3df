"""Health, limits and packs: what a client asks before anything else."""

import logging
from http import HTTPStatus

import psycopg
from flask import Response

from core import workers_seen
from core.db import jobs as job_rows
from core.db.jobs import Backlog
from core.errors import BrokerUnavailable
from core.finding import MOST_MATCHES
from core.findings import troubles
from core.formats import OPENERS
from core.images import PhotoLimits
from core.import_wishes import most_bytes
from core.settings import GIB, MIB
from core.texts import LARGEST_METADATA, LONGEST_NAME
from core.workers_seen import WorkerSeen
from web import security
from web.api.models.common import LARGEST_PAGE
from web.api.models.system import Finding, Health, HealthDetails, Limits, Pack, PackList, Worker
from web.api.routes import Answer, Routes, json_reply
from web.api.uploads import LONGEST_WAIT_S
from web.services import services, version, web

logger = logging.getLogger(__name__)

routes = Routes("system", "Whether it works, what it takes, and with which models.")

PATIENCE_S = 2.0
"""A health check that hangs is as bad as one that fails."""


@routes.route(
    "GET",
    "/health",
    answers={
        HTTPStatus.OK: Answer(Health, "It works, perhaps without a worker."),
        HTTPStatus.SERVICE_UNAVAILABLE: Answer(Health, "Database or broker cannot be reached."),
    },
    public=True,
)
def health() -> Response:
    """Say whether the system works.

    Anybody may ask; the details are for whoever may in.
    """
    backlog, workers = _backlog(), _workers()
    ready = any(worker.ready for worker in workers or ())
    down = backlog is None or workers is None
    details = None
    if backlog is not None and security.is_authenticated():
        details = HealthDetails(
            version=version(),
            workers=[Worker.of(worker) for worker in workers or ()],
            waiting_photos=backlog.waiting,
            running_photos=backlog.running,
            findings=_findings(),
        )
    answer = Health(
        status="down" if down else "ok" if ready else "degraded",
        database=backlog is not None,
        broker=workers is not None,
        workers=ready,
        details=details,
    )
    return json_reply(answer, HTTPStatus.SERVICE_UNAVAILABLE if down else HTTPStatus.OK)


def _backlog() -> Backlog | None:
    """Count the photos that wait; None when the database does not answer."""
    try:
        with services().pool.connection(timeout=PATIENCE_S) as conn:
            return job_rows.backlog(conn)
    except psycopg.OperationalError:
        logger.warning("the database does not answer", exc_info=True)
        return None


def _findings() -> list[Finding]:
    with services().pool.connection() as conn:
        found = web().checked.findings(conn)
    return [Finding.of(each) for each in troubles(found)]


def _workers() -> list[WorkerSeen] | None:
    """List the workers; None when the broker does not answer."""
    try:
        return workers_seen.workers(services().broker)
    except BrokerUnavailable:
        logger.warning("the broker does not answer", exc_info=True)
        return None


@routes.route("GET", "/limits")
def limits() -> Limits:
    """Say what is refused, so that nobody must try."""
    settings = services().settings
    photo = PhotoLimits.of(settings)
    return Limits(
        photo_bytes=photo.max_bytes,
        photo_pixels=photo.max_pixels,
        request_bytes=settings.max_request_mib * MIB,
        photos_per_request=settings.max_photos_per_request,
        formats=list(OPENERS),
        faces_per_photo=settings.max_faces_per_photo,
        matches=MOST_MATCHES,
        page_size=LARGEST_PAGE,
        name_characters=LONGEST_NAME,
        metadata_bytes=LARGEST_METADATA,
        wait_s=LONGEST_WAIT_S,
        import_bytes=most_bytes(settings),
        import_entries=settings.max_archive_entries,
        import_unpacked_bytes=settings.max_archive_gib * GIB,
        photos_waiting=settings.max_backlog,
        photos_waiting_of_import=settings.import_ahead,
    )


@routes.route("GET", "/packs")
def list_packs() -> PackList:
    """List the model packs that a collection can be made with."""
    ready = {space for worker in _workers() or () if worker.ready for space in worker.spaces}
    default = services().settings.pack
    return PackList(
        items=[
            Pack.of(pack, default=pack.name == default, ready=pack.space.id in ready)
            for pack in services().manifest
        ]
    )
