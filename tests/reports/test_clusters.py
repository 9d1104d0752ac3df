"""Groups of faces, and what keeps faces apart or together."""

import numpy as np
import pytest
from numpy.typing import NDArray

from core import neighbours
from core.reports import clusters, scale
from core.reports.apart import Apart
from core.reports.material import Edges
from core.reports.scale import Scale
from tests.casts import THRESHOLD, directions, near

PEOPLE = 30
NOTHING = np.empty((0, 2), np.int64)


def crowd(*parts: NDArray[np.float32]) -> NDArray[np.float16]:
    """Some strangers' faces, then those of a test."""
    strangers = np.concatenate(
        [near(each, 0.9, 3, seed=number) for number, each in enumerate(directions(PEOPLE, seed=5))]
    )
    return np.concatenate([strangers, *parts]).astype(np.float16)


def find(
    halves: NDArray[np.float16], apart: Apart | None = None, images: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    found = neighbours.nearest(halves, np.arange(len(halves)), 12)
    edges = Edges(found.rows.astype(np.int64), found.cosines)
    photos = np.arange(len(halves)) if images is None else images
    return clusters.find(halves, edges, photos, apart or Apart(), scale.measure(halves, THRESHOLD))


def test_faces_of_one_person_are_one_group_and_strangers_are_alone() -> None:
    found = find(crowd(directions(4, seed=77)))

    assert len(np.unique(found)) == PEOPLE + 4
    assert all(len(set(found[3 * n : 3 * n + 3].tolist())) == 1 for n in range(PEOPLE))


def test_a_face_between_two_people_does_not_make_them_one() -> None:
    one, other = directions(2, seed=8)
    between = (one + other) / np.linalg.norm(one + other)
    chain = np.concatenate([near(one, 0.9, 6, seed=1), near(other, 0.9, 6, seed=2), between[None]])

    found = find(crowd(chain))[-13:]

    assert found[0] == found[5]
    assert found[6] == found[11]
    assert found[0] != found[6]


def test_two_faces_of_one_photo_are_two_people() -> None:
    who = near(directions(1, seed=9)[0], 0.95, 4, seed=3)
    halves = crowd(who)
    images = np.arange(len(halves))
    images[-1] = images[-2]

    found = find(halves, images=images)

    assert found[-1] != found[-2]
    assert found[-3] in {found[-1], found[-2]}


@pytest.mark.parametrize("size", [4, 60])
def test_faces_that_a_person_parted_stay_apart_however_many_are_like_both(size: int) -> None:
    halves = crowd(near(directions(1, seed=9)[0], 0.95, size, seed=3))
    last = len(halves) - 1
    apart = Apart(same=NOTHING, different=np.array([[last - 1, last]]))

    found = find(halves, apart)

    assert found[last - 1] != found[last]


def test_the_same_face_twice_can_be_parted_too() -> None:
    who = np.repeat(directions(1, seed=9), 3, axis=0)
    halves = crowd(who)
    last = len(halves) - 1
    apart = Apart(same=NOTHING, different=np.array([[last - 1, last]]))

    found = find(halves, apart)

    assert found[last - 1] != found[last]


def test_strangers_whom_a_person_called_the_same_are_one_group_even_in_one_photo() -> None:
    halves = crowd(directions(2, seed=10))
    last = len(halves) - 1
    images = np.arange(len(halves))
    images[last] = images[last - 1]

    found = find(halves, Apart(same=np.array([[last - 1, last]]), different=NOTHING), images)

    assert found[last - 1] == found[last]
    assert len(np.unique(found)) == PEOPLE + 1


def test_a_component_that_is_too_large_is_cut_by_firmer_links(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clusters, "LARGEST", 10)
    one, other = directions(2, seed=8)
    both = np.concatenate([near(one, 0.95, 9, seed=1), near(other, 0.95, 9, seed=2)])
    first, second = np.triu_indices(18, 1)
    cosines = (both @ both.T)[first, second].astype(np.float32)
    cosines[(first < 9) & (second >= 9)] = 0.5  # all are linked, those of one person more firmly

    found = clusters.components(18, first, second, cosines, 0.4)

    assert sorted(sorted(part.tolist()) for part in found) == [list(range(9)), list(range(9, 18))]


def test_a_component_of_one_vector_is_cut_into_parts_that_fit_into_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clusters, "LARGEST", 10)
    first, second = np.triu_indices(25, 1)

    found = clusters.components(25, first, second, np.ones(len(first), np.float32), 0.4)

    assert [len(part) for part in found] == [10, 10, 5]
    assert sorted(np.concatenate(found).tolist()) == list(range(25))


def test_links_are_mutual_or_have_neighbours_in_common() -> None:
    # 0 and 1 count each other; 3 counts 0 and shares with it; 4 counts 0 and shares nothing.
    near_to = np.array([[1, 2, 5], [0, 2, 5], [0, 1, 5], [0, 1, 2], [0, 6, 7]] + [[-1, -1, -1]] * 3)
    cosines = np.where(near_to >= 0, 0.9, -2).astype(np.float32)
    monkey = pytest.MonkeyPatch()
    monkey.setattr(clusters, "SHARED", 2)

    first, second, weights = clusters.links(Edges(near_to, cosines), 0.5)

    monkey.undo()
    found = set(zip(first.tolist(), second.tolist(), strict=True))
    assert {(0, 1), (0, 2), (1, 2), (0, 3)} <= found
    assert (0, 4) not in found
    assert (weights == np.float32(0.9)).all()


def test_the_scale_of_a_collection_is_that_of_its_strangers() -> None:
    strangers = directions(2000, seed=3).astype(np.float16)

    found = scale.measure(strangers, THRESHOLD)

    assert found.mean == pytest.approx(0, abs=0.005)
    assert found.deviation == pytest.approx(1 / np.sqrt(strangers.shape[1]), rel=0.05)


def test_mates_do_not_change_the_scale_of_a_small_collection() -> None:
    few = np.concatenate([near(each, 0.9, 8, seed=n) for n, each in enumerate(directions(5))])
    strangers = directions(2000, seed=3)

    found = scale.measure(few.astype(np.float16), THRESHOLD)
    alone = scale.measure(strangers.astype(np.float16), THRESHOLD)

    assert found.deviation == pytest.approx(alone.deviation, rel=0.5)


def test_the_scale_of_nobody_and_of_one_person_is_known() -> None:
    one = near(directions(1)[0], 0.99, 5).astype(np.float16)

    for halves in (one[:0], one[:1], one):
        assert scale.measure(halves, THRESHOLD) == Scale(THRESHOLD, 0.0, 0.0)


def test_a_link_asks_for_more_among_more_faces() -> None:
    measured = Scale(base=0.3, mean=0.0, deviation=0.1)

    assert measured.link(100) == measured.cosine(scale.CLUSTER)
    assert measured.link(1_000_000) > measured.link(100_000) > measured.link(100)
    assert measured.rare_between(1e-6, 3, 3) < measured.rare_between(1e-6, 1, 1)
