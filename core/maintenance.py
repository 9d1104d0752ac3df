"""Doing the work on indexes: what somebody asked for, and what the policy wants.

One session of the whole system at a time, which holds a lock of Postgres until it is done. A process
that dies leaves its work marked as running; whoever gets the lock next sees to it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import assert_never
from uuid import UUID

import psycopg

from core import collections, indexes, promotion, small_memory
from core.db import index_work as work_rows
from core.db import indexes as rows
from core.db.index_work import Action, State, Work
from core.db.indexes import LINKS, Kind, Table
from core.db.pool import Connection
from core.errors import DatabaseBusy, FaceSearchError, IndexWorkRefused
from core.estimates import NARROW_EF_SEARCH, build_limits, links
from core.index_policy import is_loading, wish
from core.promotion import Report
from core.settings import Settings
from core.small_memory import Verdict

POLICY = "policy"
"""The actor of work that nobody asked for."""

MOST_ATTEMPTS = 3
KEPT_WORK = 50
"""Pieces of closed work kept of each collection."""

ORPHAN_PATIENCE_S = 30.0

PROMOTING = {
    "copy": "copying the faces",
    "check": "checking the copy",
    "switch": "putting the copy in place",
}
"""The steps of `core.promotion` for people."""


def maintain(conn: Connection, settings: Settings) -> list[str]:
    """Do all work that waits and all that the policy wants; leave at once when somebody is at it.

    Work that fails (no room for it, say) is reported, and holds up nothing else.

    Args:
        conn: In autocommit mode and used by nobody else.

    Returns:
        What was done, a sentence each.
    """
    if not rows.lock_maintenance(conn):
        return []
    done: list[str] = []
    try:
        done += clean_up(conn)
        _ask_for_wishes(conn, settings)
        while (work := work_rows.claim(conn)) is not None:
            done.append(perform(conn, work, settings))
            _ask_for_wishes(conn, settings)
        work_rows.forget(conn, keep=KEPT_WORK)
    finally:
        _unlock(conn)
    return done


def do_one(
    conn: Connection, work_id: UUID, settings: Settings, *, stop: Event | None = None
) -> bool:
    """Do one piece of work that waits; False when somebody else is at work on indexes.

    Args:
        conn: In autocommit mode and used by nobody else.
        stop: Whoever sets it and then cancels the statement of *conn* lets the work wait again.
    """
    if not rows.lock_maintenance(conn):
        return False
    try:
        clean_up(conn)
        work = work_rows.claim(conn, work_id)
        if work is not None:
            perform(conn, work, settings, stop=stop)
    finally:
        _unlock(conn)
    return True


def clean_up(conn: Connection) -> list[str]:
    """See to what dead processes left: work, tables and indexes. The caller holds the lock."""
    for work in work_rows.left_running(conn):
        if _is_achieved(conn, work):
            work_rows.finish(conn, work.id, State.DONE, "It went on after its process had ended.")
        elif work.attempts >= MOST_ATTEMPTS:
            work_rows.finish(conn, work.id, State.FAILED, "Each process that tried it ended early.")
        else:
            work_rows.put_back(conn, work.id, attempts=work.attempts)
    done = []
    try:
        for collection_id in promotion.drop_orphans(conn, patience_s=ORPHAN_PATIENCE_S):
            done.append(f"dropped {rows.table_name(collection_id)}")
    except DatabaseBusy:
        done.append("left a useless table for later: others hold its locks")
    for name in rows.useless(conn):
        rows.drop_by_name(conn, name)
        done.append(f"dropped {name}")
    return done


def perform(conn: Connection, work: Work, settings: Settings, *, stop: Event | None = None) -> str:
    """Do work that was claimed; return what became of it in a sentence.

    Work that is interrupted waits again, for somebody else.

    Raises:
        psycopg.Error: The connection is lost; the work is left as running.
    """
    table = rows.table(conn, work.collection_id)
    if table is None:
        return f"did not {work.action}: the collection is gone"
    try:
        remark = _do(conn, work, table, settings)
    except DatabaseBusy as error:
        # What was done is kept as long as the work is open.
        if work.attempts < MOST_ATTEMPTS:
            work_rows.put_back(conn, work.id, attempts=work.attempts)
            return f"will {work.action} {table.name!r} later: {error}"
        work_rows.finish(conn, work.id, State.FAILED, str(error))
        return f"could not {work.action} {table.name!r}: {error}"
    except (psycopg.Error, FaceSearchError) as error:
        if conn.closed:
            raise
        if stop is not None and stop.is_set():
            work_rows.put_back(conn, work.id, attempts=work.attempts - 1)
            return f"stopped to {work.action} {table.name!r}"
        reason = str(error).partition("\n")[0] or type(error).__name__
        work_rows.finish(conn, work.id, State.FAILED, reason)
        return f"could not {work.action} {table.name!r}: {reason}"
    except BaseException:
        if not conn.closed:
            work_rows.put_back(conn, work.id, attempts=work.attempts - 1)
        raise
    work_rows.finish(conn, work.id, State.DONE, remark)
    return f"did {work.action} {table.name!r}"


def _do(conn: Connection, work: Work, table: Table, settings: Settings) -> str | None:
    def report(step: str, done: int, total: int) -> None:
        work_rows.report(conn, work.id, step, done, total)

    match Action(work.action):
        case Action.PROMOTE:
            return _promote(conn, work, table, settings, report)
        case Action.BUILD:
            if Kind(work.kind) is Kind.BIT:
                verdict = _build_small(conn, table, settings, report)
                if not verdict.passed:
                    raise IndexWorkRefused(verdict.sentence)
                return verdict.sentence
            remark = _build(conn, Kind.HNSW, table, settings, report)
            # Searches prefer the index of whole vectors: nobody uses the other one any more.
            rows.drop(conn, table.collection_id, Kind.BIT)
            return remark
        case Action.REBUILD:
            return _rebuild(conn, table, settings, report)
        case Action.DROP:
            report("dropping", 0, 0)
            rows.drop(conn, table.collection_id, Kind(work.kind))
            return None
        case other:
            assert_never(other)


def _promote(
    conn: Connection, work: Work, table: Table, settings: Settings, report: Report
) -> str | None:
    """Give a collection its own table, with an index unless a load is on its way."""
    kind, remarks = Kind(work.kind), []

    def build(conn: Connection, _: str) -> None:
        if rows.is_valid(conn, table.collection_id, kind):
            return  # by an earlier try, which broke off after it
        started = datetime.now(UTC)
        remark = _build(conn, kind, table, settings, report)
        if remark:
            remarks.append(remark)
        work_rows.insert_build(
            conn,
            collection_id=table.collection_id,
            kind=kind,
            faces=table.faces,
            actor=work.actor,
            started_at=started,
        )

    loads = work.actor == POLICY and is_loading(indexes.status(conn, table.collection_id))
    promotion.promote(
        conn,
        table.collection_id,
        build=None if loads or kind is Kind.BIT else build,
        report=lambda step, done, total: report(PROMOTING[step], done, total),
    )
    if loads:
        return "The index is built when the photos that wait are indexed."
    if kind is Kind.BIT:
        return _build_small(conn, table, settings, report).sentence
    return remarks[0] if remarks else None


def _build_small(conn: Connection, table: Table, settings: Settings, report: Report) -> Verdict:
    """Build a bit index, which searches use if it finds enough."""
    return small_memory.build_small(
        conn,
        collections.get(conn, table.collection_id),
        settings,
        build=lambda: _build(conn, Kind.BIT, table, settings, report),
        report=report,
    )


def _build(
    conn: Connection, kind: Kind, table: Table, settings: Settings, report: Report
) -> str | None:
    """Build an index with as much memory as it takes and may have; return a remark."""
    report(indexes.BUILDING, 0, table.faces)
    trial = kind is Kind.BIT
    once = partial(
        rows.create,
        conn,
        table.collection_id,
        kind,
        table.dimension,
        links=links(table.faces, kind),
        trial=trial,
    )
    remark = _with_helpers(conn, kind, table, settings, once)
    _narrow(conn, table, kind)
    report(indexes.BUILDING, table.faces, table.faces)
    return remark


def _with_helpers(
    conn: Connection, kind: Kind, table: Table, settings: Settings, once: Callable[[], None]
) -> str | None:
    """Build by as many processes as may; return a remark where it had to be one alone."""
    limits = build_limits(conn, table, kind, settings)
    rows.prepare_build(conn, memory_bytes=limits.memory_bytes, workers=limits.workers)
    try:
        once()
    except (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory) as error:
        if "shared memory" not in str(error):
            raise
        # Several processes share the graph in /dev/shm, which is small in containers.
        rows.prepare_build(conn, memory_bytes=limits.memory_bytes, workers=0)
        once()
        return (
            "Built by one process alone: the server's /dev/shm is too small for several to share "
            "the graph; give its container a larger shm_size."
        )
    return None


def _rebuild(conn: Connection, table: Table, settings: Settings, report: Report) -> str | None:
    """Build every index anew, then free the dead rows: they are in none of the indexes any more."""
    remark = None
    for index in indexes.status(conn, table.collection_id).indexes:
        if not index.valid:
            continue
        kind = Kind(index.kind)
        report(indexes.BUILDING, 0, table.faces)
        wanted = links(table.faces, kind)
        changed = wanted if wanted != index.links else None
        once = partial(rows.rebuild, conn, table.collection_id, kind, links=changed)
        remark = _with_helpers(conn, kind, table, settings, once) or remark
        _narrow(conn, table, kind)
    report("freeing the room of dead rows", table.faces, table.faces)
    rows.vacuum(conn, table.collection_id)
    return remark


def _narrow(conn: Connection, table: Table, kind: Kind) -> None:
    """Let searches look less widely in a graph of more links, if nobody said how widely."""
    if links(table.faces, kind) > LINKS:
        collection = collections.get(conn, table.collection_id)
        if collection.ef_search is None:
            collections.change(conn, collection.id, ef_search=NARROW_EF_SEARCH)


def _ask_for_wishes(conn: Connection, settings: Settings) -> None:
    now = datetime.now(UTC)
    for status in indexes.statuses(conn, least_faces=settings.promote_faces):
        wanted = wish(status, promote_faces=settings.promote_faces, now=now)
        if wanted is not None:
            work_rows.insert(
                conn,
                collection_id=status.table.collection_id,
                action=wanted.action,
                kind=wanted.kind,
                actor=POLICY,
            )


def _is_achieved(conn: Connection, work: Work) -> bool:
    """Say whether a session of Postgres finished what its process had begun."""
    kind = Kind(work.kind)
    if work.action == Action.PROMOTE:
        table = rows.table(conn, work.collection_id)
        return table is not None and table.layout == "own"
    if work.action == Action.BUILD:
        others = kind is Kind.BIT and rows.is_valid(conn, work.collection_id, Kind.HNSW)
        return rows.is_valid(conn, work.collection_id, kind) and not others
    return False


def _unlock(conn: Connection) -> None:
    if not conn.closed:
        rows.unlock_maintenance(conn)
