"""Thresholds that are counted, foretold and refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.budget import REACH, Evidence, alarms_of, rate_of
from core.errors import InvalidRequest
from core.evaluation.calibration import LEAST_PAIRS, Calibration, calibrate


def people(count: int, photos: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Faces around a direction for each person."""
    random = np.random.default_rng(seed)
    homes = random.normal(size=(count, 32))
    vectors = np.repeat(homes, photos, axis=0) + 0.4 * random.normal(size=(count * photos, 32))
    vectors = vectors.astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, np.repeat(np.arange(count), photos)


def calibrated(vectors: np.ndarray, owners: np.ndarray, gallery: int = 100) -> Calibration:
    return calibrate(vectors, owners, gallery=gallery, progress=lambda done: None)


def impostors(vectors: np.ndarray, owners: np.ndarray) -> np.ndarray:
    first, second = np.triu_indices(len(owners), 1)
    other = owners[first] != owners[second]
    return (vectors @ vectors.T)[first[other], second[other]]


def test_a_measured_threshold_is_the_lowest_that_keeps_its_rate() -> None:
    vectors, owners = people(200, 3)
    cosines = impostors(vectors, owners)

    point = calibrated(vectors, owners).point(1e-3)

    assert point.evidence is Evidence.MEASURED
    assert point.threshold is not None
    assert (cosines >= point.threshold).mean() <= 1e-3
    assert (cosines >= point.threshold - 2e-5).mean() > 0.99e-3
    assert point.false_matches is not None
    assert point.false_matches.count == pytest.approx((cosines >= point.threshold).sum(), abs=1)


def test_measured_means_that_ten_pairs_of_people_are_left() -> None:
    vectors, owners = people(200, 3)
    found = calibrated(vectors, owners)
    first, second = np.triu_indices(len(owners), 1)
    passing = (vectors @ vectors.T)[first, second] >= found.point(found.rarest).threshold
    other = owners[first] != owners[second]
    left = {(owners[a], owners[b]) for a, b in zip(
        first[passing & other], second[passing & other], strict=True)}  # fmt: skip

    assert len(left) == pytest.approx(LEAST_PAIRS, abs=1)  # one may lie on the edge of its step
    assert found.point(found.rarest * 0.99).evidence is not Evidence.MEASURED


def test_twins_with_many_photos_do_not_make_a_rate_measurable() -> None:
    vectors, owners = people(30, 12)
    twins = (owners == 0) | (owners == 1)
    vectors[twins] = vectors[0]

    found = calibrated(vectors, owners)

    assert found.rarest > 144 / found.scores.impostors.total
    assert {owners[found.closest[0].first], owners[found.closest[0].second]} == {0, 1}
    assert sum(each.cosine > 0.99 for each in found.closest) == 1


def test_a_fit_to_a_few_pairs_of_people_foretells_nothing() -> None:
    vectors, owners = people(60, 12)
    look_alikes = owners < 4  # six pairs of people, 864 pairs of photos
    alike = vectors[0] + 0.1 * np.random.default_rng(1).normal(size=(48, 32)).astype(np.float32)
    vectors[look_alikes] = alike / np.linalg.norm(alike, axis=1, keepdims=True)

    found = calibrated(vectors, owners)

    assert found.fit is None
    assert found.check is None
    assert found.point(found.rarest).evidence is Evidence.MEASURED
    assert found.point(found.rarest / 2).evidence is Evidence.NONE


def test_beyond_what_is_measured_a_fit_is_asked_and_beyond_that_nobody() -> None:
    found = calibrated(*people(300, 3))

    foretold, refused = found.point(found.rarest / 10), found.point(found.rarest / REACH / 2)

    assert foretold.evidence is Evidence.EXTRAPOLATED
    assert foretold.threshold is not None
    assert foretold.threshold >= found.scores.impostors.threshold(found.rarest)
    assert refused.evidence is Evidence.NONE
    assert refused.threshold is None


def test_rarer_rates_need_higher_cosines() -> None:
    found = calibrated(*people(300, 3))

    thresholds = [found.point(rate).threshold for rate in (1e-2, 1e-3, 1e-4, 1e-5, 3e-6)]

    known = [each for each in thresholds if each is not None]
    assert len(known) == 5
    assert known == sorted(known)


def test_a_few_people_say_nothing_about_rare_rates() -> None:
    found = calibrated(*people(4, 5))

    assert {point.evidence for point in found.points} == {Evidence.NONE}
    assert found.fit is None
    assert found.check is None


def test_copies_under_many_names_leave_no_threshold() -> None:
    vectors, owners = people(300, 2)
    vectors[:] = vectors[0]

    assert calibrated(vectors, owners).point(1e-3).threshold is None


def test_budgets_hold_the_gallery_of_today() -> None:
    found = calibrated(*people(50, 2), gallery=77)

    assert [each.gallery for each in found.budgets][:2] == [77, 77]
    assert {each.alarms for each in found.budgets} == {0.01, 0.001}


def test_one_person_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="two people"):
        calibrated(*people(1, 5))


@given(st.floats(1e-6, 0.99), st.integers(1, 10_000_000))
def test_the_rate_spends_the_budget_of_the_whole_gallery(alarms: float, gallery: int) -> None:
    rate = rate_of(alarms, gallery)

    assert 0 < rate <= alarms * (1 + 1e-12)
    assert alarms_of(rate, gallery) == pytest.approx(alarms, rel=1e-9)
