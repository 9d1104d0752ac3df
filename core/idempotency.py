"""Requests that may be sent again: under the same key they are done once and answered alike.

A key is claimed in a transaction of its own before the work and answered in another one after it.
Between the two a thread renews the claim: a request may take as long as it likes, and the key of a
process that died is free after `HOLD_S`.
"""

import hashlib
import logging
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from uuid import uuid4

from core import leases
from core.db import idempotency as rows
from core.db.idempotency import Hold, KeyRow
from core.db.pool import Connection, Pool
from core.errors import IdempotencyInProgress, IdempotencyMismatch, InvalidRequest

logger = logging.getLogger(__name__)

HEADER = "Idempotency-Key"
KEEP_HOURS = 24
LONGEST_KEY = 64
LARGEST_ANSWER = 2**20
"""Bytes. Larger ones would make a table of what is only ever read after an accident."""

HOLD_S = 60.0
"""A claim that was not renewed for so long belongs to a process that died."""

RENEWALS_PER_HOLD = 4

KEY = re.compile(rf"[\x20-\x7e]{{1,{LONGEST_KEY}}}")


@dataclass(frozen=True, slots=True)
class Body:
    """What the body of a request is known by.

    Attributes:
        sha256: See `BodyDigest`.
        size: In bytes, where a boundary of a multipart body counts as one.
    """

    sha256: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered with, at most `LARGEST_ANSWER` bytes.

    Attributes:
        status: HTTP.
    """

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


class BodyDigest:
    """Digests a body as it streams by, whatever boundary its parts are divided by.

    Clients draw a new boundary each time they build a form, also for the same one. So a multipart
    body counts as the list of what stands between its boundaries.

    Attributes:
        size: In bytes, so far; a boundary counts as one.
    """

    def __init__(self, boundary: bytes | None = None) -> None:
        self.size = 0
        self._whole = hashlib.sha256()
        self._part = hashlib.sha256()
        self._delimiter = b"" if boundary is None else b"\r\n--" + boundary
        # Only the first boundary has no line before it.
        self._rest = b"" if boundary is None else b"\r\n"

    def update(self, data: bytes) -> None:
        """Take the next bytes; they may end anywhere."""
        if not self._delimiter:
            self._take(data)
            return
        *parts, last = (self._rest + data).split(self._delimiter)
        for part in parts:
            self._take(part)
            self._end_part()
            self.size += 1
        sure = max(0, len(last) - len(self._delimiter) + 1)
        self._take(last[:sure])
        self._rest = last[sure:]

    def finish(self) -> Body:
        """Return what the whole body is known by; there must be no more of it."""
        self._take(self._rest)
        self._end_part()
        return Body(self._whole.digest(), self.size)

    def _take(self, data: bytes) -> None:
        self._part.update(data)
        self.size += len(data)

    def _end_part(self) -> None:
        # Digests of one length: no other division into parts gives the same whole.
        self._whole.update(self._part.digest())
        self._part = hashlib.sha256()


class Kept:
    """A request that was answered before."""

    def __init__(self, row: KeyRow, answer: Answer) -> None:
        self._row = row
        self._answer = answer

    @property
    def needs_body(self) -> bool:
        """Whether the answer depends on the body."""
        return self._row.body is not None

    def require_size(self, size: int) -> None:
        """Refuse a body as soon as it is too long to be the one of before.

        Raises:
            IdempotencyMismatch: It is.
        """
        if self._row.body_size is not None and size > self._row.body_size:
            raise _mismatch("body")

    def answer_to(self, body: Body | None) -> Answer:
        """Return the answer if this is the same body; None will do where `needs_body` is false.

        Raises:
            IdempotencyMismatch: It is another one.
        """
        if self.needs_body and (body is None or body.sha256 != self._row.body):
            raise _mismatch("body")
        return self._answer


class Claim:
    """A request that nobody else works on. It must be settled, by `keep` or `free`."""

    def __init__(self, pool: Pool, hold: Hold, hold_s: float) -> None:
        self._pool = pool
        self._hold = hold
        self._hold_s = hold_s
        self._renewing = ExitStack()
        self._renewing.enter_context(leases.kept(self._renew, hold_s, renewals=RENEWALS_PER_HOLD))

    def keep(self, answer: Answer, body: Body | None) -> None:
        """Give this answer to whoever sends the request again.

        Args:
            body: None: success did not need all of it, so any body is the same request.

        Raises:
            psycopg.OperationalError: Postgres cannot be asked; the key is free after its hold.
        """
        self._renewing.close()
        with self._pool.connection() as conn:
            kept = rows.keep(
                conn,
                self._hold,
                body=None if body is None else body.sha256,
                body_size=None if body is None else body.size,
                status=answer.status,
                headers=answer.headers,
                answer=answer.body,
                hours=KEEP_HOURS,
            )
        if not kept:
            logger.warning("a request was taken for dead before it was answered; see HOLD_S")

    def free(self) -> None:
        """Let the next one who sends the request try anew.

        Raises:
            psycopg.OperationalError: Postgres cannot be asked; the key is free after its hold.
        """
        self._renewing.close()
        with self._pool.connection() as conn:
            rows.free(conn, self._hold)

    def _renew(self) -> None:
        with self._pool.connection() as conn:
            rows.renew(conn, self._hold, hold_s=self._hold_s)


def require_key(given: str) -> str:
    """Return a key that is well-formed.

    Raises:
        InvalidRequest: It says what a key is.
    """
    if KEY.fullmatch(given):
        return given
    message = f"A key has 1 to {LONGEST_KEY} characters of printable ASCII."
    raise InvalidRequest(f"{HEADER}: {message}", errors=[{"field": HEADER, "message": message}])


def request_digest(*parts: str) -> bytes:
    """Return what tells requests under one key apart, but for their bodies."""
    digests = (hashlib.sha256(part.encode(errors="surrogateescape")).digest() for part in parts)
    return hashlib.sha256(b"".join(digests)).digest()


def begin(
    pool: Pool, *, requester: bytes, key: str, request: bytes, hold_s: float = HOLD_S
) -> Claim | Kept:
    """Claim a key for a request, or return the answer that is kept under it.

    Args:
        requester: Keys of others are others.
        request: See `request_digest`.
        hold_s: Of a process that dies, in seconds.

    Raises:
        IdempotencyMismatch: The key was used for another request.
        IdempotencyInProgress: The same request is being worked on.
    """
    hold = Hold(requester, key, uuid4())
    while True:
        with pool.connection() as conn:
            if rows.claim(conn, hold, request=request, hold_s=hold_s):
                break
            found = rows.find(conn, requester=requester, key=key)
        if found is not None:  # else it was freed between the two statements
            return _kept(found, request)
    return Claim(pool, hold, hold_s)


def forget_expired(conn: Connection) -> None:
    """Delete answers that are older than `KEEP_HOURS`, and claims of processes that died."""
    with conn.transaction():
        rows.delete_expired(conn)


def _kept(row: KeyRow, request: bytes) -> Kept:
    if row.request != request:
        raise _mismatch("path, query or content type")
    if row.status is None or row.answer is None:
        raise IdempotencyInProgress("The first request with this key is not answered yet.")
    headers = [(name, value) for name, value in row.headers or ()]
    return Kept(row, Answer(row.status, headers, row.answer))


def _mismatch(what: str) -> IdempotencyMismatch:
    return IdempotencyMismatch(
        f"This {HEADER} was used for a request with another {what}; take a new one."
    )
