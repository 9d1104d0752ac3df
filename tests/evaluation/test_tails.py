"""The fit of the tail against tails whose rates are known."""

from math import exp

import numpy as np
import pytest

from core.evaluation import tails
from core.evaluation.comparing import Tail
from core.evaluation.tails import _even_pairs, check, fitted


def exponential(total: int, scale: float, seed: int = 1) -> np.ndarray:
    """Cosines whose tail is exponential from 0.2, where a fifth of them begin."""
    random = np.random.default_rng(seed)
    beyond = 0.2 + random.exponential(scale, total // 5)
    return np.sort(np.concatenate([random.uniform(-0.3, 0.2, total - len(beyond)), beyond]))[::-1]


def test_a_known_tail_is_foretold_far_beyond_what_was_seen() -> None:
    cosines = exponential(1_000_000, 0.03)

    fit = fitted(cosines[:20_000], len(cosines))

    assert fit is not None
    assert fit.pairs == 1000
    true = 0.2 * exp(-(fit.threshold(1e-7) - 0.2) / 0.03)
    assert true == pytest.approx(1e-7, rel=0.6)


def test_a_tail_that_ends_sooner_is_never_promised_to_be_rarer() -> None:
    cosines = np.sort(np.random.default_rng(3).normal(0, 0.1, 1_000_000))[::-1]

    fit = fitted(cosines[:20_000], len(cosines))

    assert fit is not None
    assert (cosines >= fit.threshold(1e-5)).mean() <= 1e-5


def test_too_few_pairs_give_no_fit() -> None:
    assert fitted(exponential(5000, 0.03)[:2000], 5000) is None
    assert fitted(np.array([0.5, 0.4]), 1_000_000) is None


def test_equal_cosines_give_no_fit() -> None:
    assert fitted(np.ones(20_000), 1_000_000) is None


def test_halves_are_counted_as_they_are() -> None:
    owners = np.array([0, 0, 1, 1, 1, 2, 3, 3, 4])
    pairs = [(a, b) for i, a in enumerate(owners) for b in owners[i + 1 :] if a != b]

    assert _even_pairs(owners) == sum((a + b) % 2 == 0 for a, b in pairs)


def spread(people: int, photos: int) -> tuple[Tail, np.ndarray]:
    """Faces whose impostor cosines have an exponential tail, one value for each pair."""
    owners = np.repeat(np.arange(people), photos)
    first, second = np.triu_indices(len(owners), 1)
    other = owners[first] != owners[second]
    first, second = first[other], second[other]
    order = np.random.default_rng(5).permutation(len(first))
    cosines = exponential(len(first), 0.03)[: tails.CLOSEST].astype(np.float32)
    chosen = order[: len(cosines)]
    return Tail(cosines, first[chosen], second[chosen]), owners


def test_halves_of_one_distribution_foretell_each_other() -> None:
    tail, owners = spread(500, 2)

    found = check(tail, owners, 1e-4)

    assert found is not None
    assert found.found.total == 1000 * 998 // 2
    assert found.found.rate == pytest.approx(1e-4, rel=0.5)


def test_halves_that_differ_are_seen_to_differ() -> None:
    tail, owners = spread(500, 2)
    odd = (owners[tail.first] + owners[tail.second]) % 2 == 1
    cosines = np.where(odd, tail.cosines + 0.1, tail.cosines)
    order = np.argsort(-cosines)
    moved = Tail(cosines[order], tail.first[order], tail.second[order])

    found = check(moved, owners, 1e-4)

    assert found is not None
    assert found.found.rate > 3e-4


def test_few_pairs_are_not_checked() -> None:
    tail, owners = spread(20, 2)

    assert check(tail, owners, 1e-3) is None
