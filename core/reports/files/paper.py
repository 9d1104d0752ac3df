"""Pages of A4 on which reports are written.

The font is DejaVu Sans, which Matplotlib ships: it has Latin, Greek and Cyrillic letters, and no Chinese,
Japanese or Korean ones.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import matplotlib as mpl
from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import TTFFont

FONTS: Final = Path(mpl.get_data_path()) / "fonts" / "ttf"
FAMILY: Final = "DejaVu"

MARGIN: Final = 15.0
"""Millimetres, as all lengths here."""
GAP: Final = 4.0
NUMBER: Final = 30.0
"""Room for that of a page."""

BODY: Final = 9.5
"""Points, as all sizes of letters."""
SMALL: Final = 8.0
LINE: Final = 1.35
"""Height of a line, of that of its letters."""
MM: Final = 25.4 / 72
"""Of a point."""

Colour: TypeAlias = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

INK: Final = (23, 28, 36)
SOFT: Final = (86, 96, 114)

PAGES: Final = "\ue000" * 4
"""Stands for the number of pages until that is known; letters for private use, which no name has."""

UNKNOWN: Final = "\N{WHITE SQUARE}"
"""Stands for letters that the font does not have."""


class Paper(FPDF):
    """Pages with a footer, and texts in one font.

    Lines are broken here: fpdf2 adds a line up anew for each of its letters, several seconds of a report.

    Attributes:
        lacks: A text had letters that the font does not have.
    """

    def __init__(self, title: str, where: str) -> None:
        super().__init__(format="A4")
        self._where = f"{title} · {where}"
        self.lacks = False
        self.set_margin(MARGIN)
        self.set_auto_page_break(True, MARGIN + GAP)
        self.c_margin = 0.0  # texts begin where pictures do
        self._fonts = {bold: self._font(bold=bold) for bold in (False, True)}
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
        self.cell(text=self._lines(self._where, SMALL, self.epw - NUMBER)[0])
        self.set_x(self.l_margin)
        self.cell(0, text=page, align="R")

    def say(
        self,
        text: str,
        size: float = BODY,
        colour: Colour = INK,
        *,
        bold: bool = False,
        width: float | None = None,
    ) -> None:
        """Write a text from here on, *width* wide or to the right margin, and go to the next line."""
        self._style(size, colour, bold=bold)
        left = self.get_x()
        for line in self._lines(text, size, width or self.epw, bold=bold):
            self.set_x(left)
            self.cell(0, size * MM * LINE, line, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def height_of(
        self, text: str, size: float, *, bold: bool = False, width: float | None = None
    ) -> float:
        """Return how high `say` writes a text."""
        return len(self._lines(text, size, width or self.epw, bold=bold)) * size * MM * LINE

    def _font(self, *, bold: bool) -> TTFFont:
        style, name = ("B", "DejaVuSans-Bold.ttf") if bold else ("", "DejaVuSans.ttf")
        self.add_font(FAMILY, style, FONTS / name)
        font = self.fonts[FAMILY.lower() + style]
        assert isinstance(font, TTFFont), "it was read from a file"
        return font

    def _style(self, size: float, colour: Colour, *, bold: bool = False) -> None:
        self.set_font(FAMILY, "B" if bold else "", size)
        self.set_text_color(*colour)

    def _known(self, text: str) -> str:
        """Replace letters that the font does not have, and remember that there were some."""
        letters = self._fonts[False].cmap
        shown = "".join(each if ord(each) in letters else UNKNOWN for each in text)
        self.lacks = self.lacks or shown != text
        return shown

    def _lines(self, text: str, size: float, width: float, *, bold: bool = False) -> list[str]:
        widths = self._fonts[bold].cw
        most = 1000 * width / (size * MM)
        return broken(self._known(" ".join(text.split())), most, lambda each: widths[ord(each)])


def broken(text: str, most: float, width_of: Callable[[str], float]) -> list[str]:
    """Break a text into lines: between its words, and words that are too long anywhere.

    Args:
        most: Width of a line.
        width_of: Returns that of a letter.
    """
    lines, line, used = [], "", 0.0
    for word in text.split(" "):
        length = sum(map(width_of, word))
        if line and used + width_of(" ") + length > most:
            lines.append(line)
            line, used = "", 0.0
        elif line:
            line, used = f"{line} ", used + width_of(" ")
        for letter in word if length > most else ():
            if line and used + width_of(letter) > most:
                lines.append(line)
                line, used = "", 0.0
            line, used = line + letter, used + width_of(letter)
        if length <= most:
            line, used = line + word, used + length
    return [*lines, line]
