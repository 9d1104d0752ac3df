"""A local system in a process of its own, as root or as an ordinary user, gone after the test."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).parents[2]
STANDINS = Path(__file__).parent / "standins.py"
PATIENCE_S = 60


@dataclass(slots=True)
class System:
    """One data folder and port, and the commands run on it.

    Attributes:
        uid: Who runs the commands.
    """

    data: Path
    port: int
    uid: int
    environment: dict[str, str]
    standins: bool = True
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Begin a command."""
        program = [str(STANDINS)] if self.standins else ["-m", "web.cli"]
        process = subprocess.Popen(
            [*become(self.uid), sys.executable, *program, *arguments],
            cwd=ROOT,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=PATIENCE_S)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def up(self, **environment: str) -> subprocess.Popen[str]:
        """Start the system and wait until it is ready."""
        process = self.start("up", **environment)
        wait_for(lambda: process.poll() is not None or self.ready_under(process.pid))
        assert process.poll() is None, process.communicate()
        return process

    def ready_under(self, supervisor: int) -> bool:
        state = self.state()
        return bool(state) and state["ready"] and state["supervisor"]["pid"] == supervisor

    def state(self) -> dict[str, Any]:
        """The state file, empty where there is none."""
        try:
            found: dict[str, Any] = json.loads((self.data / "run" / "state.json").read_text())
        except FileNotFoundError:
            return {}
        return found

    def pid(self, name: str) -> int:
        pid: int = self.state()["children"][name]["pid"]
        return pid

    def leftovers(self) -> list[str]:
        """Command lines of processes that still use the data folder or belong to its system."""
        found = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            words = " ".join(process.info["cmdline"] or [])
            data = (process.info["environ"] or {}).get("FACESEARCH_DATA_DIR")
            if str(self.data) in words or data == str(self.data):
                found.append(words)
        return found


def wait_for(happened: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until something is true."""
    return wait_for


@pytest.fixture
def make_system(free_port: int) -> Iterator[Callable[..., System]]:
    """Make a system that runs nothing yet; whatever it starts is stopped after the test."""
    folders: list[Path] = []
    systems: list[System] = []

    def make(*, uid: int | None = None, below: str = "data", standins: bool = True) -> System:
        folder = Path(tempfile.mkdtemp(prefix="fs-local-"))
        folders.append(folder)
        chosen = os.geteuid() if uid is None else uid
        shutil.chown(folder, chosen)
        folder.chmod(0o755)
        data = folder / below
        environment = {
            **{name: value for name, value in os.environ.items() if "FACESEARCH" not in name},
            "FACESEARCH_DATA_DIR": str(data),
            "FACESEARCH_PORT": str(free_port),
            "FACESEARCH_MIN_FREE_DISK_MIB": "0",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        systems.append(System(data, free_port, chosen, environment, standins))
        return systems[-1]

    yield make
    for system in systems:
        for process in system.started:
            end(process)
    for folder in folders:
        shutil.rmtree(folder)


def end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    process.wait()


@pytest.fixture
def system(make_system: Callable[..., System]) -> System:
    return make_system()


@pytest.fixture
def ordinary_uid() -> Iterator[int]:
    """A user who is not root: us, or one that exists for this test alone."""
    if os.geteuid() != 0:
        yield os.geteuid()
        return
    name = f"fs-test-{os.getpid()}"
    subprocess.run(["/usr/sbin/useradd", "--no-create-home", name], check=True)
    try:
        yield pwd.getpwnam(name).pw_uid
    finally:
        subprocess.run(["/usr/sbin/userdel", name], check=True)


def become(uid: int) -> list[str]:
    """Return what to put before a command so that *uid* runs it.

    Our Python may lie in a home folder that is closed to others, as root's is: then the user gets
    the one capability that opens folders for reading.
    """
    if uid == os.geteuid():
        return []
    prefix = ["/usr/bin/setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    probe = [*prefix, sys.executable, "-c", "import web.cli.local"]
    if subprocess.run(probe, check=False, capture_output=True, cwd=ROOT).returncode:
        prefix += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return prefix
