"""Photos that wait for the detector at the same time go into it together."""

from collections import deque
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Lock
from time import perf_counter

from core.faces import DetectedFace, Pixels
from core.inference.contracts import Detector


@dataclass(frozen=True, slots=True, eq=False)
class Detected:
    """The faces of one photo, when their run began, and this photo's part of its seconds."""

    faces: list[DetectedFace]
    began: float
    seconds: float


class Gathering:
    """The detector for the photos of one batch: whoever comes to it takes along those that wait."""

    def __init__(
        self, detector: Detector, places: AbstractContextManager[object], together: int
    ) -> None:
        """Take the detector.

        Args:
            places: Held while it runs.
            together: Most photos in one call.
        """
        self._detector = detector
        self._places = places
        self._together = together
        self._waiting: deque[tuple[Pixels, Future[Detected]]] = deque()
        self._lock = Lock()

    def detect(self, pixels: Pixels) -> Detected:
        """Return the faces of one photo, best score first.

        Raises:
            Exception: What breaks the run, for each of its photos.
        """
        mine: Future[Detected] = Future()
        self._waiting.append((pixels, mine))
        with self._places:
            self._run_next()
        # Another photo's thread may have it; each takes at least one, so that none is forgotten.
        return mine.result()

    def _run_next(self) -> None:
        with self._lock:
            count = min(self._together, len(self._waiting))
            photos = [self._waiting.popleft() for _ in range(count)]
        if not photos:
            return
        began = perf_counter()
        try:
            found = self._detector.detect([pixels for pixels, _ in photos])
            pairs = list(zip(photos, found, strict=True))
        except Exception as error:
            for _, future in photos:
                future.set_exception(error)
            raise
        seconds = (perf_counter() - began) / len(photos)
        for (_, future), faces in pairs:
            future.set_result(Detected(faces, began, seconds))
