"""Galleries to measure search on: made-up face vectors, with real ones mixed in.

    python -m benchmarks.gallery DIR [--set B] [--size 1_000_000] [--photos DATA]

writes the gallery and its queries into DIR, once, and prints its statistics; the other benchmarks do
the same where it is missing. Two sets of 512 numbers of length 1, about five faces per identity:

* A, "isotropic": Gaussian, with a spectrum of 343 effective dimensions. Strangers have a cosine of
  0 +- 0.054 and mates of 0.64. No graph index likes it: everybody is equally far from everybody.
* B, "manifold": 16 hidden numbers through random Fourier features. Strangers have 0.014 +- 0.051 and
  mates 0.54. Like real recognisers, whose 512 numbers vary in about 16 ways.

DATA is the folder of shared photos: LFW faces of `mobilefacenet_ms1m_512` then take the place of the
last rows, with half of each person's photos in the gallery and the other half as queries.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from benchmarks import lfw

Set: TypeAlias = Literal["A", "B"]
Vectors: TypeAlias = NDArray[np.float32]
"""Shape ``(n, 512)``, each row of length 1."""

Numbers: TypeAlias = NDArray[np.int64]

DIMENSION = 512
FACES_PER_IDENTITY = 5
QUERIES = 5_000
CHUNK = 20_000
NEAREST = 100
"""How many exact neighbours of each query are kept."""

HIDDEN = 16
WIDTH = 2.84**0.5
"""Of the Gaussian kernel that the Fourier features stand for: strangers then have a mean cosine of
``(1 + 2 / WIDTH**2) ** -8`` = 0.014."""
SPREAD = 0.337
"""Of one person's faces around their own hidden numbers: mates have ``(1 + 2 * SPREAD**2 /
WIDTH**2) ** -8`` = 0.54."""

DECAY = 2.56
"""Of set A's spectrum, ``exp(-DECAY * i / 512)``: 343 effective dimensions."""
LIKENESS = 0.64
"""The mean cosine of mates in set A."""

BASE, IDENTITIES, FACES = range(3)
"""What a stream of random numbers is for: each has its own, so that sizes share nothing but the map."""


class Source:
    """Faces of made-up people, the same ones for the same set and size."""

    def __init__(self, kind: Set, size: int) -> None:
        """Draw the people."""
        self.kind = kind
        self.identities = identities(size)
        self._size = size
        base = np.random.default_rng([BASE, ord(kind)])
        self._map = base.standard_normal((HIDDEN, DIMENSION), np.float32) / np.float32(WIDTH)
        self._phases = base.uniform(0, 2 * np.pi, DIMENSION).astype(np.float32)
        self._scales = np.exp(-DECAY * np.arange(DIMENSION) / DIMENSION / 2).astype(np.float32)

    def faces(self, owners: Numbers, stream: int) -> Vectors:
        """Draw one new face for each owner; a *stream* gives the same numbers each time."""
        random = np.random.default_rng([FACES, ord(self.kind), self._size, stream])
        if self.kind == "B":
            return self._manifold(owners, random)
        mine = random.standard_normal((len(owners), DIMENSION), np.float32)
        share = np.float32(LIKENESS)
        mixed = np.sqrt(share) * self._own(owners, DIMENSION) + np.sqrt(1 - share) * mine
        return unit(mixed * self._scales)

    def _manifold(self, owners: Numbers, random: np.random.Generator) -> Vectors:
        mine = random.standard_normal((len(owners), HIDDEN), np.float32)
        own = self._own(owners, HIDDEN)
        hidden = np.float32((1 - SPREAD**2) ** 0.5) * own + np.float32(SPREAD) * mine
        return unit(np.cos(hidden @ self._map + self._phases))

    def _own(self, owners: Numbers, numbers: int) -> Vectors:
        """Return what all faces of each owner have in common, without keeping it for everybody."""
        blocks = owners // CHUNK
        own = np.empty((len(owners), numbers), np.float32)
        for block in np.unique(blocks):
            random = np.random.default_rng([IDENTITIES, ord(self.kind), self._size, int(block)])
            everybody = random.standard_normal((CHUNK, numbers), np.float32)
            chosen = blocks == block
            own[chosen] = everybody[owners[chosen] - block * CHUNK]
        return own


@dataclass(frozen=True)
class Gallery:
    """A gallery in a folder.

    Attributes:
        kind: The set; its last rows may be real faces.
    """

    folder: Path
    kind: Set

    @cached_property
    def vectors(self) -> Vectors:
        """The faces, shape ``(size, 512)``, mapped from disk."""
        loaded: Vectors = self._load("vectors", mapped=True)
        return loaded

    @cached_property
    def owners(self) -> Numbers:
        """The identity of each face."""
        loaded: Numbers = self._load("owners")
        return loaded

    @cached_property
    def queries(self) -> Vectors:
        """Faces that are not in the gallery, of people who are."""
        loaded: Vectors = self._load("queries")
        return loaded

    @cached_property
    def query_owners(self) -> Numbers:
        """The identity of each query."""
        loaded: Numbers = self._load("query_owners")
        return loaded

    @cached_property
    def nearest(self) -> Numbers:
        """Rows of the `NEAREST` faces of each query by exact float32 search, best first."""
        loaded: Numbers = self._load("nearest")
        return loaded

    @cached_property
    def cosines(self) -> Vectors:
        """Of `nearest`."""
        loaded: Vectors = self._load("cosines")
        return loaded

    @property
    def size(self) -> int:
        """Number of faces."""
        return len(self.owners)

    @property
    def made_up_identities(self) -> int:
        """Identities from this number on are real people."""
        return identities(self.size)

    def _load(self, name: str, *, mapped: bool = False) -> Any:
        return np.load(self.folder / f"{name}.npy", mmap_mode="r" if mapped else None)


def identities(size: int) -> int:
    """Return how many made-up people a gallery has."""
    return -(-size // FACES_PER_IDENTITY)


def unit(raw: Vectors) -> Vectors:
    """Scale each row to length 1."""
    return np.asarray(raw / np.linalg.norm(raw, axis=1, keepdims=True), np.float32)


def gallery(folder: Path, kind: Set, size: int, photos: Path | None) -> Gallery:
    """Open a gallery below *folder*, which is made first where it is missing."""
    real = lfw.embedded(folder, photos) if photos else None
    name = f"{kind}-{size}" + ("-lfw" if real else "")
    made = Gallery(folder / name, kind)
    if (made.folder / "cosines.npy").exists():
        return made
    made.folder.mkdir(parents=True, exist_ok=True)
    begin = perf_counter()
    write(made.folder, Source(kind, size), size, real)
    print(f"{name}: made in {perf_counter() - begin:.0f} s")
    begin = perf_counter()
    rows, cosines = exact(made.vectors, made.queries, NEAREST)
    np.save(made.folder / "nearest.npy", rows)
    np.save(made.folder / "cosines.npy", cosines)
    print(f"{name}: searched exactly in {perf_counter() - begin:.0f} s")
    return made


def write(folder: Path, source: Source, size: int, real: lfw.Faces | None) -> None:
    """Write faces and queries, real people behind the made-up ones.

    One person's faces lie far apart, as those of photos that come in over years do.
    """
    enrolled = real.enrolled if real else np.zeros((0, DIMENSION), np.float32)
    made_up = size - len(enrolled)
    vectors = open_memmap(folder / "vectors.npy", "w+", np.float32, (size, DIMENSION))
    owners = np.arange(made_up) % source.identities
    for number, rows in enumerate(chunks(made_up)):
        vectors[rows] = source.faces(owners[rows], number)
    vectors[made_up:] = enrolled
    vectors.flush()
    random = np.random.default_rng(size)
    wanted = random.integers(0, source.identities, QUERIES - (len(real.queries) if real else 0))
    queries, query_owners = source.faces(wanted, 1_000_000), wanted
    if real:
        owners = np.concatenate([owners, source.identities + real.enrolled_owners])
        queries = np.concatenate([queries, real.queries])
        query_owners = np.concatenate([wanted, source.identities + real.query_owners])
    mixed = random.permutation(QUERIES)
    np.save(folder / "owners.npy", owners)
    np.save(folder / "queries.npy", queries[mixed])
    np.save(folder / "query_owners.npy", query_owners[mixed])


def chunks(size: int) -> Iterator[slice]:
    """Cut *size* rows into parts that fit the memory."""
    for start in range(0, size, CHUNK):
        yield slice(start, min(start + CHUNK, size))


def exact(vectors: Vectors, queries: Vectors, k: int) -> tuple[Numbers, Vectors]:
    """Return rows and cosines of the *k* nearest faces of each query, in float32, best first."""
    k = min(k, len(vectors))
    rows = np.zeros((len(queries), 0), np.int64)
    cosines = np.zeros((len(queries), 0), np.float32)
    for part in chunks(len(vectors)):
        found = queries @ vectors[part].T
        most = min(k, found.shape[1])
        best = np.argpartition(found, -most, axis=1)[:, -most:]
        rows = np.concatenate([rows, best + part.start], axis=1)
        cosines = np.concatenate([cosines, np.take_along_axis(found, best, 1)], axis=1)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        rows, cosines = np.take_along_axis(rows, order, 1), np.take_along_axis(cosines, order, 1)
    return rows, cosines


def statistics(each: Gallery) -> dict[str, float]:
    """Return what the set is known by, over its queries."""
    random = np.random.default_rng(0)
    strangers = each.vectors[np.sort(random.integers(0, each.size, 2_000))]
    impostors = (each.queries[:500] @ strangers.T).ravel()
    mates = each.owners[each.nearest] == each.query_owners[:, None]
    first = mates[:, 0]
    best_stranger = np.where(mates, -1, each.cosines).max(axis=1)
    sample = np.isin(each.owners, each.query_owners[:200])
    same = each.owners[sample][None] == each.query_owners[:200, None]
    found = each.queries[:200] @ each.vectors[sample].T
    return {
        "strangers, mean cosine": float(impostors.mean()),
        "strangers, deviation": float(impostors.std()),
        "mates, mean cosine": float(found[same].mean()),
        "best stranger, median cosine": float(np.median(best_stranger)),
        "queries whose nearest face is a mate": float(first.mean()),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose galleries."""
    parser.add_argument("data", type=Path, metavar="DIR", help="where galleries are kept")
    parser.add_argument("--set", dest="kind", choices=("A", "B"), default="B")
    parser.add_argument("--photos", type=Path, metavar="DATA", help="shared photos, for real faces")


def main() -> None:
    """Make a gallery and print its statistics."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--size", type=int, default=100_000)
    given = parser.parse_args()
    made = gallery(given.data, given.kind, given.size, given.photos)
    print(f"set {made.kind}, {made.size:,} faces, {len(made.queries):,} queries")
    for name, value in statistics(made).items():
        print(f"  {name:38} {value:7.3f}")


if __name__ == "__main__":
    main()
