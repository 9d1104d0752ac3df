"""Photos of known people, run through a pipeline: one embedding per photo, or why there is none."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from itertools import islice
from math import hypot
from pathlib import Path
from time import perf_counter
from typing import Final, Protocol, TypeAlias

from core.errors import BadImage, InvalidRequest
from core.evaluation.progress import Progress
from core.faces import AnalysedFace, Embedding
from core.formats import JUNK
from core.pipeline import AnalysedPhoto
from core.stages import Timings

NO_FACE: Final = "no_face_found"

People: TypeAlias = Mapping[str, Sequence[Path]]
"""The photos of each person, by name."""


class Analyser(Protocol):
    """A pipeline, seen from here."""

    def analyse(self, photos: Sequence[bytes]) -> list[AnalysedPhoto | BadImage]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A photo and the face nearest to its centre.

    Attributes:
        embedding: None where no face can be used.
        failure: Why not; empty where one can.
    """

    path: Path
    embedding: Embedding | None
    failure: str


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What a pipeline made of photos, in their order.

    Attributes:
        faces: All that were embedded, also those beside the person that a photo is of.
        seconds: From the first byte read to the last vector.
        stages: Seconds of each stage, summed over photos (decoding overlaps the rest).
    """

    samples: tuple[Sample, ...]
    faces: int
    seconds: float
    stages: Timings

    @property
    def failures(self) -> dict[str, int]:
        """Photos without a usable face, by reason."""
        return dict(Counter(each.failure for each in self.samples if each.failure))


def find_people(folder: Path, *, searched: bool = True) -> dict[str, list[Path]]:
    """Return the photos of each person, from ``folder/<person>/<photos>``, in order of names.

    Every file counts as a photo, except hidden ones and system junk.

    Args:
        searched: Some must have two photos: one to enrol and one to search for.

    Raises:
        InvalidRequest: There is one person at most, and nobody to be mistaken for; or nobody has
            two photos.
    """
    people = {
        home.name: sorted(path for path in home.iterdir() if path.is_file() and _visible(path))
        for home in sorted(folder.iterdir())
        if home.is_dir() and _visible(home)
    }
    people = {name: photos for name, photos in people.items() if photos}
    wanted = f"{folder} needs one folder per person, of two people or more"
    if searched and (len(people) < 2 or max(map(len, people.values())) < 2):  # noqa: PLR2004
        raise InvalidRequest(f"{wanted}, and two or more photos in some of them.")
    if len(people) < 2:  # noqa: PLR2004  somebody to be mistaken for
        raise InvalidRequest(f"{wanted}.")
    return people


def _visible(path: Path) -> bool:
    return not path.name.startswith(".") and path.name.lower() not in JUNK


def labels(people: People) -> list[str]:
    """Return the person of each photo, in the order in which *paths* lists them."""
    return [name for name, photos in people.items() for _ in photos]


def paths(people: People) -> list[Path]:
    """Return all photos, one person after the other."""
    return [path for photos in people.values() for path in photos]


def analyse(
    pipeline: Analyser, photos: Sequence[Path], *, batch: int, progress: Progress
) -> Analysis:
    """Run photos through a pipeline, *batch* at a time.

    Of several faces in a photo, the one nearest to its centre is taken for its person.
    """
    begin = perf_counter()
    samples: list[Sample] = []
    faces, stages = 0, Timings(*(0.0 for _ in fields(Timings)))
    for path, result in _analysed(pipeline, photos, batch, progress):
        if isinstance(result, AnalysedPhoto):
            faces += len(result.faces)
            stages = _sum(stages, result.timings)
        face = _central_face(result)
        samples.append(
            Sample(path, None, _reason(result))
            if face is None
            else Sample(path, face.embedding, "")
        )
    return Analysis(tuple(samples), faces, perf_counter() - begin, stages)


def _analysed(
    pipeline: Analyser, photos: Sequence[Path], batch: int, progress: Progress
) -> Iterator[tuple[Path, AnalysedPhoto | BadImage]]:
    todo = iter(photos)
    while part := list(islice(todo, batch)):
        results = pipeline.analyse([path.read_bytes() for path in part])
        yield from zip(part, results, strict=True)
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


def _sum(a: Timings, b: Timings) -> Timings:
    return Timings(*(x + y for x, y in zip(astuple(a), astuple(b), strict=True)))
