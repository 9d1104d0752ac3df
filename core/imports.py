"""Imports: bulk jobs over many photos, from their beginning to their end.

An import is first *received* (unless a folder of the server is its source), then *read*: each of its
entries becomes an item, and each photo among them waits for a worker as an upload does. It is *closed*
when every item has its final state. `core.import_reading` does the reading.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from psycopg.errors import ForeignKeyViolation, UniqueViolation

from core import intake
from core.db import collections as collection_rows
from core.db import images as image_rows
from core.db import import_items as item_rows
from core.db import imports as rows
from core.db import jobs as job_rows
from core.db import removals
from core.db.import_items import Result
from core.db.imports import Import
from core.db.pool import Connection
from core.doorbell import Doorbell
from core.errors import (
    BrokerUnavailable,
    CollectionNotFound,
    ImportNotFound,
    NameTaken,
    UploadBusy,
    WrongState,
)
from core.import_wishes import Source, Wish, require_possible
from core.removal import remove_files
from core.services import Services, require_disk
from core.spool import Spool

CANCELLED_AT_ONCE: Final = 200

RETRIED: Final = ("failed",)
RETRIED_WITH_DEAD: Final = ("failed", "dead")


def create(
    services: Services, doorbell: Doorbell, collection_id: UUID, wish: Wish, *, actor: str
) -> tuple[Import, bool]:
    """Make an import, or find the one that has this external id; return whether it is new.

    Raises:
        CollectionNotFound: There is no such collection.
        SourceNotAllowed, SourceMissing: The folder may not be read, or is not there.
        InvalidRequest: Something is said that does not belong to this source, or is missing; or a dry
            run of photos that are sent one by one.
        NameTaken: The external id belongs to an import of something else.
        UploadTooLarge: More bytes are announced than are taken.
        DiskFull: The announced bytes would leave too little disk.
    """
    require_possible(services, wish)
    state = "reading" if wish.source is Source.FOLDER else "receiving"
    try:
        with services.pool.connection() as conn:
            collection_rows.hold(conn, [collection_id])
            known = _same(conn, collection_id, wish)
            if known is not None:
                return known, False
            if wish.bytes is not None:
                require_disk(services.settings, wish.bytes, local=True)
            import_id = job_rows.insert(conn, collection_id=collection_id, kind="import")
            job_rows.open_lane(conn, import_id, collection_id=collection_id)
            rows.insert(
                conn,
                import_id,
                collection_id=collection_id,
                name=wish.name,
                external_id=wish.external_id,
                source=wish.source.value,
                path=wish.path,
                options=wish.options.to_json(),
                actor=actor,
                state=state,
                bytes_expected=wish.bytes,
            )
            made = get(conn, import_id)
    except ForeignKeyViolation:
        raise CollectionNotFound(collection_id) from None
    except UniqueViolation:  # of two at once the other one was faster
        return create(services, doorbell, collection_id, wish, actor=actor)
    if state == "reading":
        ring(doorbell)
    return made, True


def _same(conn: Connection, collection_id: UUID, wish: Wish) -> Import | None:
    if wish.external_id is None:
        return None
    known = rows.by_external_id(conn, collection_id, wish.external_id)
    if known is None:
        return None
    asked = (wish.source.value, wish.path, wish.options.to_json())
    if (known.source, known.path, known.options) != asked:
        raise NameTaken(f"The external id {wish.external_id!r} belongs to another import.")
    return known


def get(conn: Connection, import_id: UUID) -> Import:
    """Return one import.

    Raises:
        ImportNotFound: There is none with this id.
    """
    found = rows.get(conn, import_id)
    if found is None:
        raise ImportNotFound(import_id)
    return found


def page(
    conn: Connection, collection_id: UUID, *, limit: int, after: UUID | None = None
) -> list[Import]:
    """Return up to *limit* imports of a collection behind *after*, newest first."""
    return rows.page(conn, collection_id, limit=limit, after=after)


def results(
    conn: Connection, import_id: UUID, *, limit: int, after: int = -1, state: str | None = None
) -> list[Result]:
    """Return up to *limit* items behind position *after*, in the sender's order."""
    return item_rows.results(conn, import_id, limit=limit, after=after, state=state)


def change(services: Services, doorbell: Doorbell, import_id: UUID, verb: str) -> None:
    """Do to an import what people call *verb*: start, confirm, pause, resume or cancel.

    Raises:
        FaceSearchError: See the functions of these names, and `pause`.
    """
    match verb:
        case "start":
            start(services, doorbell, import_id)
        case "confirm":
            confirm(services, doorbell, import_id)
        case "pause" | "resume":
            pause(services, doorbell, import_id, paused=verb == "pause")
        case "cancel":
            cancel(services, import_id)
        case _:
            raise ValueError(verb)


def start(services: Services, doorbell: Doorbell, import_id: UUID) -> None:
    """Say that everything was sent; nothing happens when that was said before.

    Raises:
        ImportNotFound: There is none with this id.
        WrongState: Bytes that were announced are missing, nothing came at all, or it is cancelled.
        UploadBusy: Some are on their way.
    """
    if _start(services, import_id):
        ring(doorbell)
        settle(services, import_id)


def start_whole(services: Services) -> None:
    """Start imports of which all announced bytes are there: who received the last of them was killed
    before it could. The caller asks for readers.
    """
    with services.pool.connection() as conn:
        announced = rows.announced(conn)
    for import_id, expected in announced:
        if Spool(services.settings, import_id).size() == expected:
            with suppress(UploadBusy, WrongState, ImportNotFound):  # somebody else sees to it
                _start(services, import_id)


def _start(services: Services, import_id: UUID) -> bool:
    """Say that everything was sent; return whether that is new."""
    spool = Spool(services.settings, import_id)
    spool.sync()  # here too, since it may take longer than a transaction should
    with (
        ExitStack() as until_committed,
        services.pool.connection() as conn,
        _locked(conn, import_id) as found,
    ):
        if found.state in ("reading", "read"):
            return False
        if found.state != "receiving":
            raise WrongState(f"This import is {found.state}.")
        if found.source == Source.FILES:
            rows.set_state(conn, import_id, "read")
        else:
            until_committed.enter_context(spool.idle())
            _require_whole(spool, found)
            rows.set_state(conn, import_id, "reading")
        rows.set_pace(conn, import_id, items=0)
    return True


def confirm(services: Services, doorbell: Doorbell, import_id: UUID) -> None:
    """Import for real what a dry run tried; nothing happens when that was said before.

    What was sent is kept for it for some days, see the settings, or until the dry run is deleted.

    Raises:
        ImportNotFound: There is none with this id.
        WrongState: It is no dry run that came to its end, or what was sent to it is not kept any more.
    """
    with services.pool.connection() as conn, _locked(conn, import_id) as found:
        if found.forecast is None or found.state not in ("reading", "read"):
            raise WrongState("This is no dry run that came to its end.")
        if found.options["dry_run"]:
            if found.closed_at is None:
                raise WrongState("This dry run is not over.")
            if found.source != Source.FOLDER and not Spool(services.settings, import_id).size():
                raise WrongState(
                    "What was sent to this dry run is not kept any more; send it again."
                )
            _open_lane(conn, found)
            rows.confirm(conn, import_id)
    ring(doorbell)


def _require_whole(spool: Spool, found: Import) -> None:
    there = spool.size()
    if not there:
        raise WrongState("Nothing was sent yet.")
    if found.bytes_expected is not None and there < found.bytes_expected:
        raise WrongState(f"{there:,} of {found.bytes_expected:,} bytes are there.", offset=there)
    spool.sync()


def pause(services: Services, doorbell: Doorbell, import_id: UUID, *, paused: bool) -> None:
    """Stop reading and indexing, or go on; photos that are at work are finished.

    Raises:
        ImportNotFound: There is none with this id.
        WrongState: It is closed or cancelled.
    """
    with services.pool.connection() as conn, _locked(conn, import_id) as found:
        if found.closed_at is not None or found.state in ("cancelled", "failed"):
            raise WrongState("This import is over.")
        _set_paused(conn, import_id, paused=paused)
        if not paused:
            rows.set_pace(conn, import_id, items=_closed_items(conn, import_id))
    if not paused:
        ring(doorbell)


def retry(services: Services, doorbell: Doorbell, import_id: UUID, *, dead: bool = False) -> int:
    """Let what failed be tried again; return how many items that are.

    Args:
        dead: Those whose workers died, too.

    Raises:
        ImportNotFound: There is none with this id.
        WrongState: It is cancelled.
    """
    with services.pool.connection() as conn, _locked(conn, import_id) as found:
        if found.state == "cancelled":
            raise WrongState("This import is cancelled; make a new one of what is missing.")
        states = RETRIED_WITH_DEAD if dead else RETRIED
        images = item_rows.lock_given_up(conn, import_id, states)
        _open_lane(conn, found)
        photos = item_rows.retry_photos(conn, import_id, states, images)
        image_rows.all_wait_again(conn, images)
        item_rows.end_sent_again(conn, import_id, states)
        sources = item_rows.retry_sources(conn, import_id)
        if photos or sources:
            rows.reopen(conn, import_id)
            rows.set_pace(conn, import_id, items=_closed_items(conn, import_id))
        if sources:
            rows.set_state(conn, import_id, "reading")
    ring(doorbell)
    return photos + sources


def cancel(services: Services, import_id: UUID) -> None:
    """End an import: what no worker has taken yet is not indexed; what is, stays.

    A photo that somebody else has sent, too, is indexed for them.

    Raises:
        ImportNotFound: There is none with this id.
    """
    with services.pool.connection() as conn, _locked(conn, import_id) as found:
        if found.closed_at is not None:
            return
        if found.state != "cancelled":
            mark_cancelled(conn, import_id, reason="cancelled")
        item_rows.cancel_unread(conn, import_id)
    forget_waiting(services, found)
    settle(services, import_id)


def mark_cancelled(
    conn: Connection, import_id: UUID, *, reason: str, detail: str | None = None
) -> None:
    """Take in and read nothing more; see `cancel` for what is left to do. The caller has its lock."""
    rows.set_state(conn, import_id, "cancelled", reason=reason, detail=detail)
    _set_paused(conn, import_id, paused=False)


def forget_waiting(services: Services, found: Import) -> None:
    """Remove the photos of a cancelled import that no worker has taken yet."""
    deletion = uuid4()
    while True:
        with services.pool.connection() as conn:
            collection_rows.hold(conn, [found.collection_id])
            waiting = item_rows.lock_cancelled(conn, found.id, limit=CANCELLED_AT_ONCE)
            gone = item_rows.cancel_photos(conn, found.id, waiting)
            for image_id in sorted(gone):
                removals.doom_image(
                    conn, deletion, collection_id=found.collection_id, image_id=image_id
                )
                image_rows.delete(conn, image_id)
            if gone:
                collection_rows.count(conn, found.collection_id, images=-len(gone))
        if not waiting:
            break
    remove_files(services.pool, services.blobs, deletion)


def delete(services: Services, import_id: UUID) -> None:
    """Forget an import and what became of its items; its images stay. Unknown ids are fine.

    Raises:
        WrongState: It is not closed.
    """
    try:
        with services.pool.connection() as conn, _locked(conn, import_id) as found:
            if found.closed_at is None:
                raise WrongState("This import is not over; cancel it first.")
            rows.delete(conn, import_id)
    except ImportNotFound:
        return
    Spool(services.settings, import_id).remove()


def settle(services: Services, import_id: UUID | None = None) -> list[UUID]:
    """Close imports (or this one) of which no item is open any more; return which."""
    with services.pool.connection() as conn:
        ended = rows.to_settle(conn, import_id)
        counted = {each: item_rows.counts(conn, each) for each in ended}
        # One that was tried again at this moment has open items.
        ended = [each for each in ended if not counted[each].open]
        for each in ended:
            rows.close(conn, each, counted[each])
        since = idle_since(services)
        needed = rows.needing_spools(conn, ended, since=since) if ended else set()
    for each in ended:
        if each not in needed:
            Spool(services.settings, each).remove()
    return ended


def idle_since(services: Services) -> datetime:
    """Return since when an import may get nothing, and a dry run wait for its confirmation."""
    return datetime.now(UTC) - timedelta(days=services.settings.import_idle_days)


def ring(doorbell: Doorbell) -> None:
    """Ask for a reader and a worker; a broker that is away only delays."""
    try:
        doorbell.imports()
    except BrokerUnavailable:
        intake.logger.warning("the broker is away; the import will be found by the sweeper")
    intake.ring(doorbell)


@contextmanager
def _locked(conn: Connection, import_id: UUID) -> Iterator[Import]:
    # The collection first, as everybody does: who deletes it waits for those who hold it.
    home = rows.home(conn, import_id)
    if home is not None:
        collection_rows.hold(conn, [home])
    found = rows.lock(conn, import_id)
    if found is None:
        raise ImportNotFound(import_id)
    yield found


def _open_lane(conn: Connection, found: Import) -> None:
    """Let photos of an import that may have been over for long get their turns; see `close_lanes`."""
    job_rows.open_lane(conn, found.id, collection_id=found.collection_id)
    job_rows.pause_lane(conn, found.id, paused=found.paused)


def _set_paused(conn: Connection, import_id: UUID, *, paused: bool) -> None:
    rows.set_paused(conn, import_id, paused=paused)
    job_rows.pause_lane(conn, import_id, paused=paused)


def _closed_items(conn: Connection, import_id: UUID) -> int:
    counts = item_rows.counts(conn, import_id)
    return counts.total - counts.open
