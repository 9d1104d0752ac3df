"""From photos to faces: decode, detect, align, embed the faces of many photos together, measure.

Several threads take a photo each from its bytes to its crops, so that all stages run at once and
only as many photos are held as pixels as there are such threads. Whoever called collects the crops
and runs the recogniser meanwhile.
"""

import math
import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from threading import BoundedSemaphore
from time import perf_counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core import quality
from core.alignment import Similarity, similarity, warp
from core.errors import BadEmbedding, BadImage
from core.faces import AnalysedFace, DetectedFace, Pixels, Quality, unit_embedding
from core.gathering import Gathering
from core.images import (
    PREVIEW,
    Copies,
    DecodedPhoto,
    PhotoHeader,
    PhotoLimits,
    decode,
    small_copies,
)
from core.inference.contracts import FaceModels
from core.picture_hash import picture_hash
from core.precedence import Precedence
from core.settings import Device
from core.stages import EMBEDDED_AT_ONCE, Stage, Timings

LARGEST_SCALE: Final = 0.4
"""Crop pixels per pixel of a reduced photo; a face that would get more is cut out of a finer one. The
least cosine to the same crop of the whole photo was 0.993 at 0.6, 0.994 at 0.5 and 0.998 at 0.4."""

EMBEDDED_BETWEEN_LOOKS: Final = 8
"""Crops of a run on a CPU where searches come: 32 take R50 a second, and few of them are hardly faster."""

EXCEEDS_MAX_FACES: Final = "exceeds_max_faces"
BAD_LANDMARKS: Final = "bad_landmarks"
FACE_TOO_SMALL: Final = "face_too_small"


@dataclass(frozen=True, slots=True, eq=False)
class SkippedFace:
    """A face that was found and cannot be searched.

    Attributes:
        reason: ``face_too_small``, ``exceeds_max_faces``, ``bad_landmarks`` or ``bad_embedding``;
            or the first of those that a gate gives, and *others* the rest.
    """

    face: DetectedFace
    reason: str
    others: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """All of them, the first first."""
        return (self.reason, *self.others)


@dataclass(frozen=True, slots=True, eq=False)
class AnalysedPhoto:
    """A photo and all faces in it.

    Attributes:
        header: Its sides are those of the upright image.
        faces: Best detector score first.
        thumbnail: JPEG, longest side 320 pixels; None where it was not asked for.
        preview: JPEG, longest side 1,280 pixels; None where it was not asked for. Of a photo that
            is no larger than a thumbnail the two are the same.
        picture_hash: 32 bytes (`core.picture_hash`); None where it was not asked for.
    """

    header: PhotoHeader
    faces: tuple[AnalysedFace, ...]
    skipped: tuple[SkippedFace, ...]
    thumbnail: bytes | None
    preview: bytes | None
    picture_hash: bytes | None
    timings: Timings


@dataclass(frozen=True, slots=True, eq=False)
class _AlignedFace:
    face: DetectedFace
    crop: Pixels
    quality: Quality


@dataclass(frozen=True, slots=True, eq=False)
class _FoundPhoto:
    """A photo whose faces wait to be embedded; its pixels are gone.

    Attributes:
        timings: Without those of embedding.
        at: When its faces were aligned.
    """

    header: PhotoHeader
    aligned: list[_AlignedFace]
    skipped: list[SkippedFace]
    thumbnail: bytes | None
    preview: bytes | None
    picture_hash: bytes | None
    timings: Timings
    at: float


class Pipeline:
    """The way of photos through one pack's models. Threads may share one."""

    def __init__(
        self,
        models: FaceModels,
        limits: PhotoLimits,
        *,
        max_faces: int,
        decode_threads: int,
        detectors: int = 1,
        detected_together: int = 1,
        precedence: Precedence | None = None,
    ) -> None:
        """Take loaded models.

        Args:
            max_faces: Faces kept of one photo, largest first.
            decode_threads: Photos decoded while others are detected, over all callers.
            detectors: Runs of the detector at the same time, over all callers.
            detected_together: Most photos of a batch in one of them; more than one pays on an
                accelerator only.
            precedence: Of single photos over batches; one for all pipelines of a process.
        """
        self.models = models
        self._precedence = precedence or Precedence()
        self.places = _places(models, decode_threads, detectors)
        self._limits = limits
        #: Pixels of a photo's longer side that detector and preview make use of; None: all.
        self.enough = None if models.finest is None else max(models.finest, PREVIEW)
        self._max_faces = max_faces
        self._detectors = BoundedSemaphore(detectors)
        self._together = detected_together
        held = decode_threads + detectors * detected_together
        self._photos = ThreadPoolExecutor(held, thread_name_prefix="photo")

    def analyse(
        self, photos: Sequence[bytes], *, copies: Copies = Copies.NONE
    ) -> list[AnalysedPhoto | BadImage]:
        """Analyse photos; one result for each, in their order.

        A photo that cannot be used gives its reason and does not disturb the others. At any time
        at most *decode_threads* photos and those in the detector are held as pixels, over all
        callers; the photos of an earlier call go first. A single photo, which somebody may wait
        for, goes at once in the thread of its caller.

        Args:
            copies: Which small copies of each photo to make.

        Raises:
            Exception: What breaks a model run; then no result of this batch is known.
        """
        now = perf_counter()
        if len(photos) == 1:
            detections = Gathering(self.models.detector, nullcontext(), 1)
            nobody = Precedence()
            with self._precedence.taken():
                found = self._find(photos[0], copies, now, detections, nobody)
                return self._embed([found], nobody)
        searches = self._precedence
        detections = Gathering(self.models.detector, self._detectors, self._together)
        waiting = [
            self._photos.submit(self._find, photo, copies, now, detections, searches)
            for photo in photos
        ]
        try:
            return self._embed((future.result() for future in waiting), searches)
        finally:
            for future in waiting:
                future.cancel()

    def _embed(
        self, photos: Iterable[_FoundPhoto | BadImage], searches: Precedence
    ) -> list[AnalysedPhoto | BadImage]:
        """Embed the faces of photos as they come."""
        recogniser = _Recogniser(self.models, searches)
        found = []
        for photo in photos:
            recogniser.add(photo)
            found.append(photo)
        recogniser.flush()
        return [recogniser.finished(each) for each in found]

    def _find(
        self,
        data: bytes,
        copies: Copies,
        handed_in: float,
        detections: Gathering,
        searches: Precedence,
    ) -> _FoundPhoto | BadImage:
        """Take one photo from its bytes to the crops of its faces, giving way to *searches*."""
        try:
            return self._found(data, copies, handed_in, detections, searches)
        except BadImage as error:
            return error

    def _found(
        self,
        data: bytes,
        copies: Copies,
        handed_in: float,
        detections: Gathering,
        searches: Precedence,
    ) -> _FoundPhoto:
        searches.give_way()
        begin = perf_counter()
        photo = decode(data, self._limits, enough=self.enough)
        decoded = perf_counter()
        thumbnail, large = small_copies(photo.pixels, copies)
        hashed = picture_hash(photo.pixels) if Copies.HASH in copies else None
        copied = perf_counter()
        searches.give_way()
        detected = detections.detect(photo.pixels)
        searches.give_way()
        aligning = perf_counter()
        aligned, skipped = self._align_all(data, photo, detected.faces)
        end = perf_counter()
        return _FoundPhoto(
            header=photo.header,
            aligned=aligned,
            skipped=skipped,
            thumbnail=thumbnail,
            preview=large,
            picture_hash=hashed,
            timings=Timings(
                decode=decoded - begin,
                detect=detected.seconds,
                align=end - aligning,
                embed=0.0,
                copies=copied - decoded,
                decode_wait=begin - handed_in,
                detect_wait=detected.began - copied,
            ),
            at=end,
        )

    def _align_all(
        self, data: bytes, photo: DecodedPhoto, found: Sequence[DetectedFace]
    ) -> tuple[list[_AlignedFace], list[SkippedFace]]:
        """Cut out the faces that can be used, and say why the others cannot.

        Args:
            found: In pixels of the photo as it was decoded; what is returned is in those of the
                whole one.
        """
        places: list[tuple[DetectedFace, Similarity]] = []
        skipped: list[SkippedFace] = []
        faces = [face.enlarged(photo.reduction) for face in found] if photo.reduction > 1 else found
        largest = sorted(faces, key=lambda face: face.area, reverse=True)
        beyond = {id(face) for face in largest[self._max_faces :]}
        for face in faces:
            if face.shorter_side < self.models.min_face:
                skipped.append(SkippedFace(face, FACE_TOO_SMALL))
            elif id(face) in beyond:
                skipped.append(SkippedFace(face, EXCEEDS_MAX_FACES))
            elif (place := similarity(face.landmarks, self.models.embedder.template)) is None:
                skipped.append(SkippedFace(face, BAD_LANDMARKS))
            else:
                places.append((face, place))
        photo = self._fine_enough(data, photo, [place for _, place in places])
        aligned: list[_AlignedFace] = []
        for face, place in places:
            crop = warp(
                photo.pixels, place.from_reduced(photo.reduction), self.models.embedder.side
            )
            if crop is None:
                skipped.append(SkippedFace(face, BAD_LANDMARKS))
            else:
                aligned.append(_AlignedFace(face, crop, quality.measure(face, crop, place)))
        return aligned, skipped

    def _fine_enough(
        self, data: bytes, photo: DecodedPhoto, places: Sequence[Similarity]
    ) -> DecodedPhoto:
        """Decode a reduced photo again where its smallest face needs more pixels than it has."""
        largest_scale = max((place.scale for place in places), default=0.0)
        if photo.reduction == 1 or largest_scale * photo.reduction <= LARGEST_SCALE:
            return photo
        sides = photo.header.width, photo.header.height
        enough = math.ceil(max(sides) * min(1.0, largest_scale / LARGEST_SCALE))
        return decode(data, self._limits, enough=enough)


@dataclass(frozen=True, slots=True, eq=False)
class _Embedded:
    """The raw vector of one face, and its part of the run that made it.

    Attributes:
        began: When that run began.
    """

    raw: NDArray[np.float32]
    began: float
    seconds: float
    runs: float


class _Recogniser:
    """Embeds the faces of one batch of photos: in full runs while more photos are to come."""

    def __init__(self, models: FaceModels, searches: Precedence) -> None:
        self._embedder = models.embedder
        self._on_cpu = models.device is Device.CPU
        self._searches = searches
        self._crops: list[Pixels] = []
        self._embedded: deque[_Embedded] = deque()

    def add(self, found: _FoundPhoto | BadImage) -> None:
        """Take the faces of the next photo; run for as many of all as fill a run."""
        if isinstance(found, _FoundPhoto):
            self._crops += [face.crop for face in found.aligned]
        while len(self._crops) >= EMBEDDED_AT_ONCE:
            self._run()

    def flush(self) -> None:
        """Embed what is left: no photo comes any more."""
        if self._crops:
            self._run()

    def _run(self) -> None:
        now, self._crops = self._crops[:EMBEDDED_AT_ONCE], self._crops[EMBEDDED_AT_ONCE:]
        in_steps = self._on_cpu and self._searches.was_taken_lately()
        step = EMBEDDED_BETWEEN_LOOKS if in_steps else EMBEDDED_AT_ONCE
        for first in range(0, len(now), step):
            self._searches.give_way()
            some = now[first : first + step]
            began = perf_counter()
            raw = self._embedder.embed(np.stack(some))
            seconds = (perf_counter() - began) / len(some)
            self._embedded += [_Embedded(each, began, seconds, 1 / len(now)) for each in raw]

    def finished(self, found: _FoundPhoto | BadImage) -> AnalysedPhoto | BadImage:
        """Give a photo the vectors of its faces; to be called once each, in the photos' order."""
        if isinstance(found, BadImage):
            return found
        own = [self._embedded.popleft() for _ in found.aligned]
        faces: list[AnalysedFace] = []
        skipped = list(found.skipped)
        for each, vector in zip(found.aligned, own, strict=True):
            try:
                unit, norm = unit_embedding(vector.raw, self._embedder.dimension)
            except BadEmbedding as error:
                skipped.append(SkippedFace(each.face, error.code))
            else:
                faces.append(AnalysedFace(each.face, unit, norm, each.quality, each.crop))
        return AnalysedPhoto(
            header=found.header,
            faces=tuple(faces),
            skipped=tuple(skipped),
            thumbnail=found.thumbnail,
            preview=found.preview,
            picture_hash=found.picture_hash,
            timings=replace(
                found.timings,
                embed=sum(vector.seconds for vector in own),
                embed_wait=own[0].began - found.at if own else 0.0,
                runs=sum(vector.runs for vector in own),
            ),
        )


def _places(models: FaceModels, decode_threads: int, detectors: int) -> Mapping[Stage, int]:
    """Say how many threads can be at each stage at once."""
    if models.device is Device.CPU:  # all of them share its cores
        return dict.fromkeys(Stage, os.cpu_count() or 1)
    pixels = dict.fromkeys((Stage.DECODE, Stage.COPIES, Stage.ALIGN), decode_threads)
    return {**pixels, Stage.DETECT: detectors, Stage.EMBED: 1}
