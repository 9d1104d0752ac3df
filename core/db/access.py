"""Rows of ``api_keys``, ``login_links``, ``sessions`` and ``secrets``; only hashes of what people
hold. The caller owns the transaction.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.db import queries
from core.db.pool import Connection
from core.db.rows import execute, fetch_all, fetch_value

SQL = queries.load("access")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key; *hint* is how it begins."""

    id: UUID
    name: str
    hint: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


def insert_key(conn: Connection, *, name: str, hint: str, sha256: bytes) -> UUID:
    """Store a key by its hash.

    Raises:
        psycopg.errors.UniqueViolation: The name is in use.
    """
    made: UUID = fetch_value(
        conn, SQL["insert_key"], {"name": name, "hint": hint, "sha256": sha256}
    )
    return made


def keys(conn: Connection) -> list[ApiKey]:
    """Return every key, revoked ones too, oldest first."""
    return fetch_all(conn, ApiKey, SQL["keys"], {})


def use_key(conn: Connection, sha256: bytes) -> str | None:
    """Return the name of the valid key with this hash and note the use."""
    name: str | None = fetch_value(conn, SQL["use_key"], {"sha256": sha256})
    return name


def revoke_key(conn: Connection, name: str) -> bool:
    """Make a key useless; False when there is no valid one of that name."""
    return execute(conn, SQL["revoke_key"], {"name": name}) == 1


def insert_link(conn: Connection, sha256: bytes, *, minutes: int) -> None:
    """Store a one-time login link by its hash."""
    execute(conn, SQL["insert_link"], {"sha256": sha256, "minutes": minutes})


def use_link(conn: Connection, sha256: bytes) -> bool:
    """Consume a link; False when it is unknown, used or too old."""
    return bool(fetch_value(conn, SQL["use_link"], {"sha256": sha256}))


def insert_session(conn: Connection, sha256: bytes, *, days: int) -> None:
    """Store a session by its hash."""
    execute(conn, SQL["insert_session"], {"sha256": sha256, "days": days})


def session_is_valid(conn: Connection, sha256: bytes) -> bool:
    """Say whether a session exists and has not expired."""
    valid: bool = fetch_value(conn, SQL["session_is_valid"], {"sha256": sha256})
    return valid


def delete_session(conn: Connection, sha256: bytes) -> None:
    """End a session."""
    execute(conn, SQL["delete_session"], {"sha256": sha256})


def delete_expired(conn: Connection) -> None:
    """Forget links and sessions that are past their time."""
    execute(conn, SQL["delete_expired"], {})


def keep_secret(conn: Connection, name: str, value: bytes) -> bytes:
    """Store *value* unless the secret exists; return the one that counts."""
    execute(conn, SQL["keep_secret"], {"name": name, "value": value})
    kept: bytes = fetch_value(conn, SQL["secret"], {"name": name})
    return kept
