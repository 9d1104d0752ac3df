"""Keys of requests: who claims one, who gets the answer, and what a body is known by."""

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from uuid import uuid4

import pytest

from core import idempotency
from core.db.pool import Pool, open_pool
from core.errors import IdempotencyInProgress, IdempotencyMismatch, InvalidRequest
from core.idempotency import Answer, Body, BodyDigest, Claim, Kept

CREATED = Answer(201, [("Location", "/v1/a"), ("Link", "</b>"), ("Link", "</c>")], b'{"id": 1}')
REQUEST = idempotency.request_digest("/v1/collections", "", "application/json")
BODY = Body(b"b" * 32, 5)

DIES_WITH_A_CLAIM = """
import os, sys
from core import idempotency
from core.db.pool import open_pool

pool = open_pool(sys.argv[1], size=1)
idempotency.begin(
    pool, requester=bytes.fromhex(sys.argv[2]), key="k", request=bytes.fromhex(sys.argv[3]), hold_s=2
)
os._exit(9)
"""


@pytest.fixture(scope="module")
def pool(database_url: str) -> Iterator[Pool]:
    opened = open_pool(database_url, size=4)
    yield opened
    opened.close()


@pytest.fixture
def requester() -> bytes:
    """Somebody who never sent a key before."""
    return uuid4().bytes * 2


def begin(
    pool: Pool, requester: bytes, *, key: str = "k", request: bytes = REQUEST, hold_s: float = 60
) -> Claim | Kept:
    return idempotency.begin(pool, requester=requester, key=key, request=request, hold_s=hold_s)


def claim(pool: Pool, requester: bytes, **more: float) -> Claim:
    found = begin(pool, requester, **more)
    assert isinstance(found, Claim)
    return found


def kept(pool: Pool, requester: bytes) -> Kept:
    found = begin(pool, requester)
    assert isinstance(found, Kept)
    return found


def let_time_pass(pool: Pool, requester: bytes, *, hours: float) -> None:
    with pool.connection() as conn:
        conn.execute(
            "UPDATE idempotency_keys SET valid_until = valid_until - make_interval(secs => %s) "
            "WHERE requester = %s",
            [hours * 3600, requester],
        )


# --- keys ----------------------------------------------------------------------------------------


def test_an_answer_is_given_again_as_it_was(pool: Pool, requester: bytes) -> None:
    claim(pool, requester).keep(CREATED, BODY)

    assert kept(pool, requester).answer_to(BODY) == CREATED


def test_a_request_that_is_not_answered_yet_is_in_progress(pool: Pool, requester: bytes) -> None:
    claim(pool, requester)

    with pytest.raises(IdempotencyInProgress):
        begin(pool, requester)


def test_a_freed_key_is_as_new(pool: Pool, requester: bytes) -> None:
    claim(pool, requester).free()

    claim(pool, requester)


@pytest.mark.parametrize("answered", [True, False])
def test_a_key_belongs_to_one_request(pool: Pool, requester: bytes, answered: bool) -> None:
    held = claim(pool, requester)
    if answered:
        held.keep(CREATED, BODY)

    with pytest.raises(IdempotencyMismatch, match="path"):
        begin(pool, requester, request=bytes(32))


@pytest.mark.parametrize("other", [Body(b"c" * 32, 5), None])
def test_another_body_gets_no_answer(pool: Pool, requester: bytes, other: Body | None) -> None:
    claim(pool, requester).keep(CREATED, BODY)

    with pytest.raises(IdempotencyMismatch, match="body"):
        kept(pool, requester).answer_to(other)


def test_a_body_that_is_too_long_need_not_be_read_to_its_end(pool: Pool, requester: bytes) -> None:
    claim(pool, requester).keep(CREATED, BODY)
    found = kept(pool, requester)

    found.require_size(BODY.size)
    with pytest.raises(IdempotencyMismatch, match="body"):
        found.require_size(BODY.size + 1)


def test_where_success_needed_no_body_none_is_compared(pool: Pool, requester: bytes) -> None:
    claim(pool, requester).keep(CREATED, None)
    found = kept(pool, requester)

    assert not found.needs_body
    assert found.answer_to(None) == CREATED


def test_requesters_do_not_meet_under_one_key(pool: Pool, requester: bytes) -> None:
    claim(pool, requester).keep(CREATED, BODY)

    claim(pool, requester[::-1])


def test_of_many_at_once_one_may_work(pool: Pool, requester: bytes) -> None:
    def attempt(_: int) -> bool:
        try:
            return isinstance(begin(pool, requester), Claim)
        except IdempotencyInProgress:
            return False

    with ThreadPoolExecutor(20) as threads:
        assert sorted(threads.map(attempt, range(20))) == [False] * 19 + [True]


def test_a_request_that_takes_long_keeps_its_key(pool: Pool, requester: bytes) -> None:
    held = claim(pool, requester, hold_s=0.4)

    sleep(1.2)

    with pytest.raises(IdempotencyInProgress):
        begin(pool, requester)
    held.keep(CREATED, BODY)
    assert kept(pool, requester).answer_to(BODY) == CREATED


def test_the_key_of_a_process_that_died_is_free_after_its_hold(
    pool: Pool, database_url: str, requester: bytes
) -> None:
    process = subprocess.run(
        [sys.executable, "-c", DIES_WITH_A_CLAIM, database_url, requester.hex(), REQUEST.hex()],
        check=False,
    )
    assert process.returncode == 9

    with pytest.raises(IdempotencyInProgress):
        begin(pool, requester)
    sleep(2)
    claim(pool, requester)


def test_whoever_was_taken_for_dead_changes_nothing(
    pool: Pool, requester: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    late = claim(pool, requester)
    let_time_pass(pool, requester, hours=1)
    claim(pool, requester).keep(CREATED, BODY)

    late.free()
    late.keep(Answer(500, [], b""), BODY)

    assert kept(pool, requester).answer_to(BODY) == CREATED
    assert "taken for dead" in caplog.text


def test_an_answer_is_kept_for_a_day(pool: Pool, requester: bytes) -> None:
    claim(pool, requester).keep(CREATED, BODY)

    let_time_pass(pool, requester, hours=23.9)
    with pool.connection() as conn:
        idempotency.forget_expired(conn)
    assert kept(pool, requester).answer_to(BODY) == CREATED

    let_time_pass(pool, requester, hours=0.2)
    claim(pool, requester)


def test_what_is_past_its_time_is_deleted(pool: Pool, requester: bytes) -> None:
    claim(pool, requester).keep(CREATED, BODY)
    held = claim(pool, requester[::-1])
    let_time_pass(pool, requester, hours=25)

    with pool.connection() as conn:
        idempotency.forget_expired(conn)

    with pool.connection() as conn:
        left = conn.execute(
            "SELECT requester FROM idempotency_keys WHERE requester = ANY (%s)",
            [[requester, requester[::-1]]],
        ).fetchall()
    assert left == [(requester[::-1],)]
    held.free()


@pytest.mark.parametrize("key", ["a", "A b~!", '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "x" * 64])
def test_printable_ascii_is_a_key(key: str) -> None:
    assert idempotency.require_key(key) == key


@pytest.mark.parametrize("key", ["", "x" * 65, "a\tb", "a\0", "a\n", "clé", "\x7f"])
def test_anything_else_is_no_key(key: str) -> None:
    with pytest.raises(InvalidRequest, match="printable ASCII") as caught:
        idempotency.require_key(key)

    assert caught.value.details["errors"][0]["field"] == "Idempotency-Key"


def test_the_parts_of_a_request_do_not_run_into_each_other() -> None:
    assert idempotency.request_digest("ab", "c") != idempotency.request_digest("a", "bc")


# --- bodies --------------------------------------------------------------------------------------


def form(boundary: str, *parts: bytes) -> bytes:
    divider = b"--" + boundary.encode()
    texts = [divider + b"\r\n\r\n" + part + b"\r\n" for part in parts]
    return b"".join(texts) + divider + b"--\r\n"


def digest(body: bytes, boundary: str | None = None, *, piece: int = 2**16) -> Body:
    digesting = BodyDigest(None if boundary is None else boundary.encode())
    for start in range(0, len(body), piece):
        digesting.update(body[start : start + piece])
    return digesting.finish()


PIECES = [1, 2, 3, 7, 10, 64, 2**16]
PARTS = [b"photo \r\n--not the boundary\r\n", b"", b"\r\n\r\n-", b"--", bytes(range(256))]


@pytest.mark.parametrize("piece", PIECES)
def test_a_form_is_the_same_with_another_boundary_however_it_arrives(piece: int) -> None:
    expected = digest(form("one", *PARTS), "one")

    assert digest(form("another-one", *PARTS), "another-one", piece=piece) == expected


@pytest.mark.parametrize("piece", PIECES)
def test_a_plain_body_is_known_by_all_its_bytes(piece: int) -> None:
    body = bytes(range(256)) * 3

    assert digest(body, piece=piece) == digest(body)
    assert digest(body).size == len(body)
    assert digest(body[:-1] + b"x") != digest(body)


@pytest.mark.parametrize(
    "other",
    [
        form("one", b"ab", b"d"),
        form("one", b"abc"),
        form("one", b"a", b"bc"),
        form("one", b"c", b"ab"),
        form("one", b"ab", b"c")[:-2],
        form("one", b"ab", b"c") + b"epilogue",
        b"preamble\r\n" + form("one", b"ab", b"c"),
        form("two", b"ab", b"c"),
    ],
)
def test_forms_that_differ_in_more_than_the_boundary_are_different(other: bytes) -> None:
    assert digest(other, "one").sha256 != digest(form("one", b"ab", b"c"), "one").sha256


def test_the_bytes_of_one_boundary_are_no_other() -> None:
    said_so = re.sub(rb"one", b"two", form("one", b"x\r\n--one\r\ny"))

    assert digest(said_so, "two") == digest(form("one", b"x\r\n--one\r\ny"), "one")
    assert digest(form("two", b"x\r\n--one\r\ny"), "two") != digest(said_so, "two")


def test_nothing_but_boundaries_has_a_size_too() -> None:
    assert digest(b"\r\n--x" * 1000, "x").size >= 1000
