"""Counting cosines in steps must say the same as the cosines themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.evaluation.scores import STEP, Scores, Share

# In the middle of steps, where rounding cannot move a cosine over an edge.
STEPS_OF_COSINES = st.lists(st.integers(0, 199_999), min_size=1, max_size=60)
COARSE = st.lists(st.integers(0, 9), min_size=1, max_size=60).map(
    lambda numbers: [number * 20_000 for number in numbers]
)


def cosines(steps: list[int]) -> np.ndarray:
    return (np.array(steps) + 0.5) * STEP - 1


@given(STEPS_OF_COSINES | COARSE, st.floats(0, 1))
def test_no_lower_threshold_keeps_the_rate(steps: list[int], rate: float) -> None:
    values = cosines(steps)

    threshold = Scores.of(values).threshold(rate)

    assert (values >= threshold).mean() <= rate
    if threshold > -1:
        assert (values >= threshold - STEP).mean() > rate


@given(STEPS_OF_COSINES, st.integers(0, 200_000))
def test_the_share_that_reaches_a_threshold_is_counted(steps: list[int], step: int) -> None:
    values = cosines(steps)
    threshold = step * STEP - 1

    assert Scores.of(values).share(threshold) == Share(int((values >= threshold).sum()), len(steps))


@given(STEPS_OF_COSINES, STEPS_OF_COSINES)
def test_sums_count_both(one: list[int], other: list[int]) -> None:
    both = Scores.of(cosines(one)) + Scores.of(cosines(other))

    assert np.array_equal(both.counts, Scores.of(cosines(one + other)).counts)


def test_cosines_that_rounding_took_beyond_one_are_counted_as_one() -> None:
    scores = Scores.of(np.array([1.0000002, -1.0000002], dtype=np.float32))

    assert scores.share(1.0) == Share(1, 2)
    assert scores.share(-1.0) == Share(2, 2)


def test_where_a_copy_is_called_a_stranger_no_cosine_keeps_a_rate_of_nothing() -> None:
    assert Scores.of(np.ones(3)).threshold(0) > 1


def test_the_interval_is_wilsons() -> None:
    low, high = Share(10, 1000).interval

    assert (low, high) == (pytest.approx(0.00544, abs=1e-5), pytest.approx(0.01831, abs=1e-5))


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_rate(share: tuple[int, int]) -> None:
    low, high = Share(*share).interval

    assert 0 <= low <= Share(*share).rate + 1e-12
    assert Share(*share).rate - 1e-12 <= high <= 1


def test_nothing_counted_may_be_any_rate() -> None:
    assert Share(0, 0).interval == (0, 1)
