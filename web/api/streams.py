"""Bodies of any size, read as they come in; nothing of them is held."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from flask import request
from werkzeug.exceptions import ClientDisconnected

from core.spool import Stream
from web.services import take_place, web

STALLED_S = 60.0
"""A sender that says nothing for so long is taken for gone: it may be back, and wait for its own lock."""


class _Body:
    """The body of this request. One that ends early raises, where servers only stop."""

    def __init__(self) -> None:
        request.max_content_length = sys.maxsize  # whoever reads it has a limit of their own
        self._stream = request.stream
        self._left = request.content_length

    def read(self, size: int, /) -> bytes:
        """Return up to *size* bytes; none at the end.

        Raises:
            ClientDisconnected: There should be more.
        """
        try:
            data = self._stream.read(size)
        except OSError as error:  # what servers raise when the other side is gone, or silent
            raise ClientDisconnected from error
        if self._left is not None:
            self._left -= len(data)
            if not data and self._left > 0:
                raise ClientDisconnected
        return data


@contextmanager
def body() -> Iterator[Stream]:
    """Open the body of this request, and give up on a sender that falls silent."""
    connection: socket.socket | None = request.environ.get("gunicorn.socket")
    if connection is None:
        yield _Body()
        return
    usual = connection.gettimeout()
    connection.settimeout(STALLED_S)
    try:
        yield _Body()
    finally:
        connection.settimeout(usual)


@contextmanager
def long_body() -> Iterator[Stream]:
    """Open a body of gigabytes: few are received at a time, so that other requests get through.

    Raises:
        ServerBusy: As many are on their way as may be.
    """
    places = web().waiters
    take_place(places)
    try:
        with body() as stream:
            yield stream
    finally:
        places.release()
