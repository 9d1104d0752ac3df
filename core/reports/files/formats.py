"""In which forms a report can be had as a file."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Final

from core.db.reports import Report
from core.reports.files import as_csv, as_html, as_json
from core.reports.files.content import Content


class Format(StrEnum):
    """A form; its value is the ending of such a file."""

    JSON = "json"
    CSV = "csv"
    HTML = "html"
    PDF = "pdf"


MEDIA_TYPES: Final[Mapping[Format, str]] = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv",
    Format.HTML: "text/html",
    Format.PDF: "application/pdf",
}

_WRITERS: Final[Mapping[Format, Callable[[Content], Iterator[bytes]]]] = {
    Format.JSON: as_json.write,
    Format.CSV: as_csv.write,
    Format.HTML: as_html.write,
}


def write(content: Content, form: Format) -> Iterator[bytes]:
    """Yield the file of a report.

    Raises:
        ReportNotFound: It was deleted meanwhile: what was told is not all, and must not look so.
        OSError, StorageUnavailable: Pictures for HTML or PDF cannot be read.
    """
    if form is Format.PDF:
        from core.reports.files import as_pdf  # noqa: PLC0415  fpdf2 and fonts: few ask for it

        return as_pdf.write(content)
    return _WRITERS[form](content)


def name_of(report: Report, form: Format) -> str:
    """Return what the file is called: look-alikes-2026-11-30.pdf."""
    made = report.finished_at or report.created_at
    return f"{report.name}-{made:%Y-%m-%d}.{form}"
