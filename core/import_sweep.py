"""What nobody sees to while imports are read: lost readers, ends, and bytes that are left over."""

import logging
from typing import Final

from core import imports
from core.db import import_items as item_rows
from core.db import imports as rows
from core.db import jobs as job_rows
from core.services import Services
from core.spool import Spool, spools

logger = logging.getLogger(__name__)

READER_LOST: Final = "Its readers died each time they tried: this cannot be read."


def sweep(services: Services) -> None:
    """Start imports that are whole, give up those whose readers die each time, close those that are over,
    and remove the received bytes of imports that are gone.
    """
    imports.start_whole(services)
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


def _remove_forgotten(services: Services) -> None:
    there = dict(spools(services.settings))
    if there:
        with services.pool.connection() as conn:
            needed = rows.needing_spools(conn, list(there))
        for import_id in there.keys() - needed:
            Spool(services.settings, import_id).remove()


def _finish_cancelling(services: Services) -> None:
    """Do what whoever cancelled an import was killed before."""
    with services.pool.connection() as conn:
        cancelled = [rows.get(conn, each) for each in rows.cancelled_ones(conn)]
        for each in cancelled:
            if each is not None:
                item_rows.cancel_unread(conn, each.id)
    for each in cancelled:
        if each is not None:
            imports.forget_waiting(services, each)
