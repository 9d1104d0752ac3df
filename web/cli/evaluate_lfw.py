"""``facesearch evaluate lfw``: pairs of photos, by the protocol of Labeled Faces in the Wild."""

from pathlib import Path
from typing import Any

import click

from core.evaluation.pairs import read_pairs
from core.evaluation.verification import LEAST_MATCHES, Fold, Verification, verify
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
    "--pairs", "pairs_file", required=True, metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="LFW's pairs.txt, or a CSV file of file_a,file_b,same.",
)  # fmt: skip
@pack_option
@threshold_option
@plots_option
@report_option
@common.json_option
def lfw(
    folder: Path,
    pairs_file: Path,
    pack_name: str | None,
    threshold: float | None,
    plots: Path | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Say of pairs of photos whether they show one person, as LFW's protocol has it.

    FOLDER holds FOLDER/name/name_0001.jpg for pairs.txt; paths in a CSV file are relative to it or
    to the file. Of ten folds each is judged at the threshold that is best for the other nine. A
    pair with a photo without a usable face counts as wrong.
    """
    pairs = read_pairs(pairs_file, folder)
    measured = Measured(pack_name)
    analysis = measured.analyse(sorted({p for pair in pairs for p in (pair.first, pair.second)}))
    found = verify(pairs, {sample.path: sample for sample in analysis.samples})
    own = measured.pack.threshold if threshold is None else threshold
    setting = measured.setting()
    document = Document(
        f"Pairs of {pairs_file.name}, pack {setting['pack']}",
        (
            *analysis_facts(setting, analysis),
            *_facts(found, own),
            *machine_facts(setting),
        ),
        (_table(found),),
    )
    if as_json:
        common.print_json(_plain(found, own) | analysis_context(setting, analysis))
    else:
        show(document)
    write(document, lambda: _pictures(found, own), plots=plots, report=report)


def _facts(found: Verification, own: float) -> list[tuple[str, str]]:
    return [
        ("pairs", f"{found.same:,} of one person, {found.different:,} of two"),
        ("not comparable", f"{found.failed:,} pairs, counted as wrong"),
        (
            "accuracy",
            f"{found.mean:.2%} ± {found.deviation:.2%} over {len(found.folds)} folds, "
            f"threshold {found.threshold:.3f} on average",
        ),
        ("best for all", _accuracy(found.best)),
        ("at its own", _accuracy(found.at(own))),
    ]


def _accuracy(fold: Fold) -> str:
    right = share(fold.correct, "pairs right")
    return f"{right} at {fold.threshold:.3f}; true rate {between(fold.correct)}"


def _table(found: Verification) -> Table:
    rows = tuple(
        (
            f"{each.fmr:g}",
            f"{each.threshold:.3f}",
            share(each.false_matches, "pairs"),
            share(each.tar, "pairs"),
            "" if each.trusted else "too few pairs",
        )
        for each in found.targets
    )
    return Table(
        "Thresholds by false match rate",
        ("FMR at most", "cosine", "FMR here", "TAR", ""),
        rows,
        f"A rate that allows fewer than {LEAST_MATCHES} false matches among these pairs says what "
        "single pairs do; `facesearch calibrate` compares every photo with every other.",
    )


def _plain(found: Verification, own: float) -> dict[str, Any]:
    return {
        **plain(found),
        "mean": found.mean,
        "deviation": found.deviation,
        "threshold": found.threshold,
        "own": plain(found.at(own)),
        "targets": plain(found.targets),
    }


def _pictures(found: Verification, own: float) -> list[Picture]:
    from web.cli.curves import of_verification  # noqa: PLC0415  Matplotlib is slow to import

    return of_verification(found, own)
