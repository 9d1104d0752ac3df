"""Rows of ``imports``. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from core.db import queries
from core.db.import_items import Counts
from core.db.pool import Connection
from core.db.rows import execute, fetch_all, fetch_one, fetch_value, glimpse

SQL = queries.load("imports")


@dataclass(frozen=True, slots=True)
class Import:
    """A bulk job; its id is that of its row in ``jobs``.

    Attributes:
        external_id: The sender's own.
        source: ``files``, ``archive``, ``manifest`` or ``folder``.
        path: Of a folder, as the sender named it.
        options: See `core.import_wishes.Options`.
        state: ``receiving``, ``reading``, ``read``, ``cancelled`` or ``failed``.
        reason: Code of what ended it early; *detail* says it in a sentence.
        entries_read: So many have their items, from the first on.
        entries_passed_over: Hidden ones, and what systems leave among photos.
        forecast: Sums over the sample of a dry run.
        counts: Of a closed one; see `Counts.to_json`.
        held_up_by: ``disk``, ``storage`` or ``backlog``: why reading waits.
        pace_from: Since when it runs, with *pace_items* closed items to begin with.
        closed_at: When its last item got its final state.
    """

    id: UUID
    collection_id: UUID
    name: str
    external_id: str | None
    source: str
    path: str | None
    options: dict[str, Any]
    actor: str
    state: str
    paused: bool
    reason: str | None
    detail: str | None
    entries_expected: int | None
    entries_read: int
    entries_passed_over: int
    bytes_expected: int | None
    bytes_read: int
    forecast: dict[str, Any] | None
    counts: dict[str, Any] | None
    held_up_by: str | None
    pace_from: datetime | None
    pace_items: int
    lease: UUID | None
    lease_until: datetime | None
    attempts: int
    looked_at: datetime | None
    created_at: datetime
    read_at: datetime | None
    closed_at: datetime | None


def insert(
    conn: Connection,
    import_id: UUID,
    *,
    collection_id: UUID,
    name: str,
    external_id: str | None,
    source: str,
    path: str | None,
    options: Mapping[str, Any],
    actor: str,
    state: str,
    bytes_expected: int | None,
) -> None:
    """Store an import whose job is there.

    Raises:
        psycopg.errors.UniqueViolation: The external id is in use in this collection.
    """
    params = {
        "id": import_id,
        "collection_id": collection_id,
        "name": name,
        "external_id": external_id,
        "source": source,
        "path": path,
        "options": Jsonb(dict(options)),
        "actor": actor,
        "state": state,
        "bytes_expected": bytes_expected,
    }
    execute(conn, SQL["insert"], params)


def get(conn: Connection, import_id: UUID) -> Import | None:
    """Return one import."""
    return fetch_one(conn, Import, SQL["get"], {"id": import_id})


def space(conn: Connection, import_id: UUID) -> str:
    """Return the id of the space that its faces are in."""
    found: str = fetch_value(conn, SQL["space"], {"id": import_id})
    return found


def by_external_id(conn: Connection, collection_id: UUID, external_id: str) -> Import | None:
    """Return the import that has this external id in its collection."""
    params = {"collection_id": collection_id, "external_id": external_id}
    return fetch_one(conn, Import, SQL["by_external_id"], params)


def lock(conn: Connection, import_id: UUID) -> Import | None:
    """Return one import; nobody else changes it until the transaction ends."""
    return fetch_one(conn, Import, SQL["lock"], {"id": import_id})


def page(
    conn: Connection, collection_id: UUID, *, limit: int, after: UUID | None = None
) -> list[Import]:
    """Return up to *limit* imports behind *after*, newest first."""
    params = {"collection_id": collection_id, "limit": limit, "after": after}
    return fetch_all(conn, Import, SQL["page"], params)


def announced(conn: Connection) -> list[tuple[UUID, int]]:
    """Return the imports that are received and of which somebody said how many bytes there will be."""
    return conn.execute(SQL["announced"]).fetchall()


def idle(conn: Connection, *, since: datetime, import_id: UUID | None = None) -> list[UUID]:
    """Return imports (or this one, if it is so) that wait for their sender, and got no photo *since*.

    Those whose photos still wait for workers are not among them.
    """
    params = {"since": since, "id": import_id}
    return [row[0] for row in conn.execute(SQL["idle"], params)]


def delete(conn: Connection, import_id: UUID) -> None:
    """Delete an import with its items; its images stay."""
    execute(conn, SQL["delete"], {"id": import_id})


def set_state(
    conn: Connection,
    import_id: UUID,
    state: str,
    *,
    reason: str | None = None,
    detail: str | None = None,
) -> None:
    """Change the state; whoever reads it notices with the next batch."""
    params = {"id": import_id, "state": state, "reason": reason, "detail": detail}
    execute(conn, SQL["set_state"], params)


def set_paused(conn: Connection, import_id: UUID, *, paused: bool) -> None:
    """Stop or go on reading."""
    execute(conn, SQL["set_paused"], {"id": import_id, "paused": paused})


def set_pace(conn: Connection, import_id: UUID, *, items: int) -> None:
    """Measure the speed from now on; *items* are closed already."""
    execute(conn, SQL["set_pace"], {"id": import_id, "items": items})


def expect(
    conn: Connection, import_id: UUID, *, entries: int | None = None, bytes: int | None = None
) -> None:
    """Say how much there will be; None changes nothing."""
    execute(conn, SQL["expect"], {"id": import_id, "entries": entries, "bytes": bytes})


def take(
    conn: Connection,
    *,
    lease: UUID,
    lease_s: float,
    ahead: int,
    max_attempts: int,
    space_ids: Sequence[str],
) -> Import | None:
    """Take an import to be read, if there is one; that counts an attempt.

    Args:
        ahead: Open items from which on it is not read any further for now.
        space_ids: Whose models are at hand: dry runs of other collections are left to others.
    """
    params = {
        "lease": lease,
        "lease_s": lease_s,
        "ahead": ahead - 1,
        "max_attempts": max_attempts,
        "space_ids": list(space_ids),
    }
    return fetch_one(conn, Import, SQL["take"], params)


def renew(conn: Connection, import_id: UUID, *, lease: UUID, lease_s: float) -> bool:
    """Hold an import longer; False when it is paused, cancelled, or read by somebody else."""
    params = {"id": import_id, "lease": lease, "lease_s": lease_s}
    return fetch_value(conn, SQL["renew"], params) is False


def hold_up(conn: Connection, import_id: UUID, *, lease: UUID, held_up_by: str) -> None:
    """Say why reading waits."""
    execute(conn, SQL["hold_up"], {"id": import_id, "lease": lease, "held_up_by": held_up_by})


def is_ours(conn: Connection, import_id: UUID, *, lease: UUID) -> bool:
    """Say whether an import is to be read on by whoever has this lease."""
    return fetch_value(conn, SQL["is_ours"], {"id": import_id, "lease": lease}) is True


def advance(
    conn: Connection,
    import_id: UUID,
    *,
    lease: UUID,
    lease_s: float,
    entries_read: int,
    bytes_read: int,
) -> bool:
    """Write down how far it is read; False when it is not ours any more."""
    params = {
        "id": import_id,
        "lease": lease,
        "lease_s": lease_s,
        "entries_read": entries_read,
        "bytes_read": bytes_read,
    }
    return execute(conn, SQL["advance"], params) == 1


def append(conn: Connection, import_id: UUID, *, entries: int, bytes: int) -> int:
    """Make room for *entries* more items; return the position of the first."""
    params = {"id": import_id, "entries": entries, "bytes": bytes}
    first: int = fetch_value(conn, SQL["append"], params)
    return first


def passed_over(conn: Connection, import_id: UUID, count: int) -> None:
    """Say how many entries were no photos that anybody meant to send."""
    execute(conn, SQL["passed_over"], {"id": import_id, "count": count})


def note(
    conn: Connection, import_id: UUID, *, lease: UUID, detail: str, held_up_by: str | None
) -> None:
    """Keep what went wrong for the case that it goes wrong each time.

    Args:
        held_up_by: What is in the way is not the import's fault: the attempt does not count.
    """
    params = {"id": import_id, "lease": lease, "detail": detail, "held_up_by": held_up_by}
    execute(conn, SQL["note"], params)


def set_forecast(conn: Connection, import_id: UUID, forecast: Mapping[str, Any]) -> None:
    """Keep what a dry run found."""
    execute(conn, SQL["set_forecast"], {"id": import_id, "forecast": Jsonb(dict(forecast))})


def let_go(conn: Connection, import_id: UUID, *, lease: UUID) -> None:
    """Leave an import to the next reader."""
    execute(conn, SQL["let_go"], {"id": import_id, "lease": lease})


def give_up(conn: Connection, *, max_attempts: int, detail: str) -> list[UUID]:
    """Mark imports as failed whose readers died each time; return their ids."""
    params = {"max_attempts": max_attempts, "detail": detail}
    return [row[0] for row in conn.execute(SQL["give_up"], params)]


def reading_waits(conn: Connection, *, max_attempts: int) -> bool:
    """Say whether an import waits to be read, if there is room for its items."""
    waits: bool = fetch_value(conn, SQL["reading_waits"], {"max_attempts": max_attempts})
    return waits


def home(conn: Connection, import_id: UUID) -> UUID | None:
    """Return the collection of an import, and keep no lock; None when there is no such row."""
    found: UUID | None = glimpse(conn, SQL["home"], {"id": import_id})
    return found


def cancelled_ones(conn: Connection) -> list[Import]:
    """Return the imports that were cancelled and are not closed."""
    return fetch_all(conn, Import, SQL["cancelled_ones"], {})


def confirm(conn: Connection, import_id: UUID) -> None:
    """Make a dry run that is over an import that waits to be read."""
    execute(conn, SQL["confirm"], {"id": import_id})


def reopen(conn: Connection, import_id: UUID) -> None:
    """Take back that it is closed."""
    execute(conn, SQL["reopen"], {"id": import_id})


def to_settle(conn: Connection, import_id: UUID | None = None) -> list[UUID]:
    """Lock and return imports without an open item that are not marked as closed."""
    return [row[0] for row in conn.execute(SQL["to_settle"], {"id": import_id})]


def close(conn: Connection, import_id: UUID, counts: Counts) -> None:
    """Mark an import as closed."""
    execute(conn, SQL["close"], {"id": import_id, "counts": Jsonb(counts.to_json())})


def needing_spools(conn: Connection, import_ids: Sequence[UUID], *, since: datetime) -> set[UUID]:
    """Return those of *import_ids* whose received bytes may still be needed.

    Args:
        since: Dry runs that ended before it need theirs no longer.
    """
    params = {"ids": list(import_ids), "since": since}
    return {row[0] for row in conn.execute(SQL["spools"], params)}
