"""``facesearch models``: list, install, add, quantise, check and describe model packs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn
from rich.table import Table

from core.errors import FaceSearchError, PackNotInstalled
from core.inference import install as packs
from core.inference.loading import keep_reference
from core.inference.packs import Licence, Manifest, Pack, load_manifest
from core.inference.sources import Progress as Report
from core.settings import MIB, Settings
from web.cli.common import (
    FAILED,
    FaceSearchGroup,
    console,
    json_option,
    output,
    print_json,
    settings,
)
from web.cli.models_add import add
from web.cli.models_quantise import quantise_


@click.group(cls=FaceSearchGroup)
def models() -> None:
    """List, install, add and check model packs."""


models.add_command(add)
models.add_command(quantise_)


@models.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the packs that can be installed."""
    chosen, manifest = _open()
    described = [_describe(pack, chosen.models_dir) for pack in manifest]
    if as_json:
        print_json(described)
        return
    table = Table("name", "installed", "commercial use", "threshold", "networks", box=None)
    for each in described:
        installed = "yes" if each["installed"] else "no"
        free = "yes" if each["licence"]["commercial"] else "no"
        table.add_row(each["name"], installed, free, f"{each['threshold']:g}", each["title"])
    output().print(table)


@models.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show what the pack NAME is, its licence and its files."""
    chosen, manifest = _open()
    described = _describe(manifest.pack(name), chosen.models_dir)
    if as_json:
        print_json(described)
        return
    table = Table(box=None, show_header=False)
    licence, installed = described["licence"], described["installed"]
    for label, value in (
        ("pack", f"{name}: {described['title']}"),
        ("", described["summary"]),
        ("threshold", f"{described['threshold']:g} ({described['threshold_source']})"),
        ("space", f"{described['space']}, {described['dimension']} numbers a face"),
        ("licence", f"{licence['title']}: {licence['summary']}"),
        ("", licence["url"] or ""),
        (
            "installed",
            f"{installed['installed_at']} in {installed['folder']}" if installed else "no",
        ),
        *(("file", f"{file['name']}  sha256 {file['sha256']}") for file in described["files"]),
    ):
        table.add_row(label, value)
    output(soft_wrap=True).print(table)


@models.command()
@click.argument("name")
@click.option("--from", "source", type=click.Path(exists=True, path_type=Path),
              help="Take the files from this file, folder or archive; nothing is downloaded.")  # fmt: skip
@click.option("--accept-license", "accept", is_flag=True, help="Accept the licence of the weights.")
@json_option
def install(name: str, source: Path | None, accept: bool, as_json: bool) -> None:
    """Install the pack NAME: fetch, check and convert its files. One that is there is verified."""
    chosen, manifest = _open()
    pack = manifest.pack(name)
    click.echo(f"Licence: {pack.licence.title}. {pack.licence.url or ''}".rstrip(), err=True)
    accept = accept or _asked(pack, chosen.models_dir)
    with download_bars() as progress:
        installed = packs.install(
            pack, chosen.models_dir, source=source, accept_licence=accept, progress=progress
        )
    keep_reference(pack, chosen)
    if as_json:
        print_json(_describe(pack, chosen.models_dir))
    else:
        size = sum(file.bytes for file in installed.files) / MIB
        click.echo(f"The pack {name} is installed in {installed.folder} ({size:.0f} MiB).")


@models.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@json_option
@click.pass_context
def verify(ctx: click.Context, names: tuple[str, ...], as_json: bool) -> None:
    """Compare every file of the packs with its digest; without NAME, of all that are installed."""
    chosen, manifest = _open()
    found = {name: _fault(manifest.pack(name), chosen) for name in names}
    if not names:
        faults = {pack.name: _fault(pack, chosen) for pack in manifest}
        found = {n: each for n, each in faults.items() if not isinstance(each, PackNotInstalled)}
    if as_json:
        print_json([
            {"pack": name, "intact": fault is None, "problem": str(fault) if fault else None}
            for name, fault in found.items()
        ])  # fmt: skip
    else:
        for name, fault in found.items():
            click.echo(str(fault) if fault else f"The pack {name} is intact.", err=bool(fault))
        if not found:
            click.echo("No pack is installed.")
    if any(found.values()):
        ctx.exit(FAILED)


@contextmanager
def download_bars() -> Iterator[Report]:
    """Show downloads as bars; they are gone when all is done."""
    bars: dict[str, TaskID] = {}
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    screen = console()
    with Progress(
        *columns, console=screen, transient=True, disable=not screen.is_terminal
    ) as shown:

        def report(label: str, done: int, total: int | None) -> None:
            if label not in bars:
                bars[label] = shown.add_task(label, total=total)
            shown.update(bars[label], completed=done, total=total)

        yield report


def _open() -> tuple[Settings, Manifest]:
    chosen = settings()
    return chosen, load_manifest(chosen)


def _asked(pack: Pack, models_dir: Path) -> bool:
    """Ask whoever sits at a terminal to accept the licence, where it must be accepted still."""
    if not pack.licence.acceptance or not sys.stdin.isatty() or _installed(pack, models_dir):
        return False
    click.echo(pack.licence.summary, err=True)
    return click.confirm("Do you accept this licence?", err=True)


def _installed(pack: Pack, models_dir: Path) -> packs.Installed | None:
    try:
        return packs.show(pack, models_dir)
    except PackNotInstalled:
        return None


def _fault(pack: Pack, chosen: Settings) -> FaceSearchError | None:
    try:
        packs.verify(pack, chosen.models_dir)
    except FaceSearchError as error:
        return error
    return None


def _describe(pack: Pack, models_dir: Path) -> dict[str, Any]:
    installed = _installed(pack, models_dir)
    return {
        "name": pack.name,
        "title": pack.title,
        "summary": pack.summary,
        "threshold": pack.threshold,
        "threshold_source": pack.threshold_source,
        "space": pack.space.id,
        "dimension": pack.recogniser.dimension,
        "licence": _licence(pack.licence),
        "files": [
            {"name": file.name, "sha256": file.sha256, "bytes": file.bytes} for file in pack.files
        ],
        "installed": installed
        and {
            "folder": installed.folder,
            "installed_at": installed.installed_at.isoformat(),
            "licence_accepted": installed.licence_accepted,
        },
    }


def _licence(licence: Licence) -> dict[str, Any]:
    return {
        "id": licence.id,
        "title": licence.title,
        "summary": licence.summary,
        "url": licence.url,
        "commercial": licence.commercial,
        "acceptance": licence.acceptance,
    }
