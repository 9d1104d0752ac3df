"""The pictures are pictures, of every kind of scores."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from core.budget import Fit
from core.evaluation.plots import DARK, LIGHT, Names, Theme, det, histogram, tail
from core.evaluation.scores import Scores

NAMES = Names("mates", "strangers", "FMR", "FNMR")
RANDOM = np.random.default_rng(0)
MATES = Scores.of(RANDOM.normal(0.6, 0.1, 500).clip(-1, 1))
STRANGERS = Scores.of(RANDOM.normal(0, 0.1, 5000))
NOTHING = Scores.of(np.empty(0))


def opened(data: bytes) -> Image.Image:
    picture = Image.open(BytesIO(data)).convert("RGB")
    assert picture.format is None
    assert min(picture.size) > 500
    return picture


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_curves_stand_on_the_ground_of_their_theme(theme: Theme) -> None:
    pictures = [
        histogram(MATES, STRANGERS, NAMES, 0.3, theme),
        det(MATES, 510, STRANGERS, NAMES, [("own", 0.3)], theme),
        tail(STRANGERS, Fit(0.3, 1e-3, 0.03, 300), [(1e-3, 0.3)], theme),
    ]

    ground = tuple(bytes.fromhex(theme.ground[1:]))
    for picture in map(opened, pictures):
        assert picture.getpixel((1, 1)) == ground
        assert len(picture.getcolors(2**20)) > 20


@pytest.mark.parametrize(("mates", "strangers"), [(NOTHING, NOTHING), (MATES, NOTHING),
                                                  (NOTHING, STRANGERS)])  # fmt: skip
def test_missing_scores_leave_an_empty_picture(mates: Scores, strangers: Scores) -> None:
    opened(histogram(mates, strangers, NAMES, None, LIGHT))
    opened(det(mates, mates.total, strangers, NAMES, [("own", 0.3)], LIGHT))
    opened(tail(strangers, None, [], LIGHT))
