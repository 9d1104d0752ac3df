"""What an import would come to: a sample of it goes all the way, and nothing is stored."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter
from typing import Any, Final

from core import collections
from core.analysis import Analyser
from core.db import images as image_rows
from core.db.collections import Collection
from core.db.imports import Import
from core.errors import BadImage
from core.gates import Gate, split
from core.images import Copies, PhotoLimits
from core.import_sources import Entry, PassedOver, Sources, offer
from core.import_wishes import Options
from core.keeping import Keeps
from core.offers import Checked, Refusal, check
from core.pictures import encode_crop
from core.pipeline import AnalysedPhoto
from core.services import Services

SAMPLE: Final = 200

AT_ONCE: Final = 16
"""Photos analysed together, as a worker does."""

FACE_ROW_BYTES: Final = 3_300
"""Of a face with its place in a search index: 1.27 GB of table and 1.53 GB of graph for a million
faces of 512 numbers, and the row of its image (docs/performance.md, growth)."""


@dataclass(slots=True)
class Forecast:
    """Sums over the sample.

    Attributes:
        entries: Of the whole import.
        sampled: Of those, tried.
        duplicates: Photos that the collection has, or the sample has twice.
        faces: That would be stored.
        reasons: Why photos would be refused, or have no face.
        seconds: Of this worker, for the sample.
        bytes: Of disk, for the sample.
    """

    entries: int = 0
    sampled: int = 0
    duplicates: int = 0
    refused: int = 0
    faces: int = 0
    seconds: float = 0.0
    bytes: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Return what a row keeps."""
        return {
            "entries": self.entries,
            "sampled": self.sampled,
            "duplicates": self.duplicates,
            "refused": self.refused,
            "faces": self.faces,
            "seconds": round(self.seconds, 3),
            "bytes": self.bytes,
            "reasons": dict(self.reasons),
        }


def run(
    services: Services, sources: Sources, found: Import, analysers: Mapping[str, Analyser]
) -> Forecast:
    """Try up to `SAMPLE` entries, drawn by lot, the same ones each time.

    Raises:
        FaceSearchError: The source cannot be read.
    """
    with services.pool.connection() as conn:
        home = collections.get(conn, found.collection_id)
    trial = _Trial(services, home, analysers[home.space_id], Options.from_json(found.options))
    chosen = _chosen(sources, found, trial.made)
    with sources.entries(found) as entries:
        photos = _photos(entries, chosen)
        while some := list(islice(photos, AT_ONCE)):
            began = perf_counter()
            with services.solitude.company():  # a photo may kill the process here, too
                trial.add(some)
            trial.made.seconds += perf_counter() - began
    return trial.made


def _chosen(sources: Sources, found: Import, made: Forecast) -> set[int]:
    """Draw the positions of the sample; where only reading tells how many there are, all is read."""
    made.entries = found.entries_expected or 0
    if found.entries_expected is None:
        with sources.entries(found) as entries:
            made.entries = sum(isinstance(each, Entry) for each in entries)
    made.sampled = min(SAMPLE, made.entries)
    return set(random.Random(found.id.int).sample(range(made.entries), made.sampled))  # noqa: S311


def _photos(entries: Iterator[Entry | PassedOver], chosen: set[int]) -> Iterator[Entry]:
    real = (each for each in entries if isinstance(each, Entry))
    return (entry for position, entry in enumerate(real) if position in chosen)


@dataclass(slots=True)
class _Trial:
    """The sample on its way."""

    services: Services
    home: Collection
    analyser: Analyser
    options: Options
    made: Forecast = field(default_factory=Forecast)
    _seen: set[bytes] = field(default_factory=set)

    def add(self, entries: Sequence[Entry]) -> None:
        """Try some entries."""
        new = self._new(entries)
        copies = Copies.BOTH if Keeps(self.home.keeps).photos else Copies.NONE
        results = self.analyser.analyse([each.upload.data for each in new], copies=copies)
        for photo, result in zip(new, results, strict=True):
            if isinstance(result, BadImage):
                self._refuse(result.code)
            else:
                self._count(photo, result)

    def _new(self, entries: Sequence[Entry]) -> list[Checked]:
        """Return the photos that are neither refused nor known."""
        limits = PhotoLimits.of(self.services.settings)
        photos: list[Checked] = []
        for entry in entries:
            checked = check(offer(entry, self.options), limits)
            if isinstance(checked, Refusal):
                self._refuse(checked.error.code)
            elif checked.sha256 in self._seen:
                self.made.duplicates += 1
            else:
                self._seen.add(checked.sha256)
                photos.append(checked)
        with self.services.pool.connection() as conn:
            digests = [photo.sha256 for photo in photos]
            known = image_rows.known(conn, self.home.id, digests)
        self.made.duplicates += len(known)
        return [photo for photo in photos if photo.sha256 not in known]

    def _refuse(self, code: str) -> None:
        self.made.refused += 1
        self.made.reasons[code] += 1

    def _count(self, photo: Checked, result: AnalysedPhoto) -> None:
        gate, keeps = Gate(self.home.quality_gate), Keeps(self.home.keeps)
        floors = self.services.manifest.floors(self.home.space_id, gate)
        faces, refused = split(result.faces, gate, floors)
        if not faces:
            self.made.reasons["no_usable_face" if refused else "no_face_found"] += 1
        self.made.faces += len(faces)
        self.made.bytes += FACE_ROW_BYTES * max(1, len(faces))
        if keeps.crops:
            self.made.bytes += sum(len(encode_crop(face.crop)) for face in faces)
        if keeps.photos:
            copies = len(result.thumbnail or b"") + len(result.preview or b"")
            self.made.bytes += len(photo.upload.data) + copies
