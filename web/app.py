"""The Flask application: pages for people, JSON for programs. ``web.app:create()`` is served."""

from io import BytesIO
from threading import BoundedSemaphore
from typing import IO

from flask import Flask, Request

from core.doorbell import Doorbell
from core.local.state import resolve
from core.services import Services, open_services
from core.settings import MIB, Settings
from web import api, pages, problems, security
from web.doorbell import CeleryDoorbell
from web.services import EXTENSION, Web

SPARE_CONNECTIONS = 2
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
        SetupError: A setting is wrong, or the local system is not up.
        DatabaseUnavailable: Postgres cannot be reached.
    """
    settings = resolve(Settings.load())
    services = open_services(settings, connections=settings.web_threads + SPARE_CONNECTIONS)
    return create_app(services, CeleryDoorbell(settings))


def create_app(services: Services, doorbell: Doorbell) -> Flask:
    """Build the application around *services*."""
    settings = services.settings
    app = Application(__name__)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_request_mib * MIB
    app.config["MAX_FORM_PARTS"] = settings.max_photos_per_request + SPARE_PARTS
    app.json.sort_keys = False  # type: ignore[attr-defined]  # members in the order of the models
    waiters = BoundedSemaphore(max(1, settings.web_threads // 2))
    app.extensions[EXTENSION] = Web(services, doorbell, waiters)
    problems.init_app(app)
    security.init_app(app)
    api.init_app(app)
    pages.register(app)
    return app
