"""Imports of this machine's system, without HTTP: the same core functions as the API's."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from io import BytesIO
from typing import BinaryIO, Final, TypeVar
from uuid import UUID

import psycopg

from core import collections, import_content, import_files, imports
from core.db.collections import Collection
from core.db.import_items import Result
from core.db.imports import Import
from core.db.pool import expected
from core.doorbell import Doorbell
from core.errors import CollectionNotFound
from core.images import PhotoLimits
from core.import_progress import Progress, progress
from core.import_wishes import Wish
from core.offers import Upload
from core.services import Services
from core.settings import MIB
from web.cli.services import ACTOR, doorbell, system
from web.cli.targets import STATES, Limits, Patience, Photo, Row, Target, View

T = TypeVar("T")

CONNECTIONS: Final = 12
PAGE: Final = 1000


class LocalTarget:
    """See `web.cli.targets.Target`."""

    options = ""

    def __init__(self, services: Services, bell: Doorbell, patience: Patience) -> None:
        self._services = services
        self._bell = bell
        self._patience = patience

    def limits(self) -> Limits:
        """Return what it takes."""
        settings = self._services.settings
        return Limits(
            PhotoLimits.of(settings).max_bytes,
            settings.max_photos_per_request,
            settings.max_request_mib * MIB,
        )

    def collection(self, name: str, *, create: bool) -> UUID:
        """Return the id of the collection with this name or id."""
        return self._home(name, create=create).id

    def _home(self, name: str, *, create: bool) -> Collection:
        services = self._services
        with services.pool.connection() as conn:
            try:
                return collections.find(conn, name)
            except CollectionNotFound:
                if not create:
                    raise
            pack = services.manifest.pack(services.settings.pack)
            return collections.create(conn, pack, name=name)

    def create(self, collection_id: UUID, wish: Wish) -> View:
        """Make an import, or return the one that has its external id."""
        made, _ = imports.create(self._services, self._bell, collection_id, wish, actor=ACTOR)
        return self.get(made.id)

    def imports(self, collection_id: UUID) -> Iterator[View]:
        """Yield the imports of a collection, newest first."""
        after = None
        while True:
            with self._services.pool.connection() as conn:
                page = imports.page(conn, collection_id, limit=PAGE, after=after)
            for each in page:
                yield self.get(each.id)
            if len(page) < PAGE:
                return
            after = page[-1].id

    def get(self, import_id: UUID) -> View:
        """Return how far an import is."""
        return _view(self._try(lambda: progress(self._services, import_id)))

    def add(self, import_id: UUID, photos: Sequence[Photo]) -> None:
        """Hand photos in; those whose keys are there are left as they are."""
        uploads = [Upload(photo.key, photo.data) for photo in photos]
        self._try(lambda: import_files.add(self._services, self._bell, import_id, uploads))

    def size(self, import_id: UUID) -> int:
        """Return how many bytes of its archive or manifest are there."""
        there, _ = import_content.size(self._services, import_id)
        return there

    def append(self, import_id: UUID, data: bytes, offset: int) -> int:
        """Add bytes to its archive or manifest; return how many there are then."""
        return self._try(
            lambda: import_content.append(
                self._services,
                self._bell,
                import_id,
                BytesIO(data),
                offset=offset,
                coming=len(data),
            )
        )

    def has_file(self, import_id: UUID, name: str, size: int) -> bool:
        """Say whether a file that a manifest names is there, with so many bytes."""
        return import_files.file_size(self._services, import_id, name) == size

    def put_file(self, import_id: UUID, name: str, file: BinaryIO) -> None:
        """Send a file that a manifest names."""

        def put() -> int:
            file.seek(0)
            return import_files.put_file(self._services, import_id, name, file, coming=None)

        self._try(put)

    def _try(self, call: Callable[[], T]) -> T:
        """Return what *call* returns; a database that is away for a while is waited for."""

        def once() -> T:
            try:
                return call()
            except psycopg.OperationalError as error:
                raise expected(error) from error

        return self._patience.with_retries(once)

    def change(self, import_id: UUID, verb: str) -> View:
        """Start, confirm, pause, resume or cancel an import."""
        imports.change(self._services, self._bell, import_id, verb)
        return self.get(import_id)

    def retry(self, import_id: UUID, *, dead: bool) -> int:
        """Let what failed be tried again; return how many items that are."""
        return imports.retry(self._services, self._bell, import_id, dead=dead)

    def delete(self, import_id: UUID) -> None:
        """Forget an import and what became of its items."""
        imports.delete(self._services, import_id)

    def results(self, import_id: UUID, state: str | None = None) -> Iterator[Row]:
        """Yield what became of the items, in the sender's order."""
        after = -1
        while True:
            with self._services.pool.connection() as conn:
                imports.get(conn, import_id)
                page = imports.results(conn, import_id, limit=PAGE, after=after, state=state)
            yield from map(_row, page)
            if len(page) < PAGE:
                return
            after = page[-1].position


@contextmanager
def local_target(patience: Patience) -> Iterator[Target]:
    """Open the system of this machine.

    Raises:
        NotRunning, DatabaseUnavailable: See `web.cli.services.system`.
    """
    with system(connections=CONNECTIONS) as services:
        yield LocalTarget(services, doorbell(services), patience)


def _row(item: Result) -> Row:
    return Row(
        item.position, item.key, item.state, item.reason, item.detail, item.image_id, item.attempts
    )


def _view(at: Progress) -> View:
    found: Import = at.found
    return View(
        id=found.id,
        collection_id=found.collection_id,
        name=found.name,
        external_id=found.external_id,
        source=found.source,
        state=at.state.value,
        reason=found.reason,
        detail=found.detail,
        counts={state: at.counts.states.get(state, 0) for state in STATES},
        reasons=at.counts.reasons,
        total=at.total,
        done=at.done,
        passed_over=found.entries_passed_over,
        rate=at.rate,
        eta_s=at.eta_s,
        limit=None if at.limit is None else at.limit.value,
        advice=at.advice,
        bytes_expected=found.bytes_expected,
        bytes_received=at.bytes_received,
        created_at=found.created_at.isoformat(),
        closed_at=_iso(found.closed_at),
        options=found.options,
        forecast=None if at.expected is None else asdict(at.expected),
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
