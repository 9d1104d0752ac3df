"""``facesearch evaluate identification``: open-set search, with people who are not enrolled."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from core.evaluation.identification import (
    LEAST_ALARMS,
    Identification,
    OpenSetPoint,
    Setting,
    identify,
)
from core.evaluation.photos import Analysis, Sample, find_people, paths
from web.cli import common
from web.cli.measuring import (
    Measured,
    analysis_context,
    analysis_facts,
    folder_argument,
    machine_facts,
    pack_option,
    threshold_option,
)
from web.cli.reporting import (
    Document,
    Picture,
    Table,
    between,
    plain,
    plots_option,
    report_option,
    share,
    show,
    write,
)


@click.command()
@folder_argument
@click.option(
    "--gallery-photos", type=click.IntRange(1), default=1, show_default=True,
    help="Photos enrolled of each person, the first in order of names.",
)  # fmt: skip
@click.option(
    "--strangers", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.5,
    show_default=True,
    help="Share of the people who are not enrolled; dealt out as often as nobody is one twice.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of the dealing.")
@pack_option
@threshold_option
@plots_option
@report_option
@common.json_option
def identification(
    folder: Path,
    gallery_photos: int,
    strangers: float,
    seed: int,
    pack_name: str | None,
    threshold: float | None,
    plots: Path | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Search for people who are enrolled and for strangers, as NIST reports it.

    FOLDER holds one folder per person, with photos in it. FPIR is the share of searches for
    strangers that find anybody; FNIR the share of searches for enrolled people that do not find
    them first and at the threshold. A photo without a usable face is a miss.
    """
    people = find_people(folder)
    measured = Measured(pack_name)
    analysis = measured.analyse(paths(people))
    setting = Setting(gallery_photos, strangers, seed)
    found = identify(_by_person(people, analysis.samples), setting)
    own = measured.pack.threshold if threshold is None else threshold
    quoted = measured.setting()
    document = _document(f"Open-set search in {folder.name}", found, own, analysis, quoted)
    if as_json:
        common.print_json(_plain(found, setting, own) | analysis_context(quoted, analysis))
    else:
        show(document)
    write(document, lambda: _pictures(found, own), plots=plots, report=report)


def _document(
    title: str, found: Identification, own: float, analysis: Analysis, quoted: dict[str, Any]
) -> Document:
    return Document(
        f"{title}, pack {quoted['pack']}",
        (
            *analysis_facts(quoted, analysis),
            *_facts(found),
            *machine_facts(quoted),
        ),
        (_table(found, own),),
    )


def _by_person(people: dict[str, list[Path]], samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    by_path = {sample.path: sample for sample in samples}
    return {name: [by_path[path] for path in photos] for name, photos in people.items()}


def _facts(found: Identification) -> list[tuple[str, str]]:
    times = "once" if found.rounds == 1 else f"{found.rounds} times"
    return [
        (
            "enrolled",
            f"{found.enrolled:,.0f} people with {found.photos_each:.2f} photos each, dealt {times}",
        ),
        ("not enrolled", share(found.not_enrolled, "people without a usable photo")),
        ("probes", f"{found.mates:,} of enrolled people, {found.alarms.total:,} of strangers"),
        ("without a face", share(found.faceless, "probes")),
        (
            "rank 1",
            f"{share(found.rank_1, 'probes')}; true rate {between(found.as_photos(found.rank_1))}",
        ),
    ]


def _table(found: Identification, own: float) -> Table:
    rows = [
        (f"{each.fpir:g}", *_cells(found, each.point), "" if each.trusted else "too few strangers")
        for each in found.targets
    ]
    rows.append(("own", *_cells(found, found.at(own)), ""))
    return Table(
        "Thresholds by false alarm rate",
        ("FPIR at most", "cosine", "FPIR here", "true FPIR", "FNIR", "true FNIR", ""),
        tuple(rows),
        f"N = {found.enrolled:,.0f} people. True rates: with a confidence of 95 %, if every probe "
        "were of another person; probes of one person resemble each other, which makes it wider. "
        f"A rate that allows fewer than {LEAST_ALARMS} false alarms among these strangers says "
        "what single photos do.",
    )


def _cells(found: Identification, point: OpenSetPoint) -> tuple[str, ...]:
    return (
        f"{point.threshold:.3f}",
        share(point.fpir, "strangers"),
        between(point.fpir),
        share(point.fnir, "probes"),
        between(found.as_photos(point.fnir)),
    )


def _plain(found: Identification, setting: Setting, own: float) -> dict[str, Any]:
    return {
        **plain(found),
        "strangers": found.alarms.total,
        "own": plain(found.at(own)),
        "targets": plain(found.targets),
        "dealing": plain(setting),
    }


def _pictures(found: Identification, own: float) -> list[Picture]:
    from web.cli.curves import of_identification  # noqa: PLC0415  Matplotlib is slow to import

    return of_identification(found, own)
