"""Who may in: API keys, one-time login links and the sessions that they open.

Every token has 256 random bits and is stored as its SHA-256: a slow hash protects guessable
passwords, and these cannot be guessed.
"""

import hashlib
import secrets

from psycopg.errors import UniqueViolation

from core.db import access as rows
from core.db.access import ApiKey
from core.db.pool import Connection
from core.errors import NameTaken, NotAuthenticated

KEY_PREFIX = "fsk_"
"""Starts every API key, so that scanners for leaked secrets can find them."""

HINT_LENGTH = len(KEY_PREFIX) + 6


def create_key(conn: Connection, name: str) -> str:
    """Make an API key; the text returned is shown once and cannot be had again.

    Raises:
        NameTaken: There is a key of that name.
    """
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    try:
        with conn.transaction():
            rows.insert_key(conn, name=name, hint=key[:HINT_LENGTH], sha256=_digest(key))
    except UniqueViolation:
        raise NameTaken(f"There is an API key named {name!r} already.") from None
    return key


def keys(conn: Connection) -> list[ApiKey]:
    """Return every key without its secret part."""
    return rows.keys(conn)


def revoke_key(conn: Connection, name: str) -> bool:
    """Make a key useless; False when there is no valid one of that name."""
    with conn.transaction():
        return rows.revoke_key(conn, name)


def check_key(conn: Connection, key: str) -> str:
    """Return the name of a valid API key.

    Raises:
        NotAuthenticated: It is unknown or revoked.
    """
    with conn.transaction():
        name = rows.use_key(conn, _digest(key))
    if name is None:
        raise NotAuthenticated("This API key is not valid.")
    return name


def create_login_token(conn: Connection, *, minutes: int) -> str:
    """Make the token of a one-time login link."""
    token = secrets.token_urlsafe(32)
    with conn.transaction():
        rows.delete_expired(conn)
        rows.insert_link(conn, _digest(token), minutes=minutes)
    return token


def open_session(conn: Connection, login_token: str, *, days: int) -> str:
    """Use a login token up; return the token of the new session.

    Raises:
        NotAuthenticated: The link is unknown, used or too old.
    """
    session = secrets.token_urlsafe(32)
    with conn.transaction():
        if not rows.use_link(conn, _digest(login_token)):
            raise NotAuthenticated("This login link is not valid or was used already.")
        rows.insert_session(conn, _digest(session), days=days)
    return session


def check_session(conn: Connection, session: str) -> None:
    """Accept a session.

    Raises:
        NotAuthenticated: It is unknown or over.
    """
    if not rows.session_is_valid(conn, _digest(session)):
        raise NotAuthenticated("Please log in again.")


def close_session(conn: Connection, session: str) -> None:
    """Log out."""
    with conn.transaction():
        rows.delete_session(conn, _digest(session))


def forget_expired(conn: Connection) -> None:
    """Delete login links and sessions that are past their time."""
    with conn.transaction():
        rows.delete_expired(conn)


def shared_secret(conn: Connection, name: str) -> bytes:
    """Return 32 random bytes that every process of this installation shares."""
    with conn.transaction():
        return rows.keep_secret(conn, name, secrets.token_bytes(32))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
