"""``facesearch imports``: look at imports, and start, confirm, pause, resume, cancel, retry or delete them."""

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, fields
from itertools import islice
from typing import Any, Final
from uuid import UUID

import click
from rich.filesize import decimal
from rich.table import Column, Table

from core.spreadsheets import cell
from web.cli.common import FaceSearchGroup, json_option, output, print_json
from web.cli.import_bars import Bars, Watch, duration
from web.cli.import_summary import REFUSED, Summary, print_forecast
from web.cli.services import PARTLY
from web.cli.targets import STATES, Patience, Row, View, open_target, target_options

LISTED: Final = 20

VERBS: Final = {
    "pause": "Stop reading and indexing; photos that are at work are finished.",
    "start": "Say that everything was sent.",
    "confirm": "Import what a dry run tried.",
    "resume": "Go on after a pause.",
    "cancel": "End an import: what no worker has taken yet is not indexed; what is, stays.",
}
"""What is done to one import, and the help of each command."""

import_id_argument = click.argument("import_id", type=click.UUID)


@click.group(cls=FaceSearchGroup)
def imports() -> None:
    """List, show, watch, start, confirm, pause, resume, cancel, retry and delete imports."""


@imports.command("list")
@click.option("--collection", "-c", required=True, help="Name or id of the collection.")
@click.option("--limit", default=LISTED, show_default=True, type=click.IntRange(1), metavar="N")
@target_options
@json_option
def list_(collection: str, limit: int, server: str | None, key: str | None, as_json: bool) -> None:
    """List the newest imports of a collection."""
    with open_target(server, key, Patience()) as target:
        home = target.collection(collection, create=False)
        found = list(islice(target.imports(home), limit))
    if as_json:
        print_json([asdict(view) for view in found])
        return
    id_ = Column("id", min_width=36)
    table = Table(id_, "name", "state", "done", "of", "created", box=None)
    for view in found:
        total = "?" if view.total is None else f"{view.total:,}"
        created = view.created_at[:16].replace("T", " ")
        table.add_row(str(view.id), view.name, view.state, f"{view.done:,}", total, created)
    output().print(table if found else "There is no import yet.")


@imports.command()
@import_id_argument
@target_options
@json_option
def show(import_id: UUID, server: str | None, key: str | None, as_json: bool) -> None:
    """Show how far an import is."""
    with open_target(server, key, Patience()) as target:
        _show(target.get(import_id), as_json=as_json)


@imports.command()
@import_id_argument
@click.option("--state", type=click.Choice(STATES), help="Only items in this state.")
@click.option("--refused", is_flag=True, help="Only what was rejected, failed, or is dead.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object on each line.")
@target_options
def results(
    import_id: UUID,
    state: str | None,
    refused: bool,
    as_csv: bool,
    as_json: bool,
    server: str | None,
    key: str | None,
) -> None:
    """Print what became of each item, in the order they were sent."""
    if refused and state:
        raise click.UsageError("--state and --refused exclude each other.")
    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other.")
    wanted: tuple[str | None, ...] = REFUSED if refused else (state,)
    with open_target(server, key, Patience()) as target:
        rows = (row for each in wanted for row in target.results(import_id, each))
        _print_rows(rows, as_csv=as_csv, as_json=as_json)


@imports.command()
@import_id_argument
@target_options
@json_option
@click.pass_context
def watch(
    ctx: click.Context, import_id: UUID, server: str | None, key: str | None, as_json: bool
) -> None:
    """Show bars until an import is over. Ctrl-C ends the watching, not the import."""
    patience = Patience()
    with open_target(server, key, patience) as target:
        with Bars() as bars:
            view = Watch(target, bars).until_over(target.get(import_id))
        if view.forecast is not None and view.options["dry_run"]:
            print_forecast(target, view.forecast, view, as_json=as_json)
            return
        summary = Summary(target, [view], [])
        if as_json:
            summary.print_json()
        else:
            summary.print()
        if summary.refused_any:
            ctx.exit(PARTLY)


def _add_verb(verb: str, told: str) -> None:
    @imports.command(verb, help=told)
    @import_id_argument
    @target_options
    @json_option
    def change(import_id: UUID, server: str | None, key: str | None, as_json: bool) -> None:
        with open_target(server, key, Patience()) as target:
            _show(target.change(import_id, verb), as_json=as_json)


for _verb, _told in VERBS.items():
    _add_verb(_verb, _told)


@imports.command()
@import_id_argument
@click.option("--dead", is_flag=True, help="Those whose workers died each time, too.")
@target_options
@json_option
def retry(import_id: UUID, dead: bool, server: str | None, key: str | None, as_json: bool) -> None:
    """Let items that failed be tried again."""
    with open_target(server, key, Patience()) as target:
        count = target.retry(import_id, dead=dead)
    if as_json:
        print_json({"retried": count})
    else:
        click.echo(f"{count:,} items wait again.")


@imports.command()
@import_id_argument
@target_options
def delete(import_id: UUID, server: str | None, key: str | None) -> None:
    """Forget an import and what became of its items; its photos stay."""
    with open_target(server, key, Patience()) as target:
        target.delete(import_id)
    click.echo(f"{import_id} is forgotten.")


def _show(view: View, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(view))
        return
    table = Table(show_header=False, box=None)
    for name, value in _facts(view).items():
        if value not in (None, "", {}):
            table.add_row(name, str(value))
    output().print(table)


def _facts(view: View) -> dict[str, Any]:
    counts = ", ".join(f"{count:,} {state}" for state, count in view.counts.items() if count)
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in view.reasons.items())
    total = "" if view.total is None else f" of {view.total:,}"
    received = view.bytes_received if view.source in ("archive", "manifest") else None
    return {
        "id": view.id,
        "name": view.name,
        "source": view.source,
        "state": view.state,
        "reason": view.reason,
        "detail": view.detail,
        "done": f"{view.done:,}{total}",
        "items": counts,
        "reasons": reasons,
        "passed over": view.passed_over or None,
        "received": None if received is None or view.is_over else decimal(received),
        "speed": None if view.rate is None else f"{view.rate:,.1f} photos/s",
        "left": None if view.eta_s is None else duration(view.eta_s),
        "limit": view.limit,
        "advice": view.advice,
        "external id": view.external_id,
        "created": view.created_at,
        "closed": view.closed_at,
    }


def _print_rows(rows: Iterator[Row], *, as_csv: bool, as_json: bool) -> None:
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        names = [each.name for each in fields(Row)]
        writer.writerow(names)
        for row in rows:
            writer.writerow([cell(getattr(row, name)) for name in names])
        return
    for row in rows:
        if as_json:
            click.echo(json.dumps(asdict(row), default=str, ensure_ascii=False))
        else:
            told = " ".join(each for each in (row.reason, row.detail) if each)
            click.echo(f"{row.key}\t{row.state}\t{told}".rstrip())
