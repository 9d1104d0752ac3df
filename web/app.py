"""The Flask application: pages for people, JSON for programs. ``web.app:create()`` is served."""

import atexit
import logging
import threading
from io import BytesIO
from threading import BoundedSemaphore
from typing import IO

from flask import Flask, Request

from core import checks
from core.checks import Checked
from core.doorbell import Doorbell
from core.local.state import resolve
from core.services import Services, open_services
from core.settings import MIB, Settings
from web import api, idempotency, pages, problems, security
from web.doorbell import CeleryDoorbell
from web.services import EXTENSION, Web
from web.stalled import GivesUp

logger = logging.getLogger(__name__)

SPARE_PARTS = 20
"""Fields of a form beside its photos."""


class InMemoryRequest(Request):
    """Keeps uploaded files in memory: a query photo must never touch a disk."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        return BytesIO()


class Application(Flask):
    """Flask with our kind of request."""

    request_class = InMemoryRequest


def create() -> Flask:
    """Build the application of this machine; gunicorn calls it.

    Raises:
        SetupError: A setting is wrong, the local system is not up, or the database is not fit.
        DatabaseUnavailable: Postgres cannot be reached.
    """
    settings = resolve(Settings.load())
    checks.require(settings, logger)
    services = open_services(settings, connections=checks.web_connections(settings))
    atexit.register(services.activity.close)
    threading.Thread(target=_prepare, args=[services], name="timing", daemon=True).start()
    return create_app(services, CeleryDoorbell(settings))


def _prepare(services: Services) -> None:
    """Time the ways to search while nobody waits for it; who comes first times what is missing."""
    try:
        services.router.prepare(services.pool)
    except Exception:
        logger.exception("the ways to search could not be timed at the start")


def create_app(services: Services, doorbell: Doorbell) -> Flask:
    """Build the application around *services*."""
    settings = services.settings
    app = Application(__name__)
    app.wsgi_app = GivesUp(app.wsgi_app)  # type: ignore[method-assign]
    app.config["MAX_CONTENT_LENGTH"] = settings.max_request_mib * MIB
    app.config["MAX_FORM_PARTS"] = settings.max_photos_per_request + SPARE_PARTS
    app.json.sort_keys = False  # type: ignore[attr-defined]  # members in the order of the models
    waiters = BoundedSemaphore(max(1, settings.web_threads // 2))
    listeners = BoundedSemaphore(max(1, settings.web_threads // 4))
    app.extensions[EXTENSION] = Web(services, doorbell, waiters, listeners, Checked(settings))
    problems.init_app(app)
    security.init_app(app)
    idempotency.init_app(app)  # after it: keys belong to whoever may in
    api.init_app(app)
    pages.register(app)
    return app
