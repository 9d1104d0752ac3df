"""Where the commands of imports send photos: this machine's system, or a server over HTTP.

What they send, in which order, and what they show of it is the same code for both.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO, Final, Protocol, TypeVar
from uuid import UUID

import click

from core.errors import FaceSearchError
from core.import_wishes import Source, Wish
from core.settings import CLIENT_KEY, CLIENT_SERVER

T = TypeVar("T")

FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0
PATIENCE_S: Final = 600.0
"""For how long the same thing is tried again: a server's machine may start anew."""

STATES: Final = ("waiting", "running", "indexed", "skipped", "rejected", "failed", "dead")
"""Of items, in the order in which they are shown."""

OPEN: Final = frozenset({"receiving", "running", "paused"})
LOOKED_THROUGH: Final = 1000
"""Imports of a collection among which one that was begun before is looked for."""


@dataclass(frozen=True, slots=True)
class View:
    """An import at one moment, as the API tells it.

    Attributes:
        state: ``receiving``, ``running``, ``paused``, ``done``, ``cancelled`` or ``failed``.
        counts: Items by state, of all `STATES`.
        total: Items that there will be; None where that is not known yet.
        bytes_received: Of an archive or manifest.
        rate: Items per second.
        forecast: Of a dry run.
    """

    id: UUID
    collection_id: UUID
    name: str
    external_id: str | None
    source: str
    state: str
    reason: str | None
    detail: str | None
    counts: Mapping[str, int]
    reasons: Mapping[str, int]
    total: int | None
    done: int
    passed_over: int
    rate: float | None
    eta_s: float | None
    limit: str | None
    advice: str | None
    bytes_expected: int | None
    bytes_received: int | None
    created_at: str
    closed_at: str | None
    options: Mapping[str, Any] = field(default_factory=dict)
    forecast: Mapping[str, Any] | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        return self.state not in OPEN

    @property
    def takes_more(self) -> bool:
        """Whether it was not said yet that everything is sent."""
        if self.is_over:
            return False
        if self.source == Source.FILES:
            return self.total is None
        return self.state == "receiving" or (
            self.bytes_expected is not None and (self.bytes_received or 0) < self.bytes_expected
        )


@dataclass(frozen=True, slots=True)
class Row:
    """What became of an item."""

    position: int
    key: str
    state: str
    reason: str | None
    detail: str | None
    image_id: UUID | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo that is sent."""

    key: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken.

    Attributes:
        photos, request_bytes: Of one request.
    """

    photo_bytes: int
    photos: int
    request_bytes: int


class Target(Protocol):
    """A system that takes imports. Its methods may be called by several threads."""

    options: str
    """What a command needs to find it: part of a command line, with a blank before it."""

    def limits(self) -> Limits:
        """Return what it takes."""
        ...

    def collection(self, name: str, *, create: bool) -> UUID:
        """Return the id of the collection with this name or id.

        Raises:
            CollectionNotFound: There is none, and none is to be made.
        """
        ...

    def create(self, collection_id: UUID, wish: Wish) -> View:
        """Make an import, or return the one that has its external id."""
        ...

    def imports(self, collection_id: UUID) -> Iterator[View]:
        """Yield the imports of a collection, newest first."""
        ...

    def get(self, import_id: UUID) -> View:
        """Return how far an import is."""
        ...

    def add(self, import_id: UUID, photos: Sequence[Photo]) -> None:
        """Hand photos in; those whose keys are there are left as they are."""
        ...

    def size(self, import_id: UUID) -> int:
        """Return how many bytes of its archive or manifest are there."""
        ...

    def append(self, import_id: UUID, data: bytes, offset: int) -> int:
        """Add bytes to its archive or manifest; return how many there are then.

        Raises:
            OffsetMismatch: Others are there than the sender believes.
        """
        ...

    def has_file(self, import_id: UUID, name: str, size: int) -> bool:
        """Say whether a file that a manifest names is there, with so many bytes."""
        ...

    def put_file(self, import_id: UUID, name: str, file: BinaryIO) -> None:
        """Send a file that a manifest names."""
        ...

    def change(self, import_id: UUID, verb: str) -> View:
        """Start, confirm, pause, resume or cancel an import."""
        ...

    def retry(self, import_id: UUID, *, dead: bool) -> int:
        """Let what failed be tried again; return how many items that are."""
        ...

    def delete(self, import_id: UUID) -> None:
        """Forget an import and what became of its items."""
        ...

    def results(self, import_id: UUID, state: str | None = None) -> Iterator[Row]:
        """Yield what became of the items, in the sender's order."""
        ...


class StoppedError(Exception):
    """This command is being ended; whoever sends leaves off."""


def _say(what: str | None) -> None:
    if what:
        click.echo(what, err=True)


@dataclass(slots=True)
class Patience:
    """Waits between two tries of the same thing, and says so.

    Attributes:
        stop: Set when this command is being ended.
        tell: Gets what is waited for; None when it goes on.
    """

    stop: threading.Event = field(default_factory=threading.Event)
    tell: Callable[[str | None], None] = _say

    def with_retries(self, call: Callable[[], T]) -> T:
        """Return what *call* returns, trying again what may succeed later.

        Raises:
            FaceSearchError: It cannot, or did not for `PATIENCE_S`.
            StoppedError: The command is being ended.
        """
        began, pause, has_told = time.monotonic(), FIRST_WAIT_S, False
        while True:
            if self.stop.is_set():
                raise StoppedError
            try:
                result = call()
            except FaceSearchError as error:
                # Room in the backlog comes with the workers; whoever follows the import sees to them.
                # What a try took counts, too: a server that swallows all says so after minutes.
                is_late = time.monotonic() - began > PATIENCE_S
                if not error.retryable or (error.code != "backlog_full" and is_late):
                    raise
                told = error.details.get("retry_after_s")
                wait_s = min(float(told) if told else pause, LONGEST_WAIT_S)
                self.tell(str(error))
                self.stop.wait(wait_s)
                has_told, pause = True, min(pause * 2, LONGEST_WAIT_S)
            else:
                if has_told:
                    self.tell(None)
                return result


def begun_before(target: Target, collection_id: UUID, external_id: str) -> list[View]:
    """Return the imports whose external ids begin so, newest first."""
    found = islice(target.imports(collection_id), LOOKED_THROUGH)
    return [each for each in found if (each.external_id or "").startswith(external_id)]


@contextmanager
def open_target(server: str | None, key: str | None, patience: Patience) -> Iterator[Target]:
    """Open the server at this address, or without one the system of this machine.

    Raises:
        SetupError: The address is none, or the key is missing.
        NotRunning, DatabaseUnavailable: See `web.cli.services.system`.
    """
    # Each of them brings what the other one does not need.
    if server is None:
        from web.cli.local_target import local_target  # noqa: PLC0415

        with local_target(patience) as local:
            yield local
        return
    from web.cli.server_target import server_target  # noqa: PLC0415

    with server_target(server, key, patience) as remote:
        yield remote


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name a server."""
    command = click.option(
        "--key",
        metavar="KEY",
        envvar=CLIENT_KEY,
        help=f"API key of that server. Better in {CLIENT_KEY}: others see command lines.",
    )(command)
    return click.option(
        "--server",
        metavar="URL",
        envvar=CLIENT_SERVER,
        help=f"Address of a server, also as {CLIENT_SERVER}; else it is this machine's system.",
    )(command)
