"""A report as PDF, to print and to hand on, with the same content as the HTML file.

Made by fpdf2, in memory: its pictures are JPEG already and are taken as they are. The font is DejaVu
Sans, which Matplotlib ships: it has Latin, Greek and Cyrillic letters, and no Chinese, Japanese or Korean ones.
"""

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Final, TypeAlias

import matplotlib as mpl
from fpdf import FPDF
from fpdf.enums import MethodReturnValue, XPos, YPos
from fpdf.fonts import TTFFont

from core.reports import figures
from core.reports.figures import Table
from core.reports.files import drawings, layout
from core.reports.files.content import Content
from core.reports.files.drawings import Drawing
from core.reports.files.layout import Card, Panel
from core.reports.files.pictures import Jpeg

FONTS: Final = Path(mpl.get_data_path()) / "fonts" / "ttf"
FAMILY: Final = "DejaVu"

MARGIN: Final = 15.0
"""Millimetres, as all lengths here."""
GAP: Final = 4.0
CROP: Final = 17.0
PHOTO: Final = 40.0
PLOT: Final = 70.0
BETWEEN: Final = 1.5
"""Pictures."""
LABELS: Final = 62.0
"""Width of what numbers are called."""

TITLE: Final = 20.0
"""Points, as all sizes of letters."""
HEADING: Final = 11.0
BODY: Final = 9.5
SMALL: Final = 8.0
LINE: Final = 1.35
"""Height of a line, of that of its letters."""
MM: Final = 25.4 / 72
"""Of a point."""

Colour: TypeAlias = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

INK: Final = (23, 28, 36)
SOFT: Final = (86, 96, 114)
RULE: Final = (221, 226, 233)
ACCENT: Final = (36, 86, 214)

PAGES: Final = "\ue000"
"""Stands for the number of pages until that is known; a letter for private use, which no name has."""

UNKNOWN: Final = "\N{WHITE SQUARE}"
"""Stands for letters that the font does not have."""

BETTER: Final = "the report as HTML shows them."


class Paper(FPDF):
    """Pages with a footer, and texts in one font."""

    def __init__(self, title: str, where: str) -> None:
        super().__init__(format="A4")
        self._where = f"{title} · {where}"
        self.lacks = False
        self.set_margin(MARGIN)
        self.set_auto_page_break(True, MARGIN + GAP)
        self.c_margin = 0.0  # texts begin where pictures do
        self.add_font(FAMILY, "", FONTS / "DejaVuSans.ttf")
        self.add_font(FAMILY, "B", FONTS / "DejaVuSans-Bold.ttf")
        font = self.fonts[FAMILY.lower()]
        assert isinstance(font, TTFFont), "it was read from a file"
        self._letters = frozenset(font.cmap)
        self.alias_nb_pages(PAGES)
        self.set_title(self._known(self._where))
        self.set_creator("facesearch")
        self.set_lang("en")
        self.add_page()

    def footer(self) -> None:
        """Write what this is, and the number of the page."""
        self.set_y(-MARGIN)
        page = f"page {self.page_no()} of {PAGES}"
        self._style(SMALL, SOFT)
        width = self.epw - self.get_string_width(f"page {self.page_no()} of 999") - GAP
        self.cell(width, text=self._cut(self._where, width))
        self.cell(0, text=page, align="R")

    def say(
        self,
        text: str,
        size: float = BODY,
        colour: Colour = INK,
        *,
        bold: bool = False,
        width: float = 0,
    ) -> None:
        """Write a text from here to the right margin, or *width* wide, and go to the next line."""
        self._style(size, colour, bold=bold)
        self.multi_cell(
            width,
            size * MM * LINE,
            self._known(text),
            align="L",
            new_x=XPos.LMARGIN,
            new_y=YPos.NEXT,
        )

    def height_of(self, text: str, size: float, *, bold: bool = False, width: float = 0) -> float:
        """Return how high `say` writes a text."""
        self._style(size, INK, bold=bold)
        height = self.multi_cell(
            width,
            size * MM * LINE,
            self._known(text),
            align="L",
            dry_run=True,
            output=MethodReturnValue.HEIGHT,
        )
        assert isinstance(height, float), "it was asked for alone"
        return height

    def _style(self, size: float, colour: Colour, *, bold: bool = False) -> None:
        self.set_font(FAMILY, "B" if bold else "", size)
        self.set_text_color(*colour)

    def _known(self, text: str) -> str:
        """Replace letters that the font does not have, and remember that there were some."""
        shown = "".join(
            each if ord(each) in self._letters or each == "\n" else UNKNOWN for each in text
        )
        self.lacks = self.lacks or shown != text
        return shown

    def _cut(self, text: str, width: float) -> str:
        """Return as much of a text as fits into one line."""
        shown = self._known(text)
        while self.get_string_width(shown) > width:
            shown = f"{shown[:-2]}…"
        return shown


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
        notes.append(f"{UNKNOWN} stands for letters that this file has no font for: {BETTER}")
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
    facts = "   ".join(f"{name} {value}" for name, value in card.facts)
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
    new = "  ·  new" if card.is_new else ""
    paper.say(
        f"{card.number}  {card.kind}{new}", HEADING, ACCENT if card.is_new else INK, bold=True
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
