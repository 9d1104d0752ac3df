"""Photos on their way to a server, by a command that talks HTTP to the real web process."""

import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from core.errors import FaceSearchError, NotAuthenticated, SetupError, WrongState
from core.settings import CLIENT_KEY, CLIENT_SERVER
from tests.cli.conftest import ROOT, Ingesting, Server, ends, told
from tests.packing import zipped
from web.cli import sending, targets
from web.cli.server_target import ServerTarget
from web.cli.services import PARTLY
from web.cli.targets import Patience, Photo


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys that were sent."""
    keys: list[str] = []
    add = ServerTarget.add

    def note(self: ServerTarget, import_id: UUID, photos: Sequence[Photo]) -> None:
        keys.extend(photo.key for photo in photos)
        add(self, import_id, photos)

    monkeypatch.setattr(ServerTarget, "add", note)
    return keys


@contextmanager
def meanwhile(when: Callable[[], bool], do: Callable[[], None]) -> Iterator[None]:
    """Do something in a thread as soon as something is the case."""

    def wait() -> None:
        while not when():
            time.sleep(0.005)
        do()

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


def settled(ingesting: Ingesting) -> list[str]:
    """Keys of the only import, once the server has ended the requests that it has whole."""
    [made] = ingesting.imports()
    keys, before = ingesting.keys(made), None
    while keys != before:
        time.sleep(0.5)
        keys, before = ingesting.keys(made), keys
    return keys


def test_a_folder_goes_in_and_is_seen_to_its_end(
    ingesting: Ingesting, server: Server, tmp_path: Path, sent: list[str]
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(70))
    (folder / "letter.txt").write_bytes(b"Dear Sir or Madam")

    with ingesting.worker():
        result = ingesting(folder, "--json")

    [made] = ingesting.imports()
    assert result.exit_code == PARTLY
    assert told(result)["states"] == {"indexed": 70, "rejected": 1}
    assert ends(result)["letter.txt"] == ("rejected", "unsupported_format")
    assert (made.name, made.source, made.state) == ("trip", "files", "read")
    assert len(sent) == 71


def test_a_collection_is_made_where_there_is_none(
    ingesting: Ingesting, server: Server, tmp_path: Path
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(1))

    missing = ingesting.run("ingest", folder, "-c", "new", "--no-wait")
    made = ingesting.run("ingest", folder, "-c", "new", "--create", "--no-wait")

    assert (missing.exit_code, made.exit_code) == (1, 0)
    assert missing.stderr.endswith("facesearch: There is no collection 'new'.\n")


@pytest.mark.parametrize(
    "name",
    ["caf\u00e9/\u65e5\u672c.png", 'a"b\\c.png', "a%22b.png", "a\nb.png", "a;b=c, d.png", " .png "],
)
def test_odd_names_arrive_as_they_would_here(
    ingesting: Ingesting,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    path = tmp_path / "odd" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(ingesting.photo(1))

    remote = ingesting(tmp_path / "odd", "--no-wait", "--json")
    monkeypatch.delenv(CLIENT_SERVER)
    here = ingesting(tmp_path / "odd", "--new", "--no-wait", "--json")

    assert list(ends(remote)) == list(ends(here))


def test_after_the_client_was_killed_the_same_command_sends_the_rest(
    ingesting: Ingesting,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sent: list[str],
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(600))
    process = subprocess.Popen(
        [sys.executable, "-m", "web.cli", "ingest", str(folder), "-c", ingesting.home.name],
        cwd=ROOT,
        stderr=subprocess.PIPE,
    )
    while not any(ingesting.keys(each) for each in ingesting.imports()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.kill()
    process.communicate()
    before = settled(ingesting)

    with ingesting.worker():
        result = ingesting(folder, "--json")

    [made] = ingesting.imports()
    assert 0 < len(before) < 600
    assert told(result)["states"] == {"indexed": 600}
    assert ingesting.keys(made)[: len(before)] == before
    assert sorted([*before, *sent]) == [f"{number:03}.png" for number in range(600)]


def test_a_server_that_is_killed_and_comes_back_costs_nothing(
    ingesting: Ingesting, server: Server, tmp_path: Path
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(600))

    def some() -> bool:
        return any(ingesting.keys(each) for each in ingesting.imports())

    def power_cut() -> None:
        server.kill()
        time.sleep(1)
        server.start()

    with ingesting.worker(), meanwhile(some, power_cut):
        result = ingesting(folder, "--json")

    [made] = ingesting.imports()
    assert result.exit_code == 0, result.output
    assert told(result)["states"] == {"indexed": 600}
    assert sorted(ingesting.keys(made)) == [f"{number:03}.png" for number in range(600)]


def test_an_archive_goes_on_where_a_killed_server_stopped(
    ingesting: Ingesting, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = zipped([(f"{n}.png", ingesting.photo(n)) for n in range(200)])
    (tmp_path / "a.zip").write_bytes(packed)
    monkeypatch.setattr(sending, "PART", 500)
    offsets: list[int] = []
    append = ServerTarget.append

    def note(self: ServerTarget, import_id: UUID, data: bytes, offset: int) -> int:
        offsets.append(offset)
        return append(self, import_id, data, offset)

    monkeypatch.setattr(ServerTarget, "append", note)

    def power_cut() -> None:
        server.kill()
        server.start()

    with ingesting.worker(), meanwhile(lambda: len(offsets) > 5, power_cut):
        result = ingesting(tmp_path / "a.zip", "--json")

    assert result.exit_code == 0, result.output
    assert told(result)["states"] == {"indexed": 200}
    assert offsets == sorted(offsets)
    assert len(offsets) <= len(packed) // 500 + 2


def test_a_manifest_takes_its_files_along(
    ingesting: Ingesting, server: Server, tmp_path: Path
) -> None:
    names = ["plain.png", "b\u00fc ro/50 %.png", "./dot.png", "a?b#c.png"]
    for number, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(ingesting.photo(number))
    (tmp_path / "list.ndjson").write_text(
        "".join(f"{json.dumps({'key': name})}\n" for name in names)
    )

    with ingesting.worker():
        result = ingesting("--manifest", tmp_path / "list.ndjson", "--json")

    assert ends(result) == dict.fromkeys(names, ("indexed", None))


def test_it_waits_as_long_as_the_server_says(
    ingesting: Ingesting, server: Server, tmp_path: Path
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(100))
    server.kill()
    server.settings = server.settings.model_copy(update={"import_ahead": 40})
    server.start()

    with ingesting.worker():
        result = ingesting(folder, "--json", "--jobs", "2")

    assert told(result)["states"] == {"indexed": 100}


def test_a_dry_run_tries_a_sample(ingesting: Ingesting, server: Server, tmp_path: Path) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(4))

    with ingesting.worker():
        forecast = told(ingesting(folder, "--dry-run", "--json"))

    assert (forecast["entries"], forecast["faces"]) == (4, 4)
    assert ingesting.stored() == set()


def test_a_key_that_is_wrong_or_missing_is_said(
    ingesting: Ingesting, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(1))

    wrong = ingesting(folder, "--key", "fs_wrong")
    monkeypatch.delenv(CLIENT_KEY)
    missing = ingesting(folder)

    assert (wrong.exit_code, missing.exit_code) == (1, 1)
    assert "The server does not take this API key." in wrong.stderr
    assert "wants an API key, in FACESEARCH_API_KEY or by --key" in missing.stderr


def test_a_server_that_does_not_answer_is_an_error_after_a_while(
    ingesting: Ingesting, tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(1))
    monkeypatch.setattr(targets, "PATIENCE_S", 0.1)
    monkeypatch.setattr(targets, "FIRST_WAIT_S", 0.05)

    address = f"http://127.0.0.1:{free_port}"
    result = ingesting(folder, "--server", address, "--key", "fs_x")
    listed = ingesting.run("imports", "list", "-c", "x", "--server", address, "--key", "fs_x")

    for each in (result, listed):
        assert each.exit_code == 1
        # Once while it waits, and once as it gives up.
        assert each.stderr.count(f"The server at {address} cannot be reached") > 1


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        (302, {"Location": "https://elsewhere.example/"}, "give the address of that"),
        (404, {}, "The server answers with status 404"),
        (200, {"Content-Type": "text/html"}, "is no facesearch"),
    ],
)
def test_what_is_no_server_of_ours_is_said(
    ingesting: Ingesting,
    tmp_path: Path,
    status: int,
    headers: dict[str, str],
    told: str,
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(1))

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "2"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"hi")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{other.server_port}"
        result = ingesting(folder, "--server", address, "--key", "fs_x")
        other.shutdown()
        thread.join()

    assert result.exit_code == 1
    assert told in result.stderr


PROBLEM = {"Content-Type": "application/problem+json", "Content-Length": "120"}


def talking_to(answer: Callable[[httpx.Request], httpx.Response]) -> ServerTarget:
    client = httpx.Client(base_url="https://faces.test", transport=httpx.MockTransport(answer))
    return ServerTarget(client, "https://faces.test", Patience(tell=lambda _: None))


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, NotAuthenticated), (409, WrongState), (404, FaceSearchError)],
)
def test_an_error_without_a_body_is_told(status: int, error: type[FaceSearchError]) -> None:
    target = talking_to(lambda _: httpx.Response(status, headers=PROBLEM))

    with pytest.raises(error):
        target.size(UUID(int=1))


def test_a_look_at_what_is_there_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "FIRST_WAIT_S", 0.001)
    answers = [
        httpx.Response(503, headers=PROBLEM),
        httpx.Response(429, headers=PROBLEM),
        httpx.Response(200, headers={"Upload-Offset": "7"}),
    ]

    assert talking_to(lambda _: answers.pop(0)).size(UUID(int=1)) == 7


def test_a_wrong_certificate_is_not_waited_for() -> None:
    tries: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        tries.append(request)
        raise httpx.ConnectError("it is self-signed") from ssl.SSLCertVerificationError()

    with pytest.raises(SetupError, match="certificate"):
        talking_to(refuse).limits()
    assert len(tries) == 1


@pytest.mark.parametrize("address", ["faces.example.org", "ftp://faces.example.org", "https://"])
def test_an_address_that_is_none_is_said(
    ingesting: Ingesting, tmp_path: Path, address: str
) -> None:
    folder = ingesting.folder(tmp_path / "trip", range(1))

    result = ingesting(folder, "--server", address, "--key", "fs_x")

    assert "is no address of a server" in result.stderr
