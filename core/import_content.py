"""The archive or manifest of an import, sent at once or in parts."""

from uuid import UUID

from core import imports
from core.db.imports import Import
from core.doorbell import Doorbell
from core.errors import FaceSearchError, InvalidRequest, UploadTooLarge, WrongState
from core.import_progress import received
from core.import_wishes import Source, Wish, most_bytes
from core.services import Services, require_disk
from core.spool import Spool, Stream, mismatch


def receive(
    services: Services,
    doorbell: Doorbell,
    collection_id: UUID,
    wish: Wish,
    stream: Stream,
    *,
    coming: int | None,
    hold: bool,
    actor: str,
) -> tuple[UUID, bool]:
    """Make an import of what *stream* gives; return its id, and whether it took anything in.

    One that is known by its external id and has its bytes takes nothing. Of one that fails on the way
    the errors tell the id (``import_id``): it goes on with `append`. If nothing came there is none.

    Args:
        coming: See `append`.
        hold: Do not start it.

    Raises:
        FaceSearchError: See `imports.create` and `append`.
        InvalidRequest: Nothing came.
    """
    made, is_new = imports.create(services, doorbell, collection_id, wish, actor=actor)
    if made.state != "receiving":
        return made.id, False
    try:
        append(services, doorbell, made.id, stream, offset=0, coming=coming, last=not hold)
    except FaceSearchError as error:
        if is_new and not Spool(services.settings, made.id).size():
            imports.cancel(services, made.id)
            imports.delete(services, made.id)
            if isinstance(error, WrongState):
                raise InvalidRequest("Nothing was sent.") from None
            raise
        error.details = {**error.details, "import_id": str(made.id)}
        raise
    return made.id, True


def append(
    services: Services,
    doorbell: Doorbell,
    import_id: UUID,
    stream: Stream,
    *,
    offset: int,
    coming: int | None,
    last: bool = False,
) -> int:
    """Add what *stream* gives, durably; return how many bytes are there now.

    What came before a stream broke off stays. With the last bytes the import starts.

    Args:
        offset: Where the sender believes that these bytes begin.
        coming: How many there will be, if that is known; None: the stream tells.
        last: Nothing comes after them, whether or not so many were announced.

    Raises:
        ImportNotFound: There is none with this id, or it was deleted meanwhile.
        WrongState: It takes no bytes, or was cancelled meanwhile.
        OffsetMismatch: More or fewer bytes are there, perhaps all; nothing was read.
        UploadBusy: Somebody else adds to it at this moment; nothing was read.
        UploadTooLarge: There would be more than were announced or are taken.
        DiskFull: There is too little disk; what came stays.
    """
    found = _with_content(services, import_id)
    _require_news(services, found, offset)
    spool = Spool(services.settings, import_id)
    most = _most(services, _receiving(found))
    if coming is not None:
        there = spool.size()
        if there != offset:
            raise mismatch(there, offset)
        if offset + coming > most:
            raise UploadTooLarge(f"More than {most:,} bytes would come.", max_bytes=most)
        require_disk(services.settings, coming, local=True)
    size = spool.append(
        stream,
        offset=offset,
        most=most,
        check=lambda: _receiving(_with_content(services, import_id)),
    )
    found = _with_content(services, import_id)
    if found.state == "cancelled":
        raise WrongState("This import takes no more bytes: it is cancelled.")
    # Between the last byte and here somebody else may have started it.
    if found.state == "receiving" and (last or size == found.bytes_expected):
        imports.start(services, doorbell, import_id)
    return size


def size(services: Services, import_id: UUID) -> tuple[int, int | None]:
    """Return how many bytes came, and how many there are to be, if that is known.

    Raises:
        ImportNotFound: There is none with this id.
        WrongState: It takes no bytes, or is cancelled.
    """
    found = _with_content(services, import_id)
    if found.state == "cancelled":
        raise WrongState("This import is cancelled.")
    return received(services, found) or 0, found.bytes_expected


def _with_content(services: Services, import_id: UUID) -> Import:
    with services.pool.connection() as conn:
        found = imports.get(conn, import_id)
    if found.source not in (Source.ARCHIVE, Source.MANIFEST):
        raise WrongState("This import has no archive and no manifest.")
    return found


def _require_news(services: Services, found: Import, offset: int) -> None:
    """Tell whoever sends the last bytes again, because the answer to them got lost, that all are there."""
    there = received(services, found) or 0
    if found.state in ("reading", "read") and offset < there:
        raise mismatch(there, offset)


def _receiving(found: Import) -> Import:
    if found.state != "receiving":
        raise WrongState("This import takes no more bytes: it was started, or is over.")
    return found


def _most(services: Services, found: Import) -> int:
    most = most_bytes(services.settings)
    return most if found.bytes_expected is None else found.bytes_expected
