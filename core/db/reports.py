"""Rows of ``reports`` and ``report_findings``. The caller owns the transaction, unless said otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from core.db import queries
from core.db.pool import Connection
from core.db.rows import execute, fetch_all, fetch_one, fetch_value
from core.reports.finding import Finding

SQL = queries.load("reports")

_COPY_TYPES: Final = ["uuid", "int4", "text", "text", "float4", "jsonb", "jsonb"]


class State(StrEnum):
    """Of a version of a report; the last three are its end."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Report:
    """One version of a report of a collection.

    Attributes:
        name: Of `core.reports.registry.REPORTS`.
        step: What is done now, *done* of *total*; None: nothing yet, or no more.
        detail: Why it failed.
        previous_id: The version before; None: there is none, or it was deleted.
        findings: How many there are.
        added, gone: Findings that the version before has not, and that it alone has.
        summary: Numbers of the whole.
    """

    id: UUID
    collection_id: UUID
    name: str
    actor: str
    state: str
    step: str | None
    done: int
    total: int
    detail: str | None
    attempts: int
    previous_id: UUID | None
    findings: int
    added: int
    gone: int
    summary: dict[str, Any]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether it waits or runs."""
        return self.state in {State.WAITING, State.RUNNING}


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """A finding of a report; `core.reports.finding` says what its parts are.

    Attributes:
        position: From 0, what matters most first.
        is_new: The version before does not have it.
    """

    report_id: UUID
    position: int
    key: str
    kind: str
    score: float
    is_new: bool
    sides: list[dict[str, Any]]
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Due:
    """A report whose time has come."""

    id: UUID
    name: str


def ask(conn: Connection, collection_id: UUID, name: str, *, actor: str) -> bool:
    """Let a report wait for a worker; False: one waits or runs already.

    Raises:
        psycopg.errors.ForeignKeyViolation: There is no such collection.
    """
    params = {"collection_id": collection_id, "name": name, "actor": actor}
    return execute(conn, SQL["ask"], params) == 1


def get(conn: Connection, report_id: UUID) -> Report | None:
    """Return one version of a report."""
    return fetch_one(conn, Report, SQL["get"], {"id": report_id})


def open_ones(conn: Connection, collection_id: UUID) -> list[Report]:
    """Return those of a collection that wait or run, oldest first."""
    return fetch_all(conn, Report, SQL["open"], {"collection_id": collection_id})


def page(
    conn: Connection,
    collection_id: UUID,
    *,
    limit: int,
    before: UUID | None = None,
    name: str | None = None,
) -> list[Report]:
    """Return up to *limit* versions older than *before*, newest first."""
    params = {"collection_id": collection_id, "limit": limit, "before": before, "name": name}
    return fetch_all(conn, Report, SQL["page"], params)


def latest(conn: Connection, collection_id: UUID) -> list[Report]:
    """Return the newest version of each report that was made, by name."""
    return fetch_all(conn, Report, SQL["latest"], {"collection_id": collection_id})


def last(conn: Connection, collection_id: UUID) -> list[Report]:
    """Return the newest version of each report whatever became of it, by name."""
    return fetch_all(conn, Report, SQL["last"], {"collection_id": collection_id})


def claim(conn: Connection, *, lease: UUID, lease_s: float, most_attempts: int) -> list[Report]:
    """Take all reports of one collection that wait, in one transaction."""
    params = {"lease": lease, "lease_s": lease_s, "most_attempts": most_attempts}
    return sorted(fetch_all(conn, Report, SQL["claim"], params), key=lambda report: report.id)


def give_up(conn: Connection, *, most_attempts: int, detail: str) -> int:
    """Close reports that were tried too often; return how many."""
    return execute(conn, SQL["give_up"], {"most_attempts": most_attempts, "detail": detail})


def renew(conn: Connection, lease: UUID, *, lease_s: float) -> None:
    """Keep claimed reports for longer."""
    execute(conn, SQL["renew"], {"lease": lease, "lease_s": lease_s})


def is_ours(conn: Connection, report_id: UUID, lease: UUID, *, lock: bool = False) -> bool:
    """Say whether a report still runs under this lease; with *lock* it does so until the end."""
    params = {"id": report_id, "lease": lease}
    return fetch_value(conn, SQL["lock_ours"] if lock else SQL["is_ours"], params) is not None


def progress(
    conn: Connection, lease: UUID, step: str, done: int, total: int, report_id: UUID | None = None
) -> None:
    """Say how far one report, or all under a lease, are."""
    params = {"lease": lease, "step": step, "done": done, "total": total, "id": report_id}
    execute(conn, SQL["progress"], params)


def put_back(conn: Connection, lease: UUID) -> None:
    """Let somebody else make what is claimed."""
    execute(conn, SQL["put_back"], {"lease": lease})


def fail(conn: Connection, lease: UUID, detail: str, report_id: UUID | None = None) -> None:
    """Close one report, or all under a lease, as failed."""
    execute(conn, SQL["fail"], {"lease": lease, "detail": detail, "id": report_id})


def cancel(conn: Connection, report_id: UUID) -> bool:
    """Close a report that waits or runs; False: it is over."""
    return execute(conn, SQL["cancel"], {"id": report_id}) == 1


def finish(
    conn: Connection, report: Report, findings: Sequence[Finding], summary: Mapping[str, Any]
) -> None:
    """Store what a report found, and how that differs from the version before."""
    with conn.cursor() as cursor, cursor.copy(SQL["copy_findings"]) as copy:
        copy.set_types(_COPY_TYPES)
        for position, each in enumerate(findings):
            copy.write_row(
                (
                    report.id,
                    position,
                    each.key,
                    each.kind,
                    each.score,
                    Jsonb([side.to_json() for side in each.sides]),
                    Jsonb(dict(each.facts)),
                )
            )
    named = {"collection_id": report.collection_id, "name": report.name}
    previous = fetch_value(conn, SQL["previous"], named)
    params = {"id": report.id, "previous_id": previous, "summary": Jsonb(dict(summary))}
    if previous is not None:
        execute(conn, SQL["mark_new"], params)
    execute(conn, SQL["finish"], params)


def findings(
    conn: Connection,
    report_id: UUID,
    *,
    limit: int,
    after: int | None = None,
    kind: str | None = None,
    only_new: bool = False,
) -> list[StoredFinding]:
    """Return up to *limit* findings behind the position *after*, what matters most first."""
    params = {"id": report_id, "limit": limit, "after": after, "kind": kind, "only_new": only_new}
    return fetch_all(conn, StoredFinding, SQL["findings"], params)


def gone(
    conn: Connection, report: Report, *, limit: int, after: int | None = None
) -> list[StoredFinding]:
    """Return up to *limit* findings that only the version before has."""
    params = {"id": report.id, "previous_id": report.previous_id, "limit": limit, "after": after}
    return fetch_all(conn, StoredFinding, SQL["gone"], params)


def forget(conn: Connection, *, keep: int) -> int:
    """Delete all but the newest *keep* versions of each report; return how many."""
    return execute(conn, SQL["forget"], {"keep": keep})


def delete(conn: Connection, report_id: UUID) -> bool:
    """Delete a version that is over; False: there is none."""
    return execute(conn, SQL["delete"], {"id": report_id}) == 1


def due(conn: Connection, names: Sequence[str], *, hours: int) -> list[Due]:
    """Return the reports of collections that nobody made for so many hours."""
    return fetch_all(conn, Due, SQL["due"], {"names": list(names), "hours": hours})
