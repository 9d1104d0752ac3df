"""Every query of access.sql."""

import psycopg
import pytest

from core.db import access
from core.db.pool import Connection

DIGEST, OTHER = bytes(range(32)), bytes(range(32, 64))


def test_a_key_is_known_by_its_hash_until_it_is_revoked(conn: Connection) -> None:
    access.insert_key(conn, name="robot", hint="fsk_abc", sha256=DIGEST)

    assert access.use_key(conn, DIGEST) == "robot"
    assert access.use_key(conn, OTHER) is None
    assert access.revoke_key(conn, "robot")
    assert access.use_key(conn, DIGEST) is None
    assert not access.revoke_key(conn, "robot")


def test_using_a_key_notes_when_at_most_once_a_minute(conn: Connection) -> None:
    access.insert_key(conn, name="robot", hint="fsk_abc", sha256=DIGEST)
    (unused,) = access.keys(conn)

    access.use_key(conn, DIGEST)
    (used,) = access.keys(conn)
    version = conn.execute("SELECT ctid FROM api_keys").fetchone()
    access.use_key(conn, DIGEST)

    assert unused.last_used_at is None
    assert used.last_used_at is not None
    assert conn.execute("SELECT ctid FROM api_keys").fetchone() == version


def test_keys_are_listed_without_their_hash(conn: Connection) -> None:
    access.insert_key(conn, name="first", hint="fsk_a", sha256=DIGEST)
    access.insert_key(conn, name="second", hint="fsk_b", sha256=OTHER)
    access.revoke_key(conn, "second")

    first, second = access.keys(conn)

    assert {first.name, second.name} == {"first", "second"}
    assert not hasattr(first, "sha256")
    assert {key.name: key.revoked_at is not None for key in (first, second)} == {
        "first": False,
        "second": True,
    }


def test_a_name_of_a_key_is_used_once(conn: Connection) -> None:
    access.insert_key(conn, name="robot", hint="fsk_a", sha256=DIGEST)

    with pytest.raises(psycopg.errors.UniqueViolation):
        access.insert_key(conn, name="robot", hint="fsk_b", sha256=OTHER)


def test_a_login_link_works_once(conn: Connection) -> None:
    access.insert_link(conn, DIGEST, minutes=5)

    assert access.use_link(conn, DIGEST)
    assert not access.use_link(conn, DIGEST)
    assert not access.use_link(conn, OTHER)


def test_a_login_link_that_is_too_old_works_never(conn: Connection) -> None:
    access.insert_link(conn, DIGEST, minutes=-1)

    assert not access.use_link(conn, DIGEST)


def test_a_session_is_valid_until_it_expires_or_ends(conn: Connection) -> None:
    access.insert_session(conn, DIGEST, days=1)
    access.insert_session(conn, OTHER, days=-1)

    assert access.session_is_valid(conn, DIGEST)
    assert not access.session_is_valid(conn, OTHER)
    access.delete_session(conn, DIGEST)
    assert not access.session_is_valid(conn, DIGEST)


def test_what_has_expired_is_deleted_and_nothing_else(conn: Connection) -> None:
    for digest, future in ((DIGEST, 1), (OTHER, -1)):
        access.insert_session(conn, digest, days=future)
        access.insert_link(conn, digest, minutes=future)

    access.delete_expired(conn)

    assert conn.execute("SELECT sha256 FROM sessions").fetchall() == [(DIGEST,)]
    assert conn.execute("SELECT sha256 FROM login_links").fetchall() == [(DIGEST,)]


def test_the_first_secret_of_a_name_stays(conn: Connection) -> None:
    assert access.keep_secret(conn, "cursors", b"first") == b"first"
    assert access.keep_secret(conn, "cursors", b"second") == b"first"
