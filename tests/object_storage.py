"""Fixtures: a real S3 server, and a wire to it that a test can cut, garble or let hang."""

import socket
import subprocess
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import botocore.session
import pytest

from core.s3 import Bucket
from core.settings import Settings

ACCESS_KEY = "KEYOFTHETESTS0000"
SECRET_KEY = "secret-of-the-tests"

PREFIX = "face/search"

RCLONE = Path(sysconfig.get_path("scripts")) / "rclone"

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Change = Callable[[bytes], bytes | None]


class ObjectStorage:
    """`rclone serve s3`, of a folder or of memory.

    In a folder it replaces an object by removing the old one first, and fails when two do that at
    once; in memory it behaves as S3 does.
    """

    def __init__(self, home: Path, remote: str) -> None:
        self.port = free_port()
        self._remote = remote
        self._log = home / "rclone.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.client: S3Client = botocore.session.get_session().create_client(  # type: ignore[assignment]
            "s3",
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )

    def start(self) -> None:
        """Start it, on the same port each time."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(RCLONE), "serve", "s3", "--config", "",
                    "--addr", f"127.0.0.1:{self.port}",
                    "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}",
                    self._remote,
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
        end = time.monotonic() + 20
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if self._process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"rclone does not serve:\n{self._log.read_text()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """End it, for good."""
        self.client.close()
        self.kill()

    def of(self, settings: Settings, *, port: int | None = None) -> Settings:
        """Return settings that keep blobs in a new bucket, below a prefix."""
        bucket = f"photos-{uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=bucket)
        given = {
            "blobs_url": f"s3://{bucket}/{PREFIX}",
            "s3_endpoint": f"http://127.0.0.1:{port or self.port}",
            "s3_access_key": ACCESS_KEY,
            "s3_secret_key": SECRET_KEY,
        }
        return Settings.model_validate({**settings.model_dump(), **given})

    def put(self, settings: Settings, key: str, data: bytes, *, age_s: float = 0) -> None:
        """Put an object below the prefix, behind our back; *age_s* is its age in seconds."""
        self.client.put_object(
            Bucket=bucket_of(settings),
            Key=f"{PREFIX}/{key}",
            Body=data,
            Metadata={"mtime": str(time.time() - age_s)},
        )

    def objects(self, settings: Settings) -> list[str]:
        """List the objects below the prefix."""
        pages = self.client.get_paginator("list_objects_v2")
        return [
            item["Key"].removeprefix(f"{PREFIX}/")
            for page in pages.paginate(Bucket=bucket_of(settings))
            for item in page.get("Contents", [])
        ]


def bucket_of(settings: Settings) -> str:
    assert settings.blobs_url is not None
    return settings.blobs_url.removeprefix("s3://").split("/")[0]


class Wire:
    """A relay before a server. What comes from the client is passed through `change`.

    Attributes:
        change: Returns what is sent on; None cuts the connection.
        hangs: Nothing at all is sent on, and nothing answered.
        connections: Taken so far.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self.change: Change = lambda data: data
        self.hangs = False
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for each in self._open:
            _end(each)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                self._open.append(client)
                if not self.hangs:
                    threading.Thread(target=self._relay, args=[client], daemon=True).start()

    def _pass(self, data: bytes) -> bytes | None:
        return self.change(data)

    def _relay(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._to), 5)
        except OSError:
            _end(client)
            return
        server.settimeout(None)
        self._open.append(server)
        back = threading.Thread(target=_copy, args=[server, client, lambda data: data], daemon=True)
        back.start()
        _copy(client, server, self._pass)


def _copy(source: socket.socket, target: socket.socket, change: Change) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            changed = change(data)
            if changed is None:
                break
            target.sendall(changed)
    _end(source)
    _end(target)


def _end(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


@contextmanager
def answering(status: int, body: str, *, chunked: bool = False) -> Iterator[str]:
    """A server that gives one answer to everything; yields its URL.

    Args:
        chunked: It does not say how long the answer is.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(status)
            if chunked:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(f"{len(body):x}\r\n{body}\r\n0\r\n\r\n".encode())
            else:
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def object_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStorage]:
    """The S3 server of this run."""
    storage = ObjectStorage(tmp_path_factory.mktemp("s3"), ":memory:")
    storage.start()
    yield storage
    storage.close()


@pytest.fixture
def own_storage(tmp_path: Path) -> Iterator[ObjectStorage]:
    """An S3 server that a test may kill; what it has acknowledged survives that."""
    home = tmp_path / "s3"
    (home / "root").mkdir(parents=True)
    storage = ObjectStorage(home, str(home / "root"))
    storage.start()
    yield storage
    storage.close()


@pytest.fixture
def wire(own_storage: ObjectStorage) -> Iterator[Wire]:
    """The way to `own_storage`."""
    made = Wire(own_storage.port)
    yield made
    made.close()


@pytest.fixture
def plain_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings without database, in an environment that knows no credentials."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    return Settings(_env_file=None, data_dir=tmp_path)


@pytest.fixture
def open_bucket() -> Iterator[Callable[..., Bucket]]:
    """Open the bucket of settings; closed after the test."""
    opened: list[Bucket] = []

    def open_one(settings: Settings, *args: object) -> Bucket:
        opened.append(Bucket.of(settings, bucket_of(settings), *args))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    for bucket in opened:
        bucket.close()
