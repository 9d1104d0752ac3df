"""What runs, and whether it answers: the local system, or the servers that the settings name."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
import redis

from core import checks
from core.errors import DatabaseUnavailable
from core.findings import Finding
from core.local import processes, state
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Part:
    """One process, or a server elsewhere.

    Attributes:
        pid: None when it is not ours or not there.
        answers: It does its work. Of beat only its being there can be told.
        seconds: Since it was started; None when it is not ours.
    """

    name: str
    pid: int | None
    answers: bool
    seconds: int | None


@dataclass(frozen=True, slots=True)
class Status:
    """The whole.

    Attributes:
        running: A supervisor runs here, or, with servers elsewhere, something answers.
        ready: Everything answers.
        findings: What the checks of the database found; none when it does not answer.
    """

    running: bool
    ready: bool
    page: str
    parts: tuple[Part, ...]
    findings: tuple[Finding, ...] = ()


def look(settings: Settings) -> Status:
    """Ask every part."""
    local = state.running(settings.data_dir)
    database_url = settings.database_url or (local and local.database_url)
    broker_url = settings.broker_url or (local and local.broker_url)
    answers: dict[str, Callable[[], bool]] = {
        "postgres": lambda: bool(database_url) and _database_answers(str(database_url)),
        "broker": lambda: bool(broker_url) and _broker_answers(str(broker_url)),
        "worker": lambda: bool(broker_url) and processes.worker_answers(str(broker_url)),
        "web": lambda: processes.web_answers(settings),
    }
    if local is None and not (settings.database_url and settings.broker_url):
        return Status(False, False, processes.page(settings), ())
    parts = [_part(name, local, answer) for name, answer in answers.items()]
    if local:
        parts.append(_part("beat", local, None))
    return Status(
        running=local is not None or any(part.answers for part in parts),
        ready=all(part.answers for part in parts),
        page=local.page if local else processes.page(settings),
        parts=tuple(parts),
        findings=_findings(settings.model_copy(update={"database_url": database_url})),
    )


def _part(name: str, local: state.State | None, answers: Callable[[], bool] | None) -> Part:
    child = local.children.get(name) if local else None
    process = child.process() if child else None
    return Part(
        name,
        pid=process.pid if process else None,
        answers=answers() if answers else process is not None,
        seconds=round(time.time() - process.create_time()) if process else None,
    )


def _findings(settings: Settings) -> tuple[Finding, ...]:
    try:
        return tuple(checks.look(settings))
    except DatabaseUnavailable:
        return ()


def _database_answers(database_url: str) -> bool:
    try:
        psycopg.connect(database_url, connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True


def _broker_answers(broker_url: str) -> bool:
    try:
        with redis.Redis.from_url(broker_url, socket_timeout=3) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
