"""What ``facesearch calibrate`` found, in words and tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isinf
from typing import Any

from core.budget import REACH, Evidence, alarms_of
from core.db.collections import Collection
from core.evaluation.calibration import LEAST_PAIRS, Budget, Calibration, Point
from core.evaluation.scores import Share
from web.cli.collections import plain_collection
from web.cli.reporting import Document, Table, plain


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What was calibrated.

    Attributes:
        threshold: In use.
        names, places: Of each face: whose it is, and where it is found.
        facts: More names and values for the report.
        collection: None for a folder.
    """

    title: str
    threshold: float
    threshold_source: str
    found: Calibration
    names: Sequence[str]
    places: Sequence[str]
    facts: tuple[tuple[str, str], ...]
    collection: Collection | None


def document(subject: Subject, wish: Point) -> Document:
    """Write the report; *wish* is the threshold that was looked for."""
    return Document(
        subject.title,
        (*_facts(subject, wish), *subject.facts),
        (_rates(subject.found), _galleries(subject.found), _closest(subject)),
    )


def plain_subject(subject: Subject, wish: Point) -> dict[str, Any]:
    """Return the same for programs."""
    found = subject.found
    return {
        "faces": found.faces,
        "people": found.people,
        "gallery": found.gallery,
        "impostor_pairs": found.scores.impostors.total,
        "mate_pairs": found.scores.mates.total,
        "rarest_measured": None if isinf(found.rarest) else found.rarest,
        "threshold": subject.threshold,
        "threshold_source": subject.threshold_source,
        "false_matches_now": plain(_now(subject)),
        "wish": plain(wish),
        "points": plain(found.points),
        "budgets": plain(found.budgets),
        "fit": plain(found.fit),
        "check": plain(found.check),
        "closest": [
            {
                "cosine": each.cosine,
                "people": [subject.names[row] for row in (each.first, each.second)],
                "faces": [subject.places[row] for row in (each.first, each.second)],
            }
            for each in found.closest
        ],
        "collection": None if subject.collection is None else plain_collection(subject.collection),
    }


def _facts(subject: Subject, wish: Point) -> list[tuple[str, str]]:
    found = subject.found
    impostors, mates = found.scores.impostors.total, found.scores.mates.total
    now = _now(subject)
    alarms = alarms_of(min(now.rate, 1 - 1e-12), found.gallery)
    return [
        ("faces", f"{found.faces:,} of {found.people:,} people"),
        ("pairs", f"{impostors:,} of different people, {mates:,} of one person"),
        ("threshold", f"{subject.threshold:.4f} ({subject.threshold_source})"),
        ("false matches", f"{now.rate:.1e} ({now.count:,} pairs of different people reach it)"),
        ("false alarms", f"{alarms:.1%} of searches for strangers among {found.gallery:,} faces"),
        ("looked for", _in_words(wish)),
        ("measured down to", _rarest(found)),
        ("fit", _fit(found)),
    ]


def _now(subject: Subject) -> Share:
    """Return the pairs of different people that reach the threshold in use."""
    return subject.found.scores.impostors.share(subject.threshold)


def _in_words(point: Point) -> str:
    if point.threshold is None:
        return f"FMR {point.fmr:.1e}: {point.evidence.value} to say"
    return f"{point.threshold:.4f} for FMR {point.fmr:.1e}, {point.evidence.value}"


def _rarest(found: Calibration) -> str:
    if isinf(found.rarest):
        return f"nothing: fewer than {LEAST_PAIRS} pairs of people"
    return f"FMR {found.rarest:.1e}, reached by {LEAST_PAIRS} pairs of people"


def _fit(found: Calibration) -> str:
    if found.fit is None:
        return f"none: too few pairs, or they are of fewer than {LEAST_PAIRS} pairs of people"
    made = f"exponential, of the {found.fit.pairs:,} closest pairs"
    if found.check is None:
        return f"{made}; too few to check it"
    return (
        f"{made}; where fits to one half put FMR {found.check.fmr:.1e}, "
        f"{found.check.found.rate:.1e} of the other half pass"
    )


def _rates(found: Calibration) -> Table:
    return Table(
        "Thresholds by false match rate",
        ("FMR", "cosine", "", "FMR here", "TAR"),
        tuple((f"{point.fmr:g}", *_cells(point)) for point in found.points),
        f"Measured: {LEAST_PAIRS} or more pairs of people are left above the threshold. "
        f"Extrapolated: foretold by the fit, at most {REACH} times rarer than what was measured.",
    )


def _galleries(found: Calibration) -> Table:
    return Table(
        "Thresholds by false alarms of a whole gallery",
        ("faces", "alarms", "FMR", "cosine", "", "FMR here", "TAR"),
        tuple(_row(budget, found) for budget in found.budgets),
        "Alarms: share of searches for strangers that find anybody, 1 - (1 - FMR)^faces.",
    )


def _row(budget: Budget, found: Calibration) -> tuple[str, ...]:
    size = f"{budget.gallery:,}" + (" (now)" if budget.gallery == found.gallery else "")
    return (size, f"{budget.alarms:.1%}", f"{budget.point.fmr:.1e}", *_cells(budget.point))


def _cells(point: Point) -> tuple[str, ...]:
    if point.threshold is None or point.false_matches is None or point.tar is None:
        return "", Evidence.NONE.value, "", ""
    here = f"{point.false_matches.rate:.1e} ({point.false_matches.count:,})"
    tar = f"{point.tar.rate:.2%}" if point.tar.total else "no mates"
    return f"{point.threshold:.4f}", point.evidence.value, here, tar


def _closest(subject: Subject) -> Table:
    rows = tuple(
        (
            f"{each.cosine:.3f}",
            *(subject.names[row] for row in (each.first, each.second)),
            *(subject.places[row] for row in (each.first, each.second)),
        )
        for each in subject.found.closest
    )
    return Table(
        "Closest pairs of different people",
        ("cosine", "one", "other", "face of one", "face of other"),
        rows,
        "One person under two names makes every threshold too high: name them alike, then "
        "calibrate again. Twins are what they are.",
    )
