"""Photos that are sent to an import one by one: each name once, however often it is sent."""

from collections.abc import Sequence
from uuid import UUID

from psycopg.errors import UniqueViolation

from core import imports, intake
from core.db import collections as collection_rows
from core.db import imports as rows
from core.db.imports import Import
from core.db.jobs import Item
from core.db.pool import Connection
from core.doorbell import Doorbell
from core.errors import BacklogFull, FaceSearchError, ImportNotFound, NameTaken, WrongState
from core.images import PhotoLimits
from core.imports import Options, Source, with_options
from core.offers import Checked, Refusal, Upload, check
from core.services import Services, require_disk
from core.spool import Spool, Stream
from core.storing import Place, files_go_with_rows, store


def add(
    services: Services, doorbell: Doorbell, import_id: UUID, uploads: Sequence[Upload]
) -> list[Item]:
    """Take photos in; return the item of each, in their order.

    A name that the import has already gives the item that is there, whatever the bytes: whoever lost an
    answer sends the same again.

    Raises:
        ImportNotFound: There is none with this id.
        WrongState: It takes no photos, or takes no more.
        BacklogFull: Too many of its photos wait for workers; nothing was stored.
        DiskFull: There is too little disk; nothing was stored.
        NameTaken: An external id was taken by somebody else at this moment; nothing was stored.
    """
    require_disk(services.settings, sum(len(upload.data) for upload in uploads))
    with services.pool.connection() as conn:
        options = Options.from_json(_open(conn, import_id, rows.get(conn, import_id)).options)
        _require_room(conn, services, import_id)
    limits = PhotoLimits.of(services.settings)
    first = {upload.key: upload for upload in reversed(uploads)}
    photos = {key: check(_offer(upload, options), limits) for key, upload in first.items()}
    try:
        with files_go_with_rows(services, list(photos.values())):
            found = _write(services, import_id, options, photos)
    except UniqueViolation:
        raise NameTaken("An external id is in use in this collection.") from None
    intake.ring(doorbell)
    return [found[upload.key] for upload in uploads]


def put_file(services: Services, import_id: UUID, name: str, stream: Stream) -> int:
    """Take in a file that a manifest names, or will; return its size in bytes.

    Raises:
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
    return Spool(services.settings, import_id).put(name, stream, most=most)


def _offer(upload: Upload, options: Options) -> Upload | Refusal:
    try:
        return with_options(upload, options)
    except FaceSearchError as error:
        return Refusal(upload.key, error)


def _open(conn: Connection, import_id: UUID, found: Import | None) -> Import:
    if found is None:
        raise ImportNotFound(import_id)
    if found.source != Source.FILES:
        raise WrongState("Photos are not sent to this import one by one.")
    if found.state != "receiving":
        raise WrongState("This import takes no more photos: it was said that these are all.")
    return found


def _require_room(conn: Connection, services: Services, import_id: UUID) -> None:
    most = services.settings.import_ahead
    if rows.open_items(conn, import_id, most=most) >= most:
        raise BacklogFull(f"{most:,} photos of this import wait for workers; send more later.")


def _write(
    services: Services,
    import_id: UUID,
    options: Options,
    photos: dict[str, Checked | Refusal],
) -> dict[str, Item]:
    with services.pool.connection() as conn:
        home = imports.get(conn, import_id).collection_id
    with services.pool.connection() as conn:
        collection_rows.hold(conn, [home])
        _open(conn, import_id, rows.lock(conn, import_id))
        there = rows.with_keys(conn, import_id, list(photos))
        new = [photo for key, photo in photos.items() if key not in there]
        size = sum(len(photo.upload.data) for photo in new if isinstance(photo, Checked))
        position = rows.append(conn, import_id, entries=len(new), bytes=size)
        place = Place(home, import_id, import_id, options.on_duplicate, each_alone=True)
        store(conn, services, place, new, range(position, position + len(new)))
        return rows.with_keys(conn, import_id, list(photos))
