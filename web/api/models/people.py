"""People over the wire."""

from datetime import datetime
from typing import Annotated, Any, Self, TypeAlias
from uuid import UUID

from pydantic import Field

from core.db.people import Person as Row
from web.api.models.common import (
    Answer,
    Body,
    Change,
    ExternalId,
    Metadata,
    Name,
    Page,
    PageQuery,
    Text,
    kept,
)
from web.api.models.faces import crop_url

MOST_FACES = 500
MOST_MERGED = 100

FaceIds: TypeAlias = Annotated[
    list[UUID], Field(max_length=MOST_FACES, description="Ids of faces of the same collection.")
]


class NewPerson(Body):
    """Somebody to be named; names need not be unique."""

    name: Name = Field(examples=["Ada Lovelace"])
    external_id: ExternalId | None = Field(None, examples=["HR-1001"])
    metadata: Metadata = Field({})
    face_ids: FaceIds = Field([])


class PersonChange(Change):
    """What to change of a person; what is left out stays."""

    name: Name = kept()
    external_id: ExternalId | None = kept("Null removes it.")
    metadata: Metadata = kept("Replaces all of it.")


class Assignment(Body):
    """Faces for a person."""

    face_ids: FaceIds = Field(min_length=1)


class Merge(Body):
    """Who is the same as a person."""

    person_ids: Annotated[
        list[UUID],
        Field(min_length=1, max_length=MOST_MERGED, description="Ids of people who are deleted."),
    ]


class Split(Body):
    """Faces of a person that are somebody else."""

    name: Name = Field(examples=["Byron"])
    face_ids: FaceIds = Field(min_length=1)


class PeopleQuery(PageQuery):
    """Which people."""

    name: Text | None = Field(None, description="Whole name; upper and lower case are the same.")
    external_id: ExternalId | None = None


class Person(Answer):
    """Somebody with a name in one collection."""

    id: UUID
    collection_id: UUID
    name: str
    external_id: str | None
    metadata: dict[str, Any]
    face_count: int
    best_face_id: UUID | None = Field(description="Their face of best quality.")
    crop_url: str | None = Field(description="That face.")
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Row) -> Self:
        """Show a row."""
        return cls(
            id=row.id,
            collection_id=row.collection_id,
            name=row.name,
            external_id=row.external_id,
            metadata=row.metadata,
            face_count=row.face_count,
            best_face_id=row.best_face_id,
            crop_url=None if row.best_face_id is None else crop_url(row.best_face_id),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


class PersonPage(Page[Person]):
    """People, oldest first."""
