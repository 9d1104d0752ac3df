"""Every query of idempotency.sql."""

from uuid import uuid4

import pytest

from core.db import idempotency
from core.db.idempotency import Hold, KeyRow
from core.db.pool import Connection

REQUEST = b"r" * 32


@pytest.fixture
def hold() -> Hold:
    return Hold(b"q" * 32, "key", uuid4())


def find(conn: Connection, hold: Hold) -> KeyRow | None:
    return idempotency.find(conn, requester=hold.requester, key=hold.key)


def keep(conn: Connection, hold: Hold, *, hours: int = 1) -> bool:
    return idempotency.keep(
        conn,
        hold,
        body=b"b" * 32,
        body_size=4,
        status=201,
        headers=[("Location", "/a")],
        answer=b"{}",
        hours=hours,
    )


def test_a_key_is_claimed_once_and_then_answered(conn: Connection, hold: Hold) -> None:
    assert find(conn, hold) is None
    assert idempotency.claim(conn, hold, request=REQUEST, hold_s=60)
    assert not idempotency.claim(conn, hold, request=REQUEST, hold_s=60)
    assert find(conn, hold) == KeyRow(REQUEST, None, None, None, None, None)

    assert keep(conn, hold)

    assert not idempotency.claim(conn, hold, request=REQUEST, hold_s=60)
    expected = KeyRow(REQUEST, b"b" * 32, 4, 201, [["Location", "/a"]], b"{}")
    assert find(conn, hold) == expected


def test_a_claim_that_is_over_makes_room_and_leaves_nothing(conn: Connection, hold: Hold) -> None:
    idempotency.claim(conn, hold, request=REQUEST, hold_s=60)
    keep(conn, hold, hours=-1)
    other = Hold(hold.requester, hold.key, uuid4())

    assert idempotency.claim(conn, other, request=b"s" * 32, hold_s=60)

    assert find(conn, other) == KeyRow(b"s" * 32, None, None, None, None, None)
    assert not keep(conn, hold)


def test_a_renewed_claim_is_not_over(conn: Connection, hold: Hold) -> None:
    idempotency.claim(conn, hold, request=REQUEST, hold_s=-1)
    idempotency.renew(conn, hold, hold_s=60)

    assert not idempotency.claim(conn, hold, request=REQUEST, hold_s=60)


def test_an_answer_is_neither_renewed_nor_freed(conn: Connection, hold: Hold) -> None:
    idempotency.claim(conn, hold, request=REQUEST, hold_s=60)
    keep(conn, hold, hours=-1)

    idempotency.renew(conn, hold, hold_s=60)
    idempotency.free(conn, hold)

    assert find(conn, hold) is not None
    idempotency.delete_expired(conn)
    assert find(conn, hold) is None


def test_only_the_holder_frees(conn: Connection, hold: Hold) -> None:
    idempotency.claim(conn, hold, request=REQUEST, hold_s=60)

    idempotency.free(conn, Hold(hold.requester, hold.key, uuid4()))
    assert find(conn, hold) is not None

    idempotency.free(conn, hold)
    assert find(conn, hold) is None


def test_what_still_counts_is_not_deleted(conn: Connection, hold: Hold) -> None:
    idempotency.claim(conn, hold, request=REQUEST, hold_s=60)

    idempotency.delete_expired(conn)

    assert find(conn, hold) is not None
