"""Rows of ``index_work``: the queue of long work on indexes, and what became of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from core.db import queries
from core.db.indexes import Kind
from core.db.pool import Connection
from core.db.rows import execute, fetch_all, fetch_one, fetch_value

SQL = queries.load("index_work")


class Action(StrEnum):
    """What can be done about the index of a collection."""

    PROMOTE = "promote"
    BUILD = "build"
    REBUILD = "rebuild"
    DROP = "drop"


class State(StrEnum):
    """How far a piece of work is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of work.

    Attributes:
        action: Of `Action`.
        kind: Of `core.db.indexes.Kind`.
        state: Of `State`.
        step: What is done now, a word or a few for people.
        done: Faces of *total* that the step is through with.
        detail: Why it failed, or a remark.
        actor: Who asked for it.
    """

    id: UUID
    collection_id: UUID
    action: str
    kind: str
    state: str
    step: str | None
    done: int
    total: int
    attempts: int
    detail: str | None
    actor: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Measured:
    """How long a build took."""

    faces: int
    seconds: float


def insert(
    conn: Connection, *, collection_id: UUID, action: Action, kind: Kind, actor: str
) -> UUID | None:
    """Let work wait; None when the same is open already."""
    made: UUID | None = fetch_value(
        conn,
        SQL["insert"],
        {"collection_id": collection_id, "action": action, "kind": kind, "actor": actor},
    )
    return made


def get(conn: Connection, work_id: UUID) -> Work | None:
    """Return one piece of work; None when it is gone, as with its collection."""
    return fetch_one(conn, Work, SQL["get"], {"id": work_id})


def open_work(conn: Connection, collection_id: UUID) -> list[Work]:
    """Return what runs or waits for a collection, in that order."""
    return fetch_all(conn, Work, SQL["open"], {"collection_id": collection_id})


def history(conn: Connection, collection_id: UUID, *, limit: int) -> list[Work]:
    """Return what was done for a collection, newest first."""
    return fetch_all(conn, Work, SQL["history"], {"collection_id": collection_id, "limit": limit})


def claim(conn: Connection, work_id: UUID | None = None) -> Work | None:
    """Take the oldest waiting work, or the one named, whose `index_work` row then runs."""
    return fetch_one(conn, Work, SQL["claim"], {"id": work_id})


def report(conn: Connection, work_id: UUID, step: str, done: int, total: int) -> None:
    """Write down how far it is."""
    execute(conn, SQL["report"], {"id": work_id, "step": step, "done": done, "total": total})


def finish(conn: Connection, work_id: UUID, state: State, detail: str | None = None) -> None:
    """Close it as done or failed."""
    execute(conn, SQL["finish"], {"id": work_id, "state": state, "detail": detail})


def put_back(conn: Connection, work_id: UUID, *, attempts: int) -> None:
    """Let it wait again, as one that was tried *attempts* times."""
    execute(conn, SQL["put_back"], {"id": work_id, "attempts": attempts})


def left_running(conn: Connection) -> list[Work]:
    """Return what nobody works on any more, for whoever holds the lock of maintenance."""
    return fetch_all(conn, Work, SQL["left_running"], {})


def insert_build(
    conn: Connection,
    *,
    collection_id: UUID,
    kind: Kind,
    faces: int,
    actor: str,
    started_at: datetime,
) -> None:
    """Write down an index that was just built within other work."""
    execute(
        conn,
        SQL["insert_build"],
        {
            "collection_id": collection_id,
            "kind": kind,
            "faces": faces,
            "actor": actor,
            "started_at": started_at,
        },
    )


def latest_build(conn: Connection, kind: Kind, dimension: int) -> Measured | None:
    """Return how long the latest comparable build took on this server."""
    return fetch_one(conn, Measured, SQL["latest_build"], {"kind": kind, "dimension": dimension})


def forget(conn: Connection, *, keep: int) -> None:
    """Remove closed work, all but the newest *keep* of each collection."""
    execute(conn, SQL["forget"], {"keep": keep})
