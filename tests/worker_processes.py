"""Fixtures: real worker and beat processes on the servers of this run."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from core.pipelines import Pipelines
from core.settings import Settings
from core.workers_seen import workers

ROOT = Path(__file__).parents[1]


class Worker:
    """A ``celery worker`` process, or ``celery beat``, with a log in the data folder."""

    def __init__(self, settings: Settings, program: str, *arguments: str) -> None:
        self.log = settings.data_dir / f"{program}.log"
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "workers.app", program, *arguments],
                cwd=ROOT,
                env=settings.environment(),
                stdout=stream,
                stderr=stream,
            )

    def kill(self) -> None:
        """End it as the kernel's out-of-memory killer would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it as a supervisor would; return its exit code."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest.fixture
def start_worker(pipelines: Pipelines) -> Iterator[Callable[..., Worker]]:
    """Start a worker and wait until it is ready; stopped after the test."""
    assert pipelines, "without models the fixture skips"
    started: list[Worker] = []

    def start(settings: Settings, *arguments: str) -> Worker:
        options = ("-n", f"test{len(started)}@%h", "--without-gossip", "--without-mingle")
        started.append(Worker(settings, "worker", "--loglevel", "INFO", *options, *arguments))
        worker = started[-1]
        assert settings.broker_url is not None
        with redis.Redis.from_url(settings.broker_url) as broker:
            wait_until(
                lambda: any(
                    seen.ready and seen.pid == worker.process.pid for seen in workers(broker)
                ),
                seconds=60,
                log=worker.log,
            )
        return worker

    yield start
    for worker in started:
        worker.stop()


@pytest.fixture
def start_beat() -> Iterator[Callable[[Settings], Worker]]:
    """Start a beat; stopped after the test."""
    started: list[Worker] = []

    def start(settings: Settings) -> Worker:
        schedule = settings.data_dir / "schedule"
        started.append(Worker(settings, "beat", "--schedule", str(schedule), "--pidfile", ""))
        return started[-1]

    yield start
    for beat in started:
        beat.stop()


def wait_until(done: Callable[[], bool], *, seconds: float, log: Path | None = None) -> None:
    """Wait for something that other processes do."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            pytest.fail("waited in vain" + (f"; the log says\n{log.read_text()}" if log else ""))
        time.sleep(0.05)


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[..., None]:
    return wait_until
