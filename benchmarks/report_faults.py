"""What the reports find of faults that were planted: precision and recall of each.

    python -m benchmarks.report_faults DIR --photos DATA [--seeds 3] [--least 3]

The LFW photos of DATA go through the product with det_500m and mobilefacenet, each named with its
person, and with faults whose places are known: of 2 % of the photos the names are swapped, two by two,
5 % of the people have two names, and 3 % of the photos are there once more, encoded anew, scaled or
cropped. Swapped are photos of people with at least `--least` photos: where somebody has two, and one
of them is another's, nobody can tell which. Then the reports are made, and told by the names alone
are two who really look alike: the twins Isabela and Carolina Moraes.
"""

import argparse
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import TypeAlias
from uuid import UUID

import numpy as np
from PIL import Image

from benchmarks.gallery_database import NOBODY
from benchmarks.lfw import PACK, TEST_PACKS
from core import collections, indexing, intake
from core.db.migrate import upgrade
from core.db.pool import connect
from core.enrolment import PersonRef
from core.evaluation.photos import find_people
from core.graph import Builder
from core.inference.install import install
from core.local import temporary
from core.offers import Upload
from core.pipelines import Pipelines
from core.reports import duplicates, look_alikes, two_names, wrong_labels
from core.reports.finding import Finding
from core.reports.material import Material
from core.services import Services, services_for
from core.settings import Device, Settings

SWAPPED, SPLIT, COPIED = 0.02, 0.05, 0.03
SPLIT_FROM = 4
"""Photos of somebody who gets two names."""

SECOND = " (2)"
TWINS = frozenset({"Isabela_Moraes", "Carolina_Moraes"})
AT_ONCE = 100

Pair: TypeAlias = frozenset[str]


@dataclass(frozen=True)
class Photo:
    """A photo as it is handed in: *key* is its name, *person* what it is said to show."""

    key: str
    person: str
    data: bytes


@dataclass(frozen=True)
class Planted:
    """Photos with faults, and where those are.

    Attributes:
        swapped: Keys of photos with the name of somebody else.
        split: Pairs of names of one person.
        copied: Pairs of keys of one photo.
    """

    photos: tuple[Photo, ...]
    swapped: frozenset[str]
    split: frozenset[Pair]
    copied: frozenset[Pair]


@dataclass(frozen=True)
class Score:
    """How many of the planted faults were found, and of what was found were planted."""

    hits: int
    found: int
    planted: int

    def __add__(self, other: "Score") -> "Score":
        return Score(self.hits + other.hits, self.found + other.found, self.planted + other.planted)

    def __str__(self) -> str:
        precision, recall = self.hits / max(1, self.found), self.hits / max(1, self.planted)
        return (
            f"recall {recall:.3f} ({self.hits} of {self.planted}), "
            f"precision {precision:.3f} ({self.hits} of {self.found})"
        )


def score(found: Iterable[object], planted: Iterable[object]) -> Score:
    found, planted = set(found), set(planted)
    return Score(len(found & planted), len(found), len(planted))


def plant(folder: Path, seed: int, least: int) -> Planted:
    random = np.random.default_rng(seed)
    photos = {
        f"{person}/{path.name}": (person, path.read_bytes())
        for person, paths in find_people(folder).items()
        for path in paths
    }
    names = {key: person for key, (person, _) in photos.items()}
    split = _split(names, random)
    swapped = _swap(names, {key: person for key, (person, _) in photos.items()}, random, least)
    made = [Photo(key, names[key], data) for key, (_, data) in photos.items()]
    chosen = random.permutation(sorted(set(photos) - swapped))[: round(COPIED * len(photos))]
    copies = [
        Photo(f"{key}#{kind}", names[key], copy(photos[key][1], kind, random))
        for key, kind in zip(chosen, _kinds(), strict=False)
    ]
    pairs = frozenset(frozenset({each.key, each.key.partition("#")[0]}) for each in copies)
    order = random.permutation(len(made) + len(copies))
    together = [*made, *copies]
    return Planted(tuple(together[place] for place in order), frozenset(swapped), split, pairs)


def _split(names: dict[str, str], random: np.random.Generator) -> frozenset[Pair]:
    """Give some people a second name, for half of their photos."""
    of_person: dict[str, list[str]] = {}
    for key, person in names.items():
        of_person.setdefault(person, []).append(key)
    many = sorted(person for person, keys in of_person.items() if len(keys) >= SPLIT_FROM)
    chosen = random.permutation(many)[: round(SPLIT * len(of_person))]
    for person in chosen:
        keys = random.permutation(of_person[person])
        for key in keys[: len(keys) // 2]:
            names[key] = person + SECOND
    return frozenset(frozenset({str(person), person + SECOND}) for person in chosen)


def _swap(
    names: dict[str, str], truth: dict[str, str], random: np.random.Generator, least: int
) -> set[str]:
    """Swap the names of some photos, two by two."""
    counts: dict[str, int] = {}
    for person in names.values():
        counts[person] = counts.get(person, 0) + 1
    keys = list(random.permutation([key for key, name in names.items() if counts[name] >= least]))
    swapped: set[str] = set()
    while len(swapped) < round(SWAPPED * len(names)):
        first, second = keys.pop(), keys.pop()
        if truth[first] != truth[second]:
            names[first], names[second] = names[second], names[first]
            swapped |= {str(first), str(second)}
    return swapped


def _kinds() -> Iterator[str]:
    while True:
        yield from ("encoded", "scaled", "cropped")


def copy(data: bytes, kind: str, random: np.random.Generator) -> bytes:
    """Make a photo once more: at a worse quality, at another size, or without its rim."""
    picture = Image.open(BytesIO(data)).convert("RGB")
    width, height = picture.size
    quality = 90
    if kind == "encoded":
        quality = int(random.integers(30, 80))
    elif kind == "scaled":
        factor = random.uniform(0.5, 0.9) if random.random() < 0.7 else random.uniform(1.2, 2)
        picture = picture.resize((round(width * factor), round(height * factor)), Image.LANCZOS)
    else:
        left, top, right, bottom = random.uniform(0.03, 0.15, 4) * [width, height, width, height]
        picture = picture.crop(
            (round(left), round(top), round(width - right), round(height - bottom))
        )
    stream = BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


@contextmanager
def system(folder: Path, weights: Path) -> Iterator[Services]:
    """Run a database in *folder*, with the pack of the tests installed beside it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with temporary.postgres(durable=False, inside=folder.resolve()) as server:
        server.create_database()
        upgrade(server.url)
        settings = Settings(
            _env_file=None,
            database_url=server.url,
            broker_url=NOBODY,
            data_dir=folder,
            models_dir=folder / "models",
            extra_packs=TEST_PACKS,
            device=Device.CPU,
            batch_photos=64,
        )
        with services_for(settings, connections=8) as services:
            pack = services.manifest.pack(PACK)
            install(pack, settings.models_dir, source=weights, accept_licence=True)
            yield services


class Silent:
    """A doorbell that nobody hears."""

    def ingest(self) -> None:
        """Ring."""


def ingest(services: Services, planted: Planted, name: str) -> UUID:
    """Take all photos in and index them."""
    pipelines = Pipelines(services.manifest, services.settings)
    with services.pool.connection() as conn:
        made = collections.create(conn, services.manifest.pack(PACK), name=name)
    for start in range(0, len(planted.photos), AT_ONCE):
        uploads = [
            Upload(photo.key, photo.data, person=PersonRef(name=photo.person))
            for photo in planted.photos[start : start + AT_ONCE]
        ]
        intake.accept(services, Silent(), made.id, uploads)  # type: ignore[arg-type]
        pipelines.require(services.manifest.pack(PACK))
        while indexing.index_batch(services, pipelines):
            pass
    return made.id


def keys_of(material: Material) -> dict[UUID, str]:
    """Return the key of each photo."""
    rows = material.conn.execute(
        "SELECT id, filename FROM images WHERE collection_id = %s", [material.collection.id]
    )
    return dict(rows.fetchall())


def measure(material: Material, planted: Planted) -> dict[str, Score]:
    keys = keys_of(material)
    names = {person.id: person.name for person in material.people}
    photo_of = {
        material.face(face): keys[material.image(face)] for face in range(len(material.owners))
    }
    copies = made(duplicates.make(material).findings, "same_picture", "same_shot")
    pairs = made(two_names.make(material).findings)
    wrong = made(wrong_labels.make(material).findings)
    alike = {people(each, names) for each in made(look_alikes.make(material).findings, "above")}
    print(f"  look-alikes above the threshold: {len(alike)}; the twins are", end=" ")
    print("among them" if TWINS in alike else "NOT AMONG THEM")
    return {
        "duplicates": score(
            (frozenset(keys[image] for image in each.about) for each in copies), planted.copied
        ),
        "two names": score((people(each, names) for each in pairs), planted.split),
        "wrong labels": score(
            (photo_of[each.sides[0].faces[0]] for each in wrong), planted.swapped
        ),
        "of them: somebody else": score(
            (photo_of[each.sides[0].faces[0]] for each in made(wrong, "somebody_else")),
            planted.swapped,
        ),
    }


def made(findings: Sequence[Finding], *kinds: str) -> list[Finding]:
    return [each for each in findings if not kinds or each.kind in kinds]


def people(finding: Finding, names: dict[UUID, str]) -> Pair:
    return frozenset(names[person] for person in finding.about)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--least", type=int, default=3)
    chosen = parser.parse_args()
    totals: dict[str, Score] = {}
    with system(chosen.folder, chosen.photos / "weights") as services:
        url = services.settings.database_url
        for seed in range(chosen.seeds):
            planted = plant(chosen.photos / "faces" / "lfw", seed, chosen.least)
            print(
                f"seed {seed}: {len(planted.photos):,} photos, {len(planted.swapped)} swapped,",
                end=" ",
            )
            print(f"{len(planted.split)} people split, {len(planted.copied)} photos copied")
            collection_id = ingest(services, planted, f"seed {seed}")
            with connect(str(url), autocommit=True) as conn:
                began = perf_counter()
                home = collections.get(conn, collection_id)
                graph = Builder(services, conn).bring_up_to_date(home)
                scores = measure(Material(services, conn, home, graph), planted)
                print(f"  graph and reports in {perf_counter() - began:.1f} s")
            for name, each in scores.items():
                print(f"  {name}: {each}")
                totals[name] = totals.get(name, Score(0, 0, 0)) + each
    print(f"all {chosen.seeds} seeds:")
    for name, each in totals.items():
        print(f"  {name}: {each}")


if __name__ == "__main__":
    main()
