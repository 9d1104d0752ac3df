"""A report as it is laid out to be read: what HTML and PDF show of it, in the same words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core import reporting
from core.counting import counted
from core.reports import figures, telling, words
from core.reports.files import pictures
from core.reports.files.content import Content
from core.reports.files.pictures import MOST_FINDINGS, Jpeg, Shown
from core.reports.finding import Side


@dataclass(frozen=True, slots=True)
class Head:
    """What a report is, and its single numbers, each with what it is called."""

    title: str
    about: str
    collection: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One side of a finding.

    Attributes:
        note: How much there is of it, or which photo it is.
        pictures: JPEG, best first; None where one is not kept, or was deleted.
    """

    title: str
    note: str
    is_photo: bool
    pictures: tuple[Jpeg | None, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """A finding.

    Attributes:
        number: From 1.
        kind: In words, as *facts* are.
    """

    number: int
    kind: str
    is_new: bool
    sentence: str
    panels: tuple[Panel, ...]
    facts: tuple[tuple[str, str], ...]


def head(content: Content) -> Head:
    """Say what the report is."""
    report = content.report
    by = "the schedule" if report.actor == reporting.SCHEDULE else report.actor
    made = [] if report.finished_at is None else [("Made", figures.moment(report.finished_at))]
    found = [("Findings", figures.found(report, content.previous))] if _finds(content) else []
    return Head(
        words.title(report.name),
        words.about(report.name),
        content.collection.name,
        (
            ("Collection", content.collection.name),
            *made,
            ("Asked for by", by),
            *found,
            *figures.facts(report),
        ),
    )


def cards(content: Content) -> Iterator[Card]:
    """Yield the findings that files with pictures have.

    Raises:
        ReportNotFound: It was deleted meanwhile.
        OSError, StorageUnavailable: Pictures cannot be read.
    """
    for shown in pictures.shown(content):
        finding = shown.told.finding
        titles = words.side_words(finding, telling.names(shown.told.people))
        sides = zip(titles, shown.told.sides, shown.pictures, strict=True)
        yield Card(
            number=finding.position + 1,
            kind=words.kind_words(finding.kind),
            is_new=finding.is_new,
            sentence=shown.told.sentence,
            panels=tuple(_panel(shown, *each) for each in sides),
            facts=_facts(content, finding.facts),
        )


def notes(content: Content) -> list[str]:
    """Say what the file leaves out."""
    told = []
    if content.only_new:
        told.append("Findings that the version before has, too, are left out.")
    if content.count > MOST_FINDINGS:
        told.append(
            f"Shown are the first {MOST_FINDINGS:,} of {content.count:,} findings; the report as "
            "JSON or CSV has all of them."
        )
    every = sum(content.report.summary.get("kinds", {}).values())
    if every > content.report.findings:
        told.append(
            f"The report keeps the {content.report.findings:,} findings that matter most, of "
            f"{every:,}."
        )
    return told


def _facts(
    content: Content, facts: Mapping[str, float | int | str | None]
) -> tuple[tuple[str, str], ...]:
    called = words.fact_words(content.report.name).items()
    return tuple((label, words.fact_text(key, facts[key])) for key, label in called if key in facts)


def _finds(content: Content) -> bool:
    """Say whether such a report has findings, or numbers alone."""
    return bool(words.fact_words(content.report.name))


def _panel(shown: Shown, title: str, side: Side, there: tuple[Jpeg | None, ...]) -> Panel:
    if not shown.of_photos:
        faces = counted(side.count, "face")
        note = faces if side.count <= len(there) else f"{faces}, {len(there)} shown"
        return Panel(title, note, False, there)
    photo = None if side.image_id is None else shown.photos.get(side.image_id)
    if photo is None:
        return Panel(title, "deleted since", True, there)
    size = f"{photo.width:,} × {photo.height:,} pixels"  # noqa: RUF001
    return Panel(title, f"{photo.filename}, {size}" if photo.filename else size, True, there)
