"""Rows of ``imports``, and of their items. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import md5
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from core.db import queries
from core.db.pool import Connection
from core.db.rows import execute, fetch_all, fetch_one, fetch_value, glimpse

SQL = queries.load("imports")

NOT_INDEXED: Final = frozenset({"skipped", "rejected", "failed", "dead"})


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


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one item.

    Attributes:
        position: In the sender's order, from 0.
        key: The name the sender knows it by.
        state: See `core.db.jobs.Item`.
        image_id: None where it has no image, or that was deleted since.
        faces: Stored of an indexed one; None of others.
    """

    position: int
    key: str
    state: str
    reason: str | None
    detail: str | None
    attempts: int
    image_id: UUID | None
    faces: int | None


@dataclass(frozen=True, slots=True)
class Counts:
    """Items by state, and by reason where there is one."""

    states: Mapping[str, int]
    reasons: Mapping[str, int]

    @property
    def total(self) -> int:
        """Of all states."""
        return sum(self.states.values())

    @property
    def open(self) -> int:
        """Those without a final state."""
        return self.states.get("waiting", 0) + self.states.get("running", 0)

    def to_json(self) -> dict[str, Any]:
        """Return what a row keeps."""
        return {"states": dict(self.states), "reasons": dict(self.reasons)}


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


def open_ones(conn: Connection, *, limit: int) -> list[Import]:
    """Return up to *limit* imports that are not closed, of all collections, oldest first."""
    return fetch_all(conn, Import, SQL["open"], {"limit": limit})


def announced(conn: Connection) -> list[tuple[UUID, int]]:
    """Return the imports that are received and of which somebody said how many bytes there will be."""
    return conn.execute(SQL["announced"]).fetchall()


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


def open_items(conn: Connection, import_id: UUID, *, most: int) -> int:
    """Count the items that workers have still to finish, up to *most*."""
    count: int = fetch_value(conn, SQL["open_items"], {"id": import_id, "most": most})
    return count


def unread(conn: Connection, import_id: UUID) -> list[int]:
    """Return the positions of items that wait for their photo."""
    return [row[0] for row in conn.execute(SQL["unread"], {"id": import_id})]


def with_keys(conn: Connection, import_id: UUID, keys: Sequence[str]) -> dict[str, Result]:
    """Return the first item of each of these names that is there."""
    digests = [md5(key.encode(), usedforsecurity=False).hexdigest() for key in keys]
    params = {"id": import_id, "keys": list(keys), "digests": digests}
    found = fetch_all(conn, Result, SQL["keys"], params)
    return {item.key: item for item in found}


def results(
    conn: Connection, import_id: UUID, *, limit: int, after: int = -1, state: str | None = None
) -> list[Result]:
    """Return up to *limit* items behind position *after*, in the sender's order."""
    params = {"id": import_id, "limit": limit, "after": after, "state": state}
    if state is None:
        query = SQL["results"]
    elif state in NOT_INDEXED:
        query = SQL["results_not_indexed"]
    else:
        query = SQL["results_in_state"]
    return fetch_all(conn, Result, query, params)


def counts(conn: Connection, import_id: UUID) -> Counts:
    """Count the items; a million take about a fifth of a second."""
    states: dict[str, int] = {}
    reasons: dict[str, int] = {}
    for state, reason, number in conn.execute(SQL["counts"], {"id": import_id}):
        states[state] = states.get(state, 0) + number
        if reason is not None:
            reasons[reason] = reasons.get(reason, 0) + number
    return Counts(states, reasons)


def home(conn: Connection, import_id: UUID) -> UUID | None:
    """Return the collection of an import, and keep no lock; None when there is no such row."""
    found: UUID | None = glimpse(conn, SQL["home"], {"id": import_id})
    return found


def cancelled_ones(conn: Connection) -> list[UUID]:
    """Return the imports that were cancelled and are not closed."""
    return [row[0] for row in conn.execute(SQL["cancelled_ones"])]


def end_unread(conn: Connection, import_id: UUID, *, detail: str) -> int:
    """End the items that wait for a photo which nothing names any more; return how many."""
    return execute(conn, SQL["end_unread"], {"id": import_id, "detail": detail})


def lock_given_up(conn: Connection, import_id: UUID, states: Sequence[str]) -> list[UUID]:
    """Lock and return the images of items in these states that are given up, in the order of ids."""
    params = {"id": import_id, "states": list(states)}
    return [row[0] for row in conn.execute(SQL["lock_given_up"], params)]


def end_sent_again(conn: Connection, import_id: UUID, states: Sequence[str]) -> int:
    """Skip the items of photos that were sent again since by somebody else; return how many."""
    return execute(conn, SQL["end_sent_again"], {"id": import_id, "states": list(states)})


def confirm(conn: Connection, import_id: UUID) -> None:
    """Make a dry run that is over an import that waits to be read."""
    execute(conn, SQL["confirm"], {"id": import_id})


def retry_photos(
    conn: Connection, import_id: UUID, states: Sequence[str], image_ids: Sequence[UUID]
) -> int:
    """Let items of these images wait for a worker again; return how many."""
    params = {"id": import_id, "states": list(states), "image_ids": list(image_ids)}
    return execute(conn, SQL["retry_photos"], params)


def retry_sources(conn: Connection, import_id: UUID) -> int:
    """Let items whose source could not be read wait for a reader again; return how many."""
    return execute(conn, SQL["retry_sources"], {"id": import_id})


def reopen(conn: Connection, import_id: UUID) -> None:
    """Take back that it is closed."""
    execute(conn, SQL["reopen"], {"id": import_id})


def to_settle(conn: Connection, import_id: UUID | None = None) -> list[UUID]:
    """Lock and return imports without an open item that are not marked as closed."""
    return [row[0] for row in conn.execute(SQL["to_settle"], {"id": import_id})]


def close(conn: Connection, import_id: UUID, counts: Counts) -> None:
    """Mark an import as closed."""
    execute(conn, SQL["close"], {"id": import_id, "counts": Jsonb(counts.to_json())})


def lock_cancelled(conn: Connection, import_id: UUID, *, limit: int) -> list[UUID]:
    """Lock and return images of a cancelled import that nobody has begun or sent otherwise."""
    params = {"id": import_id, "limit": limit}
    return [row[0] for row in conn.execute(SQL["lock_cancelled"], params)]


def cancel_photos(conn: Connection, import_id: UUID, image_ids: Sequence[UUID]) -> set[UUID]:
    """Skip the items of these images that still wait; return the images."""
    params = {"id": import_id, "image_ids": list(image_ids)}
    return {row[0] for row in conn.execute(SQL["cancel_photos"], params)}


def cancel_unread(conn: Connection, import_id: UUID) -> int:
    """Skip the items that wait for their photo; return how many."""
    return execute(conn, SQL["cancel_unread"], {"id": import_id})


def needing_spools(conn: Connection, import_ids: Sequence[UUID]) -> set[UUID]:
    """Return those of *import_ids* whose received bytes may still be needed."""
    return {row[0] for row in conn.execute(SQL["spools"], {"ids": list(import_ids)})}
