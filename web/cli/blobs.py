"""``facesearch blobs``: whether the files of photos and faces are those that the database knows of."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click
from rich.filesize import decimal
from rich.table import Table

from core import blob_check
from core.blob_check import GRACE_S, Report, Tell
from core.blobs import Tally
from core.errors import ConfirmationRequired
from web.cli.common import FaceSearchGroup, console, json_option, output, print_json
from web.cli.services import PARTLY, system

SHOWN = 20
"""Faults that are listed for people; programs get `blob_check.MOST_FAULTS`."""

MINUTE_S = 60


@click.group(cls=FaceSearchGroup)
def blobs() -> None:
    """Files of photos and faces."""


@blobs.command()
@click.option("--deep", is_flag=True, help="Read every photo and compare its SHA-256.")
@click.option("--remove", is_flag=True, help="Remove orphans and left-over temporary files.")
@click.option(
    "--grace", type=click.IntRange(min=10), default=round(GRACE_S / MINUTE_S), show_default=True,
    metavar="MINUTES", help="Younger files are left alone: their rows may be on their way.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask before removing.")
@json_option
@click.pass_context
def check(
    ctx: click.Context, deep: bool, remove: bool, grace: int, yes: bool, as_json: bool
) -> None:
    """Compare files with the database: which belong to nothing, and which are missing.

    It can run while photos are taken in. Exit code 0: every photo, small copy and crop is there; 4:
    some are missing or damaged.
    """
    grace_s = grace * MINUTE_S
    removed = None
    with system() as services:
        with _looking() as tell:
            report = blob_check.check(services, grace_s=grace_s, deep=deep, tell=tell)
        if not as_json:
            _print(report)
        if remove and report.removable.files:
            _confirm(report, yes=yes)
            with _looking() as tell:
                removed = blob_check.remove_orphans(services, grace_s=grace_s, tell=tell)
    if as_json:
        print_json(_plain(report, removed))
    elif removed is not None:
        click.echo(f"Removed {_words(removed)}.")
    elif report.removable.files:
        click.echo(f"--remove would remove {_words(report.removable)}.")
    if not report.whole:
        ctx.exit(PARTLY)


@contextmanager
def _looking() -> Iterator[Tell]:
    """Show at which files we are. Nothing may be printed meanwhile."""
    with console().status("Looking at files") as status:
        yield lambda kind, files: status.update(f"Looking at {kind.value}: {files:,}")


def _confirm(report: Report, *, yes: bool) -> None:
    """Ask, unless told not to.

    Raises:
        ConfirmationRequired: Most files are orphans, and nobody is there to be asked.
    """
    question = f"Remove {_words(report.removable)}?"
    if report.odd:
        warning = "Most files belong to nothing in this database: is it the right one?"
        if yes or not sys.stdin.isatty():
            raise ConfirmationRequired(
                f"{warning} Nothing was removed; if it is, say so at a terminal, without --yes."
            )
        question = f"{warning} {question}"
    if not yes:
        click.confirm(question, abort=True, err=True)


def _print(report: Report) -> None:
    table = Table("", "files", "orphans", "too new", "to go", "missing", "damaged", box=None)
    for kind, found in report.kinds.items():
        table.add_row(
            kind.value,
            _cell(found.used),
            _cell(found.orphans),
            _cell(found.recent),
            _cell(found.doomed),
            f"{found.missing:,}",
            f"{found.damaged:,}",
        )
    shown = output()
    shown.print(table)
    if report.leftovers.files:
        shown.print(f"Left over from writes that never ended: {_words(report.leftovers)}.")
    faults = [fault for found in report.kinds.values() for fault in found.faults]
    for fault in faults[:SHOWN]:
        name = f"{fault.filename or '(no name)'} in {fault.collection}"
        what = f"{fault.trouble.value}: {fault.kind.value}/{fault.key}"
        shown.print(f"{what} of {name}, image {fault.image_id}", soft_wrap=True, highlight=False)
    if len(faults) > SHOWN:
        shown.print("There are more; --json lists up to a thousand of each kind.")


def _plain(report: Report, removed: Tally | None) -> dict[str, Any]:
    return {
        "whole": report.whole,
        "kinds": {kind.value: asdict(found) for kind, found in report.kinds.items()},
        "leftovers": asdict(report.leftovers),
        "removed": None if removed is None else asdict(removed),
    }


def _cell(tally: Tally) -> str:
    return f"{tally.files:,} ({decimal(tally.bytes)})" if tally.files else "0"


def _words(tally: Tally) -> str:
    return f"{tally.files:,} file{'s' * (tally.files != 1)} ({decimal(tally.bytes)})"
