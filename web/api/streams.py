"""Bodies of any size, read as they come in; nothing of them is held."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from flask import request
from werkzeug.exceptions import ClientDisconnected

from core.settings import MIB
from core.spool import Stream
from web.services import take_place, web

SHORT: Final = MIB
"""Bytes of a body that is mostly there by the time that somebody reads it."""


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
def place() -> Iterator[None]:
    """Hold a place while the body of this request is read, unless that is a short one.

    However slowly photos and archives come, other requests get through.

    Raises:
        ServerBusy: As many are on their way as may be.
    """
    length = request.content_length
    if "Transfer-Encoding" not in request.headers and (length or 0) <= SHORT:
        yield
        return
    places = web().waiters
    take_place(places)
    try:
        yield
    finally:
        places.release()


@contextmanager
def body() -> Iterator[Stream]:
    """Open the body of this request.

    Raises:
        ServerBusy: See `place`.
    """
    with place():
        yield _Body()
