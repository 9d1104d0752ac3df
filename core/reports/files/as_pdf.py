"""A report as PDF, to print and to hand on, with the same content as the HTML file.

Made by fpdf2, in memory: its pictures are JPEG already and are taken as they are.
"""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Final

from core.reports import figures
from core.reports.figures import Table
from core.reports.files import drawings, layout
from core.reports.files.content import Content
from core.reports.files.drawings import Drawing
from core.reports.files.layout import Card, Panel
from core.reports.files.paper import BODY, GAP, INK, LINE, MM, SMALL, SOFT, UNKNOWN, Colour, Paper
from core.reports.files.pictures import Jpeg

CROP: Final = 17.0
"""Millimetres, as all lengths here."""
PHOTO: Final = 40.0
PLOT: Final = 70.0
BETWEEN: Final = 1.5
"""Pictures."""
LABELS: Final = 62.0
"""Width of what numbers are called."""

TITLE: Final = 20.0
"""Points."""
HEADING: Final = 11.0

RULE: Final = (221, 226, 233)
ACCENT: Final = (36, 86, 214)

LACKS: Final = (
    f"{UNKNOWN} stands for letters that this file has no font for: the report as HTML shows them."
)


def write(content: Content) -> Iterator[bytes]:
    """Yield the file, whole; of the findings, with pictures, the first 500.

    Raises:
        ReportNotFound: It was deleted meanwhile.
        OSError, StorageUnavailable: Pictures cannot be read.
    """
    head = layout.head(content)
    paper = Paper(head.title, head.collection)
    paper.say(head.title, TITLE, bold=True)
    paper.ln(1)
    paper.say(head.about, colour=SOFT)
    paper.ln(GAP)
    _facts(paper, head.facts)
    for drawing in drawings.drawn(content.report, "light"):
        _drawing(paper, drawing)
    for table in figures.tables(content.report):
        _table(paper, table)
    for card in layout.cards(content):
        _card(paper, card)
    notes = layout.notes(content)
    if paper.lacks:
        notes.append(LACKS)
    paper.ln(GAP)
    for note in notes:
        paper.say(note, SMALL, SOFT)
    yield bytes(paper.output())


def _facts(paper: Paper, facts: Sequence[tuple[str, str]]) -> None:
    for each in facts:
        _row(paper, each, (LABELS, paper.epw - LABELS), (SOFT, INK))


def _drawing(paper: Paper, drawing: Drawing) -> None:
    title = paper.height_of(drawing.title, HEADING, bold=True)
    if paper.will_page_break(GAP + title + PLOT):
        paper.add_page()
    paper.ln(GAP)
    paper.say(drawing.title, HEADING, bold=True)
    paper.image(BytesIO(drawing.png), paper.l_margin, h=PLOT, alt_text=drawing.title)


def _table(paper: Paper, table: Table) -> None:
    row = BODY * MM * LINE
    if paper.will_page_break(GAP + 4 * row):  # not a heading alone
        paper.add_page()
    paper.ln(GAP)
    paper.say(table.title, HEADING, bold=True)
    paper.ln(1)
    widths = [paper.epw / len(table.columns)] * len(table.columns)
    _row(paper, table.columns, widths, [SOFT] * len(widths))
    for each in table.rows:
        _row(paper, each, widths, [INK] * len(widths))


def _row(
    paper: Paper, cells: Sequence[str], widths: Sequence[float], colours: Sequence[Colour]
) -> None:
    """Write cells beside each other; the highest of them makes the row."""
    columns = list(zip(cells, widths, colours, strict=True))
    height = max(paper.height_of(each, BODY, width=width - GAP) for each, width, _ in columns)
    if paper.will_page_break(height):
        paper.add_page()
    left, top = paper.l_margin, paper.get_y()
    for each, width, colour in columns:
        paper.set_xy(left, top)
        paper.say(each, colour=colour, width=width - GAP)
        left += width
    paper.set_xy(paper.l_margin, top + height)


def _card(paper: Paper, card: Card) -> None:
    """Write a finding, on one page unless it is higher than that."""
    facts = " · ".join(f"{name} {value}" for name, value in card.facts)
    width = paper.epw / len(card.panels)
    panels = max(_panel_height(paper, panel, width - GAP) for panel in card.panels)
    height = (
        GAP
        + HEADING * MM * LINE
        + paper.height_of(card.sentence, BODY)
        + panels
        + paper.height_of(facts, SMALL)
    )
    if paper.will_page_break(height):
        paper.add_page()
    else:
        paper.ln(GAP / 2)
        paper.set_draw_color(*RULE)
        paper.line(paper.l_margin, paper.get_y(), paper.l_margin + paper.epw, paper.get_y())
        paper.ln(GAP / 2)
    new = " · new" if card.is_new else ""
    paper.say(
        f"{card.number}. {card.kind}{new}", HEADING, ACCENT if card.is_new else INK, bold=True
    )
    paper.say(card.sentence)
    top = paper.get_y()
    for place, panel in enumerate(card.panels):
        _panel(paper, panel, paper.l_margin + place * width, top, width - GAP)
    paper.set_xy(paper.l_margin, top + panels)
    paper.say(facts, SMALL, SOFT)


def _panel_height(paper: Paper, panel: Panel, width: float) -> float:
    size = _size(panel)
    across = max(1, int((width + BETWEEN) / (size + BETWEEN)))
    lines = -(-len(panel.pictures) // across)
    named = paper.height_of(panel.title, BODY, bold=True, width=width)
    return 1 + named + SMALL * MM * LINE + 1 + lines * (size + BETWEEN)


def _panel(paper: Paper, panel: Panel, left: float, top: float, width: float) -> None:
    """Write whose faces they are, and show them."""
    paper.set_xy(left, top + 1)
    paper.say(panel.title, bold=True, width=width)
    paper.set_x(left)
    paper.say(panel.note, SMALL, SOFT, width=width)
    size = _size(panel)
    across = max(1, int((width + BETWEEN) / (size + BETWEEN)))
    begin = paper.get_y() + 1
    for place, picture in enumerate(panel.pictures):
        x = left + (place % across) * (size + BETWEEN)
        y = begin + (place // across) * (size + BETWEEN)
        _picture(paper, picture, x, y, size)


def _size(panel: Panel) -> float:
    return PHOTO if panel.is_photo else CROP


def _picture(paper: Paper, picture: Jpeg | None, x: float, y: float, size: float) -> None:
    if picture is not None:
        paper.image(BytesIO(picture), x, y, size, size, keep_aspect_ratio=True)
        return
    paper.set_draw_color(*RULE)
    paper.rect(x, y, size, size)
    paper.set_xy(x, y + size / 2 - SMALL * MM)
    paper.say("no picture", SMALL - 1, SOFT, width=size)
