"""Pictures of error rates and of scores, as PNG, for light pages and for dark ones.

Built on Matplotlib's figures alone, without its global state: threads may draw at the same time.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from core.budget import Fit
from core.evaluation.scores import STEP, Scores

SIZE: Final = (7.2, 4.2)
DPI: Final = 144

BAR: Final = 1000
"""Steps of a score that make one bar: 0.01."""

RAREST_SHOWN: Final = 1e-7


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours on a page."""

    ground: str
    ink: str
    faint: str
    mates: str
    impostors: str
    mark: str


LIGHT: Final = Theme("#ffffff", "#171c24", "#dde2e9", "#2456d6", "#b5480f", "#171c24")
DARK: Final = Theme("#171c23", "#eef1f5", "#2a323d", "#8fb1ff", "#f0955c", "#eef1f5")
"""Ground, ink, lines and blue are the page's (``web/static/css/base.css``)."""


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """What the axes say.

    Attributes:
        false: Of wrongly found strangers, e.g. FMR.
        missed: Of mates that were not found, e.g. FNMR.
    """

    mates: str
    impostors: str
    false: str
    missed: str


def histogram(
    mates: Scores, impostors: Scores, names: Names, threshold: float | None, theme: Theme
) -> bytes:
    """Draw how the cosines of both kinds lie, and the threshold between them."""
    with figure(theme) as (axes, stream):
        for scores, name, colour in (
            (impostors, names.impostors, theme.impostors),
            (mates, names.mates, theme.mates),
        ):
            edges, shares = _bars(scores)
            axes.stairs(shares, edges, fill=True, alpha=0.35, color=colour)
            axes.stairs(shares, edges, color=colour, label=f"{name} ({scores.total:,})")
        _limit(axes, (mates, impostors))
        mark(axes, threshold, theme)
        fewest = 0.5 / max(1, mates.total, impostors.total)
        axes.set(ylim=(fewest, 1), yscale="log", xlabel="cosine", ylabel="share in each 0.01")
        legend(axes, theme)
    return stream.getvalue()


def det(
    mates: Scores,
    searches: int,
    impostors: Scores,
    names: Names,
    marks: Sequence[tuple[str, float]],
    theme: Theme,
) -> bytes:
    """Draw what is missed against what passes falsely, at every threshold.

    Args:
        searches: Of mates, those that no threshold finds included.
        marks: Names of thresholds, and the thresholds.
    """
    with figure(theme) as (axes, stream):
        false = impostors.reaching / max(1, impostors.total)
        missed = 1 - mates.reaching / max(1, searches)
        # A rate of nothing has no place on these axes: it ends at half of the smallest that has.
        lowest = 0.5 / max(1, searches)
        drawn = false > 0
        axes.plot(
            false[drawn], np.maximum(missed[drawn], lowest), color=theme.mates, drawstyle="steps"
        )
        for name, threshold in marks:
            x = impostors.share(threshold).rate
            y = max(1 - mates.share(threshold).count / max(1, searches), lowest)
            if x > 0:
                axes.plot(x, y, "o", color=theme.impostors)
                axes.annotate(
                    name, (x, y), xytext=(6, 6), textcoords="offset points", color=theme.ink
                )
        rarest = max(RAREST_SHOWN, 0.5 / max(1, impostors.total))
        axes.set(xlim=(rarest, 1), ylim=(lowest, 1), xscale="log", yscale="log")
        axes.set(xlabel=names.false, ylabel=names.missed)
    return stream.getvalue()


def tail(
    impostors: Scores, fit: Fit | None, marks: Sequence[tuple[float, float]], theme: Theme
) -> bytes:
    """Draw the false match rate of each cosine, counted and foretold.

    Args:
        marks: False match rates and their thresholds.
    """
    with figure(theme) as (axes, stream):
        cosines = np.arange(len(impostors.counts)) * STEP - 1
        rates = impostors.reaching / max(1, impostors.total)
        drawn = (rates > 0) & (rates < 1)
        axes.plot(cosines[drawn], rates[drawn], color=theme.impostors, label="counted")
        if fit is not None:
            far = np.array([fit.start, fit.threshold(RAREST_SHOWN)])
            foretold = fit.rate * np.exp(-(far - fit.start) / fit.scale)
            axes.plot(far, foretold, "--", color=theme.ink, label="foretold")
        for rate, threshold in marks:
            axes.plot(threshold, rate, "o", color=theme.mates)
            axes.annotate(
                f"{threshold:.3f}", (threshold, rate), xytext=(6, 4), textcoords="offset points",
                color=theme.ink,
            )  # fmt: skip
        axes.set(ylim=(RAREST_SHOWN, 1), yscale="log")
        axes.set(xlabel="cosine", ylabel="false match rate")
        axes.set_xlim(left=impostors.threshold(0.5))
        legend(axes, theme)
    return stream.getvalue()


@contextmanager
def figure(theme: Theme) -> Iterator[tuple[Axes, BytesIO]]:
    """Give axes to draw on; the picture is in the stream afterwards."""
    stream = BytesIO()
    drawing = Figure(figsize=SIZE, dpi=DPI, layout="constrained", facecolor=theme.ground)
    axes = drawing.add_subplot(facecolor=theme.ground)
    axes.grid(True, color=theme.faint, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=theme.ink, which="both")
    for side in axes.spines.values():
        side.set_color(theme.faint)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(theme.ink)
    yield axes, stream
    drawing.savefig(stream, format="png")


def _bars(scores: Scores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return edges and shares of bars of 0.01, from -1 to 1; a cosine of 1 is in the last."""
    counts = scores.counts[:-1].reshape(-1, BAR).sum(axis=1)
    counts[-1] += scores.counts[-1]
    edges = np.linspace(-1, 1, len(counts) + 1, dtype=np.float64)
    return edges, np.asarray(counts / max(1, scores.total), dtype=np.float64)


def _limit(axes: Axes, kinds: Sequence[Scores]) -> None:
    """Show the cosines that occur, and a little around them."""
    filled = np.flatnonzero(sum(each.counts for each in kinds))
    if len(filled):
        axes.set_xlim(filled[0] * STEP - 1.02, filled[-1] * STEP - 0.98)


def mark(axes: Axes, threshold: float | None, theme: Theme) -> None:
    """Draw a threshold, if there is one, as a line upwards."""
    if threshold is not None:
        axes.axvline(threshold, color=theme.mark, linewidth=1, linestyle="--",
                     label=f"threshold {threshold:.3f}")  # fmt: skip


def legend(axes: Axes, theme: Theme) -> None:
    """Name what was drawn, above the picture."""
    axes.legend(
        frameon=False, labelcolor=theme.ink, loc="lower left", bbox_to_anchor=(0, 1), ncols=2
    )
