"""Lists of hosts, and the addresses that they allow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.errors import SourceNotAllowed
from core.hosts import AllowedHosts, Url, read_hosts
from core.settings import Settings


def allows(hosts: str, address: str) -> bool:
    try:
        AllowedHosts(public=read_hosts(hosts)).require(Url.parse(address))
    except SourceNotAllowed:
        return False
    return True


@pytest.mark.parametrize(
    ("hosts", "address", "allowed"),
    [
        ("a.example", "https://a.example/x", True),
        ("a.example", "https://A.Example./x", True),
        ("a.example", "https://a.example:443/x", True),
        ("a.example", "http://a.example/x", False),
        ("a.example", "https://a.example:444/x", False),
        ("a.example", "https://b.a.example/x", False),
        ("a.example", "https://xa.example/x", False),
        ("a.example", "https://a.example.evil.example/x", False),
        ("*.a.example", "https://b.a.example/x", True),
        ("*.a.example", "https://c.b.a.example/x", True),
        ("*.a.example", "https://a.example/x", False),
        ("*.a.example", "https://xa.example/x", False),
        ("http://a.example", "http://a.example/x", True),
        ("http://a.example", "https://a.example/x", True),
        ("https://a.example", "http://a.example/x", False),
        ("http://a.example:8080", "http://a.example:8080/x", True),
        ("http://a.example:8080", "http://a.example/x", False),
        ("a.example:8443", "https://a.example:8443/x", True),
        ("a.example:8443", "https://a.example/x", False),
        ("http://10.0.0.5", "http://10.0.0.5/x", True),
        ("http://10.0.0.5", "http://10.0.0.50/x", False),
        ("http://[fd00::5]:81", "http://[FD00:0::5]:81/x", True),
        ("münchen.example", "https://xn--mnchen-3ya.example/x", True),
        ("xn--mnchen-3ya.example", "https://München.example/x", True),
        (" a.example , b.example,", "https://b.example/x", True),
        ("", "https://a.example/x", False),
    ],
)  # fmt: skip
def test_a_list_of_hosts_allows_what_it_names(hosts: str, address: str, allowed: bool) -> None:
    assert allows(hosts, address) is allowed


@pytest.mark.parametrize(
    "entry",
    ["a b", "a.example/x", "ftp://a.example", "user@a.example", "*", "*.", "a.*.example", "a:b",
     "a:99999", "http://", "a?b", "a#b", "[::1", "[x]", "https://*", "-a.example", "a..example",
     "a" * 64 + ".example"],
)  # fmt: skip
def test_what_is_no_host_stops_the_start(entry: str) -> None:
    for name in ("import_hosts", "import_private_hosts"):
        with pytest.raises(ValidationError, match="is no host; write one as photos"):
            Settings(**{name: f"a.example,{entry}"})


@given(st.text())
def test_whatever_an_address_is_it_is_taken_apart_or_refused(text: str) -> None:
    for address in (
        text,
        f"https://{text}",
        f"https://a.example/{text}",
        f"http://a.example?{text}",
    ):
        try:
            url = Url.parse(address)
        except SourceNotAllowed:
            continue
        assert url.target.startswith("/")
        assert f"{url.host}{url.target}".isascii()
        assert not set(f"{url.host}{url.target}") & set(" \r\n\t\\")
