"""The made-up galleries are what they are said to be, and exact search of them is exact."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.gallery import QUERIES, Gallery, Set, Source, exact, gallery, statistics
from benchmarks.lfw import halves


@pytest.fixture(scope="module", params=["A", "B"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """A gallery of each set."""
    kind: Set = request.param
    return gallery(tmp_path_factory.mktemp("galleries"), kind, 5_000, photos=None)


EXPECTED = {"A": (0.0, 0.054, 0.64), "B": (0.014, 0.051, 0.54)}


def test_strangers_and_mates_are_as_alike_as_the_set_promises(small: Gallery) -> None:
    found = list(statistics(small).values())[:3]

    assert found == pytest.approx(EXPECTED[small.kind], abs=0.02)


def test_every_query_has_mates_in_the_gallery_and_is_not_in_it(small: Gallery) -> None:
    assert len(small.queries) == QUERIES
    assert np.isin(small.query_owners, small.owners).all()
    assert small.cosines.max() < 0.9999


def test_vectors_are_of_length_one(small: Gallery) -> None:
    lengths = np.linalg.norm(small.vectors, axis=1)

    assert lengths == pytest.approx(1, abs=1e-5)


def test_a_made_gallery_is_opened_and_not_made_again(small: Gallery) -> None:
    before = (small.folder / "vectors.npy").stat().st_mtime_ns

    gallery(small.folder.parent, small.kind, 5_000, photos=None)

    assert (small.folder / "vectors.npy").stat().st_mtime_ns == before


def test_the_same_people_come_again_from_the_same_numbers() -> None:
    owners = np.array([7, 3, 7])

    first, second = (Source("B", 1_000).faces(owners, stream=1) for _ in range(2))

    assert np.array_equal(first, second)
    assert not np.array_equal(first, Source("B", 2_000).faces(owners, stream=1))


def test_exact_search_gives_the_nearest_of_all_parts_best_first() -> None:
    random = np.random.default_rng(0)
    vectors = random.standard_normal((45_000, 8), np.float32)
    queries = random.standard_normal((3, 8), np.float32)

    rows, cosines = exact(vectors, queries, 5)

    all_cosines = queries @ vectors.T
    assert np.array_equal(rows, np.argsort(-all_cosines, axis=1)[:, :5])
    assert cosines == pytest.approx(np.sort(all_cosines, axis=1)[:, ::-1][:, :5])


def test_half_of_each_persons_photos_are_queries() -> None:
    vectors = np.eye(6, dtype=np.float32)

    split = halves(vectors, np.array([0, 0, 0, 1, 2, 2]))

    assert split.enrolled_owners.tolist() == [0, 0, 1, 2]
    assert split.query_owners.tolist() == [0, 2]
    assert np.array_equal(split.queries, vectors[[1, 5]])


def test_a_gallery_of_another_folder_is_another_gallery(tmp_path: Path) -> None:
    assert gallery(tmp_path, "B", 1_000, photos=None).folder.parent == tmp_path
