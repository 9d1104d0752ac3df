"""``facesearch calibrate``: thresholds from the people of a collection, or of a folder of photos."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np

from core import calibration as use
from core import collections
from core.budget import LEAST_STRANGERS, MOST_STRANGERS
from core.db.collections import Collection
from core.errors import InvalidRequest
from core.evaluation import calibration
from core.evaluation.calibration import Calibration, Point
from core.evaluation.photos import find_people, labels, paths
from web.cli import common
from web.cli.calibration_report import Subject, document, plain_subject
from web.cli.measuring import Measured, failures, machine_facts, pack_option, progress_bar
from web.cli.reporting import Picture, plots_option, report_option, show, write
from web.cli.services import system

MOST_FACES = 30_000
"""Compared each with each in about 10 seconds on two cores: 450 million pairs, in 350 MB."""

USUAL_ALARMS = 0.01


@click.command()
@click.argument("target", metavar="COLLECTION|FOLDER")
@click.option("--fmr", type=click.FloatRange(0, 1, min_open=True, max_open=True),
              help="False match rate of the threshold that is looked for.")  # fmt: skip
@click.option("--alarms", type=click.FloatRange(0, 1, min_open=True, max_open=True),
              help="Or the share of searches for strangers that may find anybody; 0.01.")  # fmt: skip
@click.option("--one-in", type=click.IntRange(LEAST_STRANGERS, MOST_STRANGERS), metavar="N",
              help="Or one in how many strangers may find anybody; else the collection's budget.")  # fmt: skip
@click.option("--gallery", type=click.IntRange(1),
              help="Faces that a search compares with; else as many as there are.")  # fmt: skip
@click.option("--apply", is_flag=True,
              help="Set the collection's threshold to the one found; a budget of --one-in stays "
              "kept as the collection grows.")  # fmt: skip
@click.option("--faces", type=click.IntRange(2), default=MOST_FACES, show_default=True,
              help="Most faces of a collection to compare, chosen evenly.")  # fmt: skip
@pack_option
@plots_option
@report_option
@common.json_option
def calibrate(
    target: str,
    fmr: float | None,
    alarms: float | None,
    one_in: int | None,
    gallery: int | None,
    apply: bool,
    faces: int,
    pack_name: str | None,
    plots: Path | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Find the cosine that keeps false matches as rare as they should be.

    Every face of a named person is compared with those of all other people: of a COLLECTION, or of
    a FOLDER with one folder of photos per person (what is a folder here is taken for one).
    Thresholds are counted where enough pairs are left, foretold a hundredfold further, and refused
    beyond. The closest pairs of different people are listed: look whether they are one person.
    """
    if sum(each is not None for each in (fmr, alarms, one_in)) > 1:
        raise click.UsageError("--fmr, --alarms and --one-in exclude each other.")
    if Path(target).is_dir():
        if apply:
            raise click.UsageError(
                "A folder takes no threshold: `facesearch collections change NAME --threshold`."
            )
        subject = _folder(Path(target), pack_name, gallery)
    elif pack_name is not None:
        raise click.UsageError("--pack is for folders; a collection has its pack.")
    else:
        subject = _collection(target, faces, gallery)
    if (fmr, alarms, one_in) == (None, None, None) and subject.collection is not None:
        one_in = subject.collection.alarm_budget
    if apply and one_in is not None and gallery is not None:
        raise click.UsageError("A budget follows the collection's size; leave out --gallery.")
    wish = _wish(subject.found, fmr, alarms if one_in is None else 1 / one_in)
    if apply and subject.collection is not None:
        subject = _apply(subject, subject.collection, wish, one_in)
    if as_json:
        common.print_json(plain_subject(subject, wish))
    else:
        show(document(subject, wish))
    write(document(subject, wish), lambda: _pictures(subject), plots=plots, report=report)


def _folder(folder: Path, pack_name: str | None, gallery: int | None) -> Subject:
    people = find_people(folder, searched=False)
    measured = Measured(pack_name)
    analysis = measured.analyse(paths(people))
    numbers = {name: number for number, name in enumerate(people)}
    known = [
        (name, sample)
        for name, sample in zip(labels(people), analysis.samples, strict=True)
        if sample.embedding is not None
    ]
    if not known:
        raise InvalidRequest(f"No photo in {folder} has a usable face.")
    with progress_bar(len(known), "faces compared") as progress:
        found = calibration.calibrate(
            np.stack([sample.embedding for _, sample in known if sample.embedding is not None]),
            np.array([numbers[name] for name, _ in known]),
            gallery=gallery or len(known),
            progress=progress,
        )
    setting = measured.setting()
    return Subject(
        title=f"Thresholds by the people of {folder.name}, pack {setting['pack']}",
        threshold=measured.pack.threshold,
        threshold_source=measured.pack.threshold_source,
        found=found,
        names=[name for name, _ in known],
        places=[str(sample.path.relative_to(folder)) for _, sample in known],
        facts=(
            ("pack", f"{setting['pack']} on {setting['device']}"),
            (
                "without a face",
                f"{failures(analysis.failures)} of {len(analysis.samples):,} photos",
            ),
            *machine_facts(setting),
        ),
        collection=None,
    )


def _collection(name: str, most: int, gallery: int | None) -> Subject:
    with system() as services, services.pool.connection() as conn:
        home = collections.find(conn, name)
        faces = use.named_faces(conn, home, limit=most)
    chosen = (("chosen", f"{most:,} faces, evenly"),) if len(faces.who) == most else ()
    with progress_bar(len(faces.who), "faces compared") as progress:
        found = calibration.calibrate(
            faces.embeddings,
            faces.owners,
            gallery=gallery or max(1, home.face_count),
            progress=progress,
        )
    return Subject(
        title=f"Thresholds by the people of the collection {home.name}",
        threshold=home.threshold,
        threshold_source=home.threshold_source,
        found=found,
        names=[each.person_name for each in faces.who],
        places=[f"face {each.face_id}" for each in faces.who],
        facts=(("pack", home.pack), *chosen),
        collection=home,
    )


def _wish(found: Calibration, fmr: float | None, alarms: float | None) -> Point:
    if fmr is not None:
        return found.point(fmr)
    return found.budget(USUAL_ALARMS if alarms is None else alarms, found.gallery).point


def _apply(subject: Subject, collection: Collection, wish: Point, one_in: int | None) -> Subject:
    today = datetime.now(UTC).date()
    with system() as services, services.pool.connection() as conn:
        if one_in is None:
            changed = use.apply(conn, collection, subject.found, wish, today)
        else:
            changed = use.apply_budget(conn, collection, subject.found, one_in, today)
    return replace(
        subject,
        threshold=changed.threshold,
        threshold_source=changed.threshold_source,
        collection=changed,
    )


def _pictures(subject: Subject) -> list[Picture]:
    from web.cli.curves import of_calibration  # noqa: PLC0415  Matplotlib is slow to import

    return of_calibration(subject.found, subject.threshold)
