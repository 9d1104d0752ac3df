"""An HTTP connection to addresses that were judged before, every step of which ends in time."""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from io import BufferedReader, RawIOBase
from typing import Any, cast

from core.hosts import USUAL_PORTS, Address, Url


class Deadline:
    """When something must have ended, however many steps it has."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left, more than 0.

        Raises:
            TimeoutError: There are none.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class Connection(http.client.HTTPConnection):
    """A connection to the host of an address, which may be asked again while it is open.

    The header Host, the name in the TLS handshake and the name that the certificate must have are
    those of the address; only the network address is given from outside.
    """

    def __init__(
        self, url: Url, judged: Callable[[], Sequence[Address]], tls: ssl.SSLContext
    ) -> None:
        super().__init__(url.host, url.port)
        self.default_port = USUAL_PORTS[url.scheme]  # with which the header Host names no port
        self._judged = judged
        self._tls = tls if url.scheme == "https" else None
        self._pace: _Pace | None = None

    def get(self, target: str, *, deadline: Deadline, most_bytes: int) -> http.client.HTTPResponse:
        """Ask for a path and return the answer, of which the body is still to be read.

        Args:
            most_bytes: Read of the whole answer, whatever its headers and chunks say.

        Raises:
            TimeoutError: The time is over; reading the body may raise it, too.
            OSError, HTTPException: It did not work; reading the body may raise them, too.
        """
        self._pace = _Pace(deadline, most_bytes)
        if self.sock is not None:
            cast(_PacedSocket, self.sock).pace = self._pace
        self.request("GET", target, headers={"User-Agent": "facesearch", "Accept": "image/*, */*"})
        return self.getresponse()

    def connect(self) -> None:
        """Connect to the first of the judged addresses that answers."""
        assert self._pace is not None, "it is asked by `get` only"
        sock = self._connected(self._pace.deadline)
        try:
            if self._tls is not None:
                sock.settimeout(self._pace.deadline.left())
                sock = self._tls.wrap_socket(sock, server_hostname=self.host)
        except BaseException:
            sock.close()
            raise
        self.sock = cast(Any, _PacedSocket(sock, self._pace))

    def _connected(self, deadline: Deadline) -> socket.socket:
        failed = OSError("it has no address")
        judged = self._judged()
        for number, address in enumerate(judged):
            # Each gets its share of the time, so that a silent one leaves some to the next.
            share = deadline.left() / (len(judged) - number)
            try:
                return socket.create_connection((str(address), self.port), timeout=share)
            except OSError as error:
                failed = error
        raise failed


class _Pace:
    """How long an answer may take, and how much of it is read."""

    def __init__(self, deadline: Deadline, most_bytes: int) -> None:
        self.deadline = deadline
        self._bytes_left = most_bytes

    def read(self, count: int) -> None:
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise http.client.HTTPException("the answer is endless")


class _PacedSocket:
    """What `http.client` uses of a socket."""

    def __init__(self, sock: socket.socket, pace: _Pace) -> None:
        self._sock = sock
        self.pace = pace

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self.pace.deadline.left())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> BufferedReader:
        return BufferedReader(_PacedReader(self._sock, self.pace))

    def close(self) -> None:
        self._sock.close()


class _PacedReader(RawIOBase):
    """Reads a socket; each read waits for as long as there is time at all, and not anew."""

    def __init__(self, sock: socket.socket, pace: _Pace) -> None:
        self._sock = sock
        # Keeps the socket open until the answer is read, as http.client expects.
        self._raw = sock.makefile("rb", buffering=0)
        self._pace = pace

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._pace.deadline.left())
        count = self._raw.readinto(buffer)
        self._pace.read(count or 0)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
