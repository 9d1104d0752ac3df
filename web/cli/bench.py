"""``facesearch bench``: how fast this machine is, and what limits it."""

from pathlib import Path

import click
from rich.table import Table

from core.errors import SetupError
from core.memory import share_heaps
from core.settings import MIB
from core.throughput import Throughput, measure, plain
from web.cli import common
from web.cli.measuring import Measured, machine_facts, pack_option, progress_bar
from web.cli.photo_files import photo_files

PHOTOS = 200


@click.group()
def bench() -> None:
    """Measure how fast this machine is."""


@bench.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@pack_option
@click.option(
    "--photos", default=PHOTOS, show_default=True, type=click.IntRange(1),
    help="How many photos to take in; those of FOLDER again and again where it has fewer.",
)  # fmt: skip
@click.option("--no-database", is_flag=True, help="Analyse the photos and write nothing.")
@common.json_option
def ingest(
    folder: Path, pack_name: str | None, photos: int, no_database: bool, as_json: bool
) -> None:
    """Take the photos in FOLDER in as a worker does, and say where the time goes.

    Writes into a Postgres and a folder of its own beside those of the settings, made for this and
    removed after it: nothing of yours is touched. Stop other work of the machine first.
    """
    files = [each.path for each in photo_files([folder])]
    if not files:
        raise SetupError(f"There is no file in {folder}.")
    share_heaps()  # as a worker does
    measured = Measured(pack_name)
    with progress_bar(photos, "photos") as tell:
        found = measure(
            measured.settings,
            measured.pack,
            measured.pipeline,
            files,
            photos,
            database=not no_database,
            tell=tell,
        )
    settings = measured.settings
    setting = {
        **measured.setting(),
        "database": not no_database,
        "inference_threads": settings.inference_threads,
        "worker_threads": settings.worker_threads,
        "batch_photos": settings.batch_photos,
    }
    if as_json:
        common.print_json({**plain(found), "setting": setting})
        return
    common.output().print(_table(found), _facts(found, setting))


def _table(found: Throughput) -> Table:
    table = Table("stage", "at work, s", "share", "photos waited, s", box=None)
    for stage, cost in found.work.stages.items():
        share = f"{found.work.share(stage):.0%}"
        table.add_row(stage.value, f"{cost.busy:.2f}", share, f"{cost.wait:.1f}")
    return table


def _facts(found: Throughput, setting: dict[str, object]) -> Table:
    work, bare = found.work, found.bare
    table = Table(show_header=False, box=None)
    written = "database writes included" if setting["database"] else "nothing written"
    table.add_row("pack", f"{setting['pack']} on {setting['device']}, {written}")
    table.add_row(
        "speed",
        f"{found.photos_per_second:.1f} photos/s, {found.faces_per_second:.1f} faces/s: "
        f"{work.photos:,} photos, {work.faces:,} faces, {found.refused} refused, "
        f"{found.seconds:.1f} s",
    )
    table.add_row("batch fill", f"{work.batch_fill:.0%}: {work.faces_per_run:.1f} faces a run")
    table.add_row("limit", work.advice or "nothing was done")
    if bare is not None:
        table.add_row(
            "networks alone",
            f"detector {bare.detector:.1f} photos/s, recogniser {bare.recogniser:.1f} photos/s",
        )
        table.add_row(
            "ratios",
            f"{found.photos_per_second / bare.slowest:.2f} of the slower network alone; "
            f"{found.photos_per_second / bare.both:.2f} of both on the same cores",
        )
    marks = ", ".join(f"{mark.photos:,}: {mark.rss / MIB:.0f}" for mark in found.marks)
    table.add_row("memory, MiB", f"{marks}; {found.growth:+.1%} after the first fifth")
    table.add_row(
        "settings",
        f"inference threads {setting['inference_threads']} (0: the default), worker threads "
        f"{setting['worker_threads']}, {setting['batch_photos']} photos a batch",
    )
    for name, fact in machine_facts(setting):
        table.add_row(name, fact)
    return table
