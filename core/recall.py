"""Recall audits: how much of the exact answer the index of a collection gives, on real queries."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Final
from uuid import UUID

from core import collections
from core.db import recall as rows
from core.db.collections import Collection
from core.db.pool import Connection
from core.db.recall import Audit
from core.db.search import kinds
from core.errors import CollectionNotFound, InvalidRequest
from core.replay import Progress, Replay, Step
from core.settings import Settings

logger = logging.getLogger(__name__)

QUERIES: Final = 200

LADDER: Final = (40, 64, 100, 160, 250, 400, 640, 1000)
"""The ef_search that are tried: each costs about one and a half times the one before."""

MOST_AUDITS: Final = 100
"""Kept of a collection: about three months of daily ones."""

REST: Final = 1.0
"""In the background an audit pauses as long as it worked."""


def audit(
    conn: Connection,
    collection: Collection,
    settings: Settings,
    *,
    rest: float = 0.0,
    report: Progress = lambda done, total: None,
) -> Audit:
    """Replay real queries exactly and by the index; store what came out, and what would be better.

    Args:
        conn: In autocommit mode.
        rest: Seconds to pause for each second of work.

    Raises:
        InvalidRequest: There is no index to measure, or no face.
    """
    kind = kinds(conn, [collection.id]).get(collection.id)
    if kind is None:
        raise InvalidRequest(f"{collection.name} has no index; all of it is searched exactly.")
    replay = Replay(conn, collection, queries=QUERIES, rest=rest, report=report)
    present = collection.ef_search or settings.hnsw_ef_search
    steps = climb(replay, kind, goal=settings.recall_goal)
    proposed = steps[-1].ef_search if good(steps[-1], settings.recall_goal) else None
    now = next((step for step in steps if step.ef_search == present), None)
    if now is None:
        now = replay.step(kind, present)
        steps = sorted([*steps, now], key=lambda step: step.ef_search)
    applied = settings.recall_tunes and _tune(conn, collection, present, proposed)
    return store(conn, collection, replay, now=now, steps=steps, proposed=proposed, applied=applied)


def climb(replay: Replay, kind: str, *, goal: float) -> list[Step]:
    """Try the ladder from below, up to the first that is good or to its end."""
    steps: list[Step] = []
    for ef_search in LADDER:
        steps.append(replay.step(kind, ef_search))
        if good(steps[-1], goal):
            break
    return steps


def good(step: Step, goal: float) -> bool:
    """Say whether it finds what it is to find: no mate is lost, and of all others few."""
    return step.recall_10 >= goal and not step.lost_mates


def store(
    conn: Connection,
    collection: Collection,
    replay: Replay,
    *,
    now: Step,
    steps: list[Step],
    proposed: int | None,
    applied: bool,
) -> Audit:
    """Store what *now*, the ef_search in use, and the others gave.

    Of a collection the newest `MOST_AUDITS` are kept; older ones are deleted here.
    """
    rows.insert_audit(
        conn,
        collection.id,
        kind=now.kind,
        ef_search=now.ef_search,
        queries=replay.queries,
        stored_queries=replay.stored_queries,
        faces=collection.face_count,
        recall_1=now.recall_1,
        recall_10=now.recall_10,
        mates=now.mates,
        lost_mates=now.lost_mates,
        approximate_ms=now.ms,
        exact_ms=replay.exact_ms,
        proposed_ef_search=proposed,
        applied=applied,
        steps=[asdict(step) for step in steps],
        most=MOST_AUDITS,
    )
    return rows.audits(conn, collection.id, limit=1)[0]


def audit_due(conn: Connection, settings: Settings) -> list[Audit]:
    """Audit the collections whose time has come, slowly; while somebody is at it, none.

    Args:
        conn: In autocommit mode and of its own.
    """
    if not settings.recall_audit_hours:
        return []
    made: list[Audit] = []
    with _alone(conn) as alone:
        ids = _due(conn, settings) if alone else []
        for collection_id in ids:
            try:
                collection = collections.get(conn, collection_id)
                made.append(audit(conn, collection, settings, rest=REST))
                _log(collection, made[-1], settings)
            except (CollectionNotFound, InvalidRequest) as error:
                logger.info("no audit of %s: %s", collection_id, error)
    return made


def page(
    conn: Connection, collection_id: UUID, *, limit: int, before: UUID | None = None
) -> list[Audit]:
    """Return up to *limit* audits made before *before*, newest first.

    Raises:
        CollectionNotFound: There is none with this id.
    """
    collections.get(conn, collection_id)
    return rows.audits(conn, collection_id, limit=limit, before=before)


def latest(conn: Connection) -> list[Audit]:
    """Return the newest audit of each collection that has one."""
    return rows.latest(conn)


def _due(conn: Connection, settings: Settings) -> list[UUID]:
    return rows.due(conn, hours=settings.recall_audit_hours, ef_search=settings.hnsw_ef_search)


def _log(collection: Collection, made: Audit, settings: Settings) -> None:
    enough = made.recall_10 >= settings.recall_goal and not made.lost_mates
    logger.log(
        logging.INFO if enough else logging.WARNING,
        "recall of %s at ef_search %d: %.4f of the nearest, %.4f of the ten nearest, %d of %d mates "
        "lost; proposed: %s",
        collection.id,
        made.ef_search,
        made.recall_1,
        made.recall_10,
        made.lost_mates,
        made.mates,
        made.proposed_ef_search or "nothing that was tried is enough",
    )


@contextmanager
def _alone(conn: Connection) -> Iterator[bool]:
    """Say whether nobody else audits, and keep it so."""
    locked = rows.lock_audits(conn)
    try:
        yield locked
    finally:
        if locked:
            rows.unlock_audits(conn)


def _tune(conn: Connection, collection: Collection, present: int, proposed: int | None) -> bool:
    """Set a better ef_search: a larger one at once, a smaller one step by step.

    Too small a one loses faces, and a sample of two hundred may be a lucky one.
    """
    if proposed is None or proposed == present:
        return False
    below = max((rung for rung in LADDER if rung < present), default=proposed)
    chosen = max(proposed, below) if proposed < present else proposed
    collections.change(conn, collection.id, ef_search=chosen)
    logger.info("ef_search of %s: %d, was %d", collection.id, chosen, present)
    return True
