"""The stages on a photo's way, what each of them cost, which one limits and what would help."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

EMBEDDED_AT_ONCE: Final = 32
"""Crops in one run of the recogniser. On a CPU more are no faster; an accelerator has had most of
its gain, and the photos of a batch rarely have more."""


class Stage(StrEnum):
    """In the order of the way."""

    DECODE = "decode"
    #: Thumbnail and preview.
    COPIES = "copies"
    DETECT = "detect"
    #: Cutting the crops, out of a finer decoded photo where they need it, and judging their quality.
    ALIGN = "align"
    EMBED = "embed"
    #: Crops and copies into files, rows into Postgres; without the commit itself.
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds that one photo took; of what several photos did together, its part.

    Attributes:
        decode_wait: From the moment it was handed in until its decoding began.
        detect_wait: Decoded, until a detector was free.
        embed_wait: Aligned, until the recogniser's first run with one of its faces began.
        runs: Its faces' part of the recogniser's runs: ten of 40 faces are a quarter of a run.
    """

    decode: float
    detect: float
    align: float
    embed: float
    copies: float = 0.0
    decode_wait: float = 0.0
    detect_wait: float = 0.0
    embed_wait: float = 0.0
    runs: float = 0.0

    def busy(self) -> dict[str, float]:
        """Return the seconds at work, by stage."""
        return {
            Stage.DECODE.value: self.decode,
            Stage.COPIES.value: self.copies,
            Stage.DETECT.value: self.detect,
            Stage.ALIGN.value: self.align,
            Stage.EMBED.value: self.embed,
        }


@dataclass(frozen=True, slots=True)
class Cost:
    """What one stage cost.

    Attributes:
        busy: Seconds at work, summed over the threads that did it.
        wait: Seconds that photos waited for it, summed over the photos.
        places: How many threads of a worker can be at it at once; on a CPU the stages of the
            models and pixels share the cores, so that each has as many places as there are cores.
    """

    busy: float = 0.0
    wait: float = 0.0
    places: int = 1

    def __add__(self, other: "Cost") -> "Cost":
        places = max(self.places, other.places)
        return Cost(self.busy + other.busy, self.wait + other.wait, places)


@dataclass(frozen=True, slots=True)
class Work:
    """What a number of photos cost. Adding two gives what both cost.

    Attributes:
        photos: Analysed ones; a photo that was refused is not among them.
        faces: Embedded ones.
        runs: Of the recogniser.
    """

    photos: int = 0
    faces: int = 0
    runs: float = 0.0
    stages: Mapping[Stage, Cost] = field(default_factory=dict)

    def __add__(self, other: "Work") -> "Work":
        stages = {
            stage: self.stages.get(stage, Cost()) + other.stages.get(stage, Cost())
            for stage in Stage
            if stage in self.stages or stage in other.stages
        }
        photos, faces = self.photos + other.photos, self.faces + other.faces
        return Work(photos, faces, self.runs + other.runs, stages)

    @classmethod
    def of(cls, photos: Iterable[tuple[Timings, int]], places: Mapping[Stage, int]) -> Self:
        """Sum up photos.

        Args:
            photos: The times and the number of embedded faces of each.
        """
        listed = list(photos)
        times = [timings for timings, _ in listed]
        waits = {
            Stage.DECODE: sum(each.decode_wait for each in times),
            Stage.DETECT: sum(each.detect_wait for each in times),
            Stage.EMBED: sum(each.embed_wait for each in times),
        }
        stages: dict[Stage, Cost] = {
            stage: Cost(
                sum(each.busy()[stage.value] for each in times),
                waits.get(stage, 0.0),
                places.get(stage, 1),
            )
            for stage in Stage
            if stage is not Stage.WRITE
        }
        faces = sum(count for _, count in listed)
        return cls(len(listed), faces, sum(each.runs for each in times), stages)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what *to_json* gave; nothing stored is no work."""
        costs = stored.get("stages", {})
        stages = {stage: Cost(**costs[stage.value]) for stage in Stage if stage.value in costs}
        return cls(stored.get("photos", 0), stored.get("faces", 0), stored.get("runs", 0.0), stages)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        stages = {
            stage.value: {"busy": cost.busy, "wait": cost.wait, "places": cost.places}
            for stage, cost in self.stages.items()
        }
        return {"photos": self.photos, "faces": self.faces, "runs": self.runs, "stages": stages}

    @property
    def busy(self) -> float:
        """Seconds at work, all stages together."""
        return sum(cost.busy for cost in self.stages.values())

    def share(self, stage: Stage) -> float:
        """Return the stage's part of all seconds at work, 0 to 1."""
        return self.stages[stage].busy / self.busy if stage in self.stages and self.busy else 0.0

    @property
    def limit(self) -> Stage | None:
        """The stage whose places had most to do, so that the others can only wait for it."""
        if not self.busy:
            return None
        return max(
            self.stages, key=lambda stage: self.stages[stage].busy / self.stages[stage].places
        )

    @property
    def advice(self) -> str | None:
        """One sentence: what limits, and what to change."""
        return None if self.limit is None else ADVICE[self.limit]

    @property
    def faces_per_run(self) -> float:
        """How many faces the recogniser got at a time."""
        return self.faces / self.runs if self.runs else 0.0

    @property
    def batch_fill(self) -> float:
        """How full the recogniser's runs were, 0 to 1."""
        return self.faces_per_run / EMBEDDED_AT_ONCE


ADVICE: Final[Mapping[Stage, str]] = {
    Stage.DECODE: "Decoding limits: more cores, or smaller photos.",
    Stage.COPIES: "Thumbnails and previews limit: more cores.",
    Stage.DETECT: "The detector limits: a GPU, a pack with a smaller detector, or more workers.",
    Stage.ALIGN: "Cutting out the faces limits: more cores.",
    Stage.EMBED: "The recogniser limits: a GPU, a pack with a smaller recogniser, or more workers.",
    Stage.WRITE: "Writing limits: a faster disk for the database and the blobs, or more "
    "FACESEARCH_WORKER_THREADS, so that more batches are written at once.",
}
"""What to change, by the stage that limits."""
