"""``facesearch evaluate FOLDER``: measure a pack on photos of known people, without a database."""

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from importlib.metadata import PackageNotFoundError, version
from os import cpu_count
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from core.evaluation import Accuracy, Gallery, Report, Share, find_people
from core.evaluation import evaluate as measure
from core.inference.packs import Pack, load_manifest
from core.pipelines import Pipelines
from web.cli import common

PACKAGES = (
    "facesearch",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "opencv-python-headless",
    "pillow",
)
"""Their versions can change a figure; those that are not installed are left out."""


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--pack", "pack_name", help="Model pack to measure; else that of the settings.")
@click.option(
    "--threshold", type=click.FloatRange(-1, 1), help="Cosine of a match; else the pack's own."
)
@click.option(
    "--gallery", type=click.Choice([each.value for each in Gallery]), default="mated",
    show_default=True,
    help="Enrol the first photo of those who have two or more, or of all: then people with one "
    "photo are there to be mistaken for.",
)  # fmt: skip
@common.json_option
def evaluate(
    folder: Path, pack_name: str | None, threshold: float | None, gallery: str, as_json: bool
) -> None:
    """Measure how well a pack tells the people in FOLDER apart.

    FOLDER holds one folder per person, with photos in it. The first photo of a person, in order of
    names, is enrolled; each later one is searched for. Where a photo shows several faces, the one
    nearest to its centre counts.
    """
    settings = common.settings()
    manifest = load_manifest(settings)
    pack = manifest.pack(pack_name or settings.pack)
    pipelines = Pipelines(manifest, settings)
    pipelines.require(pack)
    people = find_people(folder)
    with _progress(sum(map(len, people.values()))) as progress:
        report = measure(
            pipelines[pack.space.id],
            people,
            threshold=pack.threshold if threshold is None else threshold,
            gallery=Gallery(gallery),
            batch=settings.batch_photos,
            progress=progress,
        )
    setting = _setting(pack, pipelines.device)
    if as_json:
        common.print_json(_plain(report) | {"setting": setting})
    else:
        _print(report, setting)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal, and nothing elsewhere."""
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("photos"), TimeRemainingColumn())
    console = common.console()
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("analysing", total=total)
        yield lambda done: bar.advance(task, done)


def _setting(pack: Pack, device: str) -> dict[str, Any]:
    """What a figure must be quoted with."""
    return {
        "pack": pack.name,
        "space": pack.space.id,
        "threshold_source": pack.threshold_source,
        "device": device,
        "processor": f"{_processor()}, {cpu_count()} cores",
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """Return the processor's name; Linux knows it better than the platform module."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _plain(report: Report) -> dict[str, Any]:
    rates = {
        name: {"count": value.count, "total": value.total, "rate": value.rate}
        for name in (field.name for field in fields(Accuracy))
        if isinstance(value := getattr(report.accuracy, name), Share)
    }
    plain = asdict(report)
    return plain | {
        "accuracy": plain["accuracy"] | rates,
        "photos_per_second": report.photos_per_second,
    }


def _print(report: Report, setting: dict[str, Any]) -> None:
    found = report.accuracy
    table = Table(show_header=False, box=None)
    table.add_row("pack", f"{setting['pack']} on {setting['device']}")
    table.add_row(
        "photos", f"{report.photos:,} of {report.people:,} people; {report.faces:,} faces"
    )
    failures = ", ".join(f"{n:,} {reason}" for reason, n in sorted(report.failures.items()))
    table.add_row("without a face", failures or "none")
    table.add_row("gallery", f"{found.enrolled:,} people, one photo each ({report.gallery.value})")
    table.add_row("threshold", f"{found.threshold:.3f}")
    table.add_row("rank 1", _share(found.rank_1, "probes"))
    table.add_row("rank 1, passing", _share(found.found, "probes"))
    table.add_row("mates passing", _share(found.mates_passed, "probes"))
    table.add_row("false alarms", _share(found.false_alarms, "probes with a stranger passing"))
    table.add_row("false matches", _share(found.impostors_passed, "pairs of strangers", digits=4))
    table.add_row(
        "speed", f"{report.photos_per_second:.1f} photos/s, {report.seconds:.1f} s in all"
    )
    stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in asdict(report.stages).items())
    table.add_row("seconds", stages)
    table.add_row("machine", f"{setting['processor']}; {setting['system']}")
    packages = ", ".join(f"{name} {number}" for name, number in setting["versions"].items())
    table.add_row("versions", f"{packages}, Python {setting['python']}")
    Console().print(table)


def _share(share: Share, of: str, digits: int = 2) -> str:
    return f"{share.rate:.{digits}%} ({share.count:,} of {share.total:,} {of})"
