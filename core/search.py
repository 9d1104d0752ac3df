"""Search with a photo: who looks like each face in it? (Whoever is stored: `core.subjects`.)"""

import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from core import subjects
from core.db.collections import Collection
from core.doorbell import Doorbell
from core.errors import InvalidRequest
from core.exchange import QueryFace, QueryPhoto
from core.finding import Found, Options, find, space_of
from core.images import PhotoLimits, inspect
from core.probes import Fuse, weight
from core.services import Services
from core.spaces import require_same
from core.subjects import Subject


@dataclass(frozen=True, slots=True, eq=False)
class FoundFace:
    """What became of one face of a query photo.

    Attributes:
        found: None when it was not searched, or only *fused* with others.
    """

    index: int
    query: QueryFace
    found: Found | None
    reasons: tuple[str, ...]
    fused: bool = False

    @property
    def searched(self) -> bool:
        """It was, alone or with others."""
        return self.found is not None or self.fused

    @property
    def subject(self) -> Subject:
        """Who it was searched as; only of faces that have an embedding."""
        assert self.query.embedding is not None, "a face without one is not searched"
        quality = None if self.query.quality is None else self.query.quality.overall
        return Subject(self.query.embedding[None], weight=weight(self.query.norm, quality))


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """The answer for several faces of one person."""

    subject: Subject
    found: Found


@dataclass(frozen=True, slots=True, eq=False)
class FoundPhoto:
    """The answer for a query photo, a row per face in it.

    Attributes:
        fused: The one answer, where the faces were searched for as one person.
        seconds: What the time went into: ``queue``, the worker's stages, ``search``.
    """

    photo: QueryPhoto
    faces: tuple[FoundFace, ...]
    fused: Fused | None
    seconds: Mapping[str, float]


def by_photo(
    services: Services,
    doorbell: Doorbell,
    homes: Sequence[Collection],
    photo: bytes,
    options: Options,
    *,
    faces: Sequence[int] | None = None,
    largest: bool = False,
    preview: bool = False,
    fuse: Fuse | None = None,
    also: Sequence[Subject] = (),
) -> FoundPhoto:
    """Search with every face of a photo, with those whose index is in *faces*, or the largest.

    Args:
        fuse: The faces are one person's, as are those of *also*: search for them together.

    Raises:
        BadImage: The photo cannot be used.
        InvalidRequest: It has no face of an index that is in *faces*.
        WorkerUnavailable, BrokerUnavailable: Nobody analysed it in time.
        SpaceMismatch, CalibrationNeeded, SearchTimeout: See `core.finding.find`.
    """
    space_id = space_of(homes)
    inspect(photo, PhotoLimits.of(services.settings))
    began = time.monotonic()
    analysed = services.exchange.ask(
        photo,
        space_id=space_id,
        preview=preview,
        timeout_s=services.settings.search_timeout_s,
        ring=doorbell.search,
    )
    answered = time.monotonic()
    require_same(space_id, analysed.space_id)
    wanted = _wanted(analysed.faces, faces, largest=largest)
    found = tuple(
        _search_face(services, homes, index, query, options if fuse is None else None, wanted)
        for index, query in enumerate(analysed.faces)
    )
    together = _search_fused(services, homes, found, options, fuse, also) if fuse else None
    seconds = {
        "queue": max(0.0, answered - began - sum(analysed.seconds.values())),
        **analysed.seconds,
        "search": time.monotonic() - answered,
    }
    return FoundPhoto(analysed, found, together, seconds)


def _wanted(
    present: Sequence[QueryFace], faces: Sequence[int] | None, *, largest: bool
) -> Container[int]:
    count = len(present)
    if largest and present:
        return {max(range(count), key=lambda index: present[index].face.area)}
    beyond = sorted(set(faces or ()) - set(range(count)))
    if beyond and present:
        raise InvalidRequest(f"This photo has no face {beyond[0]}: its faces are 0 to {count - 1}.")
    return range(count) if faces is None else set(faces)


def _search_face(
    services: Services,
    homes: Sequence[Collection],
    index: int,
    query: QueryFace,
    options: Options | None,
    wanted: Container[int],
) -> FoundFace:
    """Search with one face; without *options* it waits for the others."""
    if query.embedding is None:
        return FoundFace(index, query, None, query.reasons)
    if index not in wanted:
        return FoundFace(index, query, None, (*query.reasons, "not_selected"))
    if options is None:
        return FoundFace(index, query, None, query.reasons, fused=True)
    found = find(services, homes, [query.embedding], options)
    return FoundFace(index, query, found, query.reasons)


def _search_fused(
    services: Services,
    homes: Sequence[Collection],
    faces: Sequence[FoundFace],
    options: Options,
    fuse: Fuse,
    also: Sequence[Subject],
) -> Fused | None:
    parts = [*(face.subject for face in faces if face.fused), *also]
    if not parts:
        return None
    subject = subjects.of_several(parts, fuse)
    return Fused(subject, subjects.find(services, homes, subject, options))
