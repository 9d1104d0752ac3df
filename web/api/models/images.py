"""Images and uploads over the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import Field, InstanceOf, Json, WithJsonSchema, model_validator

from core.db.faces import Face as FaceRow
from core.db.images import Image as Row
from core.keeping import Keeps
from core.storing import Accepted
from web.api.models.common import (
    CAPTURED_BEFORE,
    CAPTURED_FROM,
    Answer,
    Box,
    Captured,
    Change,
    ExternalId,
    Metadata,
    Moment,
    Page,
    PageQuery,
    Query,
    Tag,
    Tags,
    TagsInText,
    Text,
    kept,
)
from web.api.models.faces import Face
from web.api.reading import Photo

SEPARATED = "Commas separate them."
CAPTURED = "A date or a time, in UTC unless it names a zone. Left out: as EXIF says."

State: TypeAlias = Literal["waiting", "indexed", "rejected", "dead"]

FileField: TypeAlias = Annotated[
    InstanceOf[Photo],
    WithJsonSchema({"type": "string", "contentMediaType": "application/octet-stream"}),
]
"""A picture in a multipart form."""


class UploadForm(Query):
    """One or several photos."""

    photos: list[FileField] = Field([], description="The pictures, each a file part.")
    photo: list[FileField] = Field([], description="The same, for whoever sends one.")
    tags: TagsInText = Field(default_factory=tuple, description=f"Of all photos. {SEPARATED}")
    captured_at: Captured | None = Field(None, description=f"Of all photos. {CAPTURED}")
    external_id: ExternalId | None = Field(None, description="Only with exactly one photo.")
    metadata: Json[Metadata] | None = Field(
        None, description="A JSON object as text; only with exactly one photo."
    )

    @property
    def all_photos(self) -> list[Photo]:
        """Every photo, in the sender's order."""
        return [*self.photos, *self.photo]

    @model_validator(mode="after")
    def _fits_the_photos(self) -> Self:
        count = len(self.all_photos)
        if count == 0:
            raise ValueError("send at least one picture in the field `photos`")
        if count > 1 and (self.external_id is not None or self.metadata is not None):
            raise ValueError("external_id and metadata belong to one photo; send it alone")
        return self


class RawUploadQuery(Query):
    """What a form would say of a picture that is the whole body."""

    filename: Text | None = Field(
        None, description="Name of a picture that is the whole body; forms bring their own."
    )
    external_id: ExternalId | None = Field(None, description="Of a picture that is the whole body.")
    tags: TagsInText = Field(
        default_factory=tuple, description=f"Of a picture that is the whole body. {SEPARATED}"
    )
    captured_at: Captured | None = Field(
        None, description=f"Of a picture that is the whole body. {CAPTURED}"
    )


class ImagesQuery(PageQuery):
    """Which images."""

    state: State | None = None
    external_id: ExternalId | None = None
    tag: Tag | None = None
    captured_from: Moment | None = Field(None, description=CAPTURED_FROM)
    captured_before: Moment | None = Field(None, description=CAPTURED_BEFORE)


class ImageChange(Change):
    """What to change of an image; its faces take the tags and the time over."""

    may_be_null: ClassVar[frozenset[str]] = frozenset({"external_id", "captured_at"})

    external_id: ExternalId | None = Field(None, description="Null removes it.")
    metadata: Metadata = kept()
    tags: Tags = kept("All that it has from now on; an empty list removes them.")
    captured_at: Captured | None = Field(None, description="Null: nobody knows.")

    def changes(self) -> dict[str, Any]:
        """Return what was given, as core wants it."""
        given = super().changes()
        if given.get("captured_at", ...) is None:
            del given["captured_at"]
            given["no_captured_at"] = True
        return given


class ThumbnailQuery(Query):
    """Which small copy."""

    size: Literal["small", "large"] = Field(
        "small", description="At most 320 or 1280 pixels along the longer side."
    )


class SkippedFace(Answer):
    """A face that was found and is not stored: it has no crop and is never searched."""

    box: Box
    score: float = Field(description="The detector's confidence, 0 to 1.")
    reason: str = Field(description="The first of `reasons`.", examples=["blurred"])
    reasons: list[str] = Field(
        description="`face_too_small`, `low_detector_score`, `blurred`, `too_dark`, `too_bright`, "
        "`extreme_pose` and `low_embedding_norm` are the quality gate's; `face_too_small` may also "
        "be the recogniser's own limit, whatever the gate. `exceeds_max_faces`, `bad_landmarks` "
        "and `bad_embedding` hold without a gate too.",
        examples=[["blurred", "low_embedding_norm"]],
    )

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """Show a face that was left out; before there were gates, each had one reason."""
        return cls(
            box=Box.of(stored["box"]),
            score=stored["score"],
            reason=stored["reason"],
            reasons=stored.get("reasons", [stored["reason"]]),
        )


class Image(Answer):
    """One photo of a collection."""

    id: UUID
    collection_id: UUID
    external_id: str | None
    metadata: dict[str, Any]
    tags: list[str]
    captured_at: datetime | None = Field(
        description="When it was taken: as the sender said, else as EXIF says."
    )
    filename: str | None
    sha256: str = Field(description="Of the bytes as uploaded, in hex.")
    format: str
    bytes: int
    width: int = Field(description="Of the upright image, in pixels.")
    height: int
    state: State = Field(
        description="`waiting` for a worker, `indexed`, `rejected` (it cannot be used), `dead` "
        "(each worker that tried it stopped; send it again for another try)."
    )
    reason: str | None = Field(
        description="Code why it was rejected; of an indexed one `no_face_found`, or "
        "`no_usable_face` where faces were found and none is stored."
    )
    detail: str | None
    face_count: int
    skipped_faces: list[SkippedFace]
    kept: Keeps = Field(
        description="What there is of it: `originals` while it waits, then what its collection "
        "kept. Pictures that are not kept answer 404 `not_kept`."
    )
    created_at: datetime
    finished_at: datetime | None
    original_url: str
    thumbnail_url: str

    @classmethod
    def of(cls, row: Row, **more: Any) -> Self:
        """Show a row."""
        return cls(
            id=row.id,
            collection_id=row.collection_id,
            external_id=row.external_id,
            metadata=row.metadata,
            tags=row.tags,
            captured_at=row.captured_at,
            filename=row.filename,
            sha256=row.sha256.hex(),
            format=row.format,
            bytes=row.bytes,
            width=row.width,
            height=row.height,
            state=row.state,
            reason=row.reason,
            detail=row.detail,
            face_count=row.face_count,
            skipped_faces=[SkippedFace.of(face) for face in row.skipped_faces],
            kept=Keeps(row.kept),
            created_at=row.created_at,
            finished_at=row.finished_at,
            original_url=f"/v1/images/{row.id}/original",
            thumbnail_url=thumbnail_url(row.id),
            **more,
        )


class ImageWithFaces(Image):
    """One photo with the faces in it."""

    faces: list[Face]

    @classmethod
    def of_rows(cls, row: Row, faces: tuple[FaceRow, ...]) -> Self:
        """Show rows."""
        return cls.of(row, faces=[Face.of(face) for face in faces])


class ImagePage(Page[Image]):
    """Images, newest first."""


class UploadItem(Answer):
    """What became of one photo."""

    key: str = Field(description="The file name that was sent.")
    position: int
    state: Literal["waiting", "indexed", "skipped", "rejected", "dead"] = Field(
        description="`skipped`: the collection has these very bytes."
    )
    image_id: UUID | None = Field(
        description="Of the new image, or of the first with these bytes; null when rejected."
    )
    deduplicated: bool
    reason: str | None
    detail: str | None
    image: ImageWithFaces | None = Field(None, description="When it was waited for.")

    @classmethod
    def of(cls, item: Accepted, image: ImageWithFaces | None) -> Self:
        """Show what is known: the image's own state once there is one."""
        finished = image is not None and not item.deduplicated
        return cls(
            key=item.key,
            position=item.position,
            state=image.state if finished and image else item.state,
            image_id=item.image_id,
            deduplicated=item.deduplicated,
            reason=image.reason if finished and image else item.reason,
            detail=image.detail if finished and image else item.detail,
            image=image,
        )


class Upload(Answer):
    """A job and its items, in the order in which the photos were sent."""

    job_id: UUID
    poll: str = Field(description="Where to ask how far the job is.")
    items: list[UploadItem]


def thumbnail_url(image_id: UUID) -> str:
    """Return where the small copy of an image is."""
    return f"/v1/images/{image_id}/thumbnail"
