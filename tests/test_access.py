"""Keys, one-time links and sessions."""

import pytest

from core import access
from core.db.pool import Connection
from core.errors import NameTaken, NotAuthenticated


def test_a_key_opens_until_it_is_revoked(conn: Connection) -> None:
    key = access.create_key(conn, "robot")

    assert access.check_key(conn, key) == "robot"
    assert access.revoke_key(conn, "robot")
    with pytest.raises(NotAuthenticated):
        access.check_key(conn, key)
    assert not access.revoke_key(conn, "robot")


@pytest.mark.parametrize("key", ["", "fsk_", "fsk_" + "A" * 43, "x" * 10_000])
def test_a_key_that_was_never_made_opens_nothing(conn: Connection, key: str) -> None:
    access.create_key(conn, "robot")

    with pytest.raises(NotAuthenticated):
        access.check_key(conn, key)


def test_only_the_beginning_of_a_key_can_be_read_again(conn: Connection) -> None:
    key = access.create_key(conn, "robot")

    (listed,) = access.keys(conn)

    assert key.startswith("fsk_")
    assert len(key) > 40
    assert (listed.name, listed.hint) == ("robot", key[:10])
    stored = conn.execute("SELECT api_keys::text FROM api_keys").fetchone()
    assert stored is not None
    assert key not in stored[0]


def test_two_keys_are_never_the_same_and_never_share_a_name(conn: Connection) -> None:
    first, second = access.create_key(conn, "first"), access.create_key(conn, "second")

    assert first != second
    with pytest.raises(NameTaken):
        access.create_key(conn, "first")
    assert len(access.keys(conn)) == 2


def test_a_login_link_opens_one_session(conn: Connection) -> None:
    link = access.create_login_token(conn, minutes=5)

    session = access.open_session(conn, link, days=1)

    access.check_session(conn, session)
    with pytest.raises(NotAuthenticated, match="used already"):
        access.open_session(conn, link, days=1)
    access.check_session(conn, session)


def test_a_link_that_is_too_old_or_unknown_opens_nothing(conn: Connection) -> None:
    old = access.create_login_token(conn, minutes=-1)

    for token in (old, "unknown", ""):
        with pytest.raises(NotAuthenticated):
            access.open_session(conn, token, days=1)
    assert conn.execute("SELECT count(*) FROM sessions").fetchone() == (0,)


def test_a_session_ends_when_it_is_closed_or_over(conn: Connection) -> None:
    closed = access.open_session(conn, access.create_login_token(conn, minutes=5), days=1)
    over = access.open_session(conn, access.create_login_token(conn, minutes=5), days=-1)

    access.close_session(conn, closed)

    for session in (closed, over, "unknown"):
        with pytest.raises(NotAuthenticated):
            access.check_session(conn, session)


def test_what_has_expired_is_forgotten(conn: Connection) -> None:
    access.open_session(conn, access.create_login_token(conn, minutes=5), days=-1)
    lasting = access.open_session(conn, access.create_login_token(conn, minutes=5), days=1)

    access.forget_expired(conn)

    assert conn.execute("SELECT count(*) FROM sessions").fetchone() == (1,)
    access.check_session(conn, lasting)


def test_a_shared_secret_is_the_same_for_everybody(conn: Connection) -> None:
    first = access.shared_secret(conn, "cursors")

    assert len(first) == 32
    assert access.shared_secret(conn, "cursors") == first
    assert access.shared_secret(conn, "other") != first
