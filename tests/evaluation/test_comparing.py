"""All pairs in blocks against all pairs at once."""

import numpy as np
import pytest

from core.evaluation import comparing
from core.evaluation.comparing import compare
from core.evaluation.scores import Scores


def faces(count: int, people: int, dimension: int = 8) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    vectors = random.normal(size=(count, dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, random.integers(0, people, count)


def brute(
    vectors: np.ndarray, owners: np.ndarray
) -> tuple[list[float], list[tuple[float, int, int]]]:
    mates, impostors = [], []
    for first in range(len(vectors)):
        for second in range(first + 1, len(vectors)):
            cosine = float(vectors[first] @ vectors[second])
            if owners[first] == owners[second]:
                mates.append(cosine)
            else:
                impostors.append((cosine, first, second))
    return mates, sorted(impostors, reverse=True)


@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
def test_every_pair_is_counted_once_whatever_the_block(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "ROWS", rows)
    vectors, owners = faces(90, 12)
    mates, impostors = brute(vectors, owners)

    found = compare(vectors, owners, lambda done: None)

    assert (found.mates.total, found.impostors.total) == (len(mates), len(impostors))
    for scores, cosines in ((found.mates, mates), (found.impostors, [c for c, *_ in impostors])):
        # A cosine on the edge of a step may fall to either side of it.
        difference = scores.counts - Scores.of(np.array(cosines)).counts
        assert np.abs(np.cumsum(difference)).max() <= 1


def test_the_tail_holds_the_largest_impostors_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "CLOSEST", 25)
    monkeypatch.setattr(comparing, "ROWS", 16)
    vectors, owners = faces(80, 10)
    _, impostors = brute(vectors, owners)

    tail = compare(vectors, owners, lambda done: None).tail

    assert tail.cosines == pytest.approx([cosine for cosine, *_ in impostors[:25]], abs=1e-6)
    pairs = list(zip(tail.first.tolist(), tail.second.tolist(), strict=True))
    assert pairs == [(first, second) for _, first, second in impostors[:25]]


def test_progress_adds_up_to_all_faces() -> None:
    vectors, owners = faces(300, 20)
    told: list[int] = []

    compare(vectors, owners, told.append)

    assert sum(told) == 300
    assert len(told) > 1
