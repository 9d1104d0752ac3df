"""Whole answers of searches over the wire."""

from collections.abc import Sequence
from typing import Self
from uuid import UUID

from pydantic import Field

from core.db.together import Standing
from core.finding import Found
from core.together import FoundImage, FoundTogether
from web.api.models.common import Answer, Box
from web.api.models.explaining import Explanation
from web.api.models.faces import crop_url
from web.api.models.images import thumbnail_url
from web.api.models.matches import IndexUse, MatchAnswer, QueryEcho

NEXT = "Ask with it, as `cursor`, for the next page, within 15 minutes; null at the end."
MORE = (
    "There are further ones. With `next_cursor` null they cannot be paged to: too many pages came "
    "before, or the broker is away."
)


class FaceResult(Answer):
    """The matches of one query face."""

    face_index: int | None = Field(
        description="Null when no photo was searched with, and for several faces of one person."
    )
    threshold: float = Field(description="The largest, where several collections have theirs.")
    threshold_source: str
    searched_faces: int
    index: IndexUse
    matches: list[MatchAnswer]
    more: bool = Field(description=MORE)
    next_cursor: str | None = Field(description=NEXT)
    explanation: Explanation | None = Field(None, description="Where it was asked for.")

    @classmethod
    def of(
        cls,
        found: Found,
        face_index: int | None,
        next_cursor: str | None,
        explanation: Explanation | None,
    ) -> Self:
        """Show what was found."""
        return cls(
            face_index=face_index,
            threshold=found.threshold,
            threshold_source=found.threshold_source,
            searched_faces=found.searched_faces,
            index=IndexUse.of(found.index),
            matches=[MatchAnswer.of(match) for match in found.matches],
            more=found.more,
            next_cursor=next_cursor,
            explanation=explanation,
        )


class SearchAnswer(Answer):
    """What a search found."""

    query: QueryEcho
    results: list[FaceResult] = Field(description="One per face that was searched.")
    reason: str | None = Field(
        None, description="`no_face_found` when the photo has no face; that is no error."
    )
    processing_ms: int


class StandingFace(Answer):
    """The face that stands for one of `all_of`."""

    face_id: UUID
    person_id: UUID | None
    cosine: float
    named: bool = Field(description="It has the name of the person who was asked for.")
    box: Box
    quality: float
    crop_url: str

    @classmethod
    def of(cls, face: Standing) -> Self:
        """Show a face."""
        return cls(
            face_id=face.face_id,
            person_id=face.person_id,
            cosine=face.cosine,
            named=face.named,
            box=Box.of(face.box),
            quality=round(face.quality, 3),
            crop_url=crop_url(face.face_id),
        )


class TogetherImage(Answer):
    """A photo with everybody who was asked for."""

    image_id: UUID
    filename: str | None
    width: int
    height: int
    cosine: float = Field(
        description="The smallest of its faces, by which photos are in order; a face with the right "
        "name counts as 1."
    )
    faces: list[StandingFace] = Field(description="One for each of `all_of`, in their order.")
    thumbnail_url: str

    @classmethod
    def of(cls, image: FoundImage) -> Self:
        """Show a photo."""
        return cls(
            image_id=image.image_id,
            filename=image.filename,
            width=image.width,
            height=image.height,
            cosine=image.cosine,
            faces=[StandingFace.of(face) for face in image.faces],
            thumbnail_url=thumbnail_url(image.image_id),
        )


class TogetherAnswer(Answer):
    """Photos with several people together."""

    threshold: float
    threshold_source: str
    images: list[TogetherImage] = Field(description="Surest first.")
    exact: bool = Field(description="No photo can be missing.")
    examined: int = Field(description="Photos of the first person that were looked into.")
    cut_off: bool = Field(
        description="The first person is in so many photos that not all were looked into; the next "
        "page goes on with the others, so that order holds within a page only."
    )
    more: bool = Field(description=MORE)
    next_cursor: str | None = Field(description=NEXT)
    processing_ms: int

    @classmethod
    def of(cls, found: FoundTogether, next_cursor: str | None, processing_ms: int) -> Self:
        """Show what was found."""
        images: Sequence[FoundImage] = found.images
        return cls(
            threshold=found.threshold,
            threshold_source=found.threshold_source,
            images=[TogetherImage.of(image) for image in images],
            exact=found.exact,
            examined=found.examined,
            cut_off=found.cut_off,
            more=found.more,
            next_cursor=next_cursor,
            processing_ms=processing_ms,
        )
