"""What the commands that measure a pack share: photos to embeddings, and what to quote with them."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from os import cpu_count
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from core.evaluation.photos import Analysis, analyse
from core.inference.packs import Pack, load_manifest
from core.pipeline import Pipeline
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

pack_option = click.option(
    "--pack", "pack_name", help="Model pack to measure; else that of the settings."
)
threshold_option = click.option(
    "--threshold", type=click.FloatRange(-1, 1), help="Cosine of a match; else the pack's own."
)
folder_argument = click.argument(
    "folder", type=click.Path(exists=True, file_okay=False, path_type=Path)
)


class Measured:
    """A loaded pack."""

    def __init__(self, pack_name: str | None) -> None:
        """Load a pack of the settings.

        Raises:
            ModelError: There is no such pack, it is not installed or cannot be loaded.
        """
        self.settings = common.settings()
        manifest = load_manifest(self.settings)
        self.pack: Pack = manifest.pack(pack_name or self.settings.pack)
        self._pipelines = Pipelines(manifest, self.settings)
        self._pipelines.require(self.pack)

    @property
    def pipeline(self) -> Pipeline:
        """Of the pack."""
        return self._pipelines[self.pack.space.id]

    def analyse(self, photos: Sequence[Path]) -> Analysis:
        """Run photos through the pack, under a progress bar."""
        with progress_bar(len(photos), "photos") as progress:
            return analyse(
                self.pipeline, photos, batch=self.settings.batch_photos, progress=progress
            )

    def setting(self) -> dict[str, Any]:
        """Return what a figure must be quoted with."""
        return {
            "pack": self.pack.name,
            "space": self.pack.space.id,
            "threshold_source": self.pack.threshold_source,
            "device": self._pipelines.device,
            **machine(),
        }


@contextmanager
def progress_bar(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal, and nothing elsewhere."""
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(what), TimeRemainingColumn())
    console = common.console()
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("working", total=total)
        yield lambda done: bar.advance(task, done)


def machine() -> dict[str, Any]:
    """Return processor, system and versions."""
    return {
        "processor": f"{_processor()}, {cpu_count()} cores",
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def machine_facts(setting: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines about the machine for people."""
    packages = ", ".join(f"{name} {number}" for name, number in setting["versions"].items())
    return [
        ("machine", f"{setting['processor']}; {setting['system']}"),
        ("versions", f"{packages}, Python {setting['python']}"),
    ]


def analysis_facts(setting: dict[str, Any], analysis: Analysis) -> list[tuple[str, str]]:
    """Return the lines about the pack and the analysed photos for people."""
    return [
        ("pack", f"{setting['pack']} on {setting['device']}"),
        ("photos", f"{len(analysis.samples):,}, analysed in {analysis.seconds:.1f} s"),
        ("without a face", failures(analysis.failures)),
    ]


def analysis_context(setting: dict[str, Any], analysis: Analysis) -> dict[str, Any]:
    """Return what JSON says beside the figures."""
    return {"failures": analysis.failures, "seconds": analysis.seconds, "setting": setting}


def failures(found: Mapping[str, int]) -> str:
    """Name photos without a usable face, by reason."""
    return ", ".join(f"{n:,} {reason}" for reason, n in sorted(found.items())) or "none"


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
