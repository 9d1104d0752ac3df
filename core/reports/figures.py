"""The numbers of a whole report, as files and commands show them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeAlias

from core.counting import counted
from core.db.reports import Report
from core.reports import activity, health, words

Summary: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under headings."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


LABELS: Final[Mapping[str, str]] = {
    "images": "Photos",
    "people": "People",
    "faces": "Faces",
    "named_faces": "Faces with a name",
    "unnamed_faces": "Faces without a name",
    "threshold": "Threshold",
    "near": "Near is a cosine from",
    "with_enough": "People with enough good faces",
    "without_faces": "People without a face",
    "good_quality": "Quality of a good face",
    "enough": "Good faces that are enough",
    "not_compared": "Pairs of photos that were too many to compare",
    "searches": "Searches",
    "hits": "Searches that found somebody",
    "since": "Since",
}
"""Of single numbers, in the order in which they are shown."""

NOT_TOLD: Final = ("not_compared", 0)
"""What is remarkable only where it is something."""


def found(report: Report, previous: Report | None) -> str:
    """Return how many findings there are, and how many came and went since the version before."""
    told = counted(report.findings, "finding")
    if previous is None or previous.finished_at is None:
        return told
    since = f"since {moment(previous.finished_at)}"
    if not report.added and not report.gone:
        return f"{told}, none new or gone {since}"
    return f"{told}: {report.added:,} new {since}, {report.gone:,} gone"


def moment(when: datetime) -> str:
    """Return a time as people read it: 2026-11-30 16:05 UTC."""
    return f"{when:%Y-%m-%d %H:%M} UTC"


def facts(report: Report) -> list[tuple[str, str]]:
    """Return single numbers of the whole, each with what it is called."""
    summary = report.summary
    kinds = [
        (words.kind_words(kind), f"{count:,}") for kind, count in summary.get("kinds", {}).items()
    ]
    told = [
        (label, _text(summary[name]))
        for name, label in LABELS.items()
        # Those of activity list people under this name.
        if isinstance(summary.get(name), float | int | str) and (name, summary[name]) != NOT_TOLD
    ]
    rates = _rates(summary) if report.name == health.NAME else []
    return [*kinds, *told, *rates]


def tables(report: Report) -> list[Table]:
    """Return what is counted by something: by day, by reason; without tables of nothing."""
    make = TABLES.get(report.name)
    return [] if make is None else [each for each in make(report.summary) if each.rows]


def _text(value: float | int | str) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else value


def _rates(summary: Summary) -> list[tuple[str, str]]:
    """Return what the threshold does; the numbers of a gallery of one person say nothing of that."""
    scores = summary["scores"]
    if scores is None:
        return [("At the threshold", "fewer than two people have faces: nobody can be mistaken")]
    right, wrong = scores["true_match_rate"], scores["false_match_rate"]
    alarms = scores["false_alarm_rate"]
    return [
        ("Pairs of one person that match", _share(right, 2)),
        ("Pairs of two people that match", _share(wrong, 4)),
        (
            "Searches for strangers that find somebody",
            "too few pairs to say" if alarms is None else f"{_percent(alarms, 2)}, estimated",
        ),
    ]


def _share(share: Mapping[str, float], digits: int) -> str:
    if not share["total"]:
        return "there are none"
    rate, low, high = (_percent(share[name], digits) for name in ("rate", "low", "high"))
    return (
        f"{rate} ({share['count']:,} of {share['total']:,}; with a confidence of 95 % it is "
        f"{low} to {high})"
    )


def _percent(share: float, digits: int) -> str:
    return f"{100 * share:.{digits}f} %"


def _health(summary: Summary) -> Iterator[Table]:
    if summary["scores"] is not None:
        yield Table(
            "Thresholds by what they let through",
            (
                "A stranger finds somebody",
                "Threshold",
                "Evidence",
                "Pairs of one person that match",
            ),
            tuple(_budget(each) for each in summary["scores"]["budgets"]),
        )
    yield Table(
        "Not indexed",
        ("What", "Reason", "How often"),
        tuple(
            (what, reason, f"{count:,}")
            for what, reasons in summary["failures"].items()
            for reason, count in sorted(reasons.items(), key=lambda each: -each[1])
        ),
    )
    yield Table("Quality of the faces", ("From", "To", "Faces"), tuple(_bars(summary["quality"])))
    yield Table(
        "Growth by month", ("Month", "Photos", "Faces"), _sums(summary["growth"], _month, GROWN)
    )


def _budget(budget: Summary) -> tuple[str, ...]:
    threshold, found = budget["threshold"], budget["true_match_rate"]
    return (
        f"once in {budget['one_in']:,} searches",
        "" if threshold is None else f"{threshold:.4f}",
        budget["evidence"],
        "" if found is None else _percent(found, 2),
    )


def _bars(bars: Summary) -> Iterator[tuple[str, ...]]:
    for place, count in enumerate(bars["counts"]):
        if count:
            start = bars["start"] + place * bars["step"]
            yield f"{start:.2f}", f"{start + bars['step']:.2f}", f"{count:,}"


def _activity(summary: Summary) -> Iterator[Table]:
    yield Table(
        "Searches by week",
        ("Week from", "Searches", "Found somebody"),
        _sums(summary["days"], _monday, SEARCHED),
    )
    yield Table(
        "Found most",
        ("Who", "How often"),
        tuple((each["name"], counted(each["times"], "time")) for each in summary["people"]),
    )


GROWN: Final = ("images", "faces")
SEARCHED: Final = ("searches", "hits")


def _sums(
    days: list[Summary], span: Callable[[date], str], names: tuple[str, ...]
) -> tuple[tuple[str, ...], ...]:
    """Return what came in each span of days, oldest first; a year of days is too long to read."""
    sums: dict[str, list[int]] = {}
    for day in days:
        counts = sums.setdefault(span(date.fromisoformat(day["day"])), [0] * len(names))
        for place, name in enumerate(names):
            counts[place] += day[name]
    return tuple((first, *(f"{count:,}" for count in counts)) for first, counts in sums.items())


def _month(day: date) -> str:
    return f"{day:%Y-%m}"


def _monday(day: date) -> str:
    return (day - timedelta(days=day.weekday())).isoformat()


TABLES: Final[Mapping[str, Callable[[Summary], Iterator[Table]]]] = {
    health.NAME: _health,
    activity.NAME: _activity,
}
