"""Which hosts imports may fetch photos from, and which network addresses are the public internet's."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Self, TypeAlias
from urllib.parse import SplitResult, quote, urlsplit

from core.errors import SourceNotAllowed

SEPARATOR: Final = ","
USUAL_PORTS: Final = {"https": 443, "http": 80}

Address: TypeAlias = IPv4Address | IPv6Address

_NAME: Final = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*"
)
_WRITTEN: Final = "/%:@!$&'()*+,;=~?"
"""Characters of paths and queries that stay as they are; what is percent-encoded stays so too."""

_NEVER: Final = re.compile(r"[\x00-\x20\x7f\\\ud800-\udfff]")
"""Programs disagree about where a host ends that one of these stands in."""

_IPV6_HOSTS: Final = ipaddress.IPv6Network("2000::/3")
"""All that is given out of IPv6. NAT64 and most forms that hold an IPv4 address are outside."""

_NO_HOSTS: Final = tuple(
    map(
        ipaddress.ip_network,
        ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "2001:db8::/32", "3fff::/20"),
    )
)
"""For protocols, tunnels and examples; Pythons differ about them."""


@dataclass(frozen=True, slots=True)
class Url:
    """An address that can be asked for.

    Attributes:
        host: In small letters, as it is looked up; an IPv6 address without its brackets.
        target: Path and query, percent-encoded.
    """

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take an http(s) address apart; its fragment is dropped.

        Raises:
            SourceNotAllowed: It is another address, holds a password, or can be read in two ways.
        """
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:  # half an IPv6 address, a port of words
            raise _malformed() from None
        if _NEVER.search(text) or parts.scheme not in USUAL_PORTS or "@" in parts.netloc:
            raise _malformed()
        target = quote(parts.path or "/", safe=_WRITTEN)
        if parts.query:
            target += f"?{quote(parts.query, safe=_WRITTEN)}"
        if port is None:
            port = USUAL_PORTS[parts.scheme]
        return cls(parts.scheme, _host(parts), port, target)


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """One entry of a list of hosts.

    Attributes:
        name: In small letters; below a wildcard what stands behind ``*.``.
        wildcard: All hosts below *name* are meant, and not itself.
        port: None: the usual one.
        plain: Without TLS, too.
    """

    name: str
    wildcard: bool
    port: int | None
    plain: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``[http://][*.]host[:port]``.

        Raises:
            ValueError: It is none.
        """
        wrong = ValueError(
            f"{text!r} is no host; write one as photos.example.org, *.example.org:8443 or "
            "http://10.0.0.5"
        )
        scheme, _, rest = text.rpartition("://")
        wildcard = rest.startswith("*.")
        try:
            parts = urlsplit(f"//{rest.removeprefix('*.')}")
            name, port = _host(parts), parts.port
        except (ValueError, SourceNotAllowed):
            raise wrong from None
        if scheme not in {"", *USUAL_PORTS} or set(rest) & set("/?#@"):
            raise wrong
        return cls(name, wildcard, port, plain=scheme == "http")

    def allows(self, url: Url) -> bool:
        """Say whether this entry names the host, port and scheme of an address."""
        named = url.host.endswith(f".{self.name}") if self.wildcard else url.host == self.name
        port = USUAL_PORTS[url.scheme] if self.port is None else self.port
        return named and url.port == port and (self.plain or url.scheme == "https")


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """Where imports may fetch from.

    Attributes:
        public: Hosts whose addresses must be the public internet's.
        private: Hosts of the operator's own network: whatever address they have is taken, except
            for those that `is_never_a_host`.
    """

    public: Sequence[AllowedHost] = ()
    private: Sequence[AllowedHost] = ()

    def require(self, url: Url) -> None:
        """Refuse an address of a host that no entry names.

        Raises:
            SourceNotAllowed: No entry does.
        """
        if not any(host.allows(url) for host in (*self.public, *self.private)):
            raise SourceNotAllowed(
                f"FACESEARCH_IMPORT_HOSTS does not allow {url.scheme}://{url.host}:{url.port}."
            )

    def may_connect(self, url: Url, address: Address) -> bool:
        """Say whether what the host was looked up as may be connected to."""
        if any(host.allows(url) for host in self.private):
            return not is_never_a_host(address)
        return is_public(address)


def read_hosts(text: str | None) -> tuple[AllowedHost, ...]:
    """Read hosts that commas separate.

    Raises:
        ValueError: Names the one that is none.
    """
    entries = (entry.strip() for entry in (text or "").split(SEPARATOR))
    return tuple(AllowedHost.parse(entry) for entry in entries if entry)


def is_public(address: Address) -> bool:
    """Say whether an address is one host of the public internet, and no other address in disguise."""
    if any(address in network for network in _NO_HOSTS):
        return False
    if isinstance(address, IPv6Address) and address not in _IPV6_HOSTS:
        return False
    return address.is_global and not address.is_multicast


def is_never_a_host(address: Address) -> bool:
    """Say whether not even an own network has a host of photos there.

    Clouds answer with credentials at link-local addresses.
    """
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return True
    return address.is_link_local or address.is_multicast or address.is_unspecified


def _host(parts: SplitResult) -> str:
    """Return the host as it is looked up.

    Raises:
        SourceNotAllowed: It is neither a name nor an address.
    """
    given = (parts.hostname or "").removesuffix(".")
    if "[" in parts.netloc:
        try:
            return str(IPv6Address(given))
        except ValueError:
            raise _malformed() from None
    try:
        name = given.encode("idna").decode().lower()
    except UnicodeError:
        raise _malformed() from None
    if not _NAME.fullmatch(name):
        raise _malformed()
    return name


def _malformed() -> SourceNotAllowed:
    return SourceNotAllowed(
        "Only addresses like https://host/path are fetched, without a password or blanks in them."
    )
