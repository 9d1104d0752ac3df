"""Clusters of faces without names, beside those of others on the same vectors.

    pip install scikit-learn dlib-bin
    python -m benchmarks.report_clusters DATA

All faces of the LFW photos of DATA, with det_500m and mobilefacenet; whom the main face of each photo
shows is known, and those count: other people beside them are clustered along. The others get what
helps them most: the best of many limits, chosen by the truth, where ours are the product's own.

pairwise F   of pairs of faces: precision and recall of "one person"
B-cubed F    of faces: how much of a face's cluster is its person, and of its person is in the cluster
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from benchmarks.lfw import PACK, TEST_PACKS
from core import neighbours
from core.enrolment import prominent
from core.errors import BadImage
from core.evaluation.photos import find_people
from core.graph import NEIGHBOURS
from core.inference.install import install
from core.inference.packs import read_manifest
from core.pipelines import Pipelines
from core.reports import clusters, scale
from core.reports.apart import Apart
from core.reports.material import Edges
from core.settings import Device, Settings

BATCH = 16
NOBODY = -1
ROUNDS = 3
LIMITS = np.arange(0.30, 0.72, 0.02)
"""Cosines that the others are tried with."""


@dataclass(frozen=True)
class Faces:
    """Unit vectors; *images* and *people* are numbers, of which -1 is somebody unknown."""

    vectors: NDArray[np.float32]
    images: NDArray[np.int64]
    people: NDArray[np.int64]

    @property
    def cosines(self) -> NDArray[np.float32]:
        return np.clip(self.vectors @ self.vectors.T, -1, 1)

    @property
    def distances(self) -> NDArray[np.float64]:
        found = (1 - self.cosines).astype(np.float64)
        np.fill_diagonal(found, 0)
        return (found + found.T) / 2


@dataclass(frozen=True)
class Score:
    pairwise: float
    b_cubed: float

    @classmethod
    def of(cls, labels: NDArray[np.integer], people: NDArray[np.int64]) -> "Score":
        """Judge labels of the faces whose person is known; who is in no cluster is alone."""
        alone = labels < 0
        labels = labels.copy()
        labels[alone] = labels.max() + 1 + np.arange(alone.sum())
        known = people != NOBODY
        labels, people = labels[known], people[known]
        both = Counter(zip(labels.tolist(), people.tolist(), strict=True))
        of_cluster, of_person = Counter(labels.tolist()), Counter(people.tolist())
        shared = pairs(both.values())
        precise = sum(n * n / of_cluster[label] for (label, _), n in both.items()) / len(labels)
        whole = sum(n * n / of_person[person] for (_, person), n in both.items()) / len(labels)
        return cls(
            harmonic(
                shared / max(1, pairs(of_cluster.values())),
                shared / max(1, pairs(of_person.values())),
            ),
            harmonic(precise, whole),
        )


def pairs(sizes: Iterable[int]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes)


def harmonic(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def read(data: Path) -> Faces:
    manifest = read_manifest(TEST_PACKS)
    pack = manifest.pack(PACK)
    people = find_people(data / "faces" / "lfw")
    photos = [(number, path) for number, paths in enumerate(people.values()) for path in paths]
    vectors, images, owners = [], [], []
    with tempfile.TemporaryDirectory() as models:
        install(pack, Path(models), source=data / "weights", accept_licence=True)
        settings = Settings(_env_file=None, models_dir=Path(models), device=Device.CPU)
        pipeline = Pipelines(manifest, settings)[pack.space.id]
        for start in range(0, len(photos), BATCH):
            some = photos[start : start + BATCH]
            found = pipeline.analyse([path.read_bytes() for _, path in some])
            for place, ((person, _), photo) in enumerate(zip(some, found, strict=True)):
                if isinstance(photo, BadImage) or not photo.faces:
                    continue
                main = prominent([face.face.box for face in photo.faces])
                for number, face in enumerate(photo.faces):
                    vectors.append(face.embedding)
                    images.append(start + place)
                    owners.append(person if number == main else NOBODY)
    return Faces(np.stack(vectors), np.array(images), np.array(owners))


def ours(faces: Faces, threshold: float) -> NDArray[np.int64]:
    halves = faces.vectors.astype(np.float16)
    near = neighbours.nearest(halves, np.arange(len(halves)), NEIGHBOURS)
    edges = Edges(near.rows.astype(np.int64), near.cosines)
    measured = scale.measure(halves, threshold)
    return clusters.find(halves, edges, faces.images, Apart(), measured)


def dbscan(faces: Faces, limit: float, least: int) -> NDArray[np.int64]:
    from sklearn.cluster import DBSCAN  # noqa: PLC0415  installed for this alone

    made = DBSCAN(eps=1 - limit, min_samples=least, metric="precomputed")
    return np.asarray(made.fit(faces.distances.clip(0)).labels_)


def hdbscan(faces: Faces, least: int, method: str) -> NDArray[np.int64]:
    """Without a limit of distance: with one, version 1.9 fails beside NumPy 2.4."""
    from sklearn.cluster import HDBSCAN  # noqa: PLC0415  installed for this alone

    made = HDBSCAN(
        min_cluster_size=2,
        min_samples=least,
        metric="precomputed",
        cluster_selection_method=method,
        copy=True,
    )
    return np.asarray(made.fit(faces.distances.clip(0)).labels_)


def chinese_whispers(faces: Faces, limit: float) -> NDArray[np.int64]:
    import dlib  # noqa: PLC0415  installed for this alone

    cosines = faces.cosines
    first, second = np.nonzero(np.triu(cosines >= limit, 1))
    links = [
        (a, b, weight)
        for a, b, weight in zip(
            first.tolist(), second.tolist(), cosines[first, second].tolist(), strict=True
        )
    ]
    labels = np.array(dlib.chinese_whispers(links))
    # Those behind the last face that has a link are left out.
    return np.append(labels, np.full(len(cosines) - len(labels), NOBODY))


def seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = perf_counter()
        work()
        times.append(perf_counter() - began)
    return median(times)


def best(
    faces: Faces, name: str, ways: list[tuple[str, Callable[[], NDArray[np.integer]]]]
) -> None:
    """Print the best of several ways: by each figure, the larger one."""
    scores = [(Score.of(way(), faces.people), told, way) for told, way in ways]
    first = max(scores, key=lambda each: each[0].pairwise)
    other = max(scores, key=lambda each: each[0].b_cubed)
    print(
        f"{name:<18} pairwise F {first[0].pairwise:.4f} ({first[1]}), B-cubed F "
        f"{other[0].b_cubed:.4f} ({other[1]}), {seconds(first[2]):.2f} s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    faces = read(parser.parse_args().data)
    threshold = read_manifest(TEST_PACKS).pack(PACK).threshold
    print(f"{len(faces.vectors):,} faces, of {(faces.people >= 0).sum():,} the person is known")
    best(faces, "facesearch", [("as it is", lambda: ours(faces, threshold))])
    best(
        faces,
        "DBSCAN",
        [
            (
                f"{limit:.2f}, {least} samples",
                lambda limit=limit, least=least: dbscan(faces, limit, least),
            )
            for limit in LIMITS
            for least in (1, 2, 3)
        ],
    )
    best(
        faces,
        "HDBSCAN",
        [
            (
                f"{method}, {least} samples",
                lambda method=method, least=least: hdbscan(faces, least, method),
            )
            for method in ("eom", "leaf")
            for least in (1, 2, 3)
        ],
    )
    best(
        faces,
        "Chinese whispers",
        [(f"{limit:.2f}", lambda limit=limit: chinese_whispers(faces, limit)) for limit in LIMITS],
    )


if __name__ == "__main__":
    main()
