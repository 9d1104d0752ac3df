"""Plots of health and activity, for light pages and for dark ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from core.evaluation.plots import DARK, LIGHT, Theme, figure, legend, mark
from core.reports.plotted import titles
from core.reports.poor_enrolments import GOOD

Summary: TypeAlias = Mapping[str, Any]

THEMES: Final[Mapping[str, Theme]] = {"light": LIGHT, "dark": DARK}


LEAST_DAYS: Final = np.timedelta64(3, "D")
"""Around the first one: a scale of one day would show hours."""


@dataclass(frozen=True, slots=True, eq=False)
class Plot:
    """A picture as PNG."""

    name: str
    title: str
    png: bytes


def health_plots(summary: Summary, theme: Theme) -> list[Plot]:
    """Draw how cosines and qualities lie, and the growth."""
    return _plots("health", summary, theme)


def activity_plots(summary: Summary, theme: Theme) -> list[Plot]:
    """Draw searches and hits by day."""
    return _plots("activity", summary, theme)


def draw(report: str, name: str, summary: Summary, theme: Theme) -> bytes | None:
    """Draw one plot of a report; None: it has no such plot, or there is nothing to draw."""
    return _png(name, summary, theme) if name in titles(report, summary) else None


def _plots(report: str, summary: Summary, theme: Theme) -> list[Plot]:
    return [
        Plot(name, title, _png(name, summary, theme))
        for name, title in titles(report, summary).items()
    ]


def _png(name: str, summary: Summary, theme: Theme) -> bytes:
    with figure(theme) as (axes, stream):
        _DRAWN[name](axes, summary, theme)
        legend(axes, theme)
    return stream.getvalue()


def _scores(axes: Axes, summary: Summary, theme: Theme) -> None:
    scores = summary["scores"]
    kinds = (
        ("impostors", "two people", theme.impostors),
        ("mates", "one person", theme.mates),
    )
    for kind, label, colour in kinds:
        bars = scores[kind]
        if not bars["total"]:
            continue
        edges = bars["start"] + bars["step"] * np.arange(len(bars["counts"]) + 1)
        shares = np.array(bars["counts"]) / bars["total"]
        axes.stairs(shares, edges, fill=True, alpha=0.35, color=colour)
        axes.stairs(shares, edges, color=colour, label=f"{label} ({bars['total']:,} pairs)")
    mark(axes, summary["threshold"], theme)
    fewest = 0.5 / max(1, scores["mates"]["total"], scores["impostors"]["total"])
    axes.set(ylim=(fewest, 1), yscale="log", xlabel="cosine", ylabel="share in each 0.01")


def _quality(axes: Axes, summary: Summary, theme: Theme) -> None:
    bars = summary["quality"]
    edges = bars["start"] + bars["step"] * np.arange(len(bars["counts"]) + 1)
    axes.stairs(bars["counts"], edges, fill=True, alpha=0.35, color=theme.mates)
    axes.stairs(bars["counts"], edges, color=theme.mates, label="faces")
    axes.axvline(GOOD, color=theme.mark, linewidth=1, linestyle="--", label=f"good from {GOOD}")
    axes.set(xlim=(0, 1), xlabel="quality", ylabel="faces")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def _growth(axes: Axes, summary: Summary, theme: Theme) -> None:
    days = summary["growth"]
    for what, label, colour in (
        ("faces", "faces", theme.mates),
        ("images", "photos", theme.impostors),
    ):
        come = np.cumsum([day[what] for day in days])
        # A line through a single day would not be seen.
        marker = "o" if len(days) == 1 else ""
        axes.plot(
            _dates(days), come, color=colour, label=label, drawstyle="steps-post", marker=marker
        )
    axes.set(ylabel="added so far")
    _by_days(axes, days)


def _searches(axes: Axes, summary: Summary, theme: Theme) -> None:
    days = summary["days"]
    for what, label, colour in (
        ("searches", "searches", theme.mates),
        ("hits", "found somebody", theme.impostors),
    ):
        axes.bar(_dates(days), [day[what] for day in days], color=colour, label=label, width=0.8)
    axes.set(ylabel="a day")
    _by_days(axes, days)


def _dates(days: list[dict[str, Any]]) -> NDArray[np.datetime64]:
    return np.array([day["day"] for day in days], "datetime64[D]")


def _by_days(axes: Axes, days: list[dict[str, Any]]) -> None:
    locator = AutoDateLocator(minticks=3)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    dates = _dates(days)
    axes.set_xlim(dates[0] - LEAST_DAYS, max(dates[-1], dates[0] + LEAST_DAYS))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(0, 1.1 * axes.get_ylim()[1])


_Draw: TypeAlias = Callable[[Axes, Summary, Theme], None]

_DRAWN: Final[Mapping[str, _Draw]] = {
    "scores": _scores,
    "quality": _quality,
    "growth": _growth,
    "searches": _searches,
}
