"""What became of all items of an import as one NDJSON or CSV file, written while it is sent."""

import csv
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from typing import Final
from uuid import UUID

from flask import Response, request

from core import imports
from core.db.import_items import Result
from core.services import Services
from core.spreadsheets import cell
from web.api.models.imports import ImportItem, ResultsQuery
from web.api.reading import invalid
from web.services import services, take_place, web

NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv"
FORMATS: Final = {"ndjson": NDJSON, "csv": CSV}

PART: Final = 1000
"""Items in memory; each part is read in a transaction of its own."""

FIELDS: Final = tuple(ImportItem.model_fields)


def wanted(query: ResultsQuery) -> str | None:
    """Return the media type of the file that is asked for; None: pages of JSON are.

    Raises:
        InvalidRequest: A page of a file is.
    """
    if query.format is not None:
        media_type = FORMATS.get(query.format)
    else:
        best = request.accept_mimetypes.best_match(["application/json", NDJSON, CSV])
        media_type = best if best in (NDJSON, CSV) else None
    if media_type is not None and query.model_fields_set & {"limit", "cursor"}:
        raise invalid("format", "Files have all items: limit and cursor are for JSON.")
    return media_type


def send(import_id: UUID, media_type: str, state: str | None) -> Response:
    """Send all items, or those in one state.

    Raises:
        ServerBusy: Too many requests that last long are under way.
    """
    places = web().waiters
    take_place(places)
    write = _ndjson if media_type == NDJSON else _csv
    response = Response(_written(services(), import_id, state, write), mimetype=media_type)
    response.call_on_close(places.release)
    suffix = "ndjson" if media_type == NDJSON else "csv"
    response.headers["Content-Disposition"] = f'attachment; filename="import-{import_id}.{suffix}"'
    return response


def _written(
    services: Services,
    import_id: UUID,
    state: str | None,
    write: Callable[[Sequence[Result], bool], str],
) -> Iterator[str]:
    """Write part by part.

    Raises:
        ImportNotFound: It was deleted meanwhile: what was sent is not all, and must not look so.
    """
    after = -1
    while True:
        with services.pool.connection() as conn:
            part = imports.results(conn, import_id, limit=PART, after=after, state=state)
            if len(part) < PART:
                imports.get(conn, import_id)
        text = write(part, after < 0)
        if text:
            yield text
        if len(part) < PART:
            return
        after = part[-1].position


def _ndjson(part: Sequence[Result], is_first: bool) -> str:
    return "".join(f"{ImportItem.of(each).model_dump_json()}\n" for each in part)


def _csv(part: Sequence[Result], is_first: bool) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    if is_first:
        writer.writerow(FIELDS)
    for each in part:
        item = ImportItem.of(each)
        writer.writerow([cell(getattr(item, name)) for name in FIELDS])
    return text.getvalue()
