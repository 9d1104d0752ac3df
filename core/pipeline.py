"""From photos to faces: decode, detect, align, embed the faces of all photos together, measure."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from time import perf_counter
from typing import Final

import numpy as np
from PIL import Image

from core import quality
from core.alignment import similarity, warp
from core.errors import BadEmbedding, BadImage
from core.faces import AnalysedFace, DetectedFace, Pixels, Quality, unit_embedding
from core.images import DecodedPhoto, PhotoHeader, PhotoLimits, decode, preview, shrink
from core.inference.contracts import FaceModels

THUMBNAIL: Final = 320
PREVIEW: Final = 1280
"""Longest sides, in pixels, of the two small copies of a photo that pages show."""

EMBEDDED_AT_ONCE: Final = 512
"""Crops handed to the recogniser in one call; more would only take memory: 512 are 35 MB."""

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


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds that one photo took; of what a batch did together, its share by faces."""

    decode: float
    detect: float
    align: float
    embed: float


@dataclass(frozen=True, slots=True, eq=False)
class AnalysedPhoto:
    """A photo and all faces in it.

    Attributes:
        header: Its sides are those of the upright image.
        faces: Best detector score first.
        thumbnail: JPEG, longest side 320 pixels.
        preview: JPEG, longest side 1,280 pixels.
    """

    header: PhotoHeader
    faces: tuple[AnalysedFace, ...]
    skipped: tuple[SkippedFace, ...]
    thumbnail: bytes
    preview: bytes
    timings: Timings


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """A decoded photo with its small copies; the only thing that holds whole pictures."""

    photo: DecodedPhoto
    thumbnail: bytes
    preview: bytes
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class _AlignedFace:
    face: DetectedFace
    crop: Pixels
    quality: Quality


@dataclass(frozen=True, slots=True, eq=False)
class _FoundPhoto:
    """A photo whose faces wait to be embedded; its pixels are gone."""

    header: PhotoHeader
    aligned: list[_AlignedFace]
    skipped: list[SkippedFace]
    thumbnail: bytes
    preview: bytes
    decode_s: float
    detect_s: float
    align_s: float


class Pipeline:
    """The way of photos through one pack's models. Threads may share one."""

    def __init__(
        self, models: FaceModels, limits: PhotoLimits, *, max_faces: int, decode_threads: int
    ) -> None:
        """Take loaded models.

        Args:
            max_faces: Faces kept of one photo, largest first.
            decode_threads: Photos decoded at the same time, over all callers.
        """
        self.models = models
        self._limits = limits
        self._max_faces = max_faces
        self._ahead = decode_threads
        self._decoders = ThreadPoolExecutor(decode_threads, thread_name_prefix="decode")

    def analyse(self, photos: Sequence[bytes]) -> list[AnalysedPhoto | BadImage]:
        """Analyse photos; one result for each, in their order.

        A photo that cannot be used gives its reason and does not disturb the others. At any time
        at most *decode_threads* and two photos of a batch are held as pixels.

        Raises:
            Exception: What breaks a model run; then no result of this batch is known.
        """
        found = [
            each if isinstance(each, BadImage) else self._find(each)
            for each in self._prepared(photos)
        ]
        return self._embed(found)

    def _prepared(self, photos: Sequence[bytes]) -> Iterator[_Prepared | BadImage]:
        """Decode in the pool, a few photos ahead of whoever consumes them."""
        waiting: deque[Future[_Prepared | BadImage]] = deque()
        try:
            for data in photos:
                waiting.append(self._decoders.submit(_prepare, data, self._limits))
                if len(waiting) > self._ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _find(self, prepared: _Prepared) -> _FoundPhoto:
        """Detect and align the faces of one photo."""
        pixels = prepared.photo.pixels
        begin = perf_counter()
        (faces,) = self.models.detector.detect([pixels])
        detected = perf_counter()
        aligned: list[_AlignedFace] = []
        skipped: list[SkippedFace] = []
        largest = sorted(faces, key=lambda face: face.area, reverse=True)
        beyond = {id(face) for face in largest[self._max_faces :]}
        for face in faces:
            if face.shorter_side < self.models.min_face:
                skipped.append(SkippedFace(face, FACE_TOO_SMALL))
            elif id(face) in beyond:
                skipped.append(SkippedFace(face, EXCEEDS_MAX_FACES))
            elif (done := self._align(pixels, face)) is None:
                skipped.append(SkippedFace(face, BAD_LANDMARKS))
            else:
                aligned.append(done)
        return _FoundPhoto(
            header=prepared.photo.header,
            aligned=aligned,
            skipped=skipped,
            thumbnail=prepared.thumbnail,
            preview=prepared.preview,
            decode_s=prepared.seconds,
            detect_s=detected - begin,
            align_s=perf_counter() - detected,
        )

    def _align(self, pixels: Pixels, face: DetectedFace) -> _AlignedFace | None:
        embedder = self.models.embedder
        found = similarity(face.landmarks, embedder.template)
        if found is None:
            return None
        crop = warp(pixels, found, embedder.side)
        if crop is None:
            return None
        return _AlignedFace(face, crop, quality.measure(face, crop, found))

    def _embed(self, found: Sequence[_FoundPhoto | BadImage]) -> list[AnalysedPhoto | BadImage]:
        """Embed the faces of all photos together, then give each photo its own."""
        begin = perf_counter()
        crops = [
            face.crop for each in found if isinstance(each, _FoundPhoto) for face in each.aligned
        ]
        raw = [
            vector
            for start in range(0, len(crops), EMBEDDED_AT_ONCE)
            for vector in self.models.embedder.embed(
                np.stack(crops[start : start + EMBEDDED_AT_ONCE])
            )
        ]
        seconds_per_face = (perf_counter() - begin) / max(1, len(crops))
        vectors = iter(raw)
        return [
            each if isinstance(each, BadImage) else self._finish(each, vectors, seconds_per_face)
            for each in found
        ]

    def _finish(
        self, found: _FoundPhoto, vectors: Iterator[np.ndarray], seconds_per_face: float
    ) -> AnalysedPhoto:
        """Take the vectors of one photo's faces from *vectors*."""
        faces: list[AnalysedFace] = []
        skipped = list(found.skipped)
        for each in found.aligned:
            try:
                vector, norm = unit_embedding(next(vectors), self.models.embedder.dimension)
            except BadEmbedding as error:
                skipped.append(SkippedFace(each.face, error.code))
            else:
                faces.append(AnalysedFace(each.face, vector, norm, each.quality, each.crop))
        return AnalysedPhoto(
            header=found.header,
            faces=tuple(faces),
            skipped=tuple(skipped),
            thumbnail=found.thumbnail,
            preview=found.preview,
            timings=Timings(
                decode=found.decode_s,
                detect=found.detect_s,
                align=found.align_s,
                embed=seconds_per_face * len(found.aligned),
            ),
        )


def encode_crop(crop: Pixels) -> bytes:
    """Pack a crop without loss, so that another recogniser can embed it later.

    WebP: 15 kB for 112 x 112 pixels in 0.4 ms, where PNG takes 19 to 20 kB and 1 to 2.5 ms.
    """
    stream = BytesIO()
    Image.fromarray(crop).save(stream, "WEBP", lossless=True, method=0)
    return stream.getvalue()


def decode_crop(data: bytes) -> Pixels:
    """Unpack what *encode_crop* packed.

    Raises:
        BadImage: The stored bytes are damaged.
    """
    return decode(data, PhotoLimits(max_bytes=len(data), max_pixels=2**24)).pixels


def _prepare(data: bytes, limits: PhotoLimits) -> _Prepared | BadImage:
    """Decode a photo and make its small copies; runs in the pool."""
    begin = perf_counter()
    try:
        photo = decode(data, limits)
    except BadImage as error:
        return error
    shown = shrink(photo.pixels, PREVIEW)
    small, large = preview(shown, THUMBNAIL), preview(shown, PREVIEW)
    return _Prepared(photo, small, large, perf_counter() - begin)
