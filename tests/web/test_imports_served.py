"""Imports through the real gunicorn process: gigabytes, cut connections, and listeners."""

import http.client
import json
import re
import select
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from core.local import processes
from core.services import Services
from core.settings import MIB, Settings

ROOT = Path(__file__).parents[2]
WORKER_TIMEOUT_S = 2
"""Of gunicorn, so short that an upload that outlasts it is short, too."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server of its own, and a collection on it."""

    settings: Settings
    key: str
    collection: str
    process: subprocess.Popen[bytes]

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.settings.port, timeout=30)

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], Any]:
        """Send a request; return status, headers and JSON."""
        with closing(self.connect()) as connection:
            connection.request(method, path, body, self.headers(headers or {}))
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, answer.headers, json.loads(data) if data else None

    def headers(self, more: Mapping[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", **more}

    def ask(self, **wish: Any) -> dict[str, Any]:
        """Make an import by JSON."""
        status, _, made = self.call(
            "POST",
            f"/v1/collections/{self.collection}/imports",
            json.dumps(wish),
            {"Content-Type": "application/json"},
        )
        assert status == 201, made
        found: dict[str, Any] = made
        return found

    def imports(self) -> list[dict[str, Any]]:
        """All imports of the collection."""
        found: list[dict[str, Any]] = self.call(
            "GET", f"/v1/collections/{self.collection}/imports"
        )[2]["items"]
        return found

    def offset(self, address: str) -> int:
        status, headers, _ = self.call("HEAD", f"{address}/content")
        assert status == 200
        return int(headers["Upload-Offset"])

    def broken(self, address: str, data: bytes, *, length: int | None) -> None:
        """Send a part and hang up in the middle; None: in chunks."""
        size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        lines = [
            f"PATCH {address}/content HTTP/1.1", "Host: test", f"Authorization: Bearer {self.key}",
            f"Upload-Offset: {self.offset(address)}", size, "", "",
        ]  # fmt: skip
        start = b"" if length is not None else f"{len(data) + 10:x}\r\n".encode()
        with socket.create_connection(("127.0.0.1", self.settings.port)) as connection:
            connection.sendall("\r\n".join(lines).encode() + start + data)

    def begin(self, method: str, path: str, *lines: str, data: bytes = b"") -> socket.socket:
        """Send a request, or the beginning of one, and read nothing."""
        connection = socket.create_connection(("127.0.0.1", self.settings.port), timeout=30)
        head = [f"{method} {path} HTTP/1.1", "Host: test", f"Authorization: Bearer {self.key}"]
        connection.sendall("\r\n".join([*head, *lines, "", ""]).encode() + data)
        return connection

    @property
    def memory(self) -> int:
        """Bytes that the process which serves requests holds."""
        [worker] = psutil.Process(self.process.pid).children()
        held: int = worker.memory_info().rss
        return held


@pytest.fixture
def stalled_s() -> float:
    """After which the server gives up who is silent; tests shorten it."""
    return 60.0


@pytest.fixture
def worker_timeout_s() -> int:
    """Of gunicorn, whose main thread waits two seconds for whoever does not hang up after an answer."""
    return WORKER_TIMEOUT_S


@pytest.fixture
def served(
    stalled_s: float,
    worker_timeout_s: int,
    services: Services,
    team: str,
    key: str,
    free_port: int,
    wait_until: Callable[..., None],
) -> Iterator[Served]:
    """The web process as `facesearch up` starts it, but for the time-out of its worker."""
    settings = services.settings.model_copy(
        update={
            "port": free_port,
            "min_free_disk_mib": 0,
            "max_megapixels": 100,
            "import_folders": str(ROOT / "models"),
        }
    )
    command = processes.web(settings)
    at = command.argv.index("--timeout") + 1
    argv = [*command.argv[:at], str(worker_timeout_s), *command.argv[at + 1 :]]
    started = argv.index("-m")
    program = f"import web.stalled\nweb.stalled.STALLED_S = {stalled_s}\nfrom gunicorn.app.wsgiapp import run\nrun()"
    argv[started : started + 2] = ["-c", program]
    log = settings.data_dir / "web.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            argv, cwd=ROOT, env=command.environment, stdout=stream, stderr=stream
        )
    try:
        wait_until(lambda: processes.web_answers(settings), seconds=60, log=log)
        yield Served(settings, key, team, process)
    finally:
        process.terminate()
        process.wait(30)
    assert "WORKER TIMEOUT" not in log.read_text()


def packed(count: int) -> Iterator[bytes]:
    """Generate a TAR of files of a MiB each."""
    for number in range(count):
        info = tarfile.TarInfo(f"{number}.png")
        info.size = MIB
        yield info.tobuf()
        yield bytes([number % 256]) * MIB
    yield bytes(1024)


SIZE_OF_ONE = MIB + 512


@pytest.mark.parametrize("announced", [True, False])
def test_an_archive_of_200_mb_costs_no_memory(
    served: Served, services: Services, announced: bool
) -> None:
    path = f"/v1/collections/{served.collection}/imports"
    headers = {"Content-Type": "application/x-tar"}

    def send(count: int) -> dict[str, Any]:
        length = {"Content-Length": str(count * SIZE_OF_ONE + 1024)} if announced else {}
        status, _, made = served.call("POST", path, packed(count), {**headers, **length})
        assert status == 202, made
        found: dict[str, Any] = made
        return found

    send(2)
    before, most = served.memory, 0
    sent = threading.Event()

    def watch() -> None:
        nonlocal most
        while not sent.wait(0.02):
            most = max(most, served.memory)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        made = send(200)
    finally:
        sent.set()
        watcher.join()

    assert made["bytes_received"] == 200 * SIZE_OF_ONE + 1024
    assert (made["state"], made["limit"]) == ("running", "no_worker")
    assert most > 0
    assert (most - before) / 1e6 < 30


@pytest.mark.parametrize("announced", [True, False])
def test_a_cut_connection_keeps_what_came(
    served: Served, announced: bool, wait_until: Callable[..., None]
) -> None:
    data = b"".join(packed(3))
    address = served.ask(source="archive", bytes=len(data))["urls"]["self"]
    cut = 2 * MIB + 12_345

    served.broken(address, data[:cut], length=len(data) if announced else None)
    # In chunks gunicorn has up to a MiB in hand, which goes with the connection.
    kept = range(cut, cut + 1) if announced else range(cut - MIB, cut + 1)
    wait_until(lambda: served.offset(address) in kept, seconds=10)

    def send_rest() -> bool:
        there = served.offset(address)
        status, headers, told = served.call(
            "PATCH", f"{address}/content", data[there:], {"Upload-Offset": str(there)}
        )
        assert status == 204 or told["code"] == "upload_busy", told
        return status == 204 and headers["Upload-Offset"] == str(len(data))

    wait_until(send_rest, seconds=10)
    assert served.call("GET", address)[2]["state"] == "running"


def test_an_upload_may_outlast_the_time_out_of_the_worker(served: Served) -> None:
    address = served.ask(source="archive")["urls"]["self"]

    def slowly() -> Iterator[bytes]:
        for _ in range(10):
            yield bytes(1000)
            time.sleep(WORKER_TIMEOUT_S / 5)

    status, headers, told = served.call(
        "PATCH", f"{address}/content", slowly(), {"Upload-Offset": "0"}
    )

    assert (status, headers["Upload-Offset"]) == (204, "10000"), told


def test_listeners_are_told_at_once_and_leave_their_place_when_they_hang_up(
    served: Served, wait_until: Callable[..., None]
) -> None:
    made = served.ask(source="files")
    places = served.settings.web_threads // 4

    def listen() -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = served.connect()
        connection.request("GET", made["urls"]["events"], headers=served.headers({}))
        return connection, connection.getresponse()

    def take_place() -> bool:
        connection, answer = listen()
        with closing(connection):
            return answer.status == 200

    listeners = [listen() for _ in range(places)]
    first = listeners[0][1]
    assert (first.status, first.headers["Content-Type"].split(";")[0]) == (200, "text/event-stream")
    assert first.headers["X-Accel-Buffering"] == "no"
    assert first.readline() == b"retry: 2000\n"
    assert not take_place()

    began = time.monotonic()
    served.call("POST", f"{made['urls']['self']}/pause")
    while b'"state":"paused"' not in first.readline():
        assert time.monotonic() - began < 10
    for connection, answer in listeners:
        answer.close()
        connection.close()

    wait_until(take_place, seconds=10)


def test_all_results_come_through_as_they_are_written(served: Served, services: Services) -> None:
    made = served.ask(source="files")
    with services.pool.connection() as conn:
        conn.execute(
            "INSERT INTO items (job_id, collection_id, position, key, state) "
            "SELECT %s, %s, n, 'k' || n, 'rejected' FROM generate_series(1, 5000) AS n",
            [made["id"], served.collection],
        )

    with closing(served.connect()) as connection:
        path = f"{made['urls']['results']}?format=ndjson"
        connection.request("GET", path, headers=served.headers({}))
        answer = connection.getresponse()
        lines = answer.read().splitlines()

    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert [json.loads(line)["position"] for line in lines] == list(range(1, 5001))


def status_of(connection: socket.socket) -> int:
    """Read the status of an answer."""
    return int(connection.recv(12).split()[1])


def begin_photos(served: Served, address: str, length: int) -> socket.socket:
    """Begin to send photos of *length* bytes, and fall silent."""
    kind = "Content-Type: multipart/form-data; boundary=b"
    start = b"--b\r\nContent-Disposition: form-data; name=photos; filename=a.png\r\n\r\nx"
    path = f"{address}/photos"
    return served.begin("POST", path, kind, f"Content-Length: {length}", data=start)


@pytest.mark.parametrize("worker_timeout_s", [60])
def test_however_slowly_photos_come_others_get_through(served: Served) -> None:
    address = served.ask(source="files")["urls"]["self"]
    threads = served.settings.web_threads

    with ExitStack() as open_ones:
        senders = [begin_photos(served, address, 2 * MIB) for _ in range(threads)]
        for sender in senders:
            open_ones.enter_context(sender)

        held = list(senders)
        while len(held) > threads // 2:
            readable, _, _ = select.select(held, [], [], 30)
            assert readable, "more than half of the threads wait for photos"
            for sender in readable:
                assert status_of(sender) == 503
                sender.close()
                held.remove(sender)

        assert served.call("GET", "/v1/health")[0] == 200
        assert served.call("GET", address)[0] == 200
        assert select.select(held, [], [], 0)[0] == []


@pytest.mark.parametrize(("stalled_s", "worker_timeout_s"), [(1.0, 60)])
def test_senders_that_fall_silent_give_their_threads_back(served: Served) -> None:
    address = served.ask(source="files")["urls"]["self"]

    with ExitStack() as open_ones:
        senders = [
            open_ones.enter_context(begin_photos(served, address, 1000))
            for _ in range(served.settings.web_threads)
        ]

        assert served.call("GET", "/v1/health")[0] == 200
        assert [status_of(sender) for sender in senders] == [400] * len(senders)


@pytest.mark.parametrize(("stalled_s", "worker_timeout_s"), [(1.0, 60)])
def test_downloads_that_nobody_takes_are_given_up(
    served: Served, services: Services, wait_until: Callable[..., None]
) -> None:
    made = served.ask(source="files")
    with services.pool.connection() as conn:
        conn.execute(
            "INSERT INTO items (job_id, collection_id, position, key, state, detail) "
            "SELECT %s, %s, n, 'k', 'rejected', repeat('x', 10000) FROM generate_series(1, 2000) AS n",
            [made["id"], served.collection],
        )
    path = f"{made['urls']['results']}?format=ndjson"

    def download() -> bool:
        with served.begin("GET", path) as connection:
            return status_of(connection) == 200

    with ExitStack() as open_ones:
        paused = [
            open_ones.enter_context(served.begin("GET", path))
            for _ in range(served.settings.web_threads // 2)
        ]
        assert [status_of(each) for each in paused] == [200] * len(paused)
        assert not download()
        assert served.call("GET", "/v1/health")[0] == 200

        wait_until(download, seconds=10)


# --- the guide -----------------------------------------------------------------------------------


def examples() -> list[str]:
    """The commands of docs/imports.md, in their order."""
    guide = (ROOT / "docs" / "imports.md").read_text(encoding="utf-8").split("## Manifests")[0]
    return re.findall(r"```sh\n(.*?)```", guide, re.DOTALL)


@contextmanager
def working(bell: Any) -> Iterator[None]:
    """Read and index what comes in, as a worker would."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.05):
            bell.imports()
            bell.ingest()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()


def documents(text: str) -> list[Any]:
    """Read JSON documents that follow each other."""
    found, decoder = [], json.JSONDecoder()
    while text := text.strip():
        document, length = decoder.raw_decode(text)
        found.append(document)
        text = text[length:]
    return found


@pytest.fixture
def guide(
    served: Served,
    services: Services,
    bell: Any,
    tmp_path_factory: pytest.TempPathFactory,
    wait_until: Callable[..., None],
) -> Callable[..., list[str]]:
    """Run examples of the guide, one after the other; returns what each printed."""
    folder = tmp_path_factory.mktemp("guide")
    (folder / "models").symlink_to(ROOT / "models")

    def run(*parts: str) -> list[str]:
        start = (
            f"KEY={served.key}; API=http://127.0.0.1:{served.settings.port}/v1; "
            f"ID={served.collection}\n"
        )
        script = start + "\nprintf '\\1'\n".join(parts)
        with working(type(bell)(replace(services, settings=served.settings))):
            ran = subprocess.run(
                ["/bin/bash", "-euo", "pipefail", "-c", script],
                check=False, capture_output=True, text=True, cwd=folder, timeout=60,
            )  # fmt: skip
            assert ran.returncode == 0, ran.stderr
            wait_until(lambda: all(each["closed_at"] for each in served.imports()), seconds=30)
        return ran.stdout.split("\1")

    return run


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("jq")), reason="curl and jq are not installed"
)
def test_the_examples_of_the_guide_do_what_it_says(
    served: Served, guide: Callable[..., list[str]]
) -> None:
    sending, photos, manifest, parts, trying, following, steering, results = examples()
    table = "cat results.csv"
    again = "IMPORT=$(curl -s $IMPORTS -H \"$AUTH\" -H 'Content-Type: application/json' "
    again += '-d \'{"source": "files"}\' | jq -r .id)\n'

    told = guide(
        sending, photos, manifest, parts, trying, following, results + table, again + steering
    )

    sent = documents(told[0])
    assert [each["source"] for each in sent] == [
        "files",
        "archive",
        "archive",
        "manifest",
        "folder",
    ]
    [taken, started] = documents(told[1])
    assert [item["key"] for item in taken["items"]] == ["press/obama.jpg", "obama2.jpg"]
    [held] = documents(told[2])
    assert told[3].strip() == ""
    assert "event: closed" in told[5]
    page, _, csv = told[6].partition("position,key")
    assert documents(page) == [{"items": [], "next_cursor": None}]
    assert csv.count("models/samples/") == 7
    paused, resumed, retried, cancelled = documents(told[7])
    assert (paused["state"], resumed["state"]) == ("paused", "receiving")
    assert (retried, cancelled["state"]) == ({"retried": 0}, "cancelled")
    ended = served.imports()
    assert {each["state"] for each in ended} == {"done"}
    by_id = {each["id"]: each for each in ended}
    assert by_id[documents(told[4])[0]["id"]]["forecast"]["entries"] == 7
    assert by_id[held["id"]]["done"] == by_id[started["id"]]["done"] == 2
    assert len(ended) == 9
    people = served.call("GET", f"/v1/collections/{served.collection}/people")[2]["items"]
    assert {person["name"] for person in people} == {"Joe Biden", "Barack Obama"}


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("announced", [True, False])
def test_a_refusal_reaches_who_is_sending_much(
    served: Served, tmp_path: Path, announced: bool
) -> None:
    file = tmp_path / "large.tar"
    with file.open("wb") as stream:
        stream.truncate(100 * MIB)
    address = f"http://127.0.0.1:{served.settings.port}/v1/collections/{uuid4()}/imports"
    how = [] if announced else ["-H", "Transfer-Encoding: chunked"]

    ran = subprocess.run(
        [str(shutil.which("curl")), "-sS", "-X", "POST", "-T", str(file), "-H", "Content-Type: application/x-tar",
         "-H", f"Authorization: Bearer {served.key}", *how, address],
        check=False, capture_output=True, text=True, timeout=30,
    )  # fmt: skip

    assert json.loads(ran.stdout)["code"] == "collection_not_found", ran.stderr
