"""Thin shells: fetch what the process holds and call core.

Nothing here is retried by Celery. Rows are the truth: photos of a batch that failed wait again, and
the sweeper rings for them within seconds. That pause is wanted: a fault that meets every photo (a
GPU that is gone, a full disk) must not use up the attempts of the whole backlog in one minute.
"""

import logging
from functools import partial

from kombu.exceptions import KombuError

from core import (
    access,
    activity,
    analysis,
    idempotency,
    import_reading,
    import_sweep,
    imports,
    indexing,
    picture_hash_backfill,
    removal,
)
from core.doorbell import (
    IMPORT_TASK,
    INDEX_TASK,
    INGEST_QUEUE,
    INGEST_TASK,
    MAINTENANCE_QUEUE,
    RECALL_TASK,
    REPORT_TASK,
    SEARCH_TASK,
    SWEEP_TASK,
)
from workers.app import app
from workers.runtime import current

logger = logging.getLogger(__name__)


@app.task(name=INGEST_TASK)
def ingest_batch() -> None:
    """Index one batch, unless as many run as may; then ring for the next one.

    Through the queue and not in a loop, so that a search goes first.
    """
    runtime = current()
    if not runtime.gate.enter():
        return
    try:
        batch = runtime.batches.submit(indexing.index_batch, runtime.services, runtime.pipelines)
        photos = batch.result()
    finally:
        turned_away = runtime.gate.leave()
    if photos and _work_waits():
        _ring()
        _ring()  # for another worker, which may be idle; here it is turned away
    elif turned_away:
        _ring()
    elif photos:
        imports.settle(runtime.services)
    if photos and import_reading.reading_waits(runtime.services):
        _ring(IMPORT_TASK, MAINTENANCE_QUEUE)


@app.task(name=SEARCH_TASK)
def analyse(request_id: str) -> None:
    """Analyse a query photo for somebody who waits."""
    runtime = current()
    runtime.spare_core.exempt()
    analysis.answer(runtime.services.exchange, runtime.pipelines, request_id)


@app.task(name=SWEEP_TASK)
def sweep() -> None:
    """Give up hopeless photos, forget old sessions, answers and counts, ring for photos whose ring was
    lost, remove files that a deletion left, and hash older pictures.
    """
    services = current().services
    indexing.sweep(services)
    import_sweep.sweep(services)
    with services.pool.connection() as conn:
        access.forget_expired(conn)
        idempotency.forget_expired(conn)
        activity.forget_old(conn, services.settings)
    if _work_waits():
        _ring()
    if import_reading.reading_waits(services):
        _ring(IMPORT_TASK, MAINTENANCE_QUEUE)
    removal.remove_files(services.pool, services.blobs, most=removal.FILES_OF_A_SWEEP)
    picture_hash_backfill.hash_older(services)


@app.task(name=IMPORT_TASK)
def read_imports() -> None:
    """Read imports into items, as far as workers and disk have room."""
    current().read_imports(_ring)


@app.task(name=INDEX_TASK)
def maintain_indexes() -> None:
    """Do the work on search indexes that was asked for, or that growing collections call for."""
    current().maintain_indexes()


@app.task(name=RECALL_TASK)
def audit_recall() -> None:
    """Measure what the search indexes find, where it is time to."""
    current().audit_recall()


@app.task(name=REPORT_TASK)
def make_reports() -> None:
    """Look at new faces; make reports that wait or whose time has come, or help with the graph of one."""
    current().make_reports(partial(_ring, REPORT_TASK, MAINTENANCE_QUEUE))


def _work_waits() -> bool:
    runtime = current()
    return indexing.work_waits(runtime.services, list(runtime.pipelines))


def _ring(task: str = INGEST_TASK, queue: str = INGEST_QUEUE) -> None:
    try:
        app.send_task(task, queue=queue)
    except KombuError:
        logger.warning("the broker is away; what waits will be found by the sweeper")
