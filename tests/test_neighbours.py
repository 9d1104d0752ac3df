"""The nearest others by products of blocks, against all cosines at once."""

import numpy as np
import pytest
from numpy.typing import NDArray

from core import neighbours
from core.neighbours import FARTHER, NOBODY, nearest, unit, within_reach


def vectors(count: int, dimension: int = 16) -> NDArray[np.float16]:
    """Unit vectors in few numbers, so that many lie near to each other."""
    made = np.random.default_rng(count).normal(size=(count, dimension))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float16)


def all_cosines(halves: NDArray[np.float16]) -> NDArray[np.float32]:
    cosines = unit(halves) @ unit(halves).T
    np.fill_diagonal(cosines, FARTHER)
    return cosines


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks both ways, the last ones short."""
    monkeypatch.setattr(neighbours, "ROWS", 70)
    monkeypatch.setattr(neighbours, "COLUMNS", 90)


@pytest.mark.parametrize("count", [1, 2, 9, 500])
def test_the_nearest_are_those_of_the_largest_cosines(count: int) -> None:
    halves = vectors(count)

    found = nearest(halves, np.arange(count), 10)

    exact = np.sort(all_cosines(halves), axis=1)[:, ::-1][:, :10]
    kept = min(10, count - 1)
    np.testing.assert_allclose(found.cosines[:, :kept], exact[:, :kept], atol=1e-6)
    assert (found.rows[:, kept:] == NOBODY).all()
    by_rows = np.take_along_axis(all_cosines(halves), np.maximum(found.rows, 0), axis=1)
    np.testing.assert_allclose(by_rows[:, :kept], exact[:, :kept], atol=1e-6)


def test_only_those_who_are_asked_for_are_answered_and_nobody_is_their_own_neighbour() -> None:
    halves = vectors(300)
    asked = np.array([3, 150, 299])

    found = nearest(halves, asked, 5)

    assert found.rows.shape == (3, 5)
    assert not (found.rows == asked[:, None]).any()
    assert (np.diff(found.cosines, axis=1) <= 0).all()


def test_vectors_that_are_the_same_are_neighbours_of_each_other() -> None:
    halves = np.repeat(vectors(50), 4, axis=0)

    found = nearest(halves, np.arange(200), 3)

    assert (found.rows // 4 == np.arange(200)[:, None] // 4).all()


def test_within_reach_is_whoever_is_nearer_than_the_last_neighbour() -> None:
    halves = vectors(400)
    asked = np.array([0, 99, 399])
    reach = nearest(halves, np.arange(400), 7).cosines[:, -1] - 1e-6

    found = within_reach(halves, asked, reach)

    rows, columns = np.nonzero(all_cosines(halves)[asked] > reach)
    assert set(zip(found.asked, found.found, strict=True)) == set(
        zip(asked[rows], columns, strict=True)
    )
    assert len(within_reach(halves, asked[:0], reach).cosines) == 0
