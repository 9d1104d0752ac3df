"""What a search is narrowed to. Pure: no database."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that a face must meet, all of them; what is left at its default asks nothing.

    Times are aware; *from* is inclusive and *before* is not. A metadata condition is an object whose
    every member must be in the metadata with an equal value.

    Attributes:
        people: Faces of one of these people.
        not_people: Faces of none of these people; unnamed faces pass.
        named: Only faces that have a person, or only those that have none.
        person_prefix: Start of the person's external id.
        person_metadata: Of the face's person.
        tags_any: The image has at least one of these, *tags_all* each, *tags_none* none.
        captured_from: When the photo was taken; an image that does not say so fails.
        created_from: When the face was indexed.
        image_prefix: Start of the image's external id.
        not_images: Faces of none of these images.
        not_faces: None of these faces.
        min_quality: Overall quality, 0 to 1.
        min_size: Shorter side of the face's box, in pixels of its image.
    """

    people: tuple[UUID, ...] = ()
    not_people: tuple[UUID, ...] = ()
    named: bool | None = None
    person_prefix: str | None = None
    person_metadata: Mapping[str, Any] | None = None
    tags_any: tuple[str, ...] = ()
    tags_all: tuple[str, ...] = ()
    tags_none: tuple[str, ...] = ()
    captured_from: datetime | None = None
    captured_before: datetime | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    image_prefix: str | None = None
    image_metadata: Mapping[str, Any] | None = None
    not_images: tuple[UUID, ...] = ()
    face_prefix: str | None = None
    face_metadata: Mapping[str, Any] | None = None
    not_faces: tuple[UUID, ...] = ()
    min_quality: float | None = None
    min_size: float | None = None

    @property
    def asked(self) -> dict[str, Any]:
        """The conditions that ask something, by name."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in given.items() if value not in (None, ())}


NOTHING_ASKED = Filter()
