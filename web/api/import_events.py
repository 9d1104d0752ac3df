"""Progress of an import as it happens: Server-Sent Events."""

import logging
import select
import socket
import ssl
from collections.abc import Iterator
from time import monotonic, sleep
from typing import Final
from uuid import UUID

import psycopg
from flask import Response, request

from core import import_progress
from core.errors import ImportNotFound
from core.services import Services
from web.api.models.imports import Import
from web.services import services, take_place, web

logger = logging.getLogger(__name__)

MEDIA_TYPE: Final = "text/event-stream"

LONGEST_S: Final = 60.0
"""Of one connection, which holds a thread; browsers connect again by themselves."""

RETRY_MS: Final = 2000
"""After which they do."""

SHORTEST_PAUSE_S: Final = 1.0
SHARE: Final = 10.0
"""The pause between two looks is so many times what the last one took: a million items take long to
count, and somebody who watches must not slow down the indexing."""

HEARTBEAT_S: Final = 10.0
"""Without news, so that proxies keep the connection, and it is noticed when the other side is gone."""

STEP_S: Final = 0.5
"""Between two looks whether the other side is there."""


def send(import_id: UUID) -> Response:
    """Tell how far an import is until it is closed, for `LONGEST_S` at most.

    Raises:
        ImportNotFound: There is none with this id.
        ServerBusy: Too many listen.
    """
    first = import_progress.progress(services(), import_id)
    places = web().listeners
    take_place(places)
    connection = request.environ.get("gunicorn.socket")
    if isinstance(connection, ssl.SSLSocket):  # cannot be looked at; heartbeats will tell
        connection = None
    response = Response(_told(services(), Import.of(first), connection), mimetype=MEDIA_TYPE)
    response.call_on_close(places.release)
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _told(services: Services, shown: Import, connection: socket.socket | None) -> Iterator[str]:
    yield f"retry: {RETRY_MS}\n\n"
    end = monotonic() + LONGEST_S
    told, said, cost = "", 0.0, 0.0
    while True:
        news = shown.model_dump_json()
        if news != told:
            yield _event("progress", news)
            told, said = news, monotonic()
        elif monotonic() - said >= HEARTBEAT_S:
            yield ":\n\n"
            said = monotonic()
        if shown.closed_at is not None:
            yield _event("closed", news)
            return
        pause = max(SHORTEST_PAUSE_S, SHARE * cost)
        if monotonic() + pause >= end or not _stays(connection, pause):
            return
        began = monotonic()
        try:
            shown = Import.of(import_progress.progress(services, shown.id))
        except ImportNotFound:
            yield _event("closed", "null")
            return
        except psycopg.OperationalError:
            logger.warning("progress cannot be told while the database is away", exc_info=True)
            return
        cost = monotonic() - began


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"


def _stays(connection: socket.socket | None, seconds: float) -> bool:
    """Wait; return early, with False, when the other side is gone."""
    end = monotonic() + seconds
    while (left := end - monotonic()) > 0:
        sleep(min(left, STEP_S))
        if connection is not None and _is_closed(connection):
            return False
    return True


def _is_closed(connection: socket.socket) -> bool:
    waiting = select.poll()
    try:
        waiting.register(connection, select.POLLIN)
        # A socket with a time limit waits, whatever flags say.
        return bool(waiting.poll(0)) and not connection.recv(1, socket.MSG_PEEK)
    except (OSError, ValueError):  # it is closed
        return True
