"""``facesearch reports``: look at reports that were made or asked for; cancel or delete them."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from uuid import UUID

import click
from rich.table import Column, Table

from core import collections as collection_use
from core import reporting
from core.db.pool import Connection
from core.db.reports import Report, State
from core.reports.files.content import Content
from core.reports.files.formats import Format
from core.reports.registry import REPORTS
from web.cli.common import FaceSearchGroup, json_option, output, print_json
from web.cli.report_printing import output_options, print_documents, print_report, write_file
from web.cli.services import system

LISTED = 20

id_argument = click.argument("report_id", type=click.UUID)


@click.group(cls=FaceSearchGroup)
def reports() -> None:
    """List, show, cancel and delete reports; `facesearch report` makes them."""


@reports.command("list")
@click.option("--collection", "-c", required=True, help="Name or id of the collection.")
@click.option("--name", type=click.Choice(list(REPORTS)), help="Only versions of this report.")
@click.option("--limit", default=LISTED, show_default=True, type=click.IntRange(1, 1000),
              help="Most versions.")  # fmt: skip
@json_option
def list_(collection: str, name: str | None, limit: int, as_json: bool) -> None:
    """List the versions of the reports of a collection, newest first."""
    with system() as services, services.pool.connection() as conn:
        home = collection_use.find(conn, collection)
        found = reporting.page(conn, home.id, limit=limit, name=name)
    if as_json:
        print_json([plain_report(each) for each in found])
        return
    table = Table(
        Column("id", min_width=36), "report", "state", "found", "new", "asked for", box=None
    )
    for each in found:
        table.add_row(*_row(each))
    output().print(table if found else "No report was asked for yet.")


@reports.command()
@click.argument("wanted", metavar="REPORT")
@click.option("--collection", "-c", help="Name or id of the collection, where REPORT is a name.")
@output_options
def show(
    wanted: str, collection: str | None, files: Mapping[Format, Path], *, new: bool, as_json: bool
) -> None:
    """Show a report that was made.

    REPORT is the id of a version, or a name with --collection: then it is the newest version.
    """
    with system() as services:
        with services.pool.connection() as conn:
            found = _find(conn, wanted, collection)
        if found.state != State.DONE:
            _print_state(found, as_json=as_json)
            return
        content = Content.of(services, found.id, only_new=new)
        if as_json:
            print_documents([content], as_list=False)
        else:
            print_report(content)
        for form, path in files.items():
            write_file(content, form, path)


@reports.command()
@id_argument
def cancel(report_id: UUID) -> None:
    """Give up a report that waits or is being made."""
    with system() as services, services.pool.connection() as conn:
        found = reporting.cancel(conn, report_id)
    click.echo(f"{found.name} is {found.state}.")


@reports.command()
@id_argument
def delete(report_id: UUID) -> None:
    """Forget a version; what was decided about its findings stays."""
    with system() as services, services.pool.connection() as conn:
        reporting.delete(conn, report_id)
    click.echo(f"{report_id} is forgotten.")


def _find(conn: Connection, wanted: str, collection: str | None) -> Report:
    """Return a version by its id, or the newest of a name."""
    try:
        return reporting.get(conn, UUID(wanted))
    except ValueError:
        if collection is None:
            raise click.UsageError("Say whose report it is, by --collection.") from None
    return reporting.newest(conn, collection_use.find(conn, collection).id, wanted)


def _print_state(report: Report, *, as_json: bool) -> None:
    if as_json:
        print_json(plain_report(report))
        return
    step = f": {report.step}, {report.done:,} of {report.total:,}" if report.step else ""
    click.echo(f"{report.name} is {report.state}{step}. {report.detail or ''}".rstrip())


def _row(report: Report) -> tuple[str, ...]:
    made = report.state == State.DONE
    return (
        str(report.id),
        report.name,
        report.state,
        f"{report.findings:,}" if made else "",
        f"{report.added:,}" if made and report.previous_id else "",
        f"{report.created_at:%Y-%m-%d %H:%M}, {report.actor}",
    )


def plain_report(report: Report) -> dict[str, object]:
    """Return what the API says of a report."""
    plain = {**asdict(report), "new": report.added}
    return {name: value for name, value in plain.items() if name not in {"added", "attempts"}}
