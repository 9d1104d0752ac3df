"""Photos that are sent to an import one by one: each name once, however often it is sent."""

from collections.abc import Sequence
from uuid import UUID

from psycopg.errors import UniqueViolation

from core import imports, intake
from core.archive_entries import LONGEST_NAME as LONGEST_KEY
from core.archive_entries import printable
from core.db import collections as collection_rows
from core.db import import_items as item_rows
from core.db import imports as rows
from core.db.import_items import Result
from core.db.imports import Import
from core.db.pool import Connection
from core.doorbell import Doorbell
from core.errors import (
    BacklogFull,
    FaceSearchError,
    ImportNotFound,
    InvalidRequest,
    NameTaken,
    UploadTooLarge,
    WrongState,
)
from core.images import PhotoLimits
from core.import_wishes import Options, Source, Wish, with_options
from core.offers import Checked, Refusal, Upload, check
from core.services import Services, require_disk
from core.spool import Spool, Stream
from core.storing import Place, files_go_with_rows, store


def receive(
    services: Services,
    doorbell: Doorbell,
    collection_id: UUID,
    wish: Wish,
    uploads: Sequence[Upload],
    *,
    actor: str,
) -> tuple[UUID, bool]:
    """Make an import of these photos and no others; return its id, and whether it took them in.

    One that is known by its external id and was started takes nothing.

    Raises:
        FaceSearchError: See `imports.create` and `add`; then there is no import.
    """
    services.pressure.require_room(services.pool, services.settings.max_backlog)
    made, is_new = imports.create(services, doorbell, collection_id, wish, actor=actor)
    if made.state != "receiving":
        return made.id, False
    try:
        add(services, doorbell, made.id, uploads)
    except FaceSearchError:
        if is_new:
            imports.cancel(services, made.id)
            imports.delete(services, made.id)
        raise
    imports.start(services, doorbell, made.id)
    return made.id, True


def add(
    services: Services, doorbell: Doorbell, import_id: UUID, uploads: Sequence[Upload]
) -> list[Result]:
    """Take photos in; return the item of each, in their order.

    A name that the import has already gives the item that is there, whatever the bytes: whoever lost an
    answer sends the same again.

    Raises:
        ImportNotFound: There is none with this id.
        WrongState: It takes no photos, or takes no more.
        BacklogFull: Too many photos wait for workers, its own or all together; nothing was stored.
        DiskFull: There is too little disk; nothing was stored.
        NameTaken: An external id was taken by somebody else at this moment; nothing was stored.
    """
    services.pressure.require_room(services.pool, services.settings.max_backlog)
    require_disk(services.settings, sum(len(upload.data) for upload in uploads))
    with services.pool.connection() as conn:
        made = _open(rows.get(conn, import_id), import_id)
        _require_room(conn, services, import_id)
    options = Options.from_json(made.options)
    limits = PhotoLimits.of(services.settings)
    first: dict[str, Upload] = {}
    for upload in uploads:
        first.setdefault(upload.key, upload)
    photos = {key: check(with_options(upload, options), limits) for key, upload in first.items()}
    try:
        with files_go_with_rows(services, list(photos.values())):
            found = _write(services, made, options, photos)
    except UniqueViolation:
        raise NameTaken("An external id is in use in this collection.") from None
    intake.ring(doorbell)
    return [found[upload.key] for upload in uploads]


def clean_key(name: str) -> str:
    """Return the name of a photo or file as it is stored, and as manifests name it.

    Raises:
        InvalidRequest: It is empty or too long.
    """
    key = printable(name)
    if not 1 <= len(key) <= LONGEST_KEY:
        raise InvalidRequest(f"A name has 1 to {LONGEST_KEY:,} characters.")
    return key


def put_file(
    services: Services, import_id: UUID, name: str, stream: Stream, *, coming: int | None
) -> int:
    """Take in a file that a manifest names, or will; return its size in bytes.

    Args:
        coming: How many bytes there will be, if that is known; None: the stream tells.

    Raises:
        InvalidRequest: The name is none.
        ImportNotFound: There is none with this id.
        WrongState: Its files were read already, or it has no manifest.
        UploadTooLarge: It is larger than a photo may be.
        DiskFull: There is too little disk.
    """
    with services.pool.connection() as conn:
        found = imports.get(conn, import_id)
    if found.source != Source.MANIFEST or found.state != "receiving":
        raise WrongState("This import takes no more files.")
    most = PhotoLimits.of(services.settings).max_bytes
    if coming is not None and coming > most:
        raise UploadTooLarge(f"A photo has {most:,} bytes at most.", max_bytes=most)
    return Spool(services.settings, import_id).put(clean_key(name), stream, most=most)


def file_size(services: Services, import_id: UUID, name: str) -> int:
    """Return how many bytes of a file that a manifest names are there; 0 where it is not.

    Raises:
        InvalidRequest: The name is none.
        ImportNotFound: There is none with this id.
    """
    with services.pool.connection() as conn:
        imports.get(conn, import_id)
    return Spool(services.settings, import_id).file_size(clean_key(name))


def _open(found: Import | None, import_id: UUID) -> Import:
    if found is None:
        raise ImportNotFound(import_id)
    if found.source != Source.FILES:
        raise WrongState("Photos are not sent to this import one by one.")
    if found.state != "receiving":
        raise WrongState("This import takes no more photos: it was said that these are all.")
    return found


def _require_room(conn: Connection, services: Services, import_id: UUID) -> None:
    most = services.settings.import_ahead
    if item_rows.open_items(conn, import_id, most=most) >= most:
        raise BacklogFull(f"{most:,} photos of this import wait for workers; send more later.")


def _write(
    services: Services, made: Import, options: Options, photos: dict[str, Checked | Refusal]
) -> dict[str, Result]:
    home, import_id = made.collection_id, made.id
    with services.pool.connection() as conn:
        collection_rows.hold(conn, [home])
        _open(rows.lock(conn, import_id), import_id)
        there = item_rows.with_keys(conn, import_id, list(photos))
        new = [photo for key, photo in photos.items() if key not in there]
        size = sum(len(photo.upload.data) for photo in new if isinstance(photo, Checked))
        position = rows.append(conn, import_id, entries=len(new), bytes=size)
        place = Place(home, import_id, import_id, options.on_duplicate, each_alone=True)
        store(conn, services, place, new, range(position, position + len(new)))
        return item_rows.with_keys(conn, import_id, list(photos))
