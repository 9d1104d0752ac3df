"""The search index of large collections: how it is, what work on it was asked for, and how far it is.

The work itself is done by `core.maintenance`.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.db import index_work as work_rows
from core.db import indexes as rows
from core.db.index_work import Action, State, Work
from core.db.indexes import Incoming, Index, Kind, Progress, Table
from core.db.pool import Connection
from core.doorbell import Doorbell
from core.errors import BrokerUnavailable, CollectionNotFound, IndexWorkRefused
from core.estimates import Estimate, estimate
from core.settings import Settings

logger = logging.getLogger(__name__)

SHOWN_HISTORY = 20

BUILDING = "building the graph"

PHASES = {
    "waiting for writers before build": "waiting for uploads that are under way",
    "building index: initializing": BUILDING,
    "building index: loading tuples": BUILDING,
    "waiting for writers before validation": "waiting for uploads that are under way",
    "index validation: scanning index": "looking for faces that came meanwhile",
    "index validation: sorting tuples": "looking for faces that came meanwhile",
    "index validation: scanning table": "adding the faces that came meanwhile",
    "waiting for old snapshots": "waiting for searches that are under way",
    "waiting for readers before marking dead": "waiting for searches in the old index",
    "waiting for readers before dropping": "waiting for searches in the old index",
}
"""The phases of ``pg_stat_progress_create_index`` for people."""


@dataclass(frozen=True, slots=True)
class Status:
    """A collection's table and indexes, with what is done and was done about them.

    Attributes:
        open: Work that runs or waits, in that order.
        history: Work that ended, newest first, at most `SHOWN_HISTORY`.
        step: Of the work that runs.
    """

    table: Table
    indexes: tuple[Index, ...]
    incoming: Incoming
    open: tuple[Work, ...]
    history: tuple[Work, ...]
    step: "Step | None"

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What kinds of index can be searched with."""
        return tuple(Kind(index.kind) for index in self.indexes if index.valid)

    @property
    def dead_share(self) -> float:
        """Rows of the table that are dead, 0 to 1."""
        return self.table.dead / max(1, self.table.faces + self.table.dead)

    @property
    def next_action(self) -> Action:
        """What there is to do about it, if anything."""
        if self.table.layout != "own":
            return Action.PROMOTE
        return Action.REBUILD if self.kinds else Action.BUILD

    def built_at(self, kind: Kind) -> datetime | None:
        """Return when the index was last built, if that is remembered."""
        for work in self.history:
            built = work.action in (Action.BUILD, Action.REBUILD) and work.state == State.DONE
            if built and (work.kind == kind or work.action == Action.REBUILD):
                return work.finished_at
        return None


@dataclass(frozen=True, slots=True)
class Step:
    """What running work does now, and how many faces (or blocks, or others) of how many are done.

    Attributes:
        total: 0 where nobody can say.
    """

    words: str
    done: int
    total: int


def status(conn: Connection, collection_id: UUID) -> Status:
    """Say how the index of one collection is.

    Raises:
        CollectionNotFound: There is no such collection.
    """
    return _status(conn, _table(conn, collection_id), rows.indexes(conn, [collection_id]))


def statuses(
    conn: Connection, *, least_faces: int, limit: int | None = None, after: UUID | None = None
) -> list[Status]:
    """Say it of every collection with its own table, above *least_faces*, or with open work."""
    tables = rows.tables(conn, least_faces=least_faces, limit=limit, after=after)
    indexes = rows.indexes(conn, [table.collection_id for table in tables])
    return [
        _status(
            conn, table, [index for index in indexes if index.collection_id == table.collection_id]
        )
        for table in tables
    ]


def plan(
    conn: Connection, collection_id: UUID, action: Action, kind: Kind, settings: Settings
) -> Estimate:
    """Say what work would take, before it is asked for.

    Raises:
        CollectionNotFound: There is no such collection.
    """
    return estimate(conn, _table(conn, collection_id), action, kind, settings)


def ask(
    conn: Connection, collection_id: UUID, action: Action, kind: Kind = Kind.HNSW, *, actor: str
) -> Work:
    """Let work wait for whoever maintains the indexes; the same again gives what waits already.

    Raises:
        CollectionNotFound: There is no such collection.
        IndexWorkRefused: It makes no sense for this collection.
    """
    with conn.transaction():
        found = status(conn, collection_id)
        _require_sense(found, action, kind)
        made = work_rows.insert(
            conn, collection_id=collection_id, action=action, kind=kind, actor=actor
        )
        under_way = work_rows.open_work(conn, collection_id)
    # Ids grow: what was just made is the last.
    same = [work for work in under_way if work.action == action]
    if made is None and (not same or same[-1].kind != kind):
        raise IndexWorkRefused("Work of this sort is under way; ask again when it has ended.")
    return same[-1]


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a piece of work.

    Attributes:
        busy: Some session is at work on indexes, at this or at other work.
    """

    work: Work
    step: Step | None
    busy: bool


def look(conn: Connection, work: Work) -> Look:
    """Look how far work is that was asked for.

    Raises:
        CollectionNotFound: The work is gone, for its collection is.
    """
    now = work_rows.get(conn, work.id)
    if now is None:
        raise CollectionNotFound(work.collection_id)
    return Look(now, step_of(conn, now), rows.maintenance_is_locked(conn))


def ring(doorbell: Doorbell) -> None:
    """Ask for a worker; a broker that is away only delays, since beat rings every minute."""
    try:
        doorbell.indexes()
    except BrokerUnavailable:
        logger.warning("the broker is away; work on indexes will be found within a minute")


def step_of(conn: Connection, work: Work) -> Step | None:
    """Say what running work does; None when it does not run."""
    if work.state != State.RUNNING:
        return None
    progress = rows.progress(conn, work.collection_id)
    if progress is not None:
        return _in_words(progress, work.total)
    return Step(work.step or "starting", work.done, work.total)


def _in_words(progress: Progress, faces: int) -> Step:
    words = PHASES.get(progress.phase, "starting")
    if words == BUILDING:
        return Step(words, progress.tuples_done, max(faces, progress.tuples_done))
    if progress.lockers_total:
        return Step(words, progress.lockers_done, progress.lockers_total)
    return Step(words, progress.blocks_done, progress.blocks_total)


def _table(conn: Connection, collection_id: UUID) -> Table:
    table = rows.table(conn, collection_id)
    if table is None:
        raise CollectionNotFound(collection_id)
    return table


def _status(conn: Connection, table: Table, indexes: Sequence[Index]) -> Status:
    under_way = work_rows.open_work(conn, table.collection_id)
    return Status(
        table=table,
        # Before its table is searched, an index on it is part of the promotion.
        indexes=tuple(indexes) if table.layout == "own" else (),
        incoming=rows.incoming(conn, table.collection_id),
        open=tuple(under_way),
        history=tuple(work_rows.history(conn, table.collection_id, limit=SHOWN_HISTORY)),
        step=step_of(conn, under_way[0]) if under_way else None,
    )


def _require_sense(found: Status, action: Action, kind: Kind) -> None:
    name, own = found.table.name, found.table.layout == "own"
    if action is Action.PROMOTE:
        if own:
            raise IndexWorkRefused(f"{name!r} has a table of its own already.")
        if not found.table.faces:
            raise IndexWorkRefused(f"{name!r} has no faces yet.")
        return
    if not own:
        raise IndexWorkRefused(
            f"{name!r} shares a table with other small collections and is searched exactly; "
            "promote it first, which builds its index too."
        )
    there = {index.kind for index in found.indexes}
    if action is Action.BUILD and kind in found.kinds:
        raise IndexWorkRefused(f"{name!r} has this index already; rebuild it instead.")
    if action is Action.REBUILD and kind not in found.kinds:
        raise IndexWorkRefused(f"{name!r} has no index to rebuild; build it.")
    if action is Action.DROP and kind not in there:
        raise IndexWorkRefused(f"{name!r} has no such index.")
