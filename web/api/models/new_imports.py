"""Imports over the wire: how they are asked for."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, Json, StringConstraints, model_validator

from core.enrolment import PersonRef
from core.import_wishes import Options, Source, Wish
from core.manifests import Format
from core.offers import OnDuplicate, Upload
from web.api.models.common import (
    Body,
    Captured,
    ExternalId,
    LongText,
    Metadata,
    Name,
    Query,
    Tags,
    TagsInText,
)
from web.api.models.images import SEPARATED, FileField
from web.api.reading import Photo

KNOWN = "Your own key: asking again with it gives the same import."
DUPLICATES = (
    "Of photos that the collection has: `skip` them, `update` the image with what is said here, or "
    "`error`."
)
FOLDERS = "The folder that a photo lies in is the name of who is on it."
DRY = "Store nothing; try a sample of 200 and say what would be."
SHA256 = "Of the archive or manifest, in hex; it is not read if it is another one."
CALLED = "Left out, its source and the time are its name."
TAGS = "Of all photos, added to their own."
METADATA = "Of all photos, where they have none of a name."
CAPTURED = "Of photos that are given no other time. Left out: as EXIF says."

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$")]
OnDuplicateField = Annotated[OnDuplicate, Field(strict=False, description=DUPLICATES)]


class NewImport(Body):
    """An import to be made."""

    source: Source = Field(
        strict=False,
        description="`files`: photos are sent one by one; `archive`: a ZIP or TAR is sent; "
        "`manifest`: a list that names photos is sent; `folder`: the server reads one of its own.",
    )
    name: Name | None = Field(None, description=CALLED)
    external_id: ExternalId | None = Field(None, description=KNOWN)
    path: LongText | None = Field(
        None, description="Of a folder below those that the settings of the server allow."
    )
    bytes: int | None = Field(
        None,
        ge=1,
        description="Of the archive or manifest: it starts by itself when so many are there.",
    )
    format: Format | None = Field(None, strict=False, description="Of a manifest.")
    sha256: Sha256 | None = Field(None, description=SHA256)
    on_duplicate: OnDuplicateField = OnDuplicate.SKIP
    people_by_folder: bool = Field(False, description=FOLDERS)
    dry_run: bool = Field(False, description=DRY)
    tags: Tags = Field(default_factory=list, description=TAGS)
    metadata: Metadata = Field(default_factory=dict, description=METADATA)
    captured_at: Captured | None = Field(None, description=CAPTURED)

    @property
    def wish(self) -> Wish:
        """What core is asked for."""
        options = _options(self, format=self.format, sha256=self.sha256, dry_run=self.dry_run)
        return _wish(self, self.source, options, path=self.path, bytes=self.bytes)


class _OptionsInText(Query):
    """Options that are parameters of an address or fields of a form."""

    name: Name | None = Field(None, description=CALLED)
    external_id: ExternalId | None = Field(None, description=KNOWN)
    on_duplicate: OnDuplicateField = OnDuplicate.SKIP
    people_by_folder: bool = Field(False, description=FOLDERS)
    tags: TagsInText = Field(default_factory=tuple, description=f"{TAGS} {SEPARATED}")
    metadata: Json[Metadata] | None = Field(None, description=f"A JSON object as text. {METADATA}")
    captured_at: Captured | None = Field(None, description=CAPTURED)


class ImportQuery(_OptionsInText):
    """What holds for an archive or manifest that is the whole body."""

    sha256: Sha256 | None = Field(None, description=SHA256)
    dry_run: bool = Field(False, description=DRY)
    hold: bool = Field(
        False, description="Of a manifest: do not start yet; its files are sent first."
    )

    def wish(self, source: Source, format: Format | None, bytes: int | None) -> Wish:
        """Return what core is asked for."""
        options = _options(self, format=format, sha256=self.sha256, dry_run=self.dry_run)
        return _wish(self, source, options, bytes=bytes)


class PersonFacts(Body):
    """Who is on a photo: an external id decides, else the name."""

    name: Name | None = None
    external_id: ExternalId | None = None

    @property
    def ref(self) -> PersonRef:
        """As core knows people."""
        return PersonRef(external_id=self.external_id or "", name=self.name or "")

    @model_validator(mode="after")
    def _is_somebody(self) -> Self:
        if self.name is None and self.external_id is None:
            raise ValueError("must have a name, an external_id or both")
        return self


class PhotoFacts(Body):
    """What is said of one photo."""

    person: PersonFacts | None = None
    external_id: ExternalId | None = Field(None, description="Of the image.")
    tags: Tags = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=dict)
    captured_at: Captured | None = Field(None, description="Left out: as EXIF says.")
    sha256: Sha256 | None = Field(
        None, description="Of its bytes, in hex; others are rejected as `sha256_mismatch`."
    )

    def upload(self, photo: Photo) -> Upload:
        """Return the photo with what is said of it."""
        return Upload(
            photo.key,
            photo.data,
            self.external_id,
            self.metadata,
            tags=self.tags,
            captured_at=self.captured_at,
            person=None if self.person is None else self.person.ref,
            sha256=None if self.sha256 is None else bytes.fromhex(self.sha256),
        )


class PhotosForm(Query):
    """Photos of an import."""

    photos: list[FileField] = Field(
        [], description="The pictures; the file name of each is its key, unlike all others."
    )
    items: Json[list[PhotoFacts]] | None = Field(
        None, description="A JSON list as text: one object for each photo, in their order."
    )

    @property
    def uploads(self) -> list[Upload]:
        """The photos with what is said of them."""
        facts = self.items or [PhotoFacts()] * len(self.photos)
        return [each.upload(photo) for each, photo in zip(facts, self.photos, strict=True)]

    @model_validator(mode="after")
    def _has_photos(self) -> Self:
        keys = [photo.key for photo in self.photos]
        if not keys:
            raise ValueError("send at least one picture in the field `photos`")
        if len(set(keys)) < len(keys):
            raise ValueError("photos of one import need file names that differ")
        if self.items is not None and len(self.items) != len(keys):
            raise ValueError(f"items: there are {len(self.items)} for {len(keys)} photos")
        return self


class ImportForm(PhotosForm, _OptionsInText):
    """An import whose photos all come with this request."""

    @property
    def wish(self) -> Wish:
        """What core is asked for."""
        return _wish(self, Source.FILES, _options(self))


def _options(given: BaseModel, **more: Any) -> Options:
    values: Mapping[str, Any] = {name: getattr(given, name) for name in type(given).model_fields}
    sha256 = more.pop("sha256", None)
    return Options(
        on_duplicate=values["on_duplicate"],
        people_by_folder=values["people_by_folder"],
        tags=tuple(values["tags"]),
        metadata=values["metadata"] or {},
        captured_at=values["captured_at"],
        sha256=None if sha256 is None else sha256.lower(),
        **more,
    )


def _wish(given: Any, source: Source, options: Options, **more: Any) -> Wish:
    name = given.name or f"{source.value} of {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    return Wish(source, name, options, given.external_id, **more)
