"""Rows of ``review_items``. The caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from core.db import queries
from core.db.pool import Connection
from core.db.rows import execute, fetch_all, fetch_one
from core.reports.finding import Finding

SQL = queries.load("reviews")


class State(StrEnum):
    """Of an item: to be decided, put off, decided, or answered elsewhere."""

    OPEN = "open"
    LATER = "later"
    DECIDED = "decided"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class Item:
    """A question for a person; `core.reports.finding` says what sides and facts are.

    Attributes:
        source: The report that found it, or ``arrival``.
        change_id: Of the decision, by which it can be undone.
    """

    id: UUID
    collection_id: UUID
    source: str
    key: str
    kind: str
    score: float
    sides: list[dict[str, Any]]
    facts: dict[str, Any]
    state: str
    decision: str | None
    decided_by: str | None
    decided_at: datetime | None
    change_id: UUID | None
    created_at: datetime

    @property
    def is_open(self) -> bool:
        """Whether it waits for a decision."""
        return self.state in {State.OPEN, State.LATER}


@dataclass(frozen=True, slots=True)
class Count:
    """How many items of one source are in a state."""

    source: str
    state: str
    count: int


def take_up(
    conn: Connection,
    collection_id: UUID,
    source: str,
    found: Sequence[Finding],
    *,
    whole: bool,
    seen_at: datetime | None = None,
) -> None:
    """Make items of findings, or bring those that are there up to date.

    Args:
        found: No two with one key.
        whole: *found* is all that the source finds now; other open items of it are settled.
        seen_at: When the look at the collection began; what was decided since stays decided. None: with
            the transaction.
    """
    params = {
        "collection_id": collection_id,
        "source": source,
        "seen_at": seen_at,
        "keys": [each.key for each in found],
        "kinds": [each.kind for each in found],
        "scores": [each.score for each in found],
        "sides": [Jsonb([side.to_json() for side in each.sides]) for each in found],
        "facts": [Jsonb(dict(each.facts)) for each in found],
    }
    execute(conn, SQL["take_up"], params)
    if whole:
        execute(conn, SQL["settle"], params)


def settle(conn: Connection, item_id: UUID) -> None:
    """Say that what an open item asks was answered elsewhere, unless somebody decides it just now."""
    execute(conn, SQL["settle_one"], {"id": item_id})


def get(conn: Connection, item_id: UUID, *, lock: bool = False) -> Item | None:
    """Return one item; with *lock* nobody else decides it until the transaction ends."""
    return fetch_one(conn, Item, SQL["lock"] if lock else SQL["get"], {"id": item_id})


def many(conn: Connection, item_ids: Sequence[UUID]) -> list[Item]:
    """Return those of these items that are there, the surest first."""
    return fetch_all(conn, Item, SQL["many"], {"ids": list(item_ids)})


def page(
    conn: Connection,
    collection_id: UUID,
    *,
    limit: int,
    state: State = State.OPEN,
    source: str | None = None,
    after: tuple[float, UUID] | None = None,
) -> list[Item]:
    """Return up to *limit* items behind the score and id of *after*, the surest first."""
    params = {
        "collection_id": collection_id,
        "limit": limit,
        "state": state,
        "source": source,
        "after_score": None if after is None else after[0],
        "after_id": None if after is None else after[1],
    }
    return fetch_all(conn, Item, SQL["page"], params)


def before(
    conn: Connection,
    collection_id: UUID,
    key: tuple[float, UUID],
    *,
    state: State,
    source: str | None = None,
) -> Item | None:
    """Return the item right before a score and an id, in the order of `page`."""
    params = {
        "collection_id": collection_id,
        "state": state,
        "source": source,
        "score": key[0],
        "id": key[1],
    }
    return fetch_one(conn, Item, SQL["before"], params)


def of_keys(conn: Connection, collection_id: UUID, source: str, keys: Sequence[str]) -> list[Item]:
    """Return the items of a source with these keys."""
    params = {"collection_id": collection_id, "source": source, "keys": list(keys)}
    return fetch_all(conn, Item, SQL["of_keys"], params)


def open_about(
    conn: Connection, collection_id: UUID, *, people: Sequence[UUID], faces: Sequence[UUID]
) -> list[Item]:
    """Return the items that wait and show one of these people, or have one of these faces in front."""
    params = {
        "collection_id": collection_id,
        "people": [str(each) for each in people],
        "faces": [str(each) for each in faces],
    }
    return fetch_all(conn, Item, SQL["open_about"], params)


def counts(conn: Connection, collection_id: UUID) -> list[Count]:
    """Return how many items there are, by source and state."""
    return fetch_all(conn, Count, SQL["counts"], {"collection_id": collection_id})


def postpone(conn: Connection, item_id: UUID, state: State) -> bool:
    """Put an item off, or take it up again; False: it is over."""
    return execute(conn, SQL["postpone"], {"id": item_id, "state": state}) == 1


def decide(conn: Connection, item_id: UUID, decision: str, *, actor: str, change_id: UUID) -> None:
    """Keep the decision about an item."""
    params = {"id": item_id, "decision": decision, "actor": actor, "change_id": change_id}
    execute(conn, SQL["decide"], params)


def reopen(conn: Connection, change_id: UUID) -> int:
    """Ask again what a change decided, which is undone; return how many items that were."""
    return execute(conn, SQL["reopen"], {"change_id": change_id})
