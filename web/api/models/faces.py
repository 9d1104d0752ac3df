"""Faces over the wire."""

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import Field

from core.db.faces import Face as Row
from web.api.models.common import (
    CAPTURED_BEFORE,
    CAPTURED_FROM,
    Answer,
    Box,
    Change,
    ExternalId,
    Metadata,
    Moment,
    Page,
    PageQuery,
    PersonName,
    Quality,
    Query,
    Tag,
    kept,
    landmarks,
)


class FacesQuery(PageQuery):
    """Which faces."""

    person_id: UUID | None = Field(None, description="Only this person's.")
    named: bool | None = Field(None, description="Only those with a person, or without one.")
    external_id: ExternalId | None = None
    tag: Tag | None = None
    captured_from: Moment | None = Field(None, description=CAPTURED_FROM)
    captured_before: Moment | None = Field(None, description=CAPTURED_BEFORE)


class FaceChange(Change):
    """What to change of a face. (Who it is: see people.)"""

    external_id: ExternalId | None = Field(None, description="Null removes it.")
    metadata: Metadata = kept()


class FaceQuery(Query):
    """How much of a face."""

    include: Literal["embedding"] | None = Field(None, description="Also the stored vector.")


class Embedding(Answer):
    """A stored vector."""

    space_id: str
    vector: list[float] = Field(description="Length 1; rounded to half precision.")


class Face(Answer):
    """One face in one image."""

    id: UUID
    collection_id: UUID
    image_id: UUID
    index: int = Field(description="Position in its image, best detector score first.")
    person: PersonName | None
    external_id: str | None
    metadata: dict[str, Any]
    tags: list[str] = Field(description="Those of its image, as `captured_at` is.")
    captured_at: datetime | None
    box: Box
    landmarks: list[tuple[float, float]] = Field(
        description="Left eye, right eye, nose, left and right mouth corner as seen in the "
        "picture; x, y in pixels."
    )
    score: float = Field(description="The detector's confidence, 0 to 1.")
    norm: float = Field(description="Length of the raw embedding.")
    quality: Quality
    hidden: bool = Field(description="Somebody said that it is no face: no search finds it.")
    created_at: datetime
    crop_url: str
    embedding: Embedding | None = Field(None, description="Where it was asked for.")

    @classmethod
    def of(cls, row: Row, embedding: Embedding | None = None) -> Self:
        """Show a row."""
        person = None
        if row.person_id is not None:
            person = PersonName(id=row.person_id, name=row.person_name or "")
        return cls(
            id=row.id,
            collection_id=row.collection_id,
            image_id=row.image_id,
            index=row.position,
            person=person,
            external_id=row.external_id,
            metadata=row.metadata,
            tags=row.tags,
            captured_at=row.captured_at,
            box=Box.of(row.box),
            landmarks=landmarks(list(zip(row.landmarks[::2], row.landmarks[1::2], strict=True))),
            score=round(row.score, 4),
            norm=round(row.norm, 4),
            quality=Quality.of(
                overall=row.quality,
                sharpness=row.sharpness,
                brightness=row.brightness,
                size=row.size,
                yaw=row.yaw,
                pitch=row.pitch,
                roll=row.roll,
            ),
            hidden=row.hidden,
            created_at=row.created_at,
            crop_url=crop_url(row.id),
            embedding=embedding,
        )


class FacePage(Page[Face]):
    """Faces, newest first."""


def crop_url(face_id: UUID) -> str:
    """Return where the crop of a face is."""
    return f"/v1/faces/{face_id}/crop"
