"""Plots of health and activity: drawn where there is something, readable on both grounds."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.reports import plots, plotted

HEALTH: dict[str, Any] = {
    "threshold": 0.4,
    "scores": {
        "mates": {"start": 0.5, "step": 0.01, "counts": [1, 0, 3], "total": 4},
        "impostors": {"start": -0.1, "step": 0.01, "counts": [5, 9], "total": 14},
    },
    "quality": {"start": 0.0, "step": 0.05, "counts": [0] * 19 + [7]},
    "growth": [{"day": "2026-11-30", "images": 3, "faces": 4}],
}
ACTIVITY: dict[str, Any] = {
    "days": [
        {"day": "2026-11-01", "searches": 9, "hits": 2},
        {"day": "2026-11-30", "searches": 4, "hits": 4},
    ]
}


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(png)).convert("RGB"))


def test_every_report_of_numbers_has_its_plots() -> None:
    health = plots.health_plots(HEALTH, plots.LIGHT)
    activity = plots.activity_plots(ACTIVITY, plots.LIGHT)

    assert [plot.name for plot in health] == ["scores", "quality", "growth"]
    assert [plot.name for plot in activity] == ["searches"]
    assert {plot.title for plot in health} == set(plotted.TITLES["health"].values())


@pytest.mark.parametrize(("theme", "is_dark"), [("light", False), ("dark", True)])
def test_a_plot_has_the_ground_of_the_page_and_ink_that_stands_out(
    theme: str, is_dark: bool
) -> None:
    drawn = plots.draw("health", "scores", HEALTH, plots.THEMES[theme])
    assert drawn is not None
    gray = pixels(drawn).mean(axis=2)

    assert (np.median(gray) < 64) == is_dark
    assert gray.max() - gray.min() > 200


def test_nothing_is_drawn_of_nothing() -> None:
    nothing = {**HEALTH, "scores": None, "growth": [], "quality": {"counts": [0, 0]}}

    assert plots.health_plots(nothing, plots.DARK) == []
    assert plots.activity_plots({"days": []}, plots.DARK) == []
    assert plots.draw("health", "scores", nothing, plots.DARK) is None
    assert plots.draw("duplicates", "scores", {}, plots.DARK) is None


def test_a_picture_is_the_same_whenever_it_is_drawn() -> None:
    first, second = (plots.draw("health", "quality", HEALTH, plots.DARK) for _ in range(2))

    assert first == second
