"""What a view may use; built once by the application factory, replaced in tests."""

from dataclasses import dataclass
from importlib import metadata
from threading import BoundedSemaphore
from typing import cast

from flask import current_app

from core.checks import Checked
from core.doorbell import Doorbell
from core.errors import ServerBusy
from core.services import Services

EXTENSION = "facesearch"


@dataclass(frozen=True, slots=True)
class Web:
    """What the web process holds.

    Attributes:
        waiters: Taken by requests that wait for a worker on purpose, receive photos or archives, or
            send all results, so that others get through.
        listeners: Taken by those who are told of progress as it happens.
    """

    services: Services
    doorbell: Doorbell
    waiters: BoundedSemaphore
    listeners: BoundedSemaphore
    checked: Checked


def web() -> Web:
    """Return what the application was built around."""
    return cast(Web, current_app.extensions[EXTENSION])


def take_place(places: BoundedSemaphore) -> None:
    """Take one of these places; whoever does gives it back.

    Raises:
        ServerBusy: There is none.
    """
    if not places.acquire(blocking=False):
        raise ServerBusy("All places for requests that last long are taken; try again later.")


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
