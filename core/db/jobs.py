"""Rows of ``jobs`` and ``items``, the queue among them. The caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from core.db import queries
from core.db.pool import Connection
from core.db.rows import execute, fetch_all, fetch_one, fetch_value
from core.stages import Work

SQL = queries.load("jobs")


@dataclass(frozen=True, slots=True)
class Job:
    """A set of photos handed in together, with how far they are.

    Attributes:
        started_at: When a worker took the first photo that it also finished.
        work: See `core.stages.Work.to_json`.
        reasons: How often each reason code was given.
    """

    id: UUID
    collection_id: UUID
    kind: str
    created_at: datetime
    started_at: datetime | None
    work: dict[str, Any]
    total: int
    waiting: int
    running: int
    indexed: int
    skipped: int
    rejected: int
    failed: int
    dead: int
    reasons: dict[str, int]
    last_finished_at: datetime | None

    @property
    def seconds(self) -> float:
        """From the first photo that a worker took to the last that it finished; 0 before that."""
        if self.started_at is None or self.last_finished_at is None:
            return 0.0
        return (self.last_finished_at - self.started_at).total_seconds()

    @property
    def done(self) -> bool:
        """Whether every item is in its final state."""
        return self.waiting + self.running == 0


@dataclass(frozen=True, slots=True)
class Item:
    """One photo of a job.

    Attributes:
        key: The name the sender knows it by.
        state: ``waiting``, ``running``, ``indexed``, ``skipped``, ``rejected``, ``failed`` (what
            was wrong may pass) or ``dead`` (its workers died).
    """

    id: UUID
    job_id: UUID
    collection_id: UUID
    image_id: UUID | None
    position: int
    key: str
    state: str
    reason: str | None
    detail: str | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A photo that a worker took; *sha256* is None when the image was deleted meanwhile.

    Attributes:
        quality_gate: Of its collection, at this moment.
        keeps: The same.
    """

    item_id: UUID
    job_id: UUID
    collection_id: UUID
    image_id: UUID | None
    attempts: int
    space_id: str
    quality_gate: str
    keeps: str
    sha256: bytes | None


@dataclass(frozen=True, slots=True)
class GivenUp:
    """An item without attempts left, what became of it, and the sentence that says why."""

    image_id: UUID | None
    state: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Effort:
    """What the photos of a job cost.

    Attributes:
        work: See `core.stages.Work.to_json`.
        started_at: See `Job`.
    """

    work: dict[str, Any]
    started_at: datetime | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much there is to do."""

    waiting: int
    running: int


def insert(conn: Connection, *, collection_id: UUID, kind: str) -> UUID:
    """Store a job without items; return its id."""
    made: UUID = fetch_value(conn, SQL["insert"], {"collection_id": collection_id, "kind": kind})
    return made


def open_lane(conn: Connection, lane: UUID, *, collection_id: UUID) -> None:
    """Make a lane, unless it is there: what waits in it gets its turn."""
    execute(conn, SQL["open_lane"], {"id": lane, "collection_id": collection_id})


def pause_lane(conn: Connection, lane: UUID, *, paused: bool) -> None:
    """Let a lane have no turn, or let it have turns again."""
    execute(conn, SQL["pause_lane"], {"id": lane, "paused": paused})


def put_item(
    conn: Connection,
    *,
    job_id: UUID,
    collection_id: UUID,
    image_id: UUID | None,
    lane: UUID | None,
    position: int,
    key: str,
    state: str,
    person_id: UUID | None = None,
    reason: str | None = None,
    detail: str | None = None,
) -> UUID:
    """Store an item, or fill in one that waits for its photo; return its id.

    Args:
        lane: See `open_lane`; None: there is no photo to work on, or not yet.
    """
    params = {
        "job_id": job_id,
        "collection_id": collection_id,
        "image_id": image_id,
        "lane": lane,
        "person_id": person_id,
        "position": position,
        "key": key,
        "state": state,
        "reason": reason,
        "detail": detail,
    }
    made: UUID | None = fetch_value(conn, SQL["put_item"], params)
    if made is None:
        raise LookupError(f"Item {position} of job {job_id} has its photo already.")
    return made


def effort(conn: Connection, job_id: UUID) -> Effort:
    """Return what the photos of a job cost so far."""
    return fetch_one(conn, Effort, SQL["effort"], {"id": job_id}) or Effort({}, None)


def others_wait(conn: Connection, lane: UUID) -> bool:
    """Say whether photos of other lanes wait for workers."""
    waits: bool = fetch_value(conn, SQL["others_wait"], {"lane": lane})
    return waits


def stay(conn: Connection) -> None:
    """Keep a transaction that waits for something else from being ended."""
    execute(conn, SQL["stay"], {})


def name_items(conn: Connection, image_id: UUID, person_id: UUID) -> None:
    """Say whose face an image shows that workers have still to index."""
    execute(conn, SQL["name_items"], {"image_id": image_id, "person_id": person_id})


def get(conn: Connection, job_id: UUID) -> Job | None:
    """Return one job with its counts."""
    return fetch_one(conn, Job, SQL["get"], {"id": job_id})


def items(
    conn: Connection, job_id: UUID, *, limit: int, after: int = -1, state: str | None = None
) -> list[Item]:
    """Return up to *limit* items behind position *after*, in the sender's order."""
    params = {"job_id": job_id, "limit": limit, "after": after, "state": state}
    return fetch_all(conn, Item, SQL["items"], params)


def claim(
    conn: Connection,
    *,
    space_ids: Sequence[str],
    lease: UUID,
    lease_s: float,
    limit: int,
    max_attempts: int,
    least_attempts: int = 0,
) -> list[Claimed]:
    """Take up to *limit* photos of one of these spaces, in turns; each counts an attempt."""
    params = {
        "space_ids": list(space_ids),
        "lease": lease,
        "lease_s": lease_s,
        "others": limit - 1,
        "max_attempts": max_attempts,
        "least_attempts": least_attempts,
    }
    return fetch_all(conn, Claimed, SQL["claim"], params)


def renew(conn: Connection, lease: UUID, *, lease_s: float) -> int:
    """Hold a claim for *lease_s* more seconds; return how many items are still ours."""
    return execute(conn, SQL["renew"], {"lease": lease, "lease_s": lease_s})


def leased_people(conn: Connection, lease: UUID) -> list[UUID]:
    """Return who is named with the items of a claim; that may change until `lock_leased`."""
    return [row[0] for row in conn.execute(SQL["leased_people"], {"lease": lease})]


def lock_leased(conn: Connection, lease: UUID) -> dict[UUID, UUID | None]:
    """Lock the items of a claim that are still ours; return them, with who is named with each."""
    return dict(conn.execute(SQL["lock_leased"], {"lease": lease}).fetchall())


def adopt(conn: Connection) -> int:
    """Give the uploads that an older version took in their lanes; return how many there were."""
    execute(conn, SQL["open_lanes_of_adopted"], {})
    return execute(conn, SQL["adopt"], {})


def close_lanes(conn: Connection) -> None:
    """Remove the lanes of imports that are over for an hour; whoever tries again opens them."""
    execute(conn, SQL["close_lanes"], {})


def finish(
    conn: Connection,
    item_id: UUID,
    *,
    state: str,
    reason: str | None = None,
    detail: str | None = None,
) -> None:
    """Give an item its final state."""
    params = {"id": item_id, "state": state, "reason": reason, "detail": detail}
    execute(conn, SQL["finish"], params)


def add_work(conn: Connection, job_id: UUID, work: Work, *, seconds: float) -> None:
    """Add what a batch cost to its job; the job stays locked until the transaction ends.

    Args:
        seconds: Since the batch was begun.
    """
    before = fetch_value(conn, SQL["lock_work"], {"id": job_id})
    if before is None:
        return  # deleted meanwhile, with its collection
    after = Work.from_json(before) + work
    execute(
        conn,
        SQL["keep_work"],
        {"id": job_id, "work": Jsonb(after.to_json()), "seconds": seconds},
    )


def release(conn: Connection, lease: UUID, *, detail: str, forgiven: bool = False) -> int:
    """Put a claim's items back to ``waiting``, with the last error; return how many.

    Args:
        forgiven: The attempt does not count.
    """
    params = {"lease": lease, "detail": detail, "forgiven": forgiven}
    return execute(conn, SQL["release"], params)


def give_up(conn: Connection, *, max_attempts: int, detail: str) -> list[GivenUp]:
    """Mark items without attempts left as ``failed`` or ``dead``, and their waiting images as dead."""
    locked = conn.execute(SQL["lock_hopeless"], {"max_attempts": max_attempts}).fetchall()
    params = {
        "max_attempts": max_attempts,
        "detail": detail,
        "image_ids": [row[0] for row in locked],
    }
    lost = fetch_all(conn, GivenUp, SQL["give_up"], params)
    for item in lost:
        execute(
            conn,
            SQL["kill_images"],
            {"id": item.image_id, "reason": item.reason, "detail": item.detail},
        )
    return lost


def last_try_waits(conn: Connection, *, space_ids: Sequence[str], max_attempts: int) -> bool:
    """Say whether a photo of these spaces that was tried before has one attempt left."""
    params = {"space_ids": list(space_ids), "max_attempts": max_attempts}
    waits: bool = fetch_value(conn, SQL["last_try_waits"], params)
    return waits


def work_waits(conn: Connection, *, space_ids: Sequence[str], max_attempts: int) -> bool:
    """Say whether a claim would find something."""
    params = {"space_ids": list(space_ids), "max_attempts": max_attempts}
    waits: bool = fetch_value(conn, SQL["work_waits"], params)
    return waits


def open_items(conn: Connection, *, most: int) -> int:
    """Count the photos that workers have still to finish, of all jobs, up to *most*."""
    count: int = fetch_value(conn, SQL["open_items"], {"most": most})
    return count


def backlog(conn: Connection) -> Backlog:
    """Count what waits and what runs."""
    found = fetch_one(conn, Backlog, SQL["backlog"], {})
    assert found is not None, "an aggregate gives one row"
    return found
