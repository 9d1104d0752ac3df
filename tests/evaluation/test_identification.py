"""Open-set search against a brute-force count."""

from pathlib import Path
from random import Random

import numpy as np
import pytest

from core.errors import InvalidRequest
from core.evaluation.identification import Setting, identify
from core.evaluation.photos import Sample
from core.evaluation.scores import Share


def sample(vector: np.ndarray | None, name: str = "x") -> Sample:
    if vector is None:
        return Sample(Path(name), None, "no_face_found")
    unit = (vector / np.linalg.norm(vector)).astype(np.float32)
    return Sample(Path(name), unit, "")


def people(count: int = 24, photos: int = 4, noise: float = 0.9) -> dict[str, list[Sample]]:
    random = np.random.default_rng(11)
    found = {}
    for number in range(count):
        home = random.normal(size=16)
        found[f"p{number:02}"] = [
            sample(home + noise * random.normal(size=16)) for _ in range(1 + number % photos)
        ]
    return found


def brute(
    everybody: dict[str, list[Sample]], strangers: list[str], shown: int, threshold: float
) -> tuple[int, int, int, int]:
    """Mated searches, those that find their mate, searches for strangers, those that find."""
    gallery = {n: photos[:shown] for n, photos in everybody.items() if n not in strangers}

    def best(probe: Sample) -> tuple[float, str]:
        assert probe.embedding is not None
        return max(
            (float(probe.embedding @ each.embedding), name)
            for name, photos in gallery.items()
            for each in photos
            if each.embedding is not None
        )

    mated = [(name, each) for name in gallery for each in everybody[name][shown:]]
    others = [each for name in strangers for each in everybody[name]]
    hits = sum(best(each)[1] == name and best(each)[0] >= threshold for name, each in mated)
    return len(mated), hits, len(others), sum(best(each)[0] >= threshold for each in others)


@pytest.mark.parametrize("shown", [1, 2])
def test_error_rates_are_those_of_a_plain_count(shown: int) -> None:
    everybody = people()

    # One round: nine tenths of the people are strangers.
    found = identify(everybody, Setting(shown, 0.9, seed=3))
    shuffled = sorted(everybody)
    Random(3).shuffle(shuffled)  # noqa: S311  the deal that is repeated
    mated, hits, others, alarms = brute(everybody, shuffled[:22], shown, 0.75)

    point = found.at(0.75)
    assert found.rounds == 1
    assert point.fnir == Share(mated - hits, mated)
    assert point.fpir == Share(alarms, others)


def test_nobody_is_a_stranger_twice_and_everybody_is_once() -> None:
    everybody = people(count=20)

    found = identify(everybody, Setting(1, 0.25))

    assert found.rounds == 4
    assert found.alarms.total == sum(map(len, everybody.values()))
    assert found.enrolled == 15
    assert found.mates == 3 * found.photos
    assert found.as_photos(Share(3 * 7, found.mates)) == Share(7, found.photos)


@pytest.mark.parametrize("count", [7, 11, 23])
def test_half_of_an_odd_number_of_people_are_dealt_twice_too(count: int) -> None:
    everybody = people(count=count, photos=1) | people(count=2, photos=2)

    found = identify(everybody, Setting(1, 0.5))

    assert found.rounds == 2
    assert found.alarms.total >= len(everybody) - 1


def test_photos_without_a_face_are_misses_and_their_people_not_enrolled() -> None:
    clear = np.eye(8)
    everybody = {
        "ann": [sample(clear[0]), sample(clear[0]), sample(None)],
        "bob": [sample(None), sample(clear[1])],
        "cid": [sample(clear[2]), sample(None)],
        "dan": [sample(clear[3])],
    }
    rounds = [identify(everybody, Setting(1, 0.25, seed)) for seed in range(8)]

    for found in rounds:  # each deals the same four people to four rounds
        assert found.rank_1 == Share(3, 12)
        assert found.not_enrolled == Share(3, 12)
        assert found.at(0.5).fnir == Share(9, 12)
        assert found.alarms.total == 5
        assert found.faceless == Share(6 + 3, 12 + 8)


def test_a_person_is_as_near_as_their_nearest_photo() -> None:
    near, far = np.array([1.0, 0.1, 0.0]), np.array([0.0, 1.0, 0.0])
    everybody = {
        "ann": [sample(far), sample(near), sample(np.array([1.0, 0.0, 0.0]))],
        "bob": [sample(np.array([0.9, 0.0, 0.5]))],
        "cid": [sample(np.array([0.0, 0.0, 1.0]))],
    }
    found = identify(everybody, Setting(2, 0.34))

    assert found.rank_1 == Share(2, 2)


def test_too_few_strangers_are_said_to_be_too_few() -> None:
    found = identify(people(count=24), Setting(1, 0.5))

    assert [each.trusted for each in found.targets] == [False, False]
    assert all(each.point.fpir.rate <= each.fpir for each in found.targets)


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_a_share_that_leaves_one_kind_empty_is_refused(share: float) -> None:
    with pytest.raises(InvalidRequest, match="strangers"):
        identify(people(count=4), Setting(1, share))


def test_nobody_to_search_for_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="another photo"):
        identify(people(count=6, photos=1), Setting(1, 0.5))


def test_a_gallery_without_a_face_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="usable face"):
        identify({name: [sample(None)] * 2 for name in "abcd"}, Setting(1, 0.5))
