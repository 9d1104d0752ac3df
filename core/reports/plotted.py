"""Which plots a report has; `core.reports.plots` draws them, for which Matplotlib must be there."""

from collections.abc import Mapping
from typing import Any, Final

TITLES: Final[Mapping[str, Mapping[str, str]]] = {
    "health": {
        "scores": "Cosines of named faces",
        "quality": "Quality of the faces",
        "growth": "Growth in the last year",
    },
    "activity": {"searches": "Searches by day"},
}


def titles(report: str, summary: Mapping[str, Any]) -> dict[str, str]:
    """Return the titles of a report's plots by their names, without those of nothing."""
    return {
        name: title
        for name, title in TITLES.get(report, {}).items()
        if _has_something(name, summary)
    }


def _has_something(name: str, summary: Mapping[str, Any]) -> bool:
    if name == "quality":
        return any(summary[name]["counts"])
    return bool(summary["days" if name == "searches" else name])
