"""Fixtures: `facesearch ingest` beside a worker of this process, whose pipeline makes faces up."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner, Result

from core import access, gallery, import_reading, imports, indexing
from core.db.collections import Collection
from core.db.imports import Import
from core.import_progress import Limit
from core.local import processes
from core.services import Services
from core.settings import CLIENT_KEY, CLIENT_SERVER, Settings
from tests.worker_processes import wait_until
from web.cli import import_bars, main

ROOT = Path(__file__).parents[2]


class Ingesting:
    """Runs `facesearch ingest` on a collection, and looks at what came of it.

    Attributes:
        photo: Makes a photo of a number.
    """

    def __init__(
        self, services: Services, home: Collection, pipeline: Any, photo: Callable[[int], bytes]
    ) -> None:
        self.services = services
        self.home = home
        self.pipeline = pipeline
        self.photo = photo

    def __call__(self, *arguments: str | Path) -> Result:
        """Ingest; a worker is there only inside `worker`."""
        return self.run("ingest", *arguments, "-c", self.home.name)

    def run(self, *arguments: str | Path) -> Result:
        """Run a command."""
        return CliRunner().invoke(main, [str(each) for each in arguments])

    @contextmanager
    def worker(self) -> Iterator[None]:
        """Read imports and index photos in a thread."""
        stop = threading.Event()
        analysers = {self.home.space_id: self.pipeline}

        def work() -> None:
            while not stop.is_set():
                read = import_reading.read_one(self.services, analysers, lambda: None, stop)
                if not indexing.index_batch(self.services, analysers) and not read:
                    imports.settle(self.services)
                    time.sleep(0.02)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def folder(self, path: Path, numbers: range) -> Path:
        """Write photos, named by their numbers, into a folder."""
        path.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            (path / f"{number:03}.png").write_bytes(self.photo(number))
        return path

    def stored(self) -> set[str | None]:
        """Names of the images of the collection."""
        with self.services.pool.connection() as conn:
            return {image.filename for image in gallery.images(conn, self.home.id, limit=999)}

    def imports(self) -> list[Import]:
        """All of the collection, oldest first."""
        with self.services.pool.connection() as conn:
            return imports.page(conn, self.home.id, limit=99)[::-1]

    def keys(self, of: Import) -> list[str]:
        """Keys of its items, by position."""
        with self.services.pool.connection() as conn:
            return [item.key for item in imports.results(conn, of.id, limit=99_999)]


def told(result: Result) -> Mapping[str, Any]:
    """Return what `--json` printed."""
    found: Mapping[str, Any] = json.loads(result.stdout)
    return found


def ends(result: Result) -> dict[str, tuple[str, str | None]]:
    """State and reason of each item that `--json` printed."""
    return {item["key"]: (item["state"], item["reason"]) for item in told(result)["items"]}


@pytest.fixture
def ingesting(
    services: Services,
    collection: Collection,
    fake_pipeline: Any,
    photo: Callable[[int], bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Ingesting:
    """The command with the settings of this test."""
    for name, value in services.settings.environment().items():
        monkeypatch.setenv(name, value)
    for name in (CLIENT_SERVER, CLIENT_KEY):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    # The worker of these tests is none that tells the broker of itself.
    monkeypatch.setattr(import_bars, "NEEDS_SOMEBODY", frozenset({Limit.DISK.value}))
    return Ingesting(services, collection, fake_pipeline, photo)


class Server:
    """The real web process, as `facesearch up` starts it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = f"http://127.0.0.1:{settings.port}"
        self.log = settings.data_dir / "web.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = processes.web(self.settings)
        with self.log.open("ab") as stream:
            self._process = subprocess.Popen(
                command.argv, cwd=ROOT, env=command.environment, stdout=stream, stderr=stream
            )
        wait_until(lambda: processes.web_answers(self.settings), seconds=60, log=self.log)

    def kill(self) -> None:
        """End it with its children, as a power cut would."""
        if self._process is None:
            return
        for each in psutil.Process(self._process.pid).children():
            each.kill()
        self._process.kill()
        self._process.wait()
        self._process = None


@pytest.fixture
def server(
    ingesting: Ingesting, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """A server, which the commands of this test talk to by HTTP."""
    settings = ingesting.services.settings.model_copy(
        update={"port": free_port, "min_free_disk_mib": 0}
    )
    started = Server(settings)
    with ingesting.services.pool.connection() as conn:
        monkeypatch.setenv(CLIENT_KEY, access.create_key(conn, "test"))
    monkeypatch.setenv(CLIENT_SERVER, started.url)
    started.start()
    try:
        yield started
    finally:
        started.kill()


@pytest.fixture(params=["here", "server"])
def somewhere(request: pytest.FixtureRequest, ingesting: Ingesting) -> Ingesting:
    """The command, once on the system of this machine and once on a server."""
    if request.param == "server":
        request.getfixturevalue("server")
    return ingesting
