"""The running system, as the commands use it: the same core functions as the web, no HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from core.db.pool import expected
from core.doorbell import Doorbell
from core.local.state import resolve
from core.services import Services, services_for
from web.cli.common import settings
from web.doorbell import CeleryDoorbell

ACTOR = "command line"
"""Who moved a face, in the history of assignments."""

PARTLY = 4
"""Exit code: it was done, and something in it was refused, or nobody was found."""

CONNECTIONS = 4


@contextmanager
def system(*, connections: int = CONNECTIONS) -> Iterator[Services]:
    """Connect to the database and broker of the settings, or of the local system.

    Args:
        connections: Of Postgres, at most.

    Raises:
        NotRunning: They are embedded ones, and not up.
        DatabaseUnavailable, DiskFull: Postgres failed while they were used.
    """
    try:
        with services_for(resolve(settings()), connections=connections) as services:
            yield services
    except psycopg.OperationalError as error:
        raise expected(error) from error


def doorbell(services: Services) -> Doorbell:
    """Return what rings for the workers."""
    return CeleryDoorbell(services.settings)
