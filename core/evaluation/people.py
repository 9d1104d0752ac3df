"""Searching for people who are all enrolled: rank 1, and who passes at one threshold."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter
from typing import Final

import numpy as np

from core.evaluation.photos import Analyser, People, analyse, labels, paths
from core.evaluation.progress import Progress
from core.evaluation.scores import Share
from core.faces import Embedding
from core.stages import Timings

PROBES_AT_ONCE: Final = 512
"""Rows of cosines held at a time, so that a large folder needs little memory."""


class Gallery(StrEnum):
    """Whose first photo is enrolled: people who have a second one, or everybody."""

    MATED = "mated"
    ALL = "all"


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
        seconds: From the first byte read to the last cosine.
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

    person: str
    embedding: Embedding | None


def evaluate(
    pipeline: Analyser,
    people: People,
    *,
    threshold: float,
    gallery: Gallery,
    batch: int,
    progress: Progress,
) -> Report:
    """Enrol the first photo of each person of the gallery and search with all later ones.

    Args:
        people: As *find_people* returns it.
        batch: Photos analysed at a time.
    """
    begin = perf_counter()
    analysis = analyse(pipeline, paths(people), batch=batch, progress=progress)
    labelled = [
        _Labelled(person, sample.embedding)
        for person, sample in zip(labels(people), analysis.samples, strict=True)
    ]
    accuracy = _compare(labelled, threshold, gallery)
    return Report(
        people=len(people),
        photos=len(labelled),
        faces=analysis.faces,
        failures=analysis.failures,
        seconds=perf_counter() - begin,
        stages=analysis.stages,
        gallery=gallery,
        accuracy=accuracy,
    )


def _compare(labelled: Sequence[_Labelled], threshold: float, gallery: Gallery) -> Accuracy:
    """Search the gallery with every probe, exactly."""
    photos = Counter(each.person for each in labelled)
    enrolled: dict[str, Embedding] = {}
    seen: set[str] = set()
    probes: list[tuple[str, Embedding]] = []
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
    probes: Sequence[tuple[str, Embedding]], enrolled: Mapping[str, Embedding], threshold: float
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
