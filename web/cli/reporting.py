"""One report in three forms: tables on a terminal, JSON, and an HTML file with its pictures."""

import os
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import Enum
from importlib import resources
from pathlib import Path
from typing import Any

import click
from jinja2 import Environment, StrictUndefined
from rich.table import Table as RichTable

from core.evaluation.scores import Scores, Share
from web.cli.common import output

Option = Callable[[Callable[..., Any]], Callable[..., Any]]


def _into_folder(_ctx: click.Context, _option: click.Parameter, plots: Path | None) -> Path | None:
    return plots and _ready(plots)


def into_file(_ctx: click.Context, _option: click.Parameter, report: Path | None) -> Path | None:
    """Return where an option says a file goes, once its folder is there.

    Raises:
        click.BadParameter: Nothing can be written there.
    """
    return report and _ready(report.parent) / report.name


def _ready(folder: Path) -> Path:
    """Make a folder, or say at once that it cannot be written: before minutes of work, not after."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.BadParameter(f"{folder} cannot be made: {error.strerror}.") from None
    if not os.access(folder, os.W_OK):
        raise click.BadParameter(f"Nothing can be written into {folder}.")
    return folder


plots_option: Option = click.option(
    "--plots", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    callback=_into_folder, help="Draw the curves as PNG files into FOLDER.",
)  # fmt: skip
report_option: Option = click.option(
    "--report", type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE.html", callback=into_file, help="Write tables and curves as one HTML file.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under headings.

    Attributes:
        note: What to know when reading it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A curve, drawn for light and for dark pages.

    Attributes:
        name: Of its file, without ending.
        caption: What it shows, also for those who cannot see it.
    """

    name: str
    caption: str
    light: bytes
    dark: bytes


@dataclass(frozen=True, slots=True)
class Document:
    """A report.

    Attributes:
        facts: Names and values, above the tables.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...] = ()


def show(document: Document) -> None:
    """Print a report for people."""
    console = output()
    facts = RichTable(show_header=False, box=None)
    for name, value in document.facts:
        facts.add_row(name, value)
    console.print(facts)
    for table in document.tables:
        drawn = RichTable(box=None, title=table.title, title_justify="left")
        for column in table.columns:
            drawn.add_column(column, overflow="fold")
        for row in table.rows:
            drawn.add_row(*row)
        console.print()
        console.print(drawn)
        if table.note:
            console.print(table.note)


def write(
    document: Document,
    draw: Callable[[], Sequence[Picture]],
    *,
    plots: Path | None,
    report: Path | None,
) -> None:
    """Draw the pictures where either is wanted, and write them."""
    if plots is None and report is None:
        return
    pictures = draw()
    if plots is not None:
        for picture in pictures:
            (plots / f"{picture.name}.png").write_bytes(picture.light)
    if report is not None:
        report.write_text(_html(document, pictures), encoding="utf-8")


def plain(value: Any) -> Any:
    """Return what JSON can say of a result: dataclasses as objects, shares with their rate.

    Counted scores are left out; they are for pictures.
    """
    if isinstance(value, Share):
        return {"count": value.count, "total": value.total, "rate": value.rate}
    if is_dataclass(value) and not isinstance(value, type):
        named = {field.name: getattr(value, field.name) for field in fields(value)}
        return {name: plain(each) for name, each in named.items() if not isinstance(each, Scores)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def share(value: Share, of: str, digits: int = 2) -> str:
    """Write ``98.25% (56 of 57 pairs)``."""
    return f"{value.rate:.{digits}%} ({value.count:,} of {value.total:,} {of})"


def between(value: Share, digits: int = 2) -> str:
    """Write where a rate lies with a confidence of 95 %."""
    low, high = value.interval
    return f"{low:.{digits}%} to {high:.{digits}%}"


def _html(document: Document, pictures: Sequence[Picture]) -> str:
    template = (resources.files("web.cli") / "report.html").read_text(encoding="utf-8")
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(template)
    return page.render(
        document=document,
        pictures=[
            {"caption": each.caption, "light": _embedded(each.light), "dark": _embedded(each.dark)}
            for each in pictures
        ],
        written=datetime.now().astimezone().isoformat(" ", "minutes"),
    )


def _embedded(picture: bytes) -> str:
    return f"data:image/png;base64,{b64encode(picture).decode()}"
