"""The numbers of reports, computed once more from all cosines by NumPy alone."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from types import ModuleType
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from core.db.binary import id_bytes
from core.graph import NEIGHBOURS
from core.reports import (
    health,
    look_alikes,
    poor_enrolments,
    twice_in_photo,
    two_names,
    unnamed,
    wrong_labels,
)
from core.reports.finding import Finding
from core.reports.material import Material
from core.reports.scale import CLUSTER
from core.vectors import rows_of
from tests.casts import THRESHOLD, Cast, directions, near


@dataclass(frozen=True, slots=True)
class Truth:
    """A collection as NumPy sees it: faces in the order of their ids, and all their cosines."""

    ids: list[UUID]
    owners: list[UUID | None]
    images: list[UUID]
    quality: NDArray[np.float64]
    cosines: NDArray[np.float64]

    @classmethod
    def of(cls, cast: Cast) -> "Truth":
        rows = cast.conn.execute(
            "SELECT id, person_id, image_id, quality, embedding FROM faces"
            " WHERE collection_id = %s ORDER BY id",
            [cast.collection.id],
        ).fetchall()
        vectors = np.array([row[4].to_numpy() for row in rows], np.float64)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return cls(
            ids=[row[0] for row in rows],
            owners=[row[1] for row in rows],
            images=[row[2] for row in rows],
            quality=np.array([row[3] for row in rows]),
            cosines=vectors @ vectors.T,
        )

    def of_person(self, person: UUID | None) -> list[int]:
        return [place for place, owner in enumerate(self.owners) if owner == person]

    def block(self, some: list[int], others: list[int]) -> NDArray[np.float64]:
        return self.cosines[np.ix_(some, others)]

    def place(self, face: UUID) -> int:
        return self.ids.index(face)


@pytest.fixture
def crowd(cast: Callable[[], Cast]) -> Cast:
    """Forty people of two to six faces, with every kind of trouble, and some without a name."""
    made = cast()
    random = np.random.default_rng(1)
    who = directions(40)
    for number in range(34):
        count = int(random.integers(2, 7))
        cosine = float(random.uniform(0.8, 0.9))
        quality = random.uniform(0.3, 1, count).tolist()
        made.add(near(who[number], cosine, count, seed=number), f"P{number}", quality=quality)
    made.add(near(who[0], 0.85, 4, seed=100), "P0 again")
    made.add(near(who[1], 0.85, 3, seed=101), "P1 again")
    twin = near(who[2], 0.75, 1, seed=102)[0]
    made.add(near(twin, 0.9, 4, seed=103), "Twin of P2")
    made.add(near(who[3], 0.85, 1, seed=104), "P4")  # a face of P3
    made.add(near(who[39], 0.85, 1, seed=105), "P5")  # of nobody
    made.add(near(who[6], 0.85, 2, seed=106), "P6", together=True)
    made.add(near(who[7], 0.85, 2, seed=107), together=True)
    for number in range(34, 38):
        made.add(near(who[number], 0.85, number - 31, seed=number))
    made.add(near(who[8], 0.85, 2, seed=108))  # P8, without a name
    return made


@pytest.fixture
def material(crowd: Cast) -> Material:
    return crowd.material()


@pytest.fixture
def truth(crowd: Cast) -> Truth:
    return Truth.of(crowd)


def people_of(finding: Finding) -> list[UUID]:
    return [side.person_id for side in finding.sides if side.person_id is not None]


def best_half(cosines: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sort(cosines)[::-1][: (len(cosines) + 1) // 2]


def test_clusters_are_those_of_average_linkage_over_all_cosines(
    material: Material, truth: Truth
) -> None:
    distances = 1 - truth.cosines
    photos = np.array([image.int for image in truth.images], object)
    distances[photos[:, None] == photos[None, :]] = 8
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform((distances + distances.T) / 2, checks=False), "average")
    expected = fcluster(tree, CLUSTER * (1 - THRESHOLD), "distance")

    together = material.clusters[:, None] == material.clusters[None, :]
    assert (together == (expected[:, None] == expected[None, :])).all()


def test_people_with_two_names_are_found_with_their_cosines(
    crowd: Cast, material: Material, truth: Truth
) -> None:
    found = two_names.make(material).findings

    pairs = {frozenset(people_of(each)) for each in found}
    expected = {
        frozenset({crowd.people[f"P{number}"], crowd.people[f"P{number} again"]})
        for number in (0, 1)
    }
    assert pairs >= expected
    assert pairs - expected <= {frozenset({crowd.people["P2"], crowd.people["Twin of P2"]})}
    for each in found:
        first, second = (truth.of_person(person) for person in people_of(each))
        block = truth.block(first, second)
        assert each.facts["mean_cosine"] == pytest.approx(block.mean(), abs=1e-4)
        assert each.facts["best_cosine"] == pytest.approx(block.max(), abs=1e-4)
        assert [side.count for side in each.sides] == [len(first), len(second)]
        # What is shown first is what is most alike.
        shown = [truth.place(side.faces[0]) for side in each.sides]
        assert truth.cosines[shown[0], shown[1]] == pytest.approx(block.max(), abs=1e-4)


def test_faces_with_a_wrong_name_are_found_with_what_they_are_near_to(
    crowd: Cast, material: Material, truth: Truth
) -> None:
    found = wrong_labels.make(material).findings

    kinds = {each.kind: each for each in found}
    misnamed, outlier = kinds["somebody_else"], kinds["outlier"]
    assert len(found) == 2
    assert people_of(misnamed) == [crowd.people[name] for name in ("P4", "P3", "P4")]
    assert people_of(outlier) == [crowd.people["P5"]] * 2
    for each in found:
        face = truth.place(each.sides[0].faces[0])
        own = [other for other in truth.of_person(truth.owners[face]) if other != face]
        to_own = best_half(truth.cosines[face, own])
        assert each.facts["own_mean"] == pytest.approx(to_own.mean(), abs=1e-4)
        assert each.facts["own_best"] == pytest.approx(to_own.max(), abs=1e-4)
    face = truth.place(misnamed.sides[0].faces[0])
    to_other = best_half(truth.cosines[face, truth.of_person(crowd.people["P3"])])
    assert misnamed.facts["other_mean"] == pytest.approx(to_other.mean(), abs=1e-4)
    own_mean = misnamed.facts["own_mean"]
    assert isinstance(own_mean, float)
    assert misnamed.score == pytest.approx(to_other.mean() - own_mean, abs=1e-4)


def test_look_alikes_are_all_pairs_of_people_with_a_face_near_the_threshold(
    crowd: Cast, material: Material, truth: Truth
) -> None:
    outcome = look_alikes.make(material)

    strays = set(material.homes.strays)
    members = {
        person: [face for face in truth.of_person(person) if face not in strays]
        for person in crowd.people.values()
    }
    limit = float(outcome.summary["near"])
    expected = {
        frozenset(pair): truth.block(members[pair[0]], members[pair[1]])
        for pair in combinations(members, 2)
        if truth.block(members[pair[0]], members[pair[1]]).max() >= limit
    }
    found = {frozenset(each.about): each for each in outcome.findings}
    assert found.keys() == expected.keys()
    assert found[frozenset({crowd.people["P2"], crowd.people["Twin of P2"]})].kind == "above"
    for pair, each in found.items():
        block = expected[pair]
        assert each.facts["best_cosine"] == pytest.approx(block.max(), abs=1e-4)
        assert each.facts["mean_cosine"] == pytest.approx(block.mean(), abs=1e-4)
        assert each.facts["pairs"] == block.size
        assert each.facts["pairs_above"] == (block >= THRESHOLD).sum()
        parting = each.facts["parting_threshold"]
        assert isinstance(parting, float)
        assert block.max() < parting < block.max() + 0.001
        own = np.concatenate([own_pairs(truth, members[person]) for person in pair])
        assert each.facts["own_pairs_lost"] == pytest.approx((own < parting).mean(), abs=0.02)


def own_pairs(truth: Truth, faces: list[int]) -> NDArray[np.float64]:
    return truth.block(faces, faces)[np.triu_indices(len(faces), 1)]


def test_pairs_in_one_photo_are_those_of_one_name_or_of_a_cosine_above_the_threshold(
    material: Material, truth: Truth
) -> None:
    found = {frozenset(each.about): each for each in twice_in_photo.make(material).findings}

    expected = {
        frozenset({truth.ids[a], truth.ids[b]}): truth.cosines[a, b]
        for a, b in combinations(range(len(truth.ids)), 2)
        if truth.images[a] == truth.images[b]
        and (
            truth.cosines[a, b] >= THRESHOLD
            or (truth.owners[a] is not None and truth.owners[a] == truth.owners[b])
        )
    }
    assert len(expected) == 2
    assert found.keys() == expected.keys()
    for key, each in found.items():
        assert each.facts["cosine"] == pytest.approx(expected[key], abs=1e-4)
    assert {each.kind for each in found.values()} == {"one_name", "alike"}


def test_two_faces_of_one_photo_are_found_though_neither_is_among_the_others_neighbours(
    cast: Callable[[], Cast],
) -> None:
    made = cast()
    who = directions(1)[0]
    made.add(near(who, 0.95, NEIGHBOURS + 4, seed=1))
    both = made.add(near(who, 0.7, 2, seed=2), together=True)
    material = made.material()

    (found,) = twice_in_photo.make(material).findings

    assert set(found.about) == set(both)
    one, other = rows_of(material.faces.ids, id_bytes(both))
    assert other not in material.edges.neighbours[one]
    assert one not in material.edges.neighbours[other]


@pytest.mark.parametrize("report", [look_alikes, twice_in_photo])
def test_what_is_left_out_of_a_long_report_is_counted(
    crowd: Cast, monkeypatch: pytest.MonkeyPatch, report: ModuleType
) -> None:
    whole = report.make(crowd.material())
    monkeypatch.setattr(report, "MOST_FINDINGS", 1)

    short = report.make(crowd.material())

    assert len(whole.findings) > 1
    assert short.findings == whole.findings[:1]
    assert short.summary["kinds"] == whole.summary["kinds"]


def test_groups_of_unnamed_faces_are_told_with_their_size_spread_and_who_they_may_be(
    crowd: Cast, material: Material, truth: Truth
) -> None:
    found = unnamed.make(material).findings

    sizes = [each.facts["faces"] for each in found]
    assert sizes[:4] == [6, 5, 4, 3]  # the largest first
    suggested: dict[UUID, list[Finding]] = {}
    for each in found:
        if each.kind == "suggested":
            suggested.setdefault(people_of(each)[0], []).append(each)
        faces = [truth.place(face) for face in each.sides[0].faces]
        among = truth.block(faces, faces)
        # The cosine of a face to the middle, from cosines alone.
        to_middle = among.sum(axis=1) / np.sqrt(among.sum())
        assert each.facts["mean_to_middle"] == pytest.approx(to_middle.mean(), abs=1e-4)
        assert each.facts["least_to_middle"] == pytest.approx(to_middle.min(), abs=1e-4)
        assert each.facts["images"] == len({truth.images[face] for face in faces})
    # The two faces of P7 are in one photo, so that they are two groups.
    assert {person: len(groups) for person, groups in suggested.items()} == {
        crowd.people["P7"]: 2,
        crowd.people["P8"]: 1,
    }
    for person, groups in suggested.items():
        for each in groups:
            faces = [truth.place(face) for face in each.sides[0].faces]
            nearest = truth.block(faces, truth.of_person(person)).max(axis=1)
            assert each.facts["suggested_cosine"] == pytest.approx(nearest.mean(), abs=1e-4)


def test_poor_enrolments_are_people_with_fewer_good_faces_than_enough(
    crowd: Cast, material: Material, truth: Truth
) -> None:
    found = {each.about[0]: each for each in poor_enrolments.make(material).findings}

    good = {
        person: int((truth.quality[truth.of_person(person)] >= poor_enrolments.GOOD).sum())
        for person in crowd.people.values()
    }
    expected = {person: count for person, count in good.items() if count < poor_enrolments.ENOUGH}
    assert {person: each.facts["good_faces"] for person, each in found.items()} == expected
    for person, each in found.items():
        faces = truth.of_person(person)
        assert each.facts["faces"] == len(faces)
        assert each.facts["best_quality"] == pytest.approx(truth.quality[faces].max(), abs=1e-6)
        best = truth.quality[truth.place(each.sides[0].faces[0])]
        assert best == truth.quality[faces].max()


def test_health_counts_every_pair_of_named_faces(material: Material, truth: Truth) -> None:
    summary = health.make(material).summary

    named = [place for place, owner in enumerate(truth.owners) if owner is not None]
    pairs = list(combinations(named, 2))
    cosines = np.array([truth.cosines[a, b] for a, b in pairs])
    mates = np.array([truth.owners[a] == truth.owners[b] for a, b in pairs])
    scores = summary["scores"]
    assert scores["compared_faces"] == len(named)
    assert sum(scores["mates"]["counts"]) == mates.sum()
    assert sum(scores["impostors"]["counts"]) == (~mates).sum()
    for name, chosen in (("true_match_rate", mates), ("false_match_rate", ~mates)):
        expected = (cosines[chosen] >= THRESHOLD).mean()
        assert scores[name]["rate"] == pytest.approx(expected, abs=2 / chosen.sum())
    edges = scores["mates"]["start"] + 0.01 * np.arange(len(scores["mates"]["counts"]) + 1)
    counted, _ = np.histogram(cosines[mates], edges)
    assert np.abs(counted - scores["mates"]["counts"]).sum() <= 2  # rounding at the edges
    assert summary["quality"]["counts"] == np.histogram(truth.quality, 20, (0, 1))[0].tolist()
    assert summary["faces"] == len(truth.ids)
    assert summary["unnamed_faces"] == truth.owners.count(None)
    assert sum(day["faces"] for day in summary["growth"]) == len(truth.ids)


def test_a_group_of_which_one_face_alone_looks_like_somebody_has_no_suggestion(
    cast: Callable[[], Cast],
) -> None:
    made = cast()
    ann, other = directions(2, seed=60)
    made.add(near(ann, 0.95, 3, seed=1), "Ann")
    group = near(other, 0.9, 6, seed=2)
    group[0] = near(other, 0.8, 1, seed=3)[0] * 0.9 + ann * 0.42
    group[0] /= np.linalg.norm(group[0])
    made.add(group)

    found = [each for each in unnamed.make(made.material()).findings if each.facts["faces"] == 6]

    assert [each.kind for each in found] == ["group"]
