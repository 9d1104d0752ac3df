"""What is sent to imports: photos, archives, manifests, and the files that manifests name."""

import re
from http import HTTPStatus
from typing import TypeVar
from uuid import UUID

from flask import Response, request
from werkzeug.exceptions import UnsupportedMediaType

from core import errors, import_content, import_files
from core.errors import InvalidRequest
from core.import_wishes import Source
from core.manifests import Format
from core.settings import MIB
from web import security
from web.api import reading, streams, uploads
from web.api.models.imports import ImportItem, ImportItemList
from web.api.models.new_imports import ImportForm, ImportQuery, PhotosForm
from web.api.reading import MULTIPART
from web.api.routes import Answer, Binary, Header, Routes
from web.services import doorbell, services

routes = Routes(
    "import_content",
    "What is sent to imports: photos, archives, manifests, and the files that manifests name.",
)

Form = TypeVar("Form", bound=PhotosForm)

ARCHIVE = Binary(
    (
        "application/zip",
        "application/x-tar",
        "application/gzip",
        "application/zstd",
        "application/octet-stream",
    )
)
MANIFESTS = {"application/x-ndjson": Format.NDJSON, "text/csv": Format.CSV}
MANIFEST = Binary(tuple(MANIFESTS))
ANY = Binary(("application/octet-stream",))

LARGEST_FACTS = 8 * MIB
"""Of what a form says of its photos."""

OFFSET = "Upload-Offset"
LENGTH = "Upload-Length"
UPLOAD_OFFSET = Header(OFFSET, "Where these bytes begin: how many are there already.", "67108864")
UPLOAD_HEADERS = {OFFSET: "How many bytes are there.", LENGTH: "How many were announced, if any."}
NUMBER = re.compile(r"[0-9]{1,18}")

CONTENT_PROBLEMS = (
    errors.ImportNotFound,
    errors.WrongState,
    errors.OffsetMismatch,
    errors.UploadBusy,
    errors.UploadTooLarge,
    errors.DiskFull,
    errors.ServerBusy,
)


def receive_photos(collection_id: UUID) -> tuple[UUID, HTTPStatus]:
    """Make an import of the photos of this form; return its id and the status of the answer."""
    form = _form(ImportForm)
    import_id, took = import_files.receive(
        services(), doorbell(), collection_id, form.wish, form.uploads, actor=security.actor()
    )
    return import_id, HTTPStatus.ACCEPTED if took else HTTPStatus.OK


def receive_content(collection_id: UUID) -> tuple[UUID, HTTPStatus]:
    """Make an import of the archive or manifest that is the body; see `receive_photos`."""
    format_ = MANIFESTS.get(request.mimetype)
    if format_ is None and request.mimetype not in ARCHIVE.media_types:
        known = ", ".join(["application/json", MULTIPART, *ARCHIVE.media_types, *MANIFESTS])
        raise UnsupportedMediaType(f"Send one of {known}.")
    query = reading.query(ImportQuery)
    if query.hold and format_ is None:
        raise reading.invalid("hold", "Only a manifest has files that may come later.")
    length = request.content_length
    wish = query.wish(
        Source.ARCHIVE if format_ is None else Source.MANIFEST,
        format_,
        # A manifest that waits for its files must not start when it is whole.
        None if query.hold else length or None,
    )
    with streams.body() as stream:
        import_id, took = import_content.receive(
            services(),
            doorbell(),
            collection_id,
            wish,
            stream,
            coming=length,
            hold=query.hold,
            actor=security.actor(),
        )
    if not took:
        return import_id, HTTPStatus.OK
    return import_id, HTTPStatus.CREATED if query.hold else HTTPStatus.ACCEPTED


@routes.route(
    "HEAD",
    "/imports/<uuid:import_id>/content",
    answers={HTTPStatus.OK: Answer(None, "", UPLOAD_HEADERS)},
    problems=[errors.ImportNotFound, errors.WrongState],
)
def get_content_offset(import_id: UUID) -> Response:
    """Say how many bytes of an archive or manifest are there."""
    there, expected = import_content.size(services(), import_id)
    response = _empty(HTTPStatus.OK, there)
    if expected is not None:
        response.headers[LENGTH] = str(expected)
    return response


@routes.route(
    "PATCH",
    "/imports/<uuid:import_id>/content",
    bodies=dict.fromkeys(ANY.media_types, ANY),
    headers=[UPLOAD_OFFSET],
    answers={HTTPStatus.NO_CONTENT: Answer(None, "", {OFFSET: UPLOAD_HEADERS[OFFSET]})},
    problems=[*CONTENT_PROBLEMS, errors.InvalidRequest],
)
def append_content(import_id: UUID) -> Response:
    """Add the next part of an archive or manifest.

    What came before a connection broke stays: ask for the offset and go on there. Any media type will
    do. With the last of the bytes that were announced the import starts.
    """
    return _append(import_id, _offset())


@routes.route(
    "PUT",
    "/imports/<uuid:import_id>/content",
    bodies=dict.fromkeys(ANY.media_types, ANY),
    answers={HTTPStatus.NO_CONTENT: Answer(None, "", {OFFSET: UPLOAD_HEADERS[OFFSET]})},
    problems=CONTENT_PROBLEMS,
)
def put_content(import_id: UUID) -> Response:
    """Send a whole archive or manifest, where nothing of it is there yet."""
    return _append(import_id, 0)


@routes.route(
    "PUT",
    "/imports/<uuid:import_id>/files/<path:name>",
    bodies=dict.fromkeys(ANY.media_types, ANY),
    status=HTTPStatus.NO_CONTENT,
    problems=[
        errors.ImportNotFound,
        errors.WrongState,
        errors.InvalidRequest,
        errors.UploadTooLarge,
        errors.DiskFull,
        errors.ServerBusy,
    ],
)
def put_file(import_id: UUID, name: str) -> None:
    """Send a file that a manifest names, or will name.

    The name may have slashes; whatever else an address cannot hold is percent-encoded. Sent again, it
    takes the place of the one before.
    """
    with streams.body() as stream:
        import_files.put_file(services(), import_id, name, stream, coming=request.content_length)


@routes.route(
    "HEAD",
    "/imports/<uuid:import_id>/files/<path:name>",
    answers={HTTPStatus.OK: Answer(None, "", {OFFSET: UPLOAD_HEADERS[OFFSET]})},
    problems=[errors.ImportNotFound, errors.InvalidRequest],
)
def get_file_size(import_id: UUID, name: str) -> Response:
    """Say how many bytes of a file that a manifest names are there; 0: none of it."""
    return _empty(HTTPStatus.OK, import_files.file_size(services(), import_id, name))


@routes.route(
    "POST",
    "/imports/<uuid:import_id>/photos",
    bodies={MULTIPART: PhotosForm},
    answers={HTTPStatus.OK: Answer(ImportItemList)},
    problems=[
        errors.ImportNotFound,
        errors.WrongState,
        errors.NameTaken,
        errors.BacklogFull,
        errors.DiskFull,
        errors.ServerBusy,
    ],
)
def add_photos(import_id: UUID) -> ImportItemList:
    """Add photos to an import whose source is files.

    The file name of each is its key; a key that is there already gives the item of before, whatever
    the bytes. Each photo has its own state: those that cannot be used are `rejected`.
    """
    found = import_files.add(services(), doorbell(), import_id, _form(PhotosForm).uploads)
    return ImportItemList(items=[ImportItem.of(each) for each in found])


def _form(model: type[Form]) -> Form:
    request.max_form_memory_size = LARGEST_FACTS
    with streams.place():
        form = reading.multipart(model, "photos", named=_key)
    uploads.require_few(len(form.photos))
    return form


def _key(name: str) -> str:
    try:
        return import_files.clean_key(name)
    except InvalidRequest as error:
        raise reading.invalid("photos", str(error)) from None


def _append(import_id: UUID, offset: int) -> Response:
    with streams.body() as stream:
        there = import_content.append(
            services(),
            doorbell(),
            import_id,
            stream,
            offset=offset,
            coming=request.content_length,
        )
    return _empty(HTTPStatus.NO_CONTENT, there)


def _empty(status: HTTPStatus, offset: int) -> Response:
    response = Response(status=status)
    del response.headers["Content-Type"]
    response.headers[OFFSET] = str(offset)
    return response


def _offset() -> int:
    given = request.headers.get(OFFSET, "")
    if not NUMBER.fullmatch(given):
        raise reading.invalid(OFFSET, "Say in this header how many bytes are there already.")
    return int(given)
