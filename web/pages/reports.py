"""Reports of a collection: how they stand, one version with its findings, and their cures."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core import collections, reporting, reviews
from core.db.pool import Connection
from core.db.reports import Report, State, StoredFinding
from core.errors import FaceSearchError, InvalidRequest
from core.reports import figures, plotted, registry, words
from core.reports.finding import MOST_FINDINGS
from core.reports.words import KINDS
from web.pages import findings, forms
from web.pages.trouble import Trouble, trouble
from web.pages.words import REASONS, REPORT_STATES
from web.security import actor
from web.services import doorbell, services

blueprint = Blueprint("reports", __name__)

PER_PAGE = 50
MOST_VERSIONS = 30
"""Offered to choose from; the API lists all."""

FORMATS = ("json", "csv", "html", "pdf")

IMMUTABLE = "private, max-age=31536000, immutable"


@blueprint.get("/collections/<uuid:collection_id>/reports")
def index(collection_id: UUID) -> ResponseReturnValue:
    """Show how all reports stand; a script asks again while some are made."""
    if forms.wants_fragment():
        return _index("reports/cards.html", collection_id), {forms.FRAGMENT_HEADER: "1"}
    return _index("reports/index.html", collection_id)


@blueprint.post("/collections/<uuid:collection_id>/reports")
def ask(collection_id: UUID) -> ResponseReturnValue:
    """Let the ``report``, or all of them, be made."""
    names = request.form.getlist("report") or list(registry.REPORTS)
    try:
        reporting.ask(services(), doorbell(), collection_id, names, actor=actor())
    except FaceSearchError as error:
        problem = trouble(error)
        return _index("reports/index.html", collection_id, problem), problem.status
    return _to_all(collection_id, "reports_asked")


@blueprint.post("/reports/<uuid:report_id>/cancel")
def cancel(report_id: UUID) -> ResponseReturnValue:
    """Give a report up that waits or runs."""
    with services().pool.connection() as conn:
        report = reporting.cancel(conn, report_id)
    return _to_all(report.collection_id, "report_cancelled")


@blueprint.post("/reports/<uuid:report_id>/delete")
def delete(report_id: UUID) -> ResponseReturnValue:
    """Forget one version."""
    try:
        with services().pool.connection() as conn:
            report = reporting.get(conn, report_id)
            reporting.delete(conn, report_id)
    except FaceSearchError as error:
        problem = trouble(error)
        return page(report_id, problem), problem.status
    return _to_all(report.collection_id, "report_deleted")


@blueprint.get("/reports/<uuid:report_id>")
def show(report_id: UUID) -> ResponseReturnValue:
    """Show a version; ``kind``, ``new`` and ``gone`` in the address choose among its findings."""
    return page(report_id)


@blueprint.post("/reports/<uuid:report_id>/findings/<int:position>/name")
def name_group(report_id: UUID, position: int) -> ResponseReturnValue:
    """Give a group of unnamed faces to the person of that name, or to a new one."""
    try:
        name = forms.name_in(request.form)
        with services().pool.connection() as conn:
            reporting.name_group(conn, report_id, position, name, actor=actor())
    except FaceSearchError as error:
        problem = trouble(error)
        return page(report_id, problem), problem.status
    return redirect(address(report_id, note="group_named"), 303)


@blueprint.get("/reports/<uuid:report_id>/plots/<name>-<theme>.png")
def plot(report_id: UUID, name: str, theme: str) -> ResponseReturnValue:
    """Draw a plot of a version; it never changes."""
    from core.reports import plots  # noqa: PLC0415  Matplotlib takes a second, and few ask for it

    with services().pool.connection() as conn:
        report = reporting.get(conn, report_id)
    colours = plots.THEMES.get(theme)
    drawn = None if colours is None else plots.draw(report.name, name, report.summary, colours)
    if drawn is None:
        abort(HTTPStatus.NOT_FOUND)
    return Response(drawn, mimetype="image/png", headers={"Cache-Control": IMMUTABLE})


def page(report_id: UUID, problem: Trouble | None = None) -> str:
    """Return the page of a version; *problem* is what went wrong when a form was sent from it."""
    choice = _Choice.read()
    with services().pool.connection() as conn:
        report = reporting.get(conn, report_id)
        collection = collections.get(conn, report.collection_id)
        versions = reporting.page(conn, collection.id, limit=MOST_VERSIONS, name=report.name)
        found = choice.findings(conn, report)
        shown = findings.of_report(conn, report, found[:PER_PAGE])
    is_made = report.state == State.DONE
    return render_template(
        "reports/show.html",
        collection=collection,
        report=report,
        versions=versions,
        choice=choice,
        shown=shown,
        more=choice.address(report_id, found[PER_PAGE].position) if found[PER_PAGE:] else None,
        plots=plotted.titles(report.name, report.summary) if is_made else {},
        is_numbers=is_made and not words.fact_words(report.name),
        kind_names=KINDS.values(),
        facts=figures.facts(report) if is_made else (),
        tables=figures.tables(report) if is_made else (),
        words=words,
        states=REPORT_STATES,
        reasons=REASONS,
        formats=FORMATS,
        schedule=reporting.SCHEDULE,
        problem=problem,
    )


def address(report_id: UUID, **more: Any) -> str:
    """Return the address of a version as the form that was sent shows it."""
    return _Choice.read().address(report_id, **more)


def _to_all(collection_id: UUID, note: str) -> ResponseReturnValue:
    return redirect(url_for("pages.reports.index", collection_id=collection_id, note=note), 303)


def _index(template: str, collection_id: UUID, problem: Trouble | None = None) -> str:
    with services().pool.connection() as conn:
        collection = collections.get(conn, collection_id)
        standings = reporting.overview(conn, collection_id)
        to_review = reviews.open_count(conn, collection_id)
    return render_template(
        template,
        collection=collection,
        standings=standings,
        is_busy=any(each.last is not None and each.last.is_open for each in standings),
        to_review=to_review,
        words=words,
        states=REPORT_STATES,
        schedule=reporting.SCHEDULE,
        problem=problem,
    )


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which findings of a version are shown.

    Attributes:
        gone: Those that only the version before has, instead.
        first: Position of the first one.
    """

    kind: str | None
    new: bool
    gone: bool
    first: int

    @classmethod
    def read(cls) -> "_Choice":
        """Read the address, or the form that was sent from such a page.

        Raises:
            InvalidRequest: There is no such kind or position.
        """
        values = request.values
        kind = values.get("kind") or None
        if kind not in (None, *KINDS):
            raise InvalidRequest("There is no such kind of findings.")
        return cls(
            kind=kind,
            new="new" in values,
            gone="gone" in values,
            first=forms.count_in(values, "from", default=0, most=MOST_FINDINGS),
        )

    def findings(self, conn: Connection, report: Report) -> list[StoredFinding]:
        """Return one more than a page of them."""
        limit, after = PER_PAGE + 1, self.first - 1
        if self.gone:
            return reporting.gone(conn, report, limit=limit, after=after)
        return reporting.findings(
            conn, report, limit=limit, after=after, kind=self.kind, only_new=self.new
        )

    def parameters(self) -> dict[str, Any]:
        """Return what an address or a form carries."""
        flags = {name: "1" for name in ("new", "gone") if getattr(self, name)}
        return {**({"kind": self.kind} if self.kind else {}), **flags}

    def address(self, report_id: UUID, first: int | None = None, **more: Any) -> str:
        """Return the address of these findings, from a position on."""
        place = {} if first is None else {"from": first}
        values = {**self.parameters(), **place, **more}
        return url_for("pages.reports.show", report_id=report_id, **values)
