"""Imports: bulk jobs over many photos, from their beginning to their end."""

from http import HTTPStatus
from uuid import UUID

from flask import Response, request

from core import collections, errors, import_progress, imports
from web import security
from web.api import cursors, import_content, import_events, import_results, reading
from web.api.import_content import ARCHIVE, MANIFEST
from web.api.models.common import PageQuery
from web.api.models.imports import (
    Import,
    ImportItem,
    ImportItemPage,
    ImportPage,
    ResultsQuery,
    Retried,
    RetryImport,
)
from web.api.models.new_imports import ImportForm, ImportQuery, NewImport
from web.api.reading import MULTIPART
from web.api.routes import Answer, Binary, Routes, json_reply
from web.services import doorbell, services

routes = Routes("imports", "Bulk jobs over many photos, each with its own end.")

LOCATION = {"Location": "Where to ask how far it is."}
OPEN_PROBLEMS = (errors.ImportNotFound, errors.WrongState)


@routes.route(
    "POST",
    "/collections/<uuid:collection_id>/imports",
    query=ImportQuery,
    bodies={
        "application/json": NewImport,
        MULTIPART: ImportForm,
        **dict.fromkeys(ARCHIVE.media_types, ARCHIVE),
        **dict.fromkeys(MANIFEST.media_types, MANIFEST),
    },
    answers={
        HTTPStatus.OK: Answer(Import, "It was there already, by its `external_id`.", LOCATION),
        HTTPStatus.CREATED: Answer(Import, "Made: send what belongs to it.", LOCATION),
        HTTPStatus.ACCEPTED: Answer(Import, "All of it came; it runs.", LOCATION),
    },
    problems=[
        errors.CollectionNotFound,
        errors.ImportNotFound,
        errors.NameTaken,
        errors.WrongState,
        errors.OffsetMismatch,
        errors.UploadBusy,
        errors.UploadTooLarge,
        errors.BacklogFull,
        errors.DiskFull,
        errors.SourceNotAllowed,
        errors.SourceMissing,
        errors.SourceUnreachable,
        errors.ServerBusy,
    ],
)
def create_import(collection_id: UUID) -> Response:
    """Make an import, of what the request holds or of what is sent later.

    JSON says what there will be. A form with photos is an import of those. An archive (ZIP, TAR, TAR.GZ,
    TAR.ZST) or a manifest (NDJSON, CSV) as the whole body is received and started; its options are
    parameters of the address, which the other bodies do not have. When the connection breaks, what came
    stays, and `PATCH` of its content goes on.
    """
    if request.mimetype == "application/json":
        import_id, status = _ask(collection_id)
    elif request.mimetype == MULTIPART:
        import_id, status = import_content.receive_photos(collection_id)
    else:
        import_id, status = import_content.receive_content(collection_id)
    response = json_reply(_shown(import_id), status)
    response.headers["Location"] = f"/v1/imports/{import_id}"
    return response


def _ask(collection_id: UUID) -> tuple[UUID, HTTPStatus]:
    for name in request.args:
        raise reading.invalid(name, "Say it in the JSON, not in the address.")
    body = reading.json_body(NewImport)
    made, is_new = imports.create(
        services(), doorbell(), collection_id, body.wish, actor=security.actor()
    )
    return made.id, HTTPStatus.CREATED if is_new else HTTPStatus.OK


@routes.route(
    "GET", "/collections/<uuid:collection_id>/imports", problems=[errors.CollectionNotFound]
)
def list_imports(collection_id: UUID, query: PageQuery) -> ImportPage:
    """List the imports of a collection, newest first."""
    after = cursors.after_id(query)
    with services().pool.connection() as conn:
        collections.get(conn, collection_id)
        found = imports.page(conn, collection_id, limit=query.limit + 1, after=after)
    rows, next_cursor = cursors.page(query, found, lambda row: row.id)
    shown = [Import.of(import_progress.progress_of(services(), row)) for row in rows]
    return ImportPage(items=shown, next_cursor=next_cursor)


@routes.route("GET", "/imports/<uuid:import_id>", problems=[errors.ImportNotFound])
def get_import(import_id: UUID) -> Import:
    """Get an import: how far it is, how fast, and what limits it."""
    return _shown(import_id)


@routes.route(
    "GET",
    "/imports/<uuid:import_id>/results",
    query=ResultsQuery,
    answers={
        HTTPStatus.OK: Answer(
            ImportItemPage, also=Binary((import_results.NDJSON, import_results.CSV))
        )
    },
    problems=[errors.ImportNotFound, errors.ServerBusy],
)
def list_import_results(import_id: UUID) -> Response:
    """List what became of the items, in the sender's order.

    As NDJSON or CSV (`format`, or the header `Accept`) it is all of them at once, each as in JSON. In
    CSV a cell that a spreadsheet would compute (from `=`, `+`, `-` or `@`) has a `'` before it.
    """
    query = reading.query(ResultsQuery)
    media_type = import_results.wanted(query)
    after = cursors.after_position(query)
    with services().pool.connection() as conn:
        imports.get(conn, import_id)
        if media_type is not None:
            return import_results.send(import_id, media_type, query.wanted)
        found = imports.results(
            conn, import_id, limit=query.limit + 1, after=after, state=query.wanted
        )
    rows, next_cursor = cursors.page(query, found, lambda row: row.position)
    shown = ImportItemPage(items=[ImportItem.of(row) for row in rows], next_cursor=next_cursor)
    return json_reply(shown, HTTPStatus.OK)


@routes.route(
    "GET",
    "/imports/<uuid:import_id>/events",
    answers={HTTPStatus.OK: Answer(Binary((import_events.MEDIA_TYPE,)))},
    problems=[errors.ImportNotFound, errors.ServerBusy],
)
def follow_import(import_id: UUID) -> Response:
    """Be told of an import as it goes on, by Server-Sent Events.

    Events called `progress` hold the import as JSON, at most once a second and only when something
    changed; `closed` is the last. A connection lasts a minute at most, and there are few places: whoever
    gets `server_busy` asks for the import itself every few seconds.
    """
    return import_events.send(import_id)


@routes.route(
    "POST", "/imports/<uuid:import_id>/start", problems=[*OPEN_PROBLEMS, errors.UploadBusy]
)
def start_import(import_id: UUID) -> Import:
    """Say that everything was sent."""
    imports.start(services(), doorbell(), import_id)
    return _shown(import_id)


@routes.route("POST", "/imports/<uuid:import_id>/confirm", problems=OPEN_PROBLEMS)
def confirm_import(import_id: UUID) -> Import:
    """Import what a dry run tried.

    What was sent to it is kept for that until the dry run is deleted.
    """
    imports.confirm(services(), doorbell(), import_id)
    return _shown(import_id)


@routes.route("POST", "/imports/<uuid:import_id>/pause", problems=OPEN_PROBLEMS)
def pause_import(import_id: UUID) -> Import:
    """Stop reading and indexing; photos that are at work are finished."""
    imports.pause(services(), doorbell(), import_id, paused=True)
    return _shown(import_id)


@routes.route("POST", "/imports/<uuid:import_id>/resume", problems=OPEN_PROBLEMS)
def resume_import(import_id: UUID) -> Import:
    """Go on after a pause."""
    imports.pause(services(), doorbell(), import_id, paused=False)
    return _shown(import_id)


@routes.route("POST", "/imports/<uuid:import_id>/cancel", problems=[errors.ImportNotFound])
def cancel_import(import_id: UUID) -> Import:
    """End an import: what no worker has taken yet is not indexed; what is, stays."""
    imports.cancel(services(), import_id)
    return _shown(import_id)


@routes.route(
    "POST",
    "/imports/<uuid:import_id>/retry",
    bodies={"application/json": RetryImport},
    answers={HTTPStatus.OK: Answer(Retried)},
    problems=OPEN_PROBLEMS,
    needs_body=False,
)
def retry_import(import_id: UUID) -> Retried:
    """Let items that failed be tried again."""
    body = reading.optional_json(RetryImport)
    return Retried(retried=imports.retry(services(), doorbell(), import_id, dead=body.dead))


@routes.route("DELETE", "/imports/<uuid:import_id>", problems=[errors.WrongState])
def delete_import(import_id: UUID) -> None:
    """Forget an import that is over, with what became of its items; its images stay.

    An unknown id is fine: what is asked for is the case already.
    """
    imports.delete(services(), import_id)


def _shown(import_id: UUID) -> Import:
    return Import.of(import_progress.progress(services(), import_id))
