"""How well a pack tells people apart, measured on a folder of photos with known people.

No database: photos go through the pipeline, vectors are compared in memory. The words follow
NIST's reports on 1:N search: a mate is another photo of the same person, an impostor one of
somebody else.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from math import hypot
from pathlib import Path
from time import perf_counter
from typing import Final, Protocol

import numpy as np

from core.errors import BadImage, InvalidRequest
from core.faces import AnalysedFace, Embedding
from core.pipeline import AnalysedPhoto
from core.stages import Timings

NO_FACE: Final = "no_face_found"

PROBES_AT_ONCE: Final = 512
"""Rows of cosines held at a time, so that a large folder needs little memory."""


class Gallery(StrEnum):
    """Whose first photo is enrolled: people who have a second one, or everybody."""

    MATED = "mated"
    ALL = "all"


class Analyser(Protocol):
    """A pipeline, seen from here."""

    def analyse(self, photos: Sequence[bytes]) -> list[AnalysedPhoto | BadImage]: ...


@dataclass(frozen=True, slots=True)
class Share:
    """*count* of *total*; the rate of nothing is 0."""

    count: int
    total: int

    @property
    def rate(self) -> float:
        """0 to 1."""
        return self.count / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What searching with every probe gave.

    A probe without a usable face, or whose person could not be enrolled, counts as a miss, so a
    detector cannot shine by finding only easy faces.

    Attributes:
        threshold: Cosine from which two faces are said to match.
        enrolled: People in the gallery, one face each.
        rank_1: Probes whose nearest face is their own person.
        found: Probes at rank 1 whose own person also reaches the threshold.
        mates_passed: Probes whose own person reaches the threshold, at whatever rank.
        false_alarms: Probes, of those that could be searched, to which any other person in the
            gallery reaches the threshold.
        impostors_passed: Pairs of a probe and another person that reach the threshold.
    """

    threshold: float
    enrolled: int
    rank_1: Share
    found: Share
    mates_passed: Share
    false_alarms: Share
    impostors_passed: Share


@dataclass(frozen=True, slots=True)
class Report:
    """The whole evaluation.

    Attributes:
        people: Folders with at least one photo.
        faces: All that were embedded, also those beside the person that a photo is of.
        failures: Photos without a usable face, by reason.
        seconds: From the first byte read to the last vector.
        stages: Seconds of each stage, summed over photos (decoding overlaps the rest).
    """

    people: int
    photos: int
    faces: int
    failures: Mapping[str, int]
    seconds: float
    stages: Timings
    gallery: Gallery
    accuracy: Accuracy

    @property
    def photos_per_second(self) -> float:
        """Reading, analysing and comparing included."""
        return self.photos / self.seconds


@dataclass(frozen=True, slots=True)
class _Labelled:
    """A photo's central face; no embedding where none could be used."""

    person: int
    embedding: Embedding | None


def find_people(folder: Path) -> dict[str, list[Path]]:
    """Return the photos of each person, from ``folder/<person>/<photos>``, in order of names.

    Every file counts as a photo, except hidden ones.

    Raises:
        InvalidRequest: No person has two photos, so there is nothing to search for.
    """
    people = {
        home.name: sorted(
            path for path in home.iterdir() if path.is_file() and not path.name.startswith(".")
        )
        for home in sorted(folder.iterdir())
        if home.is_dir() and not home.name.startswith(".")
    }
    people = {name: photos for name, photos in people.items() if photos}
    if not any(len(photos) > 1 for photos in people.values()):
        raise InvalidRequest(
            f"{folder} needs one folder per person, and two or more photos in some of them."
        )
    return people


def evaluate(
    pipeline: Analyser,
    people: Mapping[str, Sequence[Path]],
    *,
    threshold: float,
    gallery: Gallery,
    batch: int,
    progress: Callable[[int], None],
) -> Report:
    """Enrol the first photo of each person of the gallery and search with all later ones.

    Of several faces in a photo, the one nearest to its centre is taken for its person.

    Args:
        people: As *find_people* returns it.
        progress: Is told how many more photos are done.
    """
    begin = perf_counter()
    labelled: list[_Labelled] = []
    failures: Counter[str] = Counter()
    faces, stages = 0, Timings(0, 0, 0, 0)
    for person, result in _analysed(pipeline, people, batch, progress):
        if isinstance(result, AnalysedPhoto):
            faces += len(result.faces)
            stages = _sum(stages, result.timings)
        face = _central_face(result)
        if face is None:
            failures[_reason(result)] += 1
        labelled.append(_Labelled(person, None if face is None else face.embedding))
    accuracy = _compare(labelled, threshold, gallery)
    return Report(
        people=len(people),
        photos=len(labelled),
        faces=faces,
        failures=dict(failures),
        seconds=perf_counter() - begin,
        stages=stages,
        gallery=gallery,
        accuracy=accuracy,
    )


def _analysed(
    pipeline: Analyser,
    people: Mapping[str, Sequence[Path]],
    batch: int,
    progress: Callable[[int], None],
) -> Iterator[tuple[int, AnalysedPhoto | BadImage]]:
    """Analyse all photos in order; yields the number of the person with each result."""
    todo = ((person, path) for person, paths in enumerate(people.values()) for path in paths)
    while part := list(islice(todo, batch)):
        results = pipeline.analyse([path.read_bytes() for _, path in part])
        yield from zip((person for person, _ in part), results, strict=True)
        progress(len(part))


def _central_face(result: AnalysedPhoto | BadImage) -> AnalysedFace | None:
    if isinstance(result, BadImage) or not result.faces:
        return None
    x, y = result.header.width / 2, result.header.height / 2

    def distance(each: AnalysedFace) -> float:
        left, top, right, bottom = each.face.box
        return hypot((left + right) / 2 - x, (top + bottom) / 2 - y)

    return min(result.faces, key=distance)


def _reason(result: AnalysedPhoto | BadImage) -> str:
    if isinstance(result, BadImage):
        return result.code
    return result.skipped[0].reason if result.skipped else NO_FACE


def _compare(labelled: Sequence[_Labelled], threshold: float, gallery: Gallery) -> Accuracy:
    """Search the gallery with every probe, exactly."""
    photos = Counter(each.person for each in labelled)
    enrolled: dict[int, Embedding] = {}
    seen: set[int] = set()
    probes: list[tuple[int, Embedding]] = []
    probe_count = 0
    for each in labelled:
        if each.person in seen:
            probe_count += 1
            if each.embedding is not None:
                probes.append((each.person, each.embedding))
            continue
        seen.add(each.person)
        wanted = gallery is Gallery.ALL or photos[each.person] > 1
        if wanted and each.embedding is not None:
            enrolled[each.person] = each.embedding
    counts = Counter[str]()
    for start in range(0, len(probes), PROBES_AT_ONCE):
        counts.update(_count(probes[start : start + PROBES_AT_ONCE], enrolled, threshold))
    return Accuracy(
        threshold=threshold,
        enrolled=len(enrolled),
        rank_1=Share(counts["rank_1"], probe_count),
        found=Share(counts["found"], probe_count),
        mates_passed=Share(counts["mates_passed"], probe_count),
        false_alarms=Share(counts["false_alarms"], len(probes)),
        impostors_passed=Share(counts["impostors_passed"], counts["impostors"]),
    )


def _count(
    probes: Sequence[tuple[int, Embedding]], enrolled: Mapping[int, Embedding], threshold: float
) -> dict[str, int]:
    """Count what a few probes find; an empty gallery finds nothing."""
    if not enrolled:
        return {}
    cosines = np.stack([vector for _, vector in probes]) @ np.stack(list(enrolled.values())).T
    mates = np.equal.outer([person for person, _ in probes], list(enrolled))
    passed = cosines >= threshold
    first = mates[np.arange(len(probes)), cosines.argmax(axis=1)]
    mate_passed = (passed & mates).any(axis=1)
    counts = {
        "rank_1": first,
        "found": first & mate_passed,
        "mates_passed": mate_passed,
        "false_alarms": (passed & ~mates).any(axis=1),
        "impostors_passed": passed & ~mates,
        "impostors": ~mates,
    }
    return {name: int(flags.sum()) for name, flags in counts.items()}


def _sum(a: Timings, b: Timings) -> Timings:
    return Timings(a.decode + b.decode, a.detect + b.detect, a.align + b.align, a.embed + b.embed)
