"""Search by comparing everything, in plain Python: what the SQL is held against."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np

from core.db.search import GroupBy
from core.filters import Filter


@dataclass(frozen=True, slots=True)
class Person:
    """As ``people`` has it."""

    id: UUID
    external_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Photo:
    """As ``images`` has it."""

    id: UUID
    external_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    captured_at: datetime | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """As ``faces`` has it."""

    id: UUID
    collection_id: UUID
    photo: Photo
    embedding: np.ndarray
    person: Person | None = None
    cluster_id: UUID | None = None
    external_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    quality: float = 0.5
    side: float = 50.0


@dataclass(frozen=True, slots=True)
class Row:
    """A group of the answer."""

    key: UUID
    face_id: UUID
    cosine: float
    margin: float | None
    supporting: int


def as_stored(vectors: np.ndarray) -> np.ndarray:
    """Rounded to half precision; a cosine does not depend on the length that this changes."""
    rounded = np.asarray(vectors, np.float16).astype(np.float64)
    return np.asarray(rounded / np.linalg.norm(rounded, axis=-1, keepdims=True))


def search(
    faces: Sequence[Stored],
    probes: Sequence[np.ndarray],
    *,
    thresholds: Mapping[UUID, float],
    group_by: GroupBy,
    limit: int,
    wanted: Filter,
    shown: Sequence[UUID] = (),
) -> list[Row]:
    """Return the nearest groups of the faces that meet all conditions."""
    searched = [face for face in faces if face.collection_id in thresholds and meets(face, wanted)]
    stored = as_stored(np.stack(list(probes)))
    cosines = {face.id: float(max(stored @ as_stored(face.embedding))) for face in searched}
    groups: dict[UUID, list[Stored]] = {}
    people: dict[UUID, float] = {}
    for face in searched:
        groups.setdefault(_KEYS[group_by](face), []).append(face)
        if face.person is not None:
            people[face.person.id] = max(cosines[face.id], people.get(face.person.id, -1.0))
    rows = []
    for key, members in groups.items():
        best = min(members, key=lambda face: (-cosines[face.id], face.id))
        cosine = cosines[best.id]
        owner = best.person.id if best.person else None
        behind = [each for person, each in people.items() if person != owner and each <= cosine]
        counted = [best] if group_by is GroupBy.FACE else members
        supporting = sum(cosines[face.id] >= thresholds[face.collection_id] for face in counted)
        margin = cosine - max(behind) if behind else None
        rows.append(Row(key, best.id, cosine, margin, supporting))
    rows.sort(key=lambda row: (-row.cosine, row.key))
    return [row for row in rows if row.key not in shown][:limit]


_KEYS: dict[GroupBy, Callable[[Stored], UUID]] = {
    GroupBy.FACE: lambda face: face.id,
    GroupBy.IMAGE: lambda face: face.photo.id,
    GroupBy.PERSON: lambda face: face.person.id if face.person else face.cluster_id or face.id,
}


def meets(face: Stored, wanted: Filter) -> bool:
    """Whether a face meets every condition."""
    return all(_CONDITIONS[name](face, value) for name, value in wanted.asked.items())


def _moment(face_id: UUID) -> int:
    """Milliseconds since 1970, at which an id of version 7 was made."""
    return face_id.int >> 80


def _ms(moment: datetime) -> float:
    return moment.timestamp() * 1000


def _starts(external_id: str | None, prefix: str) -> bool:
    return external_id is not None and external_id.startswith(prefix)


def _holds(metadata: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(name in metadata and metadata[name] == value for name, value in wanted.items())


_CONDITIONS: dict[str, Callable[[Stored, Any], bool]] = {
    "people": lambda face, ids: face.person is not None and face.person.id in ids,
    "not_people": lambda face, ids: face.person is None or face.person.id not in ids,
    "named": lambda face, named: (face.person is not None) == named,
    "person_prefix": lambda face, prefix: (
        face.person is not None and _starts(face.person.external_id, prefix)
    ),
    "person_metadata": lambda face, wanted: (
        face.person is not None and _holds(face.person.metadata, wanted)
    ),
    "tags_any": lambda face, tags: bool(set(face.photo.tags) & set(tags)),
    "tags_all": lambda face, tags: set(tags) <= set(face.photo.tags),
    "tags_none": lambda face, tags: not set(face.photo.tags) & set(tags),
    "captured_from": lambda face, moment: (
        face.photo.captured_at is not None and face.photo.captured_at >= moment
    ),
    "captured_before": lambda face, moment: (
        face.photo.captured_at is not None and face.photo.captured_at < moment
    ),
    "created_from": lambda face, moment: _moment(face.id) >= _ms(moment),
    "created_before": lambda face, moment: _moment(face.id) < _ms(moment),
    "image_prefix": lambda face, prefix: _starts(face.photo.external_id, prefix),
    "image_metadata": lambda face, wanted: _holds(face.photo.metadata, wanted),
    "not_images": lambda face, ids: face.photo.id not in ids,
    "face_prefix": lambda face, prefix: _starts(face.external_id, prefix),
    "face_metadata": lambda face, wanted: _holds(face.metadata, wanted),
    "not_faces": lambda face, ids: face.id not in ids,
    "min_quality": lambda face, least: float(np.float32(face.quality)) >= least,
    "min_size": lambda face, least: face.side >= least,
}
