"""A web server that answers exactly what a test wants, byte by byte, and remembers what it was asked."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

PHOTO = bytes(range(256)) * 300


@dataclass
class Answering:
    """A server on a port of its own.

    Attributes:
        answer: Gives the bytes that are sent for a path, piece by piece.
        keeps: Connections stay open behind an answer.
        asked: The requests, as they came.
        names: That TLS clients asked for.
        connections: How many there were.
    """

    answer: Callable[[str], Iterable[bytes]]
    keeps: bool = False
    port: int = 0
    asked: list[str] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    connections: int = 0

    @property
    def paths(self) -> list[str]:
        return [request.split(" ")[1] for request in self.asked]

    def host_headers(self) -> list[str]:
        lines = (line for request in self.asked for line in request.split("\r\n"))
        return [line.removeprefix("Host: ") for line in lines if line.startswith("Host: ")]


def photo(data: bytes = PHOTO, *headers: str, status: str = "200 OK") -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", *headers, "", ""])
    return head.encode("latin-1") + data


def chunked(*chunks: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in (*chunks, b""))


def redirect(location: str, status: str = "302 Found") -> bytes:
    return photo(b"elsewhere", f"Location: {location}", status=status)


@contextmanager
def serve(
    answer: Callable[[str], Iterable[bytes]] | bytes,
    *,
    tls: ssl.SSLContext | None = None,
    keeps: bool = False,
) -> Iterator[Answering]:
    """Serve on 127.0.0.1, each connection in its thread, until the block ends."""
    server = Answering(answer if callable(answer) else lambda path: [answer], keeps)
    if tls is not None:
        tls.sni_callback = lambda sock, name, context: server.names.append(name)
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]
    ended = threading.Event()
    accepting = threading.Thread(target=_accept, args=(listener, server, tls, ended))
    accepting.start()
    try:
        yield server
    finally:
        ended.set()
        with socket.socket() as last:
            last.connect(listener.getsockname())
        accepting.join()
        listener.close()


def _accept(
    listener: socket.socket, server: Answering, tls: ssl.SSLContext | None, ended: threading.Event
) -> None:
    while True:
        sock, _ = listener.accept()
        if ended.is_set():
            sock.close()
            return
        server.connections += 1
        threading.Thread(target=_talk, args=(sock, server, tls), daemon=True).start()


def _talk(sock: socket.socket, server: Answering, tls: ssl.SSLContext | None) -> None:
    """Answer one request, or all until the client goes."""
    with suppress(OSError), sock:
        sock.settimeout(10)
        stream = sock if tls is None else tls.wrap_socket(sock, server_side=True)
        with stream:
            while head := _head(stream):
                server.asked.append(head)
                for piece in server.answer(head.split(" ")[1]):
                    stream.sendall(piece)
                if not server.keeps:
                    return


def _head(stream: socket.socket) -> str:
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        piece = stream.recv(1)
        if not piece:
            return ""
        received += piece
    return received.decode("latin-1")


def certificate(folder: Path, *names: str) -> Path:
    """Make a certificate for these names, signed by itself, with its key in the same file."""
    both = folder / f"{names[0]}.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=test", "-keyout", str(both)),
            *("-out", f"{both}.crt", "-addext"),
            "subjectAltName=" + ",".join(f"DNS:{name}" for name in names),
        ],
        check=True,
        capture_output=True,
    )
    with both.open("ab") as file:
        file.write(Path(f"{both}.crt").read_bytes())
    return both
