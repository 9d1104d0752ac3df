"""Decisions about pairs of faces, looked up among many."""

import numpy as np
import pytest

from core.reports.apart import Apart

FACES = 60


@pytest.fixture
def apart() -> Apart:
    """Three hundred decisions about sixty faces."""
    random = np.random.default_rng(0)
    found = np.unique(np.sort(random.integers(0, FACES, (300, 2)), axis=1), axis=0)
    found = found[found[:, 0] != found[:, 1]]
    alike = random.random(len(found)) < 0.3
    return Apart(same=found[alike], different=found[~alike])


def test_pairs_are_found_among_some_faces_both_ways_round(apart: Apart) -> None:
    faces = np.array([0, 3, 4, 17, 30, 31, 59])
    known = {tuple(pair) for pair in np.concatenate([apart.same, apart.different]).tolist()}

    found = apart.decided(faces)

    expected = [[(min(a, b), max(a, b)) in known for b in faces.tolist()] for a in faces.tolist()]
    assert found.tolist() == expected
    assert found.any()


def test_who_was_told_apart_or_is_in_one_photo_is_never_one_person(apart: Apart) -> None:
    faces = np.arange(FACES)

    never = apart.within(faces, images=np.zeros(FACES, np.int64))

    expected = ~np.eye(FACES, dtype=bool)
    expected[tuple(apart.same.T)] = expected.T[tuple(apart.same.T)] = False
    assert (never == expected).all()


def test_where_nothing_was_decided_nothing_is_found() -> None:
    assert not Apart().decided(np.arange(3)).any()
