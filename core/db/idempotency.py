"""Rows of ``idempotency_keys``. The caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from psycopg.types.json import Jsonb

from core.db import queries
from core.db.pool import Connection
from core.db.rows import execute, fetch_one

SQL = queries.load("idempotency")


@dataclass(frozen=True, slots=True)
class Hold:
    """One try of a request under a key.

    Attributes:
        requester: A digest that stands for whoever sent the key.
        holder: Other tries of the same request have others.
    """

    requester: bytes
    key: str
    holder: UUID


@dataclass(frozen=True, slots=True)
class KeyRow:
    """What is known of a request; all but *request* is None before there is an answer.

    Attributes:
        body: SHA-256; None too where success did not need the whole body.
        headers: Names with values, in their order.
    """

    request: bytes
    body: bytes | None
    body_size: int | None
    status: int | None
    headers: Sequence[Sequence[str]] | None
    answer: bytes | None


def claim(conn: Connection, hold: Hold, *, request: bytes, hold_s: float) -> bool:
    """Take a key; False when another try holds it, or its answer is kept."""
    return execute(conn, SQL["claim"], {**asdict(hold), "request": request, "hold_s": hold_s}) == 1


def find(conn: Connection, *, requester: bytes, key: str) -> KeyRow | None:
    """Return what is known under a key."""
    return fetch_one(conn, KeyRow, SQL["find"], {"requester": requester, "key": key})


def renew(conn: Connection, hold: Hold, *, hold_s: float) -> None:
    """Say that this try is alive."""
    execute(conn, SQL["renew"], {**asdict(hold), "hold_s": hold_s})


def keep(
    conn: Connection,
    hold: Hold,
    *,
    body: bytes | None,
    body_size: int | None,
    status: int,
    headers: Sequence[tuple[str, str]],
    answer: bytes,
    hours: int,
) -> bool:
    """Store the answer of this try; False when another one took the key over."""
    given = {
        "body": body,
        "body_size": body_size,
        "status": status,
        "headers": Jsonb(headers),
        "answer": answer,
        "hours": hours,
    }
    return execute(conn, SQL["keep"], {**asdict(hold), **given}) == 1


def free(conn: Connection, hold: Hold) -> None:
    """Forget this try, if it has no answer yet."""
    execute(conn, SQL["free"], asdict(hold))


def delete_expired(conn: Connection) -> None:
    """Forget answers and dead tries that are past their time."""
    execute(conn, SQL["delete_expired"], {})
