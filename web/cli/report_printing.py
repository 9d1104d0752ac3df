"""Reports at a terminal: sentences and numbers, JSON, and files."""

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click
from rich.table import Table

from core.reports import figures, words
from core.reports.files.content import Content
from core.reports.files.formats import Format, write
from core.reports.files.layout import head
from web.cli.common import json_option, output
from web.cli.reporting import into_file

SHOWN: Final = 20
"""Findings at a terminal."""

FILES: Final = (Format.CSV, Format.HTML, Format.PDF)

Command = Callable[..., Any]


def output_options(command: Command) -> Command:
    """Add --new, --json, and an option for each kind of file; the command gets these as *files*."""

    @wraps(command)
    def run(**given: Any) -> Any:
        files = {form: given.pop(f"as_{form}") for form in FILES}
        return command(**given, files={form: path for form, path in files.items() if path})

    for form in reversed(FILES):
        run = click.option(
            f"--{form}", f"as_{form}", metavar="FILE", callback=into_file,
            type=click.Path(dir_okay=False, writable=True, path_type=Path),
            help=f"Write it as {form.upper()}, too.",
        )(run)  # fmt: skip
    run = json_option(run)
    return click.option("--new", is_flag=True, help="Only what the version before does not have.")(
        run
    )


def print_report(content: Content) -> None:
    """Print what a report found."""
    shown = output(soft_wrap=True)
    about = head(content)
    shown.print(f"{about.title}: {about.about}")
    facts = Table(show_header=False, box=None)
    for name, value in about.facts:
        facts.add_row(name, value)
    output().print(facts)
    for each in figures.tables(content.report):
        _print_table(each)
    for told in islice(content.findings(SHOWN), SHOWN):
        new = "new: " if told.finding.is_new else ""
        shown.print(f"{told.finding.position + 1}. {new}{told.sentence}", highlight=False)
    if content.count > SHOWN:
        shown.print(
            f"... and {content.count - SHOWN:,} more; --csv, --html, --pdf and --json tell."
        )


def print_documents(contents: Sequence[Content], *, as_list: bool) -> None:
    """Print reports as JSON, as their files have it; *as_list*: in a list, however many there are."""
    for piece in _listed(contents) if as_list else write(contents[0], Format.JSON):
        sys.stdout.write(piece.decode())


def write_file(content: Content, form: Format, path: Path) -> None:
    """Write a report into a file, which is there when it is whole.

    Raises:
        click.FileError: It cannot be written.
        ReportNotFound: The report was deleted meanwhile.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as stream:
            stream.writelines(write(content, form))
        part.replace(path)
    except OSError as error:
        raise click.FileError(str(path), error.strerror) from None
    finally:
        part.unlink(missing_ok=True)
    title = words.title(content.report.name)
    click.echo(f"{title} is in {path}.", err=True)


def _listed(contents: Sequence[Content]) -> Iterator[bytes]:
    yield b"["
    for number, content in enumerate(contents):
        yield b",\n" if number else b"\n"
        yield from write(content, Format.JSON)
    yield b"]\n"


def _print_table(table: figures.Table) -> None:
    drawn = Table(*table.columns, box=None, title=table.title, title_justify="left")
    for row in table.rows:
        drawn.add_row(*row)
    console = output()
    console.print()
    console.print(drawn)
