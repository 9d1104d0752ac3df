"""Reading imports: entry by entry into items and photos, as far ahead of the workers as is useful.

Whoever reads an import holds a lease on it. How far it is read is written down in the transaction that
writes the items, so that after a crash the next reader goes on behind the last of them.
"""

import logging
import threading
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Final, TypeAlias
from uuid import uuid4

from psycopg.errors import ProgramLimitExceeded, UniqueViolation

from core import forecast, imports
from core.analysis import Analyser
from core.db import collections as collection_rows
from core.db import import_items as item_rows
from core.db import imports as rows
from core.errors import DiskFull, FaceSearchError, PhotoDiffers
from core.images import PhotoLimits
from core.import_sources import Entry, Found, PassedOver, Sources, offer
from core.import_turns import ROUND_BYTES, NotOursError, Reading, wait_for_room
from core.import_wishes import Options, Source
from core.indexing import SURROUNDINGS
from core.leases import kept
from core.offers import Refusal, Upload, check
from core.services import Services
from core.spool import Spool
from core.storing import Place, files_go_with_rows, store

logger = logging.getLogger(__name__)

ROUND: Final = 32
"""Entries whose items are written in one transaction."""

LOADED_AT_ONCE: Final = 8

READERS: Final = 8
"""Imports that one process reads at a time. Most of them wait for workers; the others are to wait for
none of these."""

GONE: Final = "What it comes from does not have it any more."

HUNG_LEASES: Final = 60

TRIES: Final = 3
"""To write a round: an external id may be taken by somebody else between a look and the writing."""


def read_one(
    services: Services,
    analysers: Mapping[str, Analyser],
    ring: Callable[[], None],
    stop: threading.Event,
) -> bool:
    """Take an import that waits to be read, and read it until it ends or others must have a turn.

    Args:
        analysers: By space id; for dry runs.
        ring: Asks for a worker.
        stop: Set when this process is to end.

    Returns:
        False when there was none.
    """
    settings = services.settings
    lease = uuid4()
    with services.pool.connection() as conn:
        found = rows.take(
            conn,
            lease=lease,
            lease_s=settings.lease_s,
            ahead=settings.import_ahead,
            max_attempts=settings.max_attempts,
            space_ids=list(analysers),
        )
    if found is None:
        return False
    reading = Reading(services, found, lease)
    try:
        with kept(partial(_renew, reading), settings.lease_s, most_leases=HUNG_LEASES):
            _read_all(reading, analysers, ring, stop)
    except NotOursError:
        with services.pool.connection() as conn:
            rows.let_go(conn, found.id, lease=lease)
    except Exception as error:
        # Its lease runs out before the next try. What breaks its readers each time is given up.
        logger.exception("import %s cannot be read now", found.id)
        _note(reading, error)
    return True


def _note(reading: Reading, error: Exception) -> None:
    told = str(error) if isinstance(error, FaceSearchError) else f"{type(error).__name__}."
    with reading.services.pool.connection() as conn:
        rows.note(
            conn,
            reading.found.id,
            lease=reading.lease,
            detail=f"Reading failed: {told}",
            held_up_by=_in_the_way(error),
        )


def _in_the_way(error: Exception) -> str | None:
    """Return what is not the import's fault."""
    if isinstance(error, DiskFull):
        return "disk"
    if isinstance(error, ProgramLimitExceeded):  # Postgres will say that of these rows each time
        return None
    return "storage" if isinstance(error, SURROUNDINGS) else None


def _renew(reading: Reading) -> None:
    # Whether it is still ours the thread that reads it will see, too.
    lease_s = reading.services.settings.lease_s
    with reading.services.pool.connection() as conn:
        rows.renew(conn, reading.found.id, lease=reading.lease, lease_s=lease_s)


def _read_all(
    reading: Reading,
    analysers: Mapping[str, Analyser],
    ring: Callable[[], None],
    stop: threading.Event,
) -> None:
    with Sources(reading.services) as sources:
        try:
            _prepare(reading, sources)
            if reading.options.dry_run:
                _forecast(reading, sources, analysers)
            else:
                _read(reading, sources, ring, stop)
        except FaceSearchError as error:
            if error.retryable:
                raise
            reading.failure = error
    _end(reading)


def _prepare(reading: Reading, sources: Sources) -> None:
    """Look at the whole before its first entry: is it what was sent, and how much is it?"""
    found, settings = reading.found, reading.services.settings
    if found.entries_read or found.entries_expected is not None:
        return
    size = None
    if found.source != Source.FOLDER:
        spool = Spool(settings, found.id)
        size = spool.size()
        said = reading.options.sha256
        if said is not None and spool.sha256().hex() != said.lower():
            raise PhotoDiffers("The bytes that came are not those whose SHA-256 was given.")
    expected = sources.expected(found)
    with reading.services.pool.connection() as conn:
        rows.expect(conn, found.id, entries=expected, bytes=size)
    reading.found = replace(found, entries_expected=expected)


def _forecast(reading: Reading, sources: Sources, analysers: Mapping[str, Analyser]) -> None:
    made = forecast.run(reading.services, sources, reading.found, analysers)
    with reading.services.pool.connection() as conn:
        rows.set_forecast(conn, reading.found.id, made.to_json())


def _read(
    reading: Reading, sources: Sources, ring: Callable[[], None], stop: threading.Event
) -> None:
    """Read what is left, round by round."""
    with reading.services.pool.connection() as conn:
        again = set(item_rows.unread(conn, reading.found.id))
    with (
        sources.entries(reading.found) as entries,
        ThreadPoolExecutor(LOADED_AT_ONCE, thread_name_prefix="import") as loaders,
    ):
        wanted = _wanted(reading, entries, again)
        while True:
            wait_for_room(reading, stop)
            part = _round(wanted, loaders, reading.options)
            if not part:
                break
            if _write(reading, part):
                ring()


def _wanted(
    reading: Reading, entries: Iterator[Found], again: Container[int]
) -> Iterator[tuple[int, Entry]]:
    """Yield the entries without items, with their positions; what ends them early is kept."""
    begun = reading.found.entries_read
    try:
        photos = _photos(reading, entries)
        if reading.found.source == Source.FOLDER and begun:
            yield from _without_item(reading, photos, again)
            return
        for position, entry in enumerate(photos):
            if position >= begun or position in again:
                yield position, entry
    except FaceSearchError as error:
        if error.retryable:
            raise
        reading.failure = error


def _photos(reading: Reading, entries: Iterator[Found]) -> Iterator[Entry]:
    for each in entries:
        if isinstance(each, PassedOver):
            reading.passed_over += each.count
        else:
            yield each


def _without_item(
    reading: Reading, photos: Iterator[Entry], again: Container[int]
) -> Iterator[tuple[int, Entry]]:
    """Find by their names the files of a folder that have items: it may have changed meanwhile."""
    position = reading.found.entries_read
    while some := list(islice(photos, ROUND)):
        with reading.services.pool.connection() as conn:
            known = item_rows.with_keys(conn, reading.found.id, [entry.key for entry in some])
        for entry in some:
            item = known.get(entry.key)
            if item is None:
                yield position, entry
                position += 1
            elif item.position in again:
                yield item.position, entry


Loaded: TypeAlias = tuple[int, Entry, Upload | Refusal]


def _round(
    wanted: Iterator[tuple[int, Entry]], loaders: ThreadPoolExecutor, options: Options
) -> list[Loaded]:
    """Load the next entries, several at a time."""
    part: list[Loaded] = []
    size = 0
    while len(part) < ROUND and size < ROUND_BYTES:
        some = list(islice(wanted, LOADED_AT_ONCE))
        if not some:
            break
        offers = loaders.map(partial(offer, options=options), [entry for _, entry in some])
        for (position, entry), offered in zip(some, offers, strict=True):
            part.append((position, entry, offered))
            size += len(offered.data) if isinstance(offered, Upload) else 0
    return part


def _write(reading: Reading, part: Sequence[Loaded]) -> bool:
    """Write the items of a round and how far it is; return whether workers have something to do.

    Raises:
        NotOursError: Nothing was written: it is not to be read any more.
    """
    services, found = reading.services, reading.found
    limits = PhotoLimits.of(services.settings)
    photos = [check(offered, limits) for _, _, offered in part]
    place = Place(
        found.collection_id, found.id, found.id, reading.options.on_duplicate, each_alone=True
    )
    last = max(position for position, _, _ in part)
    for left in reversed(range(TRIES)):
        try:
            with files_go_with_rows(services, photos), services.pool.connection() as conn:
                collection_rows.hold(conn, [found.collection_id])
                ours = rows.advance(
                    conn,
                    found.id,
                    lease=reading.lease,
                    lease_s=services.settings.lease_s,
                    entries_read=last + 1,
                    bytes_read=max(entry.bytes_read for _, entry, _ in part),
                )
                if not ours:
                    raise NotOursError
                done = store(conn, services, place, photos, [position for position, _, _ in part])
            return any(each.state == "waiting" for each in done)
        except UniqueViolation:
            if not left:
                raise
    raise AssertionError("the last try returns or raises")


def _end(reading: Reading) -> None:
    """Write down that all is read, or why the rest is not."""
    services, found, failure = reading.services, reading.found, reading.failure
    with services.pool.connection() as conn:
        collection_rows.hold(conn, [found.collection_id])
        locked = rows.lock(conn, found.id)
        if locked is None or locked.lease != reading.lease or locked.state != "reading":
            return
        rows.passed_over(conn, found.id, reading.passed_over)
        if failure is None:
            rows.set_state(conn, found.id, "read")
            item_rows.end_unread(conn, found.id, detail=GONE)
        else:
            rows.set_state(conn, found.id, "failed", reason=failure.code, detail=str(failure))
            item_rows.cancel_unread(conn, found.id)
    imports.settle(services, found.id)


def reading_waits(services: Services) -> bool:
    """Say whether an import waits for a reader."""
    with services.pool.connection() as conn:
        return rows.reading_waits(conn, max_attempts=services.settings.max_attempts)
