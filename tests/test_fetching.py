"""Photos by URL: from allowed hosts at public addresses, in bounded time and memory."""

import shutil
import socket
import ssl
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core import pinned
from core.errors import (
    FaceSearchError,
    FileTooLarge,
    SourceMissing,
    SourceNotAllowed,
    SourceUnreachable,
)
from core.fetching import MOST_KEPT, MOST_REDIRECTS, Fetcher, look_up
from core.hosts import Address, AllowedHosts, read_hosts
from core.settings import MIB, Settings
from tests.answering import PHOTO, Answering, certificate, chunked, photo, redirect, serve

NAME = "photos.example.org"
LIMIT = len(PHOTO)

Resolve = Callable[[str, int], Sequence[Address]]


def at(*addresses: str) -> Resolve:
    """Return a resolver that finds any host at these addresses."""
    return lambda host, port: [ip_address(address) for address in addresses]


here = at("127.0.0.1")


def never(host: str, port: int) -> Sequence[Address]:
    raise AssertionError(f"{host} was looked up")


def fetcher(
    *,
    public: str = "",
    private: str = "",
    resolve: Resolve = here,
    max_bytes: int = LIMIT,
    total_s: float = 20,
    tls: ssl.SSLContext | None = None,
) -> Fetcher:
    hosts = AllowedHosts(read_hosts(public), read_hosts(private))
    return Fetcher(hosts, max_bytes=max_bytes, total_s=total_s, resolve=resolve, tls=tls)


def fetch(server: Answering, *, max_bytes: int = LIMIT, total_s: float = 20) -> bytes:
    """Fetch from a server that is allowed."""
    private = f"http://{NAME}:{server.port}"
    with fetcher(private=private, max_bytes=max_bytes, total_s=total_s) as fetching:
        return fetching.fetch(f"{private}/x.jpg")


@pytest.fixture(scope="module")
def server_tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    return certificate(tmp_path_factory.mktemp("tls"), NAME)


def _server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


# --- what is fetched ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        photo(),
        chunked(PHOTO[:7], PHOTO[7:]),
        b"HTTP/1.0 200 OK\r\n\r\n" + PHOTO,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + PHOTO,
        b"HTTP/1.1 100 Continue\r\n\r\n" + photo(),
    ],
)
def test_a_photo_comes_whole_however_it_is_framed(answer: bytes) -> None:
    with serve(answer) as server:
        assert fetch(server) == PHOTO


def test_the_host_is_asked_by_its_name_for_what_the_address_says() -> None:
    with serve(photo()) as server, fetcher(private=f"http://{NAME}:{server.port}") as fetching:
        fetching.fetch(
            f"http://{NAME.upper()}:{server.port}/a b/é?x=1&y=%20z#top".replace(" ", "%20")
        )

    assert server.paths == ["/a%20b/%C3%A9?x=1&y=%20z"]
    assert server.host_headers() == [f"{NAME}:{server.port}"]


def test_tls_is_for_the_name_though_the_address_is_given(server_tls: Path) -> None:
    client = ssl.create_default_context(cafile=server_tls)
    with serve(photo(), tls=_server_context(server_tls)) as server:
        place = f"{NAME}:{server.port}"
        with fetcher(private=place, tls=client) as fetching:
            assert fetching.fetch(f"https://{place}/x.jpg") == PHOTO

    assert server.names == [NAME]


def test_a_certificate_of_another_host_is_refused(server_tls: Path) -> None:
    client = ssl.create_default_context(cafile=server_tls)
    with serve(photo(), tls=_server_context(server_tls)) as server:
        place = f"other.example.org:{server.port}"
        with (
            fetcher(private=place, tls=client) as fetching,
            pytest.raises(SourceUnreachable, match=r"certificate of other\.example\.org does not"),
        ):
            fetching.fetch(f"https://{place}/x.jpg")

    assert server.asked == []


def test_a_certificate_that_nobody_vouches_for_is_refused(server_tls: Path) -> None:
    with serve(photo(), tls=_server_context(server_tls)) as server:
        place = f"{NAME}:{server.port}"
        with (
            fetcher(private=place) as fetching,
            pytest.raises(SourceUnreachable, match="certificate"),
        ):
            fetching.fetch(f"https://{place}/x.jpg")


# --- where from -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "https://elsewhere.example.org/x.jpg",
        f"http://{NAME}/x.jpg",
        f"https://{NAME}:8443/x.jpg",
        f"https://{NAME}@elsewhere.example.org/x.jpg",
        f"https://user:secret@{NAME}/x.jpg",
        f"ftp://{NAME}/x.jpg",
        "file:///etc/passwd",
        f"https://elsewhere.example.org\\@{NAME}/x.jpg",
        f"https://{NAME}\n.elsewhere.example.org/x.jpg",
        f"https://{NAME} /x.jpg",
        "https://[::1/x.jpg",
        "https:///x.jpg",
        f"https://{NAME}:port/x.jpg",
        f"https://{NAME}/\ud800.jpg",
        "",
    ],
)
def test_what_is_not_allowed_is_not_even_looked_up(address: str) -> None:
    with fetcher(public=NAME, resolve=never) as fetching, pytest.raises(SourceNotAllowed):
        fetching.fetch(address)


def test_nothing_is_fetched_unless_the_operator_says_from_where() -> None:
    with Fetcher.of(Settings()) as fetching, pytest.raises(SourceNotAllowed):
        fetching.fetch("https://photos.example.org/x.jpg")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
        "192.0.0.8", "192.88.99.1", "::", "::1", "fe80::1", "fec0::1", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808",
        "64:ff9b:1::7f00:1", "2002:7f00:1::1", "2001:0:7f00:1::", "2001:db8::1", "3fff::1",
    ],
)  # fmt: skip
def test_a_public_host_at_an_address_that_is_not_public_is_refused(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pinned.socket, "create_connection", _no_connection)
    with (
        fetcher(public=NAME, resolve=at(address)) as fetching,
        pytest.raises(SourceNotAllowed, match="not at a public address"),
    ):
        fetching.fetch(f"https://{NAME}/x.jpg")


def _no_connection(*args: object, **options: object) -> socket.socket:
    raise AssertionError("it was connected to")


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_what_was_judged_is_what_is_connected_to(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    connected: list[tuple[str, int]] = []
    connect = socket.create_connection

    def resolve(host: str, port: int) -> Sequence[Address]:
        asked.append(host)  # whoever asks again is led to 127.0.0.1
        return [ip_address("10.0.0.1"), ip_address(address if len(asked) == 1 else "127.0.0.1")]

    def connecting(place: tuple[str, int], timeout: float) -> socket.socket:
        connected.append(place)
        return connect(("127.0.0.1", server.port), timeout=timeout)

    monkeypatch.setattr(pinned.socket, "create_connection", connecting)
    with serve(photo()) as server, fetcher(public=f"http://{NAME}", resolve=resolve) as fetching:
        assert fetching.fetch(f"http://{NAME}/x.jpg") == PHOTO

    assert asked == [NAME]
    assert connected == [(address, 80)]
    assert server.host_headers() == [NAME]


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "::", "::ffff:10.0.0.1"])
def test_a_private_host_is_never_where_clouds_keep_their_credentials(address: str) -> None:
    with (
        fetcher(private="nas.example.org", resolve=at(address)) as fetching,
        pytest.raises(SourceNotAllowed),
    ):
        fetching.fetch("https://nas.example.org/x.jpg")


def test_a_private_host_may_be_an_address() -> None:
    with serve(photo()) as server:
        settings = Settings(import_private_hosts=f"http://127.0.0.1:{server.port}")
        with Fetcher.of(settings) as fetching:
            assert fetching.fetch(f"http://127.0.0.1:{server.port}/x.jpg") == PHOTO
            with pytest.raises(SourceNotAllowed):
                fetching.fetch(f"http://127.0.0.2:{server.port}/x.jpg")


def test_the_next_address_of_a_host_is_tried() -> None:
    with serve(photo()) as server:
        place = f"http://{NAME}:{server.port}"
        with fetcher(private=place, resolve=at("127.0.0.99", "127.0.0.1")) as fetching:
            assert fetching.fetch(f"{place}/x.jpg") == PHOTO


def test_proxies_of_the_environment_are_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serve(photo()) as server:
        assert fetch(server) == PHOTO


def test_localhost_is_looked_up_as_the_system_does() -> None:
    assert {str(address) for address in look_up("localhost", 80)} <= {"127.0.0.1", "::1"}


# --- redirects ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["301 X", "302 X", "303 X", "307 X", "308 X"])
def test_a_redirect_to_an_allowed_address_is_followed(status: str) -> None:
    answers = {
        "/x.jpg": redirect("../é.jpg?a=1", status).decode("latin-1").encode(),
        "/%C3%A9.jpg?a=1": photo(),
    }
    with serve(lambda path: [answers[path]]) as server:
        assert fetch(server) == PHOTO

    assert server.paths == ["/x.jpg", "/%C3%A9.jpg?a=1"]


@pytest.mark.parametrize(
    "location",
    [
        "https://elsewhere.example.org/x.jpg",
        "//elsewhere.example.org/x.jpg",
        "http://127.0.0.1/x.jpg",
        "http://[::1]/x.jpg",
        "file:///etc/passwd",
        "http://user@photos.example.org/",
        "http://[x",
        "\xff",
    ],
)
def test_a_redirect_to_elsewhere_is_refused(location: str) -> None:
    with serve(redirect(location)) as server, pytest.raises((SourceNotAllowed, SourceUnreachable)):
        fetch(server)

    assert server.paths == ["/x.jpg"]


def test_a_redirect_of_a_public_host_to_a_private_address_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect = socket.create_connection
    monkeypatch.setattr(
        pinned.socket,
        "create_connection",
        lambda place, timeout: connect(("127.0.0.1", server.port), timeout=timeout),
    )

    def resolve(host: str, port: int) -> Sequence[Address]:
        return [ip_address("93.184.215.14" if host == NAME else "10.0.0.1")]

    with (
        serve(redirect("http://inside.example.org/secret")) as server,
        fetcher(public=f"http://{NAME},http://inside.example.org", resolve=resolve) as fetching,
        pytest.raises(SourceNotAllowed, match=r"inside\.example\.org is not at a public address"),
    ):
        fetching.fetch(f"http://{NAME}/x.jpg")

    assert server.paths == ["/x.jpg"]


def test_a_redirect_from_https_to_http_needs_an_entry_that_says_so(server_tls: Path) -> None:
    client = ssl.create_default_context(cafile=server_tls)
    with (
        serve(redirect(f"http://{NAME}/x.jpg"), tls=_server_context(server_tls)) as server,
        fetcher(private=f"{NAME}:{server.port},{NAME}", tls=client) as fetching,
        pytest.raises(SourceNotAllowed, match=f"does not allow http://{NAME}:80"),
    ):
        fetching.fetch(f"https://{NAME}:{server.port}/x.jpg")


def test_redirects_end() -> None:
    with serve(redirect("/x.jpg")) as server, pytest.raises(SourceUnreachable, match="more than 3"):
        fetch(server)

    assert len(server.asked) == MOST_REDIRECTS + 1


# --- what hosts answer ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, SourceMissing), (410, SourceMissing), (400, SourceMissing), (204, SourceMissing),
        (206, SourceMissing), (304, SourceMissing), (401, SourceNotAllowed),
        (403, SourceNotAllowed), (408, SourceUnreachable), (425, SourceUnreachable),
        (429, SourceUnreachable), (500, SourceUnreachable), (503, SourceUnreachable),
        (599, SourceUnreachable),
    ],
)  # fmt: skip
def test_each_status_has_its_error(status: int, error: type[FaceSearchError]) -> None:
    with serve(photo(status=f"{status} X")) as server, pytest.raises(error, match=str(status)):
        fetch(server)


def test_what_may_succeed_later_says_so() -> None:
    assert SourceUnreachable.retryable
    assert not SourceMissing.retryable
    assert not SourceNotAllowed.retryable


def test_a_host_that_nobody_knows_is_not_reached() -> None:
    def unknown(host: str, port: int) -> Sequence[Address]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with (
        fetcher(public=NAME, resolve=unknown) as fetching,
        pytest.raises(SourceUnreachable, match="cannot be reached: Name or service not known"),
    ):
        fetching.fetch(f"https://{NAME}/x.jpg")


def test_a_port_that_nobody_listens_at_is_not_reached() -> None:
    with serve(photo()) as server:
        pass
    with pytest.raises(SourceUnreachable, match="cannot be reached: Connection refused"):
        fetch(server)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nab",
        b"HTTP/1.1 200 OK\r\nConte",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\x16\x03\x01" + bytes(500),
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\nx",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000 + b"\r\n\r\nx",
    ],
)
def test_an_answer_that_breaks_off_or_is_none_is_no_photo(answer: bytes) -> None:
    with serve(answer) as server, pytest.raises(SourceUnreachable):
        fetch(server)


@pytest.mark.parametrize(
    "answer",
    [
        photo(PHOTO + b"x"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n",
        chunked(PHOTO, b"x"),
        b"HTTP/1.0 200 OK\r\n\r\n" + PHOTO + b"x",
    ],
)
def test_more_bytes_than_the_limit_are_too_many(answer: bytes) -> None:
    with serve(answer) as server, pytest.raises(FileTooLarge, match="more than 76,800 bytes"):
        fetch(server)


@pytest.mark.parametrize(
    ("head", "pattern"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 ", b"x"),
    ],
)
def test_an_endless_answer_takes_little_memory_and_not_all_the_time(
    head: bytes, pattern: bytes
) -> None:
    def endless(path: str) -> Iterator[bytes]:
        yield head
        while True:
            yield pattern * (MIB // 16 // len(pattern))

    with serve(endless) as server:
        tracemalloc.start()
        try:
            with pytest.raises((FileTooLarge, SourceUnreachable)) as raised:
                fetch(server)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert most < 2 * MIB
    assert "seconds" not in str(raised.value)


@pytest.mark.parametrize(
    "answer",
    [
        [b""],
        [b"H"],
        [b"HTTP/1.1 200 OK\r\n", *[b"A: b\r\n"] * 90],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", *[b"x"] * 5000],
        [b"HTTP/1.1 100 Continue\r\n\r\n"] * 200,
    ],
)
def test_a_host_that_drips_is_given_so_much_time_in_all(answer: list[bytes]) -> None:
    def dripping(path: str) -> Iterator[bytes]:
        for piece in answer:
            yield piece
            time.sleep(0.05)
        time.sleep(5)

    with serve(dripping) as server:
        began = time.monotonic()
        with pytest.raises(SourceUnreachable, match=r"within 0\.4 seconds"):
            fetch(server, total_s=0.4)

    assert time.monotonic() - began < 4


def test_a_silent_handshake_ends_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"{NAME}:{silent.getsockname()[1]}"
        with (
            fetcher(private=place, total_s=0.3) as fetching,
            pytest.raises(SourceUnreachable, match="seconds"),
        ):
            fetching.fetch(f"https://{place}/x.jpg")


PIECES = [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 ", b"302 X\r\n", b"Location: ", b"/x\r\n", b"\r\n",
          b"Content-Length: ", b"-1\r\n", b"5\r\n", b"Transfer-Encoding: chunked\r\n", b"0\r\n",
          b"-5\r\n", b"ffffffffffffffffff\r\n", b"abcde", b"\0", b"\xff", b"Content-Encoding: gzip\r\n",
          b"Connection: keep-alive\r\n", b":", b"HTTP/1.1 100 Continue\r\n\r\n", b"\n"]  # fmt: skip
answers = st.one_of(
    st.binary(max_size=60), st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)
)


@settings(max_examples=200, deadline=None)
@given(answer=answers)
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcdefgh")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabcdefgh")
@example(b"HTTP/1.1 99999 OK\r\n\r\n")
def test_whatever_a_host_answers_the_outcome_is_typed(answer: bytes) -> None:
    typed = (SourceNotAllowed, SourceMissing, SourceUnreachable, FileTooLarge)
    with serve(answer) as server, suppress(*typed):
        fetch(server, total_s=5)


# --- connections ----------------------------------------------------------------------------


def test_the_next_photo_of_a_host_comes_through_the_same_connection() -> None:
    with serve(photo(), keeps=True) as server:
        place = f"http://{NAME}:{server.port}"
        with fetcher(private=place) as fetching:
            for number in range(3):
                assert fetching.fetch(f"{place}/{number}.jpg") == PHOTO

    assert server.paths == ["/0.jpg", "/1.jpg", "/2.jpg"]
    assert server.connections == 1


def test_a_connection_that_the_host_closed_meanwhile_costs_nothing() -> None:
    with serve(photo()) as server:
        place = f"http://{NAME}:{server.port}"
        with fetcher(private=place) as fetching:
            for _ in range(3):
                assert fetching.fetch(f"{place}/x.jpg") == PHOTO

    assert server.connections == 3


def test_a_refused_photo_leaves_no_connection_in_the_middle_of_an_answer() -> None:
    answers = {
        "/large.jpg": photo(PHOTO + b"x"),
        "/gone.jpg": photo(status="404 X"),
        "/x.jpg": photo(),
    }
    with serve(lambda path: [answers[path]], keeps=True) as server:
        place = f"http://{NAME}:{server.port}"
        with fetcher(private=place) as fetching:
            for path, error in [("/large.jpg", FileTooLarge), ("/gone.jpg", SourceMissing)]:
                with pytest.raises(error):
                    fetching.fetch(place + path)
                assert fetching.fetch(f"{place}/x.jpg") == PHOTO


def test_so_many_hosts_have_a_connection_and_no_more() -> None:
    with (
        serve(photo(), keeps=True) as server,
        fetcher(private=f"http://*.example.org:{server.port}") as fetching,
    ):
        names = [f"h{number}.example.org" for number in range(MOST_KEPT + 1)]
        for name in [*names, *names[1:], names[0]]:
            fetching.fetch(f"http://{name}:{server.port}/x.jpg")

    assert server.connections == MOST_KEPT + 2


@pytest.mark.parametrize(
    "answer",
    [photo(), photo(PHOTO + b"x"), photo(status="404 X"), redirect("ftp://x"), b"SSH-2.0\r\n", b"",
     b"HTTP/1.0 200 OK\r\n\r\n" + PHOTO + b"x",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx"],
)  # fmt: skip
def test_whatever_happened_nothing_stays_open(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[socket.socket] = []
    connect = socket.create_connection

    def connecting(place: tuple[str, int], timeout: float) -> socket.socket:
        opened.append(connect(place, timeout=timeout))
        return opened[-1]

    monkeypatch.setattr(pinned.socket, "create_connection", connecting)
    failed = []
    with serve(answer) as server:
        try:
            fetch(server)
        except FaceSearchError as error:
            failed.append(error)  # whose frames hold what would else be closed by going away

    assert [sock.fileno() for sock in opened] == [-1]
