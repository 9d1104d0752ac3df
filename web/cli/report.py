"""``facesearch report``: make a report and show it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from core import collections as collection_use
from core import reporting
from core.db.reports import Report, State
from core.reports import words
from core.reports.files.content import Content
from core.reports.files.formats import Format
from core.reports.registry import REPORTS
from core.services import Services
from web.cli.common import FAILED, print_json
from web.cli.report_following import follow
from web.cli.report_printing import output_options, print_documents, print_report, write_file
from web.cli.reports import plain_report
from web.cli.services import ACTOR, PARTLY, doorbell, system

ALL = "all"


@click.command()
@click.argument("name", type=click.Choice([*REPORTS, ALL]), metavar="NAME")
@click.option("--collection", "-c", required=True, help="Name or id of the collection.")
@output_options
@click.option("--here", is_flag=True, help="Make it in this process, without a worker.")
@click.option(
    "--wait/--no-wait", default=True, help="Wait until it is made, or leave it to a worker."
)
@click.pass_context
def report(
    ctx: click.Context,
    name: str,
    collection: str,
    files: Mapping[Format, Path],
    *,
    new: bool,
    as_json: bool,
    here: bool,
    wait: bool,
) -> None:
    """Make a report about a collection and show what it found.

    NAME is duplicates, two-names, wrong-labels, look-alikes, twice-in-photo, unnamed, poor-enrolments,
    health or activity, or all of them: `all`. A worker makes it; docs/reports.md says what each tells.

    Exit code 1: it could not be made; 4: some of several could not.
    """
    if name == ALL and files:
        raise click.UsageError("A file holds one report: name it, or take --json.")
    if not wait and (files or here):
        raise click.UsageError("--no-wait leaves nothing to write: `facesearch reports show` can.")
    with system() as services:
        asked = _ask(services, collection, name)
        if not wait:
            _print_asked(asked, as_json=as_json)
            return
        ended = follow(services, asked, here=here)
        made = [each for each in ended if each.state == State.DONE]
        contents = [Content.of(services, each.id, only_new=new) for each in made]
        if as_json:
            print_documents(contents, as_list=name == ALL)
        for content in contents:
            if not as_json:
                print_report(content)
            for form, path in files.items():
                write_file(content, form, path)
    _tell_others(ended)
    if len(made) < len(ended):
        ctx.exit(PARTLY if made else FAILED)


def _ask(services: Services, collection: str, name: str) -> list[Report]:
    with services.pool.connection() as conn:
        home = collection_use.find(conn, collection)
    names = list(REPORTS) if name == ALL else [name]
    return reporting.ask(services, doorbell(services), home.id, names, actor=ACTOR)


def _print_asked(asked: Sequence[Report], *, as_json: bool) -> None:
    if as_json:
        print_json([plain_report(each) for each in asked])
        return
    for each in asked:
        click.echo(f"{each.name} is {each.state}: {each.id}")


def _tell_others(ended: Sequence[Report]) -> None:
    """Say what became of those that were not made."""
    for each in ended:
        if each.state != State.DONE:
            why = f" {each.detail}" if each.detail else ""
            click.echo(f"facesearch: {words.title(each.name)} is {each.state}.{why}", err=True)
