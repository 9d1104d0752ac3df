"""What nobody sees to while imports are read: lost readers, ends, and bytes that are left over."""

import logging
from contextlib import suppress
from datetime import datetime
from typing import Final
from uuid import UUID

from core import imports
from core.db import import_items as item_rows
from core.db import imports as rows
from core.db import jobs as job_rows
from core.errors import UploadBusy
from core.services import Services
from core.spool import Spool, spools

logger = logging.getLogger(__name__)

ABANDONED: Final = "abandoned"

READER_LOST: Final = "Its readers died each time they tried: this cannot be read."


def sweep(services: Services) -> None:
    """Start imports that are whole, give up those whose readers die each time or whose senders are gone,
    close those that are over, and remove received bytes that nobody needs.
    """
    imports.start_whole(services)
    _give_up_senders(services)
    with services.pool.connection() as conn:
        for each in rows.give_up(
            conn, max_attempts=services.settings.max_attempts, detail=READER_LOST
        ):
            item_rows.cancel_unread(conn, each)
            logger.error("import %s was given up", each)
    _finish_cancelling(services)
    imports.settle(services)
    with services.pool.connection() as conn:
        job_rows.close_lanes(conn)
    _remove_forgotten(services)


def _give_up_senders(services: Services) -> None:
    since = imports.idle_since(services)
    with services.pool.connection() as conn:
        idle = rows.idle(conn, since=since)
    for import_id in idle:
        with suppress(UploadBusy):  # something comes at this moment
            _give_up_sender(services, import_id, since)


def _give_up_sender(services: Services, import_id: UUID, since: datetime) -> None:
    spool = Spool(services.settings, import_id)
    with spool.idle(), services.pool.connection() as conn:
        # Under both locks, since something may have come meanwhile.
        if rows.lock(conn, import_id) is None or not rows.idle(
            conn, since=since, import_id=import_id
        ):
            return
        changed_at = spool.changed_at()
        if changed_at is not None and changed_at >= since:
            return
        days = services.settings.import_idle_days
        detail = f"Nothing came for {days} days."
        imports.mark_cancelled(conn, import_id, reason=ABANDONED, detail=detail)
    logger.warning("import %s was given up: nothing came for %d days", import_id, days)


def _remove_forgotten(services: Services) -> None:
    there = dict(spools(services.settings))
    if there:
        with services.pool.connection() as conn:
            needed = rows.needing_spools(conn, list(there), since=imports.idle_since(services))
        for import_id in there.keys() - needed:
            Spool(services.settings, import_id).remove()


def _finish_cancelling(services: Services) -> None:
    """Do what whoever cancelled an import was killed before."""
    with services.pool.connection() as conn:
        cancelled = rows.cancelled_ones(conn)
        for each in cancelled:
            item_rows.cancel_unread(conn, each.id)
    for each in cancelled:
        imports.forget_waiting(services, each)
