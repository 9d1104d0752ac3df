"""What a view may use; built once by the application factory, replaced in tests."""

from dataclasses import dataclass
from importlib import metadata
from threading import BoundedSemaphore
from typing import cast

from flask import current_app

from core.checks import Checked
from core.doorbell import Doorbell
from core.services import Services

EXTENSION = "facesearch"


@dataclass(frozen=True, slots=True)
class Web:
    """What the web process holds.

    Attributes:
        waiters: Taken by requests that wait for a worker on purpose, so that others get through.
    """

    services: Services
    doorbell: Doorbell
    waiters: BoundedSemaphore
    checked: Checked


def web() -> Web:
    """Return what the application was built around."""
    return cast(Web, current_app.extensions[EXTENSION])


def services() -> Services:
    """Return settings, pool, broker, blobs and manifest."""
    return web().services


def doorbell() -> Doorbell:
    """Return the way to ask for a worker."""
    return web().doorbell


def version() -> str:
    """Return the version of facesearch that runs."""
    try:
        return metadata.version("facesearch")
    except metadata.PackageNotFoundError:  # not installed: started from a folder of sources
        return "0+unknown"
