"""The command lines of our own processes; ``docker-compose.yml`` repeats them, a test compares."""

import http.client
import signal
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import redis

from core.errors import BrokerUnavailable
from core.local.process import Command
from core.settings import Settings
from core.workers_seen import workers

UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  where to call such a host


def worker(settings: Settings) -> Command:
    """Analyses photos. One process, so that the models are in memory once."""
    arguments = [
        *("-A", "workers.app", "worker", "-Q", "search,maintenance,ingest"),
        *("-P", "threads", "-c", str(settings.worker_threads), "-n", "worker@%h"),
        *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
    ]
    # Enough to finish a batch; a lease frees the photos of one that takes longer.
    return _python("worker", settings, "celery", *arguments, stop_s=20)


def beat(settings: Settings) -> Command:
    """Rings for the sweeper every few seconds."""
    schedule = settings.data_dir.absolute() / "run" / "beat"
    arguments = ["--schedule", str(schedule), "--pidfile", "", "--loglevel", "INFO"]
    return _python("beat", settings, "celery", "-A", "workers.app", "beat", *arguments, stop_s=5)


def web(settings: Settings) -> Command:
    """Serves the page and the API."""
    memory = Path("/dev/shm")  # noqa: S108  gunicorn makes a private file in it
    beats = memory if memory.is_dir() else settings.data_dir.absolute() / "run"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    arguments = [
        *("web.app:create()", "--worker-class", "gthread", "--workers", "1"),
        *("--threads", str(settings.web_threads), "--bind", f"{host}:{settings.port}"),
        *("--worker-tmp-dir", str(beats), "--no-control-socket"),
        *("--timeout", "120", "--graceful-timeout", "10"),
    ]
    command = _python("web", settings, "gunicorn", *arguments, stop_s=15)
    # Killed, it would leave its own child holding the port for a while.
    return replace(command, death_signal=signal.SIGQUIT)


def _python(name: str, settings: Settings, module: str, *arguments: str, stop_s: float) -> Command:
    return Command(
        name,
        (sys.executable, "-m", module, *arguments),
        environment=settings.environment(),
        stop_signal=signal.SIGTERM,
        stop_s=stop_s,
    )


def page(settings: Settings) -> str:
    """Return the address of the page, for a person on this machine."""
    return settings.public_url or f"http://{_host(settings)}:{settings.port}/"


def _host(settings: Settings) -> str:
    host = UNSPECIFIED.get(settings.host, settings.host)
    return f"[{host}]" if ":" in host else host


def web_answers(settings: Settings) -> bool:
    """Return whether the API says that it is well."""
    connection = http.client.HTTPConnection(_host(settings), settings.port, timeout=5)
    with closing(connection):
        try:
            connection.request("GET", "/v1/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False


def worker_answers(broker_url: str) -> bool:
    """Return whether some worker says that its models are loaded."""
    with redis.Redis.from_url(broker_url, socket_timeout=5) as client:
        try:
            return any(worker.ready for worker in workers(client))
        except BrokerUnavailable:
            return False
