"""What nobody sees to while imports are read: lost readers, ends, and bytes that are left over."""

import logging
from typing import Final

from core import imports
from core.db import imports as rows
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
            logger.error("import %s was given up", each)
    imports.settle(services)
    _remove_forgotten(services)


def _remove_forgotten(services: Services) -> None:
    there = dict(spools(services.settings))
    if there:
        with services.pool.connection() as conn:
            needed = rows.needing_spools(conn, list(there))
        for import_id in there.keys() - needed:
            Spool(services.settings, import_id).remove()
