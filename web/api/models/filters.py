"""What a search is narrowed to, over the wire: conditions by noun, all of which must hold."""

from typing import Annotated, TypeAlias
from uuid import UUID

from pydantic import Field

from core.filters import NOTHING_ASKED, Filter
from web.api.models.common import Body, Metadata, Moment, SomeText, Tags

MOST_IDS = 1000
LARGEST_SIDE = 1_000_000

Ids: TypeAlias = Annotated[list[UUID], Field(max_length=MOST_IDS)]


class ExternalIdFilter(Body):
    """How a text begins."""

    prefix: SomeText


class TimeFilter(Body):
    """From when, and until before when."""

    gte: Moment | None = Field(None, description="At this time or later.")
    lt: Moment | None = Field(None, description="Before this time.")


class QualityFilter(Body):
    """At least so much."""

    gte: float = Field(ge=0, le=1, allow_inf_nan=False)


class SizeFilter(Body):
    """At least so many."""

    gte: float = Field(ge=0, le=LARGEST_SIDE, allow_inf_nan=False)


class TagFilter(Body):
    """Which tags."""

    any: Tags = Field([], description="At least one of these.")
    all: Tags = Field([], description="Each of these.")
    none: Tags = Field([], description="None of these.")


class PersonFilter(Body):
    """Who the face belongs to."""

    ids: Ids = Field([], description="One of these people.")
    not_ids: Ids = Field([], description="None of these people; unnamed faces pass.")
    named: bool | None = Field(None, description="Has a name, or has none.")
    external_id: ExternalIdFilter | None = None
    metadata: Metadata | None = Field(None, description="Has all these members, equal.")


class ImageFilter(Body):
    """Which image it is in."""

    tags: TagFilter = TagFilter()
    captured_at: TimeFilter = Field(
        TimeFilter(), description="When the photo was taken; one that does not say so fails."
    )
    external_id: ExternalIdFilter | None = None
    metadata: Metadata | None = Field(None, description="Has all these members, equal.")
    not_ids: Ids = Field([], description="None of these images.")


class FaceFilter(Body):
    """Which face it is."""

    quality: QualityFilter | None = Field(None, description="Overall quality, 0 to 1.")
    size: SizeFilter | None = Field(None, description="Shorter side of its box, in pixels.")
    created_at: TimeFilter = Field(TimeFilter(), description="When it was indexed.")
    external_id: ExternalIdFilter | None = None
    metadata: Metadata | None = Field(None, description="Has all these members, equal.")
    not_ids: Ids = Field([], description="None of these faces.")


class SearchFilter(Body):
    """Conditions that a face must meet, all of them; what is left out asks nothing."""

    person: PersonFilter = PersonFilter()
    image: ImageFilter = ImageFilter()
    face: FaceFilter = FaceFilter()

    @property
    def filter(self) -> Filter:
        """The same for core."""
        person, image, face = self.person, self.image, self.face
        return Filter(
            people=tuple(person.ids),
            not_people=tuple(person.not_ids),
            named=person.named,
            person_prefix=None if person.external_id is None else person.external_id.prefix,
            person_metadata=person.metadata or None,
            tags_any=tuple(image.tags.any),
            tags_all=tuple(image.tags.all),
            tags_none=tuple(image.tags.none),
            captured_from=image.captured_at.gte,
            captured_before=image.captured_at.lt,
            created_from=face.created_at.gte,
            created_before=face.created_at.lt,
            image_prefix=None if image.external_id is None else image.external_id.prefix,
            image_metadata=image.metadata or None,
            not_images=tuple(image.not_ids),
            face_prefix=None if face.external_id is None else face.external_id.prefix,
            face_metadata=face.metadata or None,
            not_faces=tuple(face.not_ids),
            min_quality=None if face.quality is None else face.quality.gte,
            min_size=None if face.size is None else face.size.gte,
        )


def asked(given: SearchFilter | None) -> Filter:
    """Return the conditions of a request, which may have none."""
    return NOTHING_ASKED if given is None else given.filter
