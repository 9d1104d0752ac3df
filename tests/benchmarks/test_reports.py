"""What the benchmarks of reports plant and how they judge, on cases worked out by hand."""

from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import report_faults
from benchmarks.report_clusters import Score
from benchmarks.report_faults import SECOND, Planted, plant, score


def test_clusters_that_are_right_have_a_score_of_one_whatever_they_are_called() -> None:
    people = np.array([0, 0, 1, 1, 2, -1])

    assert Score.of(np.array([5, 5, 3, 3, 9, 9]), people) == Score(1.0, 1.0)


def test_pairs_and_faces_are_counted_apart() -> None:
    # Of four faces of two people, three are together and one is in no cluster.
    found = Score.of(np.array([1, 1, 1, -1]), np.array([0, 0, 1, 1]))

    # Pairs: one of three is right, one of two is found.
    assert found.pairwise == pytest.approx(2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2))
    # Faces: precision 2/3, 2/3, 1/3 and 1; recall 1, 1, 1/2 and 1/2.
    precision, recall = (2 / 3 + 2 / 3 + 1 / 3 + 1) / 4, 3 / 4
    assert found.b_cubed == pytest.approx(2 * precision * recall / (precision + recall))


def test_a_score_counts_what_was_found_and_what_was_planted() -> None:
    found = score(["a", "b", "x"], ["a", "b", "c", "d"])

    assert (found.hits, found.found, found.planted) == (2, 3, 4)
    assert str(found) == "recall 0.500 (2 of 4), precision 0.667 (2 of 3)"


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    """Faults in photos of sixty people, four of each."""
    random = np.random.default_rng(0)
    for person in range(60):
        folder = tmp_path / f"Person {person:02}"
        folder.mkdir()
        for number in range(4):
            pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.jpg")
    return plant(tmp_path, seed=1, least=2)


def test_faults_are_where_they_are_said_to_be(planted: Planted) -> None:
    people = {photo.key: photo.person for photo in planted.photos}
    truth = {key: key.partition("/")[0] for key in people}

    assert len(planted.photos) == 240 + 7
    assert len(planted.copied) == 7
    assert len(planted.split) == 3
    assert len(planted.swapped) == 6
    wrong = {key for key, person in people.items() if person.removesuffix(SECOND) != truth[key]}
    assert {key for key in wrong if "#" not in key} == planted.swapped
    names = Counter(people.values())
    assert all(names[name] for pair in planted.split for name in pair)
    assert all({key.partition("#")[0] for key in pair} < pair for pair in planted.copied)


@pytest.mark.parametrize("kind", ["encoded", "scaled", "cropped"])
def test_a_copy_is_a_photo_of_other_bytes(planted: Planted, kind: str) -> None:
    data = planted.photos[0].data

    made = report_faults.copy(data, kind, np.random.default_rng(2))

    assert made != data
    assert (Image.open(BytesIO(made)).size == (32, 32)) == (kind == "encoded")
