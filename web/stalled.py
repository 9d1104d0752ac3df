"""The other side of a connection may fall silent: a power cut says no goodbye. Its thread is then freed."""

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

from werkzeug.wsgi import ClosingIterator

STALLED_S: Final = 60.0
"""Who neither sends nor takes anything for so long is taken for gone, and may come back."""

PART: Final = 2**18
"""Bytes. Sockets limit the time of a whole call: a slow link takes a large photo in many of them."""

Application = Callable[..., Iterable[bytes]]


class GivesUp:
    """A WSGI application that waits for the other side for a minute, whatever is read or sent.

    gunicorn waits for ever. Before each request it takes the limit of the last one back.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        connection: socket.socket | None = environ.get("gunicorn.socket")
        if connection is None:
            return self._application(environ, start_response)
        connection.settimeout(STALLED_S)
        answer = self._application(environ, start_response)
        wrapper: type | None = environ.get("wsgi.file_wrapper")
        if wrapper is not None and isinstance(answer, wrapper):
            sent_as_file: Iterable[bytes] = answer  # in parts anyway
            return sent_as_file
        return ClosingIterator(_parts(answer, connection), getattr(answer, "close", None))


def _parts(answer: Iterable[bytes], connection: socket.socket) -> Iterator[bytes]:
    try:
        for data in answer:
            if len(data) <= PART:
                yield data
            else:
                yield from (data[start : start + PART] for start in range(0, len(data), PART))
    except BaseException:
        # gunicorn's main thread would wait for a farewell of who took only a part, or cannot get more.
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        raise
