"""Reports about collections: asked for, looked at, cancelled, deleted."""

from collections.abc import Sequence
from http import HTTPStatus
from uuid import UUID

from flask import Response

from core import errors, reporting
from core.db.pool import Connection
from core.db.reports import Report as Row
from core.db.reports import StoredFinding
from core.reports import telling
from core.reports.files import formats
from core.reports.files.content import Content
from core.reports.registry import REPORTS
from web import security
from web.api import cursors, reading
from web.api.models.common import PageQuery
from web.api.models.reports import (
    AskedReports,
    FileQuery,
    Finding,
    FindingPage,
    FindingsQuery,
    GoneQuery,
    NewReports,
    Report,
    ReportPage,
    ReportsQuery,
)
from web.api.routes import Answer, Binary, Routes
from web.services import doorbell, services, take_place, web

routes = Routes("reports", "What is wrong or remarkable in a collection, with the evidence.")


@routes.route(
    "POST",
    "/collections/<uuid:collection_id>/reports",
    status=HTTPStatus.ACCEPTED,
    bodies={"application/json": NewReports},
    needs_body=False,
    problems=[errors.CollectionNotFound, errors.InvalidRequest],
)
def create_reports(collection_id: UUID) -> AskedReports:
    """Let a worker make reports: those that are named, or all.

    A report that waits or runs already is not made twice: the answer holds that one.
    """
    wish = reading.optional_json(NewReports)
    asked = reporting.ask(
        services(), doorbell(), collection_id, wish.names or list(REPORTS), actor=security.actor()
    )
    return AskedReports(items=[Report.of(each) for each in asked])


@routes.route(
    "GET", "/collections/<uuid:collection_id>/reports", problems=[errors.CollectionNotFound]
)
def list_reports(collection_id: UUID, query: ReportsQuery) -> ReportPage:
    """List the versions of the reports of a collection, newest first."""
    before = cursors.after_id(query)
    with services().pool.connection() as conn:
        found = reporting.page(
            conn, collection_id, limit=query.limit + 1, before=before, name=query.name
        )
    rows, next_cursor = cursors.page(query, found, lambda row: row.id)
    return ReportPage(items=[Report.of(row) for row in rows], next_cursor=next_cursor)


@routes.route("GET", "/reports/<uuid:report_id>", problems=[errors.ReportNotFound])
def get_report(report_id: UUID) -> Report:
    """Get one version of a report: how far it is, and the numbers of the whole."""
    with services().pool.connection() as conn:
        return Report.of(reporting.get(conn, report_id))


@routes.route("GET", "/reports/<uuid:report_id>/findings", problems=[errors.ReportNotFound])
def list_findings(report_id: UUID, query: FindingsQuery) -> FindingPage:
    """List what a report found, what matters most first."""
    after = cursors.after_position(query)
    with services().pool.connection() as conn:
        report = reporting.get(conn, report_id)
        found = reporting.findings(
            conn,
            report,
            limit=query.limit + 1,
            after=after,
            kind=query.kind,
            only_new=query.new,
        )
        return _shown(conn, report, query, found)


@routes.route("GET", "/reports/<uuid:report_id>/gone", problems=[errors.ReportNotFound])
def list_gone_findings(report_id: UUID, query: GoneQuery) -> FindingPage:
    """List what only the version before found: what was put right since, or changed."""
    after = cursors.after_position(query)
    with services().pool.connection() as conn:
        report = reporting.get(conn, report_id)
        found = reporting.gone(conn, report, limit=query.limit + 1, after=after)
        return _shown(conn, report, query, found)


@routes.route(
    "GET",
    "/reports/<uuid:report_id>/file",
    query=FileQuery,
    answers={HTTPStatus.OK: Answer(Binary(tuple(formats.MEDIA_TYPES.values())))},
    problems=[errors.ReportNotFound, errors.WrongState, errors.ServerBusy],
)
def get_report_file(report_id: UUID) -> Response:
    """Get a report as a file: all of it as JSON or CSV, or to read and print as HTML or PDF.

    JSON is this API's findings in one document. In CSV a cell that a spreadsheet would compute (from `=`, `+`,
    `-` or `@`) has a `'` before it. HTML and PDF have pictures inside, and of the findings the first 500.
    """
    query = reading.query(FileQuery)
    content = Content.of(services(), report_id, only_new=query.new)
    places = web().waiters
    take_place(places)
    body = formats.write(content, query.format)
    response = Response(body, mimetype=formats.MEDIA_TYPES[query.format])
    response.call_on_close(places.release)
    name = formats.name_of(content.report, query.format)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@routes.route("POST", "/reports/<uuid:report_id>/cancel", problems=[errors.ReportNotFound])
def cancel_report(report_id: UUID) -> Report:
    """Give a report up; whoever makes it stops within seconds. One that is over stays as it is."""
    with services().pool.connection() as conn:
        return Report.of(reporting.cancel(conn, report_id))


@routes.route("DELETE", "/reports/<uuid:report_id>", problems=[errors.WrongState])
def delete_report(report_id: UUID) -> None:
    """Forget a version that is over; what was decided about its findings stays.

    An unknown id is fine: what is asked for is the case already.
    """
    with services().pool.connection() as conn:
        reporting.delete(conn, report_id)


def _shown(
    conn: Connection, report: Row, query: PageQuery, found: Sequence[StoredFinding]
) -> FindingPage:
    rows, next_cursor = cursors.page(query, found, lambda row: row.position)
    people = telling.people(conn, report.collection_id, rows)
    return FindingPage(items=[Finding.of(row, people) for row in rows], next_cursor=next_cursor)
