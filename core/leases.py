"""Leases: what somebody works on is theirs for a while, which a thread renews as long as they do."""

import logging
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

logger = logging.getLogger(__name__)

RENEWALS_PER_LEASE: Final = 3


@contextmanager
def kept(
    renew: Callable[[], object],
    lease_s: float,
    *,
    most_leases: float = math.inf,
    renewals: int = RENEWALS_PER_LEASE,
) -> Iterator[None]:
    """Call *renew* from a thread for as long as the block runs.

    Args:
        most_leases: After so many the block hangs, and its lease is no longer renewed.
        renewals: Of one lease; all but the last may fail.
    """
    over = threading.Event()

    def keep() -> None:
        done = 0
        while done < renewals * most_leases:
            if over.wait(lease_s / renewals):
                return
            try:
                renew()
            except psycopg.Error:
                # Not ours to handle: what the block writes will meet the same trouble, and say so.
                logger.warning("a lease could not be renewed", exc_info=True)
            done += 1

    keeper = threading.Thread(target=keep, name="lease-keeper", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()
