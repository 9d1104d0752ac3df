"""How far an import is: in how many items, how fast, how long still, and what keeps it from being faster."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Self
from uuid import UUID

from core import imports, workers_seen
from core.db import import_items as item_rows
from core.db import imports as rows
from core.db import jobs as job_rows
from core.db.import_items import Counts
from core.db.imports import Import
from core.errors import BrokerUnavailable
from core.import_wishes import Source
from core.services import Services
from core.spool import Spool
from core.stages import Stage, Work

SHORTEST_S: Final = 2.0
"""Since the start, before which no speed is told: it would be that of the first batch."""


class State(StrEnum):
    """What people are told of an import."""

    #: Its bytes are still sent.
    RECEIVING = "receiving"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"
    #: The rest of it could not be read; what came before is indexed.
    FAILED = "failed"


class Limit(StrEnum):
    """What an import waits for most, beside the stages of indexing (`core.stages.Stage`)."""

    SENDER = "sender"
    WORKERS = "no_worker"
    DISK = "disk"
    STORAGE = "storage"
    READING = "reading"
    TURNS = "turns"


ADVICE: Final = {
    Limit.SENDER: "It waits for whoever sends it.",
    Limit.WORKERS: "No worker is running that has its model pack; see `facesearch status`.",
    Limit.DISK: "The disk is nearly full: free some.",
    Limit.STORAGE: "The disk, the database or the bucket of photos fails; it is tried again.",
    Limit.READING: "Reading limits: the archive, the folder or the hosts that it comes from.",
    Limit.TURNS: "It takes turns with other imports and uploads.",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """What a whole import would come to, by its sample.

    Attributes:
        sampled: So many of the entries were tried; the numbers below are scaled from them.
        refused: Entries that would become no image.
        duplicates: Photos that the collection has, or the import has twice.
        reasons: Why entries would be refused, or images have no face.
        seconds: Of one worker like the one that tried the sample.
        bytes: Of disk.
    """

    entries: int
    sampled: int
    faces: int
    refused: int
    duplicates: int
    reasons: Mapping[str, int]
    seconds: float
    bytes: int

    @classmethod
    def of(cls, sums: Mapping[str, Any]) -> Self:
        """Scale the sums over a sample; see `core.forecast.Forecast`."""
        entries, sampled = sums["entries"], sums["sampled"]
        scale = entries / sampled if sampled else 0.0
        return cls(
            entries=entries,
            sampled=sampled,
            faces=round(sums["faces"] * scale),
            refused=round(sums["refused"] * scale),
            duplicates=round(sums["duplicates"] * scale),
            reasons={code: round(count * scale) for code, count in sums["reasons"].items()},
            seconds=sums["seconds"] * scale,
            bytes=round(sums["bytes"] * scale),
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """An import at one moment.

    Attributes:
        total: Items that there will be; None where only reading tells.
        rate: Items per second since it runs without a pause; None at the beginning and the end.
        eta_s: Seconds until its end at that rate.
        limit: A `Limit` or a `Stage`; None when nothing is to do.
        advice: One sentence on *limit*.
        bytes_received: Of what is sent; None where nothing is.
        work: What its photos cost so far.
        work_s: Seconds since the first of them was begun.
        expected: Of a dry run that was tried.
    """

    found: Import
    state: State
    counts: Counts
    total: int | None
    rate: float | None
    eta_s: float | None
    limit: Limit | Stage | None
    advice: str | None
    bytes_received: int | None
    work: Work
    work_s: float
    expected: Expected | None

    @property
    def done(self) -> int:
        """Items in their final state."""
        return self.counts.total - self.counts.open


def progress(services: Services, import_id: UUID) -> Progress:
    """Return how far an import is.

    Raises:
        ImportNotFound: There is none with this id.
    """
    with services.pool.connection() as conn:
        found = imports.get(conn, import_id)
    return progress_of(services, found)


def progress_of(services: Services, found: Import) -> Progress:
    """Return how far an import is that was just read.

    Raises:
        ImportNotFound: It was deleted meanwhile.
    """
    with services.pool.connection() as conn:
        counts = _counts(found) or item_rows.counts(conn, found.id)
        effort = job_rows.effort(conn, found.id)
        shared = found.closed_at is None and job_rows.others_wait(conn, found.id)
    over = found.closed_at is None and found.state != "receiving" and not counts.open
    if over and imports.settle(services, found.id):
        return progress(services, found.id)
    work, total, rate = Work.from_json(effort.work), _total(found, counts), _rate(found, counts)
    left = None if total is None else total - (counts.total - counts.open)
    limit = _limit(services, found, counts, work, shared=shared)
    return Progress(
        found=found,
        state=_state(found, counts),
        counts=counts,
        total=total,
        rate=rate,
        eta_s=left / rate if left and rate else None,
        limit=limit,
        advice=_advice(limit, work),
        bytes_received=received(services, found),
        work=work,
        work_s=_seconds(effort.started_at, found.closed_at),
        expected=None if found.forecast is None else Expected.of(found.forecast),
    )


def received(services: Services, found: Import) -> int | None:
    """Return how many bytes of an import came; None where none is sent."""
    if found.source == Source.FILES:
        return found.bytes_read
    if found.source == Source.FOLDER:
        return None
    if found.state in ("reading", "read", "failed") and found.bytes_expected is not None:
        return found.bytes_expected  # all of them are there, or were
    return Spool(services.settings, found.id).size()


def _seconds(start: datetime | None, end: datetime | None) -> float:
    return 0.0 if start is None else ((end or datetime.now(UTC)) - start).total_seconds()


def _counts(found: Import) -> Counts | None:
    return None if found.counts is None else Counts(**found.counts)


def _state(found: Import, counts: Counts) -> State:
    if found.closed_at is not None:
        return {"cancelled": State.CANCELLED, "failed": State.FAILED}.get(found.state, State.DONE)
    if found.paused:
        return State.PAUSED
    return State.RECEIVING if found.state == "receiving" and not counts.total else State.RUNNING


def _total(found: Import, counts: Counts) -> int | None:
    if found.state in ("read", "cancelled", "failed"):
        return counts.total
    if found.entries_expected is not None:
        return max(found.entries_expected, counts.total)
    if found.source != Source.ARCHIVE or not found.bytes_read or found.bytes_expected is None:
        return None
    # As many for the rest of the archive as for the part that is read.
    return max(counts.total, round(counts.total * found.bytes_expected / found.bytes_read))


def _rate(found: Import, counts: Counts) -> float | None:
    if found.pace_from is None or found.closed_at is not None or found.paused:
        return None
    seconds = (datetime.now(UTC) - found.pace_from).total_seconds()
    done = counts.total - counts.open - found.pace_items
    return done / seconds if seconds >= SHORTEST_S and done > 0 else None


def _limit(
    services: Services, found: Import, counts: Counts, work: Work, *, shared: bool
) -> Limit | Stage | None:
    if found.closed_at is not None or found.paused:
        return None
    if found.state == "receiving" and not counts.open:
        return Limit.SENDER
    if not _has_worker(services, found.id):
        return Limit.WORKERS
    if found.held_up_by in (Limit.DISK, Limit.STORAGE):
        return Limit(found.held_up_by)
    if found.state == "reading" and not counts.states.get("waiting"):
        return Limit.READING
    return Limit.TURNS if shared else work.limit


def _has_worker(services: Services, import_id: UUID) -> bool:
    with services.pool.connection() as conn:
        space = rows.space(conn, import_id)
    try:
        workers = workers_seen.workers(services.broker)
    except BrokerUnavailable:
        return False
    return any(each.ready and space in each.spaces for each in workers)


def _advice(limit: Limit | Stage | None, work: Work) -> str | None:
    return ADVICE[limit] if isinstance(limit, Limit) else work.advice if limit else None
