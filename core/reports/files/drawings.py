"""The plots of a report, for files."""

from dataclasses import dataclass
from typing import Literal

from core.db.reports import Report
from core.reports import plotted


@dataclass(frozen=True, slots=True)
class Drawing:
    """A plot as PNG, and what it shows."""

    title: str
    png: bytes


def drawn(report: Report, theme: Literal["light", "dark"]) -> list[Drawing]:
    """Draw what there is to draw of a report, for light or for dark pages."""
    titles = plotted.titles(report.name, report.summary)
    if not titles:
        return []
    from core.reports import plots  # noqa: PLC0415  Matplotlib takes a second, and few ask for it

    colours = plots.THEMES[theme]
    pictures = {name: plots.draw(report.name, name, report.summary, colours) for name in titles}
    return [Drawing(titles[name], png) for name, png in pictures.items() if png is not None]
