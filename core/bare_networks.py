"""How many photos a second the networks alone would allow: what a measurement is compared with."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.images import PhotoLimits, decode
from core.inference.runner import Runner
from core.pipeline import AnalysedPhoto, Pipeline
from core.settings import Settings
from core.stages import EMBEDDED_AT_ONCE, Stage

BARE_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Bare:
    """The networks alone: ONNX Runtime in a loop on prepared tensors, as many at once as cores.

    Attributes:
        detector: Photos a second that the detector's runs alone would allow; *recogniser* likewise.
    """

    detector: float
    recogniser: float

    @property
    def slowest(self) -> float:
        """Photos a second of the network that takes longer."""
        return min(self.detector, self.recogniser)

    def mean(self, other: "Bare") -> "Bare":
        """Return what both measurements together come to: a machine is never equally busy."""
        return Bare(
            2 / (1 / self.detector + 1 / other.detector),
            2 / (1 / self.recogniser + 1 / other.recogniser),
        )

    @property
    def both(self) -> float:
        """Photos a second where both share the same cores and nothing else is done."""
        return 1 / (1 / self.detector + 1 / self.recogniser)


def measure_bare(pipeline: Pipeline, photos: Sequence[bytes], settings: Settings) -> Bare | None:
    """Run both networks in loops on the tensors that these photos give."""
    models, limits = pipeline.models, PhotoLimits.of(settings)
    results = pipeline.analyse(photos)
    good = [each for each in results if isinstance(each, AnalysedPhoto)]
    crops = [face.crop for each in good for face in each.faces]
    if not crops:
        return None
    with _recorded() as detections:
        for data, result in zip(photos, results, strict=True):
            if isinstance(result, AnalysedPhoto):
                models.detector.detect([decode(data, limits, enough=pipeline.enough).pixels])
    with _recorded() as embeddings:
        for at in range(0, len(crops), EMBEDDED_AT_ONCE):
            models.embedder.embed(np.stack(crops[at : at + EMBEDDED_AT_ONCE]))
    threads = pipeline.places[Stage.DETECT], pipeline.places[Stage.EMBED]
    loops = [_loop(runs, n) for runs, n in zip((detections, embeddings), threads, strict=True)]
    return Bare(*(len(good) / seconds for seconds in loops))


Run = tuple[Runner, NDArray[np.float32]]


@contextmanager
def _recorded() -> Iterator[list[Run]]:
    """Note every run of a network within the block, by whatever thread."""
    runs: list[Run] = []
    original = Runner.run

    def noting(self: Runner, blob: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        runs.append((self, blob))
        return original(self, blob)

    Runner.run = noting  # type: ignore[method-assign]
    try:
        yield runs
    finally:
        Runner.run = original  # type: ignore[method-assign]


def _loop(runs: Sequence[Run], threads: int) -> float:
    """Return the seconds of all runs, done so many at once and again until it is long enough."""
    turns = 0
    with ThreadPoolExecutor(threads) as pool:
        begin = perf_counter()
        while (seconds := perf_counter() - begin) < BARE_S:
            list(pool.map(lambda run: run[0].run(run[1]), runs))
            turns += 1
    return seconds / turns
