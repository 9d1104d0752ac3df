"""Who reads an import now, and for how long: leases, room for more photos, and turns."""

import threading
import time
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from core.db import import_items as item_rows
from core.db import imports as rows
from core.db.imports import Import
from core.errors import DiskFull, FaceSearchError
from core.import_wishes import Options
from core.services import Services, require_disk
from core.settings import MIB, Settings

ROUND_BYTES: Final = 64 * MIB
"""Of their photos together, beyond which a round is written early."""

PAUSE_S: Final = 0.25
"""Between two looks whether there is room again."""

LONGEST_WAIT_S: Final = 10.0
"""Without room for so long, a reader leaves the import to whoever finds room in it again."""

TURN_S: Final = 60.0
"""For which an import may have a reader, when there is no room for it and others wait for one."""


class NotOursError(Exception):
    """The import was paused, cancelled, deleted, or others are to have their turn."""


@dataclass(slots=True)
class Reading:
    """One import that is read by this thread.

    Attributes:
        passed_over: Entries that nobody meant to send.
        failure: What ended the source early.
    """

    services: Services
    found: Import
    lease: UUID
    passed_over: int = 0
    failure: FaceSearchError | None = None
    held_up_by: str | None = None
    _began: float = field(default_factory=time.monotonic)

    @property
    def options(self) -> Options:
        """Of the import."""
        return Options.from_json(self.found.options)

    @property
    def had_its_turn(self) -> bool:
        """Whether others that wait may have this thread, when there is no room anyway."""
        return time.monotonic() - self._began >= TURN_S

    def wait(self, held_up_by: str) -> None:
        """Say why it waits, unless that was said.

        Raises:
            NotOursError: It is not to be read any more.
        """
        with self.services.pool.connection() as conn:
            if held_up_by != self.held_up_by:
                rows.hold_up(conn, self.found.id, lease=self.lease, held_up_by=held_up_by)
                self.held_up_by = held_up_by
            if not rows.is_ours(conn, self.found.id, lease=self.lease):
                raise NotOursError


def wait_for_room(reading: Reading, stop: threading.Event) -> None:
    """Return when the workers are not too far behind, and there is disk for another round.

    Raises:
        NotOursError: Until then somebody else shall have this thread, or the process ends.
    """
    settings = reading.services.settings
    waited = 0.0
    while True:
        if stop.is_set():
            raise NotOursError
        held_up_by = _held_up_by(reading, settings)
        if held_up_by is None:
            reading.held_up_by = None  # as the next round writes down
            return
        reading.wait(held_up_by)
        if (waited >= LONGEST_WAIT_S or reading.had_its_turn) and _others_wait(reading):
            raise NotOursError
        stop.wait(PAUSE_S)
        waited += PAUSE_S


def _held_up_by(reading: Reading, settings: Settings) -> str | None:
    with reading.services.pool.connection() as conn:
        open_items = item_rows.open_items(conn, reading.found.id, most=settings.import_ahead)
    if open_items >= settings.import_ahead:
        return "backlog"
    try:
        require_disk(settings, ROUND_BYTES)
    except DiskFull:
        return "disk"
    return None


def _others_wait(reading: Reading) -> bool:
    with reading.services.pool.connection() as conn:
        return rows.reading_waits(conn, max_attempts=reading.services.settings.max_attempts)
