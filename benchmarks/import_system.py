"""What the benchmarks of imports share: a whole system in processes of its own, and photos to send.

The processes are those of `facesearch up`: web under gunicorn, worker, beat, Postgres and broker, with a
data folder that is gone afterwards.
"""

import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import onnxruntime
import psutil

from benchmarks import timing
from benchmarks.ingest_r50 import PACK as R50
from benchmarks.ingest_r50 import packed
from benchmarks.lfw import TEST_PACKS
from core import access
from core.db.pool import connect
from core.inference.install import install
from core.inference.packs import load_manifest
from core.local import state
from core.local.accounts import folder_mode
from core.local.state import State
from core.settings import MIB, Device, Settings

SMALL: Final = "test_scrfd"
"""det_500m and mobilefacenet_ms1m_512."""

PACKS: Final = (SMALL, R50)
R50_DETECTOR: Final = "det_2.5g.onnx"

START_S: Final = 120
POLL_S: Final = 0.25
TAR: Final = "application/x-tar"


@dataclass(frozen=True, slots=True)
class Album:
    """The photos of LFW, again and again, each time with other bytes at its end.

    What stands behind the end of a JPEG changes no picture, and makes it one that nobody has.
    """

    files: Sequence[Path]

    @classmethod
    def of(cls, data: Path) -> "Album":
        """Take those of the folder with faces/ and weights/."""
        return cls(sorted((data / "faces" / "lfw").glob("*/*.jpg")))

    def photo(self, number: int, mark: str) -> bytes:
        """Return one; other marks give other bytes."""
        return self.files[number % len(self.files)].read_bytes() + f"#{mark}-{number}".encode()

    def tar(self, count: int, mark: str) -> Iterator[bytes]:
        """Yield an archive of so many, a photo at a time."""
        return tar((f"{n:06}.jpg", self.photo(n, mark)) for n in range(count))


def tar(photos: Iterator[tuple[str, bytes]]) -> Iterator[bytes]:
    """Yield an archive, a photo at a time."""
    for name, data in photos:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        yield entry.tobuf() + data + bytes(-len(data) % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


@dataclass(slots=True)
class System:
    """A running system.

    Attributes:
        settings: Those that its processes have.
        client: Speaks to its API.
    """

    settings: Settings
    client: httpx.Client

    @property
    def state(self) -> State:
        """Its processes and addresses."""
        found = state.read(self.settings.data_dir)
        assert found is not None, "the system runs"  # noqa: S101
        return found

    def facts(self) -> list[str]:
        """Return machine, versions and settings, a line each."""
        mine = self.settings
        told = (
            f"{mine.pack}; batch_photos = {mine.batch_photos}, worker_threads = "
            f"{mine.worker_threads}, import_ahead = {mine.import_ahead}, inference_threads = "
            f"{mine.inference_threads}; ONNX Runtime {onnxruntime.__version__}"
        )
        with connect(self.state.database_url) as conn:
            return [*timing.facts_of(conn), told]

    def collection(self, name: str) -> str:
        """Make a collection; return its id."""
        return str(self.ask("POST", "/collections", json={"name": name})["id"])

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Return the JSON of an answer that is none of an error."""
        answer = self.client.request(method, f"/v1{path}", **more)
        if answer.is_error:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def send(self, collection: str, archive: Iterator[bytes]) -> str:
        """Send an archive; return the id of its import."""
        made = self.ask(
            "POST",
            f"/collections/{collection}/imports",
            content=archive,
            headers={"Content-Type": TAR},
        )
        return str(made["id"])

    def wait(self, import_id: str) -> Mapping[str, Any]:
        """Return an import when it is over.

        Raises:
            RuntimeError: It did not end well.
        """
        while True:
            found: Mapping[str, Any] = self.ask("GET", f"/imports/{import_id}")
            if found["closed_at"] is not None:
                break
            time.sleep(POLL_S)
        if found["state"] != "done":
            raise RuntimeError(f"The import is {found['state']}: {found['detail']}")
        return found


@contextmanager
def running(data: Path, pack: str = SMALL, **changes: Any) -> Iterator[System]:
    """Run a system; *changes* are settings of it."""
    with tempfile.TemporaryDirectory(prefix="facesearch-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        home.chmod(folder_mode())
        settings = prepared(data, pack, home).model_copy(update={"port": free_port(), **changes})
        log = home / "up.log"
        with log.open("wb") as told:
            process = subprocess.Popen(
                [sys.executable, "-m", "web.cli", "up"],
                env=settings.environment(),
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
                start_new_session=True,
            )
        try:
            with _client(settings, process, log) as client:
                yield System(settings, client)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


@contextmanager
def _client(
    settings: Settings, process: "subprocess.Popen[bytes]", log: Path
) -> Iterator[httpx.Client]:
    end = time.monotonic() + START_S
    while (found := _ready(settings.data_dir)) is None:
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"The system does not start: {log.read_text()}")
        time.sleep(0.1)
    with connect(found.database_url, autocommit=True) as conn:
        key = access.create_key(conn, "benchmark")
    with httpx.Client(
        base_url=f"http://{settings.host}:{settings.port}",
        headers={"Authorization": f"Bearer {key}"},
        timeout=300,
    ) as client:
        yield client


def _ready(data_dir: Path) -> State | None:
    found = state.read(data_dir)
    return found if found is not None and found.ready else None


def prepared(data: Path, pack: str, home: Path) -> Settings:
    """Install a pack below *home*; return settings that have it."""
    weights = data / "weights"
    manifest, source = TEST_PACKS, weights
    if pack == R50:
        manifest, source = packed(weights / R50_DETECTOR, home), home
    settings = Settings(
        _env_file=None,
        data_dir=home / "data",
        models_dir=home / "models",
        extra_packs=manifest,
        pack=pack,
        device=Device.CPU,
    )
    install(
        load_manifest(settings).pack(pack),
        settings.models_dir,
        source=source,
        accept_licence=True,
    )
    return settings


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True)
class Memory:
    """The memory of processes, looked at again and again.

    Attributes:
        seconds: Since the first look, of each look.
        rss: Bytes of each process with its children, by its name.
    """

    system: System
    names: Sequence[str]
    every_s: float = 1.0
    seconds: list[float] = field(default_factory=list)
    rss: dict[str, list[int]] = field(default_factory=dict)

    @contextmanager
    def watched(self) -> Iterator["Memory"]:
        """Look within the block."""
        over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=[over], daemon=True)
        watcher.start()
        try:
            yield self
        finally:
            over.set()
            watcher.join()

    def _watch(self, over: threading.Event) -> None:
        began = time.monotonic()
        while True:
            self.seconds.append(time.monotonic() - began)
            for name in self.names:
                self.rss.setdefault(name, []).append(
                    sum(each.memory_info().rss for each in family(self.system, name))
                )
            if over.wait(self.every_s):
                return


def family(system: System, name: str) -> list[psutil.Process]:
    """Return a process of the system and its children."""
    process = system.state.children[name].process()
    assert process is not None, "the system runs"  # noqa: S101
    return [process, *process.children(recursive=True)]


def high_water(system: System, name: str) -> int:
    """Return the most bytes that the largest of a process and its children ever held (VmHWM)."""
    return max(_high_water(each.pid) for each in family(system, name))


def _high_water(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def mib(size: float) -> str:
    """Write bytes for people."""
    return f"{size / MIB:,.1f} MiB"


def cpu_seconds(system: System) -> dict[str, float]:
    """Return the CPU time that each process of the system and its children took so far."""
    return {name: sum(map(_cpu, family(system, name))) for name in system.state.children}


def _cpu(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def in_turns(rounds: int, sides: Mapping[str, Callable[[int], float]]) -> dict[str, list[float]]:
    """Measure each side once a round, so that a busy moment of the machine meets all of them."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, side in sides.items():
            found[name].append(side(number))
    return found
