"""Budgets of false alarms: turned into cosines, never too low, and said where they cannot be kept."""

import json
from datetime import date
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.budget import (
    HIGHEST,
    REACH,
    Curve,
    Evidence,
    Fit,
    Impostors,
    alarms_of,
    rate_of,
    threshold_at,
)
from core.errors import SetupError
from core.evaluation.scores import STEP, Scores
from core.evaluation.tails import fitted

DAY = date(2026, 11, 24)
RAREST = 1e-5
GALLERIES = st.integers(0, 10**9)
STRANGERS = st.integers(2, 10**9)


def curve(scale: float = 0.1, pairs: int = 1_000_000) -> Curve:
    """Impostors whose cosines are normal around 0."""
    cosines = np.sort(np.random.default_rng(5).normal(0, scale, pairs))[::-1]
    return Curve(Scores.of(cosines), RAREST, fitted(cosines[:20_000], pairs))


def distil(whole: Curve) -> Impostors:
    found = Impostors.of(whole, pairs=1_000_000, people=500, day=DAY)
    assert found is not None
    return found


CURVE = curve()
IMPOSTORS = distil(CURVE)


@given(st.floats(RAREST, 0.1))
def test_a_kept_cosine_is_never_below_the_counted_one_and_hardly_above(rate: float) -> None:
    exact, kept = CURVE.at(rate)[0], IMPOSTORS.curve.at(rate)[0]

    assert exact is not None
    assert kept is not None
    # The next rarer rate that is kept lies 11 % below; these rates fall by e in 0.08 or less.
    assert exact <= kept <= exact + 0.12 * 0.08 + STEP


@given(st.floats(RAREST / REACH, RAREST, exclude_max=True))
def test_what_is_foretold_is_the_same_as_by_the_whole_calibration(rate: float) -> None:
    assert IMPOSTORS.curve.at(rate) == CURVE.at(rate)
    assert CURVE.at(rate)[1] is Evidence.EXTRAPOLATED


@given(STRANGERS, GALLERIES, GALLERIES)
def test_a_growing_gallery_never_lowers_the_cosine(one_in: int, a: int, b: int) -> None:
    small, large = (threshold_at(IMPOSTORS, one_in, faces) for faces in sorted((a, b)))

    assert small.cosine <= large.cosine
    assert small.keeps_one_in >= large.keeps_one_in


@given(STRANGERS, STRANGERS, GALLERIES)
def test_a_stricter_budget_never_lowers_the_cosine(a: int, b: int, faces: int) -> None:
    loose, strict = (threshold_at(IMPOSTORS, one_in, faces) for one_in in sorted((a, b)))

    assert loose.cosine <= strict.cosine


@given(STRANGERS, GALLERIES)
def test_a_budget_is_kept_or_the_strictest_supported_cosine_counts(one_in: int, faces: int) -> None:
    now = threshold_at(IMPOSTORS, one_in, faces)

    if now.kept:
        assert now.keeps_one_in == one_in
        assert alarms_of(now.fmr, max(1, faces)) == pytest.approx(1 / one_in, rel=1e-6)
    else:
        assert now.fmr == IMPOSTORS.curve.reach
        assert now.cosine == IMPOSTORS.curve.at(IMPOSTORS.curve.reach)[0]
        assert 1 <= now.keeps_one_in < one_in


def test_a_kept_budget_says_what_it_stands_on() -> None:
    now = threshold_at(IMPOSTORS, 100, 10_000)

    assert (now.kept, now.evidence) == (True, Evidence.EXTRAPOLATED)
    assert now.source == (
        "at most one false alarm in 100 strangers, gallery of 10,000: FMR 1.0e-06, extrapolated; "
        "calibrated on 1,000,000 pairs of 500 people, 2026-11-24"
    )


def test_a_gallery_that_outgrew_its_calibration_says_so() -> None:
    now = threshold_at(IMPOSTORS, 1000, 1_000_000)

    assert (now.kept, now.keeps_one_in) == (False, 10)
    assert now.fmr == pytest.approx(RAREST / REACH)
    assert now.source == (
        "the strictest cosine that its calibration supports: gallery of 1,000,000, one false alarm "
        "in 10 strangers instead of 1,000; calibrate again with more people; "
        "calibrated on 1,000,000 pairs of 500 people, 2026-11-24"
    )


def test_without_a_fit_nothing_is_foretold() -> None:
    counted = distil(Curve(CURVE.counted, RAREST, None))

    assert threshold_at(counted, 100, 1000).kept
    beyond = threshold_at(counted, 100, 1100)
    assert (beyond.kept, beyond.evidence) == (False, Evidence.MEASURED)


def test_no_cosine_reaches_one() -> None:
    high = Fit(0.9, 1e-3, 0.0145, 1000)
    whole = Curve(Scores.of(np.linspace(-0.5, 0.95, 1_000_000)), RAREST, high)

    now = threshold_at(distil(whole), 10**9, 10**9)

    assert now.cosine <= HIGHEST
    assert now.fmr == pytest.approx(high.fmr(HIGHEST), rel=1e-2)
    assert not now.kept


def test_a_calibration_that_measured_nothing_keeps_nothing() -> None:
    nothing = Curve(CURVE.counted, inf, None)
    copies = Curve(Scores.of(np.ones(1_000_000)), RAREST, None)

    for each in (nothing, copies):
        assert Impostors.of(each, pairs=1, people=2, day=DAY) is None


def test_few_people_are_kept_too() -> None:
    few = Curve(Scores.of(np.linspace(0, 0.4, 30)), 0.3, None)

    now = threshold_at(distil(few), 2, 1)

    assert (now.kept, now.evidence) == (True, Evidence.MEASURED)
    assert not threshold_at(distil(few), 4, 1).kept


def test_what_is_kept_is_small_and_comes_back_from_json_whole() -> None:
    text = json.dumps(IMPOSTORS.plain())

    assert Impostors.read(json.loads(text)) == IMPOSTORS
    assert len(text) < 2000


def test_what_another_version_kept_is_not_read_as_if_it_were_ours() -> None:
    with pytest.raises(SetupError, match="another version"):
        Impostors.read({**IMPOSTORS.plain(), "version": 2})


@given(st.floats(1e-6, 0.99), st.integers(1, 10_000_000))
def test_alarms_and_rates_undo_each_other(alarms: float, gallery: int) -> None:
    assert alarms_of(rate_of(alarms, gallery), gallery) == pytest.approx(alarms, rel=1e-9)
