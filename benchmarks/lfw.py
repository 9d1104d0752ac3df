"""Embeddings of the shared photos of LFW, as real people among the made-up ones."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.evaluation.photos import analyse, find_people, labels, paths
from core.inference.install import install
from core.inference.packs import read_manifest
from core.pipelines import Pipelines
from core.settings import Device, Settings

TEST_PACKS = Path(__file__).parents[1] / "tests" / "data" / "packs.toml"
PACK = "test_scrfd"
BATCH = 16


@dataclass(frozen=True)
class Faces:
    """Unit vectors, shape ``(n, 512)``, and a number for the person of each.

    Attributes:
        enrolled: One half of each person's faces, the larger one; *queries* are the others.
    """

    enrolled: NDArray[np.float32]
    enrolled_owners: NDArray[np.int64]
    queries: NDArray[np.float32]
    query_owners: NDArray[np.int64]


def embedded(folder: Path, photos: Path) -> Faces:
    """Run LFW of the shared *photos* through the pack of the tests, once; *folder* keeps the result."""
    kept = folder / "lfw.npz"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        vectors, owners = analysed(photos)
        np.savez(kept, vectors=vectors, owners=owners)
    loaded = np.load(kept)
    return halves(loaded["vectors"], loaded["owners"])


def halves(vectors: NDArray[np.float32], owners: NDArray[np.int64]) -> Faces:
    """Take every other face of each person as a query; *owners* are in order."""
    first = np.searchsorted(owners, owners)
    asked = (np.arange(len(owners)) - first) % 2 == 1
    return Faces(vectors[~asked], owners[~asked], vectors[asked], owners[asked])


def analysed(photos: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return one vector per usable photo, and the number of its person."""
    manifest = read_manifest(TEST_PACKS)
    pack = manifest.pack(PACK)
    people = find_people(photos / "faces" / "lfw")
    numbers = {name: number for number, name in enumerate(people)}
    with tempfile.TemporaryDirectory() as models:
        install(pack, Path(models), source=photos / "weights", accept_licence=True)
        settings = Settings(_env_file=None, models_dir=Path(models), device=Device.CPU)
        pipeline = Pipelines(manifest, settings)[pack.space.id]
        found = analyse(pipeline, paths(people), batch=BATCH, progress=lambda _: None)
    usable = [
        (sample.embedding, numbers[name])
        for name, sample in zip(labels(people), found.samples, strict=True)
        if sample.embedding is not None
    ]
    return np.stack([vector for vector, _ in usable]), np.array([owner for _, owner in usable])
