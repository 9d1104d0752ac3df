"""Rows of ``items``, as far as they are of imports. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import md5
from typing import Any, Final
from uuid import UUID

from core.db import queries
from core.db.pool import Connection
from core.db.rows import execute, fetch_all, fetch_value

SQL = queries.load("import_items")

NOT_INDEXED: Final = frozenset({"skipped", "rejected", "failed", "dead"})


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


def open_items(conn: Connection, import_id: UUID, *, most: int) -> int:
    """Count the items that workers have still to finish, up to *most*."""
    count: int = fetch_value(conn, SQL["open_items"], {"id": import_id, "most": most})
    return count


def unread(conn: Connection, import_id: UUID) -> list[int]:
    """Return the positions of items that wait for their photo."""
    return [row[0] for row in conn.execute(SQL["unread"], {"id": import_id})]


def end_unread(conn: Connection, import_id: UUID, *, detail: str) -> int:
    """End the items that wait for a photo which nothing names any more; return how many."""
    return execute(conn, SQL["end_unread"], {"id": import_id, "detail": detail})


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


def lock_given_up(conn: Connection, import_id: UUID, states: Sequence[str]) -> list[UUID]:
    """Lock and return the images of items in these states that are given up, in the order of ids."""
    params = {"id": import_id, "states": list(states)}
    return [row[0] for row in conn.execute(SQL["lock_given_up"], params)]


def end_sent_again(conn: Connection, import_id: UUID, states: Sequence[str]) -> int:
    """Skip the items of photos that were sent again since by somebody else; return how many."""
    return execute(conn, SQL["end_sent_again"], {"id": import_id, "states": list(states)})


def retry_photos(
    conn: Connection, import_id: UUID, states: Sequence[str], image_ids: Sequence[UUID]
) -> int:
    """Let items of these images wait for a worker again; return how many."""
    params = {"id": import_id, "states": list(states), "image_ids": list(image_ids)}
    return execute(conn, SQL["retry_photos"], params)


def retry_sources(conn: Connection, import_id: UUID) -> int:
    """Let items whose source could not be read wait for a reader again; return how many."""
    return execute(conn, SQL["retry_sources"], {"id": import_id})


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
