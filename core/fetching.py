"""Fetching photos from the hosts that the operator allowed, and from nowhere else.

Whoever writes a manifest chooses what this machine asks for. So a name is looked up once for each
connection, what it was looked up as is judged, and that very address is connected to; after each
redirect again. Proxies of the environment are not used: they would look names up on their own.
"""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Self, TypeAlias
from urllib.parse import urljoin

from core.errors import (
    FaceSearchError,
    FileTooLarge,
    SourceMissing,
    SourceNotAllowed,
    SourceUnreachable,
)
from core.hosts import Address, AllowedHosts, Url, read_hosts
from core.pinned import Connection, Deadline
from core.settings import MIB, Settings

TOTAL_S: Final = 60.0
"""Seconds for one photo, with its redirects; looking a name up takes what the system allows."""

MOST_REDIRECTS: Final = 3
MOST_KEPT: Final = 8
"""Connections that stay open for the next photo of the same host."""

Resolve: TypeAlias = Callable[[str, int], Sequence[Address]]

_CHUNK: Final = 1 << 16
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_FORBIDDEN: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_GONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_LATER: Final = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)


@dataclass(frozen=True, slots=True)
class _Redirect:
    location: str


def look_up(host: str, port: int) -> Sequence[Address]:
    """Return the network addresses of a host, best first.

    Raises:
        OSError: There are none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(str(place[0])) for *_, place in found]


class Fetcher:
    """Fetches photos, for one thread; some connections stay open for the next photo."""

    def __init__(
        self,
        hosts: AllowedHosts,
        *,
        max_bytes: int,
        total_s: float = TOTAL_S,
        resolve: Resolve = look_up,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._hosts = hosts
        self._max_bytes = max_bytes
        self._total_s = total_s
        self._resolve = resolve
        self._tls = tls or ssl.create_default_context()
        self._kept: dict[tuple[str, str, int], Connection] = {}

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return one that keeps to what the operator set."""
        hosts = AllowedHosts(
            public=read_hosts(settings.import_hosts),
            private=read_hosts(settings.import_private_hosts),
        )
        return cls(hosts, max_bytes=settings.max_photo_mib * MIB)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what was kept open."""
        while self._kept:
            self._kept.popitem()[1].close()

    def fetch(self, address: str) -> bytes:
        """Return what lies at an http(s) address.

        Raises:
            SourceNotAllowed: The operator does not allow this host, or the network address that it
                has; or the host wants somebody to log in (401, 403). Redirects count the same.
            SourceMissing: The host has no such thing.
            SourceUnreachable: The host cannot be reached, took too long, failed or broke off.
            FileTooLarge: There are more bytes than the limit.
        """
        deadline = Deadline(self._total_s)
        for _ in range(MOST_REDIRECTS + 1):
            url = Url.parse(address)
            self._hosts.require(url)
            with _told(url, self._total_s):
                answer = self._ask(url, deadline)
            if isinstance(answer, bytes):
                return answer
            address = _joined(address, answer.location)
        raise SourceUnreachable(f"{url.host} redirects more than {MOST_REDIRECTS} times.")

    def _ask(self, url: Url, deadline: Deadline) -> bytes | _Redirect:
        kept = self._kept.pop(_place(url), None)
        if kept is not None:
            try:
                return self._through(kept, url, deadline)
            except ConnectionError:
                pass  # the host closed it meanwhile
        fresh = Connection(url, lambda: self._judged(url), self._tls)
        return self._through(fresh, url, deadline)

    def _judged(self, url: Url) -> Sequence[Address]:
        """Return those addresses of a host that may be connected to.

        Raises:
            OSError: It has none at all.
            SourceNotAllowed: It has others only.
        """
        found = self._resolve(url.host, url.port)
        judged = [address for address in found if self._hosts.may_connect(url, address)]
        if found and not judged:
            raise SourceNotAllowed(
                f"{url.host} is not at a public address, and FACESEARCH_IMPORT_PRIVATE_HOSTS does "
                "not allow it."
            )
        return judged

    def _through(self, connection: Connection, url: Url, deadline: Deadline) -> bytes | _Redirect:
        """Ask by this connection, and keep or close it."""
        finished = False
        try:
            # Bytes around those of the photo: headers, and what chunks begin and end with.
            most = 2 * self._max_bytes + MIB
            with connection.get(url.target, deadline=deadline, most_bytes=most) as response:
                if response.status in _REDIRECTS and "Location" in response.headers:
                    return _Redirect(response.headers["Location"])
                if response.status != HTTPStatus.OK:
                    raise _failure(url, response.status)
                data = self._body(url, response)
                finished = response.isclosed() and not response.will_close
                return data
        finally:
            if finished:
                self._keep(url, connection)
            else:
                connection.close()

    def _keep(self, url: Url, connection: Connection) -> None:
        if len(self._kept) >= MOST_KEPT:
            self._kept.pop(next(iter(self._kept))).close()
        self._kept[_place(url)] = connection

    def _body(self, url: Url, response: http.client.HTTPResponse) -> bytes:
        length = response.length
        self._require_fits(length or 0)
        data = bytearray()
        # Not `read`, which takes the word of a chunk for how much is to be read.
        buffer = memoryview(bytearray(_CHUNK))
        while count := response.readinto(buffer):
            data += buffer[:count]
            self._require_fits(len(data))
        # Headers that broke off look like a few headers and an empty photo of unknown length.
        promised = int(not response.chunked) if length is None else length
        if len(data) < promised:
            raise SourceUnreachable(f"{url.host} broke off after {len(data)} bytes.")
        return bytes(data)

    def _require_fits(self, size: int) -> None:
        if size > self._max_bytes:
            raise FileTooLarge.over(self._max_bytes)


def _place(url: Url) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port


def _joined(address: str, location: str) -> str:
    """Return where a redirect leads, which may be relative and in UTF-8."""
    try:
        return urljoin(address, location.encode("latin-1").decode())
    except ValueError:
        raise SourceUnreachable("The host redirects to what is no address.") from None


def _failure(url: Url, status: int) -> FaceSearchError:
    if status in _GONE:
        return SourceMissing(f"{url.host} has no such photo ({status}).")
    if status in _FORBIDDEN:
        return SourceNotAllowed(f"{url.host} does not give this photo to everybody ({status}).")
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return SourceUnreachable(f"{url.host} failed ({status}).")
    return SourceMissing(f"{url.host} answered {status}, and with no photo.")


@contextmanager
def _told(url: Url, total_s: float) -> Iterator[None]:
    """Turn what goes wrong on the network into what the sender of the import can understand."""
    try:
        yield
    except TimeoutError:
        message = f"{url.host} did not give the photo within {total_s:g} seconds."
        raise SourceUnreachable(message) from None
    except ssl.SSLCertVerificationError as error:
        message = f"The certificate of {url.host} does not hold: {error.verify_message}."
        raise SourceUnreachable(message) from None
    except OSError as error:
        message = f"{url.host} cannot be reached: {error.strerror or error}."
        raise SourceUnreachable(message) from None
    except http.client.HTTPException:
        raise SourceUnreachable(f"What {url.host} answers is no HTTP, or broke off.") from None
