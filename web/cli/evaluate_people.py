"""``facesearch evaluate people``: everybody is enrolled; who comes first, and who passes?"""

from pathlib import Path

import click

from core.evaluation.people import Gallery, Report, evaluate
from core.evaluation.photos import find_people
from web.cli import common
from web.cli.measuring import (
    Measured,
    failures,
    folder_argument,
    machine_facts,
    pack_option,
    progress_bar,
    threshold_option,
)
from web.cli.reporting import Document, plain, share, show


@click.command()
@folder_argument
@pack_option
@threshold_option
@click.option(
    "--gallery", type=click.Choice([each.value for each in Gallery]), default="mated",
    show_default=True,
    help="Enrol the first photo of those who have two or more, or of all: then people with one "
    "photo are there to be mistaken for.",
)  # fmt: skip
@common.json_option
def people(
    folder: Path, pack_name: str | None, threshold: float | None, gallery: str, as_json: bool
) -> None:
    """Measure how well a pack tells the people in FOLDER apart.

    FOLDER holds one folder per person, with photos in it. The first photo of a person, in order of
    names, is enrolled; each later one is searched for. Where a photo shows several faces, the one
    nearest to its centre counts.
    """
    found = find_people(folder)
    measured = Measured(pack_name)
    with progress_bar(sum(map(len, found.values())), "photos") as progress:
        report = evaluate(
            measured.pipeline,
            found,
            threshold=measured.pack.threshold if threshold is None else threshold,
            gallery=Gallery(gallery),
            batch=measured.settings.batch_photos,
            progress=progress,
        )
    setting = measured.setting()
    if as_json:
        speed = {"photos_per_second": report.photos_per_second}
        common.print_json(plain(report) | speed | {"setting": setting})
        return
    facts = [("pack", f"{setting['pack']} on {setting['device']}"), *_facts(report)]
    show(Document(f"People of {folder}", (*facts, *machine_facts(setting))))


def _facts(report: Report) -> list[tuple[str, str]]:
    found = report.accuracy
    stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in report.stages.busy().items())
    return [
        ("photos", f"{report.photos:,} of {report.people:,} people; {report.faces:,} faces"),
        ("without a face", failures(report.failures)),
        ("gallery", f"{found.enrolled:,} people, one photo each ({report.gallery.value})"),
        ("threshold", f"{found.threshold:.3f}"),
        ("rank 1", share(found.rank_1, "probes")),
        ("rank 1, passing", share(found.found, "probes")),
        ("mates passing", share(found.mates_passed, "probes")),
        ("false alarms", share(found.false_alarms, "probes with a stranger passing")),
        ("false matches", share(found.impostors_passed, "pairs of strangers", digits=4)),
        ("speed", f"{report.photos_per_second:.1f} photos/s, {report.seconds:.1f} s in all"),
        ("seconds", stages),
    ]
