"""What one person is searched by."""

import numpy as np
import pytest
from pydantic import TypeAdapter

from core.errors import BadEmbedding
from core.probes import MOST_PROBES, Fuse, Probes, chosen, fused, weight


def units(count: int, seed: int = 0, dimension: int = 16) -> Probes:
    raw = np.random.default_rng(seed).normal(size=(count, dimension))
    return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)


def test_the_mean_is_one_vector_of_length_one_between_all() -> None:
    one, two = np.eye(4, dtype=np.float32)[:2]

    (mean,) = fused([one, two], [None, None], Fuse.MEAN)

    assert mean == pytest.approx([0.5**0.5, 0.5**0.5, 0, 0])


def test_in_the_mean_each_counts_by_its_weight_and_an_unknown_one_like_the_others() -> None:
    one, two, three = np.eye(4, dtype=np.float32)[:3]

    (mean,) = fused([one, two, three], [30.0, 10.0, None], Fuse.MEAN)

    assert mean == pytest.approx(np.array([30, 10, 20, 0]) / np.sqrt(1400))


def test_a_face_of_poor_quality_or_with_a_short_embedding_counts_less() -> None:
    good = weight(20.0, 0.9)

    assert good is not None
    assert weight(20.0, 0.5) < good
    assert weight(10.0, 0.9) < good
    assert weight(10.0, 0.0) > 0
    assert weight(None, 0.9) is None


def test_faces_that_cancel_each_other_have_no_mean() -> None:
    one = np.eye(4, dtype=np.float32)[0]

    with pytest.raises(BadEmbedding):
        fused([one, -one], [20.0, 20.0], Fuse.MEAN)


def test_by_max_each_face_is_compared_with() -> None:
    vectors = units(3)

    assert fused(list(vectors), [None] * 3, Fuse.MAX) == pytest.approx(vectors)


def test_of_many_faces_each_kind_is_chosen_and_the_odd_one_last() -> None:
    looks = units(4)
    random = np.random.default_rng(1)
    kinds = np.concatenate([look + 0.03 * random.normal(size=(50, 16)) for look in looks])
    kinds = (kinds / np.linalg.norm(kinds, axis=1, keepdims=True)).astype(np.float32)
    odd = units(1, seed=9)

    found = chosen(np.concatenate([odd, kinds]), most=4)

    assert sorted((found @ looks.T).argmax(axis=1)) == [0, 1, 2, 3]
    assert (found @ odd.T).max() < 0.9


def test_no_more_are_chosen_than_a_search_compares_with() -> None:
    assert len(fused(list(units(100)), [None] * 100, Fuse.MAX)) == MOST_PROBES
    assert len(chosen(units(5))) == 5


def test_probes_survive_being_written_down_as_the_database_sees_them() -> None:
    adapter, vectors = TypeAdapter(Probes), units(2)

    read = adapter.validate_json(adapter.dump_json(vectors))

    assert read.dtype == np.float32
    assert (read == vectors.astype(np.float16)).all()
