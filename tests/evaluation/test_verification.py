"""The ten folds of LFW against a plain search for the best threshold."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidRequest
from core.evaluation.pairs import Pair
from core.evaluation.photos import Sample
from core.evaluation.scores import STEP, Share
from core.evaluation.verification import Verification, verify

START = Path("start")


def verified(cosines: list[float | None], same: list[bool], folds: list[int]) -> Verification:
    """Pairs with these cosines; None: a photo without a face."""
    samples = {START: Sample(START, np.array([1, 0], dtype=np.float32), "")}
    pairs = []
    for number, (cosine, is_same, fold) in enumerate(zip(cosines, same, folds, strict=True)):
        path = Path(str(number))
        vector = None
        if cosine is not None:
            vector = np.array([cosine, np.sqrt(1 - cosine**2)], dtype=np.float32)
        samples[path] = Sample(path, vector, "" if cosine is not None else "no_face_found")
        pairs.append(Pair(START, path, is_same, fold))
    return verify(pairs, samples)


def most_right(cosines: np.ndarray, same: np.ndarray) -> int:
    """Pairs that the best of all thresholds gets right."""
    candidates = [-1.0, *(cosines + STEP).tolist()]
    return max(int(((cosines >= each) == same).sum()) for each in candidates)


PAIRS = st.lists(
    st.tuples(st.integers(-99, 99), st.booleans(), st.integers(0, 3)), min_size=8, max_size=60
).filter(lambda rows: len({fold for *_, fold in rows}) > 1)


@settings(max_examples=40, deadline=None)
@given(PAIRS)
def test_each_fold_is_judged_at_a_threshold_that_is_best_for_the_others(
    rows: list[tuple[int, bool, int]],
) -> None:
    # In the middle of a step, where rounding cannot move a cosine over an edge.
    cosines = np.array([number / 100 + STEP / 2 for number, *_ in rows])
    same = np.array([is_same for _, is_same, _ in rows])
    folds = np.array([fold for *_, fold in rows])

    found = verified(cosines.tolist(), same.tolist(), folds.tolist())

    assert found.best.correct == Share(most_right(cosines, same), len(rows))
    for fold, judged in zip(np.unique(folds), found.folds, strict=True):
        others, tested = folds != fold, folds == fold
        right = (cosines >= judged.threshold) == same
        assert right[others].sum() == most_right(cosines[others], same[others])
        assert judged.correct == Share(int(right[tested].sum()), int(tested.sum()))


def test_the_threshold_lies_in_the_middle_of_the_gap() -> None:
    found = verified([0.1, 0.2, 0.6, 0.7], [False, False, True, True], [0, 1, 0, 1])

    assert found.best.threshold == pytest.approx(0.4, abs=2 * STEP)
    assert found.best.correct == Share(4, 4)


def test_a_pair_without_a_face_is_wrong_whatever_its_kind() -> None:
    found = verified(
        [0.1, None, 0.9, None, 0.1, 0.9],
        [False, False, True, True, False, True],
        [0, 0, 0, 1, 1, 1],
    )

    assert found.failed == 2
    assert found.best.correct == Share(4, 6)
    assert [fold.correct for fold in found.folds] == [Share(2, 3), Share(2, 3)]
    assert found.targets[0].tar == Share(2, 3)
    assert found.targets[0].false_matches == Share(0, 2)


def test_mean_and_deviation_are_those_of_the_folds() -> None:
    found = verified([0.1, 0.9, 0.1, 0.2], [False, True, False, True], [0, 0, 1, 1])

    rates = [fold.correct.rate for fold in found.folds]
    assert found.mean == pytest.approx(np.mean(rates))
    assert found.deviation == pytest.approx(np.std(rates, ddof=1))


def test_a_rate_that_ten_pairs_cannot_show_is_not_trusted() -> None:
    random = np.random.default_rng(2)
    cosines = [*random.normal(0, 0.1, 2000), *random.normal(0.6, 0.1, 2000)]

    found = verified(cosines, [False] * 2000 + [True] * 2000, [n % 10 for n in range(4000)])

    assert [each.trusted for each in found.targets] == [True, False, False]
    assert found.targets[0].false_matches.count == pytest.approx(20, abs=1)


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="usable face"):
        verified([None, None], [True, False], [0, 1])
