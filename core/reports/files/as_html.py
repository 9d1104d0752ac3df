"""A report as one HTML file that needs nothing else: pictures, plots and style are inside, no script."""

from base64 import b64encode
from collections.abc import Iterator
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, StrictUndefined

from core.db.reports import Report
from core.reports import figures
from core.reports.files import drawings, layout
from core.reports.files.content import Content
from core.reports.files.layout import Card

PIECE: Final = 64
"""Pieces of the template that are sent at once: it yields a few characters at a time."""


def write(content: Content) -> Iterator[bytes]:
    """Yield the file; of the findings, with pictures, the first 500.

    Raises:
        ReportNotFound: It was deleted meanwhile: what was told is not all, and must not look so.
        OSError, StorageUnavailable: Pictures cannot be read.
    """
    text = (resources.files("core.reports.files") / "report.html").read_text(encoding="utf-8")
    page = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(text)
    stream = page.stream(
        head=layout.head(content),
        drawings=_drawings(content.report),
        tables=figures.tables(content.report),
        findings=map(_shown, layout.cards(content)),
        notes=layout.notes(content),
    )
    stream.enable_buffering(PIECE)
    for piece in stream:
        yield piece.encode()


def _drawings(report: Report) -> list[dict[str, str]]:
    both = zip(drawings.drawn(report, "light"), drawings.drawn(report, "dark"), strict=True)
    return [
        {
            "title": light.title,
            "light": _embedded("png", light.png),
            "dark": _embedded("png", dark.png),
        }
        for light, dark in both
    ]


def _shown(card: Card) -> dict[str, Any]:
    """Return a finding as the template has it, its pictures as addresses that hold them."""
    panels = [
        {
            "title": panel.title,
            "note": panel.note,
            "is_photo": panel.is_photo,
            "pictures": [picture and _embedded("jpeg", picture) for picture in panel.pictures],
        }
        for panel in card.panels
    ]
    return {"card": card, "panels": panels}


def _embedded(kind: str, picture: bytes) -> str:
    return f"data:image/{kind};base64,{b64encode(picture).decode()}"
