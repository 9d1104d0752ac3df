"""``Idempotency-Key``: a POST of the API that is sent again is answered again, and done once."""

import io
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO

import psycopg
from flask import Flask, Response, g, request
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_content_length

from core import idempotency
from core.idempotency import HEADER, Answer, Body, BodyDigest, Claim, Kept
from web import security
from web.api import streams
from web.api.routes import PREFIX, REPLAYED
from web.services import services

logger = logging.getLogger(__name__)

LARGEST_REST = 2**20
"""Bytes that are read after the answer, if the view left them."""

CHUNK = 2**16

PASSING = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Refusals that a person or time may lift; those of the server (5xx) are so too."""

NOT_KEPT = frozenset({"content-length", "date", "server-timing"})
"""Headers that belong to one answer and not to what was done."""


class DigestedInput(io.RawIOBase):
    """The body of this request, digested while it is read. It holds none of it.

    Args:
        length: As announced; nothing is read beyond it, where some servers would wait for ever.
        ends: The server says where a body ends whose length was not announced.
    """

    def __init__(
        self, stream: IO[bytes], digest: BodyDigest, *, length: int | None, ends: bool
    ) -> None:
        self._stream = stream
        self._digest = digest
        self._left = length if length is not None or ends else 0
        self._over = self._left == 0
        self._broke_off = False
        self._read = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read what fits; 0 at the end.

        Raises:
            ClientDisconnected: The body ends before its end, now or at an earlier call.
        """
        size = len(buffer) if self._left is None else min(len(buffer), self._left)
        if size == 0:
            return 0
        data = self._take(size)
        if self._left is None:
            self._over = not data
        else:
            self._left -= len(data)
            self._over = self._left == 0
        self._read += len(data)
        self._digest.update(data)
        buffer[: len(data)] = data
        return len(data)

    def _take(self, size: int) -> bytes:
        if self._broke_off:  # some servers tell it once
            raise ClientDisconnected
        try:
            data = self._stream.read(size)
        except OSError as error:
            self._broke_off = True
            raise ClientDisconnected from error
        if not data and self._left is not None:
            self._broke_off = True
            raise ClientDisconnected
        return data

    @property
    def size(self) -> int:
        """See `core.idempotency.BodyDigest`."""
        return self._digest.size

    def finish(self) -> Body | None:
        """Read what is left; None when that is more than `LARGEST_REST`.

        Raises:
            ClientDisconnected: The body ends before its end.
        """
        most = self._read + LARGEST_REST
        while not self._over:
            self.read(CHUNK)
            if self._read > most:
                return None
        return self._digest.finish()


@dataclass(frozen=True, slots=True)
class Running:
    """A request that this process works on under a key."""

    claim: Claim
    body: DigestedInput


def init_app(app: Flask) -> None:
    """Take the header wherever something is posted to the API; install it behind the security."""
    app.before_request(_begin)
    app.after_request(_settle)
    app.teardown_request(_let_go)


def _begin() -> Response | None:
    given = request.headers.get(HEADER)
    if given is None or request.method != "POST" or not request.path.startswith(f"{PREFIX}/"):
        return None
    key = idempotency.require_key(given.strip())
    options = request.mimetype_params
    boundary = options.get("boundary") if request.mimetype.startswith("multipart/") else None
    kind = [f"{name}={value}" for name, value in sorted(options.items()) if name != "boundary"]
    found = idempotency.begin(
        services().pool,
        requester=security.requester(),
        key=key,
        request=idempotency.request_digest(
            request.path,
            request.query_string.decode("latin-1"),
            "; ".join([request.mimetype, *kind]),
        ),
    )
    body = _digested_input(None if boundary is None else boundary.encode())
    if isinstance(found, Kept):
        return _replayed(found.answer_to(_repeated(found, body) if found.needs_body else None))
    g.idempotency = Running(found, body)
    return None


def _digested_input(boundary: bytes | None) -> DigestedInput:
    """Put the digest between the server and whoever reads the body."""
    environ = request.environ
    environ["wsgi.input"] = body = DigestedInput(
        environ["wsgi.input"],
        BodyDigest(boundary),
        length=get_content_length(environ),
        ends="wsgi.input_terminated" in environ,
    )
    return body


def _repeated(kept: Kept, body: DigestedInput) -> Body | None:
    """Read a body that may be the one of before, and no more of it than that one had.

    Raises:
        ClientDisconnected: The body ends before its end.
        IdempotencyMismatch: It is too long.
        ServerBusy: See `streams.place`.
    """
    with streams.body() as stream:
        while stream.read(CHUNK):
            kept.require_size(body.size)
    return body.finish()


def _replayed(answer: Answer) -> Response:
    response = Response(answer.body, answer.status)
    response.headers.clear()
    response.headers.extend(answer.headers)
    response.headers[REPLAYED] = "true"
    return response


def _settle(response: Response) -> Response:
    """Keep the answer if the same request would be answered so again; else free the key."""
    running: Running | None = g.get("idempotency")
    if running is None or not _is_final(response):
        return response
    try:
        body = running.body.finish()
    except ClientDisconnected:
        return response
    if body is None and response.status_code >= HTTPStatus.BAD_REQUEST:
        return response  # the rest of the body might have been refused otherwise
    headers = [(name, value) for name, value in response.headers if name.lower() not in NOT_KEPT]
    answer = Answer(response.status_code, headers, response.get_data())
    g.pop("idempotency")
    try:
        running.claim.keep(answer, body)
    except psycopg.Error:
        # What was done is done; without this answer the sender would ask for it once more.
        logger.exception("an answer could not be kept for whoever repeats its request")
    return response


def _is_final(response: Response) -> bool:
    if response.is_streamed or response.direct_passthrough:
        return False
    if len(response.get_data()) > idempotency.LARGEST_ANSWER:
        return False
    status = response.status_code
    if status < HTTPStatus.BAD_REQUEST:
        return True
    passes = status in PASSING or "Retry-After" in response.headers
    return status < HTTPStatus.INTERNAL_SERVER_ERROR and not passes


def _let_go(_: BaseException | None) -> None:
    """Free the key of a request that has no answer to keep, however it ended."""
    running: Running | None = g.pop("idempotency", None)
    if running is None:
        return
    try:
        running.claim.free()
    except psycopg.Error:
        logger.exception("a key could not be freed; its hold will run out")
