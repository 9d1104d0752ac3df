"""What somebody asks of an import, and whether that can be done."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from core import server_folders
from core.enrolment import PersonRef
from core.errors import InvalidRequest, ItemInvalid, UploadTooLarge
from core.manifests import Format
from core.offers import OnDuplicate, Refusal, Upload
from core.person_folders import person_of
from core.services import Services
from core.settings import GIB, Settings


class Source(StrEnum):
    """Where the photos of an import come from."""

    #: They are sent one by one, or several in a request, until the sender says that these are all.
    FILES = "files"
    #: A ZIP or TAR, sent at once or in parts.
    ARCHIVE = "archive"
    #: A list that names uploaded files, files of the server, objects of buckets, or addresses.
    MANIFEST = "manifest"
    #: A folder of the server with all below it.
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Options:
    """What holds for all items of an import.

    Attributes:
        people_by_folder: The folder that a photo lies in is the name of who is on it.
        dry_run: Nothing is stored; a sample says what would be.
        tags: Added to those of each item.
        metadata: Of items that have none of a name.
        captured_at: Of items that give no time.
        format: Of a manifest.
        sha256: Of the archive or manifest, as the sender says; 64 hex digits.
    """

    on_duplicate: OnDuplicate = OnDuplicate.SKIP
    people_by_folder: bool = False
    dry_run: bool = False
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    captured_at: datetime | None = None
    format: Format | None = None
    sha256: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what a row keeps."""
        return {
            "on_duplicate": self.on_duplicate.value,
            "people_by_folder": self.people_by_folder,
            "dry_run": self.dry_run,
            "tags": list(self.tags),
            "metadata": dict(self.metadata),
            "captured_at": None if self.captured_at is None else self.captured_at.isoformat(),
            "format": None if self.format is None else self.format.value,
            "sha256": self.sha256,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """Read what a row keeps."""
        captured_at, format_ = kept["captured_at"], kept["format"]
        return cls(
            on_duplicate=OnDuplicate(kept["on_duplicate"]),
            people_by_folder=kept["people_by_folder"],
            dry_run=kept["dry_run"],
            tags=tuple(kept["tags"]),
            metadata=kept["metadata"],
            captured_at=None if captured_at is None else datetime.fromisoformat(captured_at),
            format=None if format_ is None else Format(format_),
            sha256=kept["sha256"],
        )


def with_options(upload: Upload, options: Options) -> Upload | Refusal:
    """Add to a photo what holds for all of its import; what is said of it alone comes first.

    Refused is one that lies in a folder that is called what nobody can be.
    """
    person = upload.person
    if person is None and options.people_by_folder:
        try:
            name = person_of(upload.key)
        except ItemInvalid as error:
            return Refusal(upload.key, error)
        person = None if name is None else PersonRef(name=name)
    return replace(
        upload,
        person=person,
        tags=tuple(dict.fromkeys((*upload.tags, *options.tags))),
        metadata={**options.metadata, **upload.metadata},
        captured_at=upload.captured_at or options.captured_at,
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """An import that somebody asks for.

    Attributes:
        external_id: The sender's own: asking again with it gives the same import.
        path: Of a folder.
        bytes: Of the archive or manifest, if that is known: it is whole when so many are there.
    """

    source: Source
    name: str
    options: Options = Options()
    external_id: str | None = None
    path: str | None = None
    bytes: int | None = None


def most_bytes(settings: Settings) -> int:
    """Return how large an archive or manifest may be."""
    return settings.max_import_gib * GIB


def require_possible(services: Services, wish: Wish) -> None:
    """Refuse an import that makes no sense.

    Raises:
        InvalidRequest: Something is said that does not belong to its source, or is missing; or it is a
            dry run of photos that are sent one by one.
        SourceNotAllowed, SourceMissing: The folder may not be read, or is not there.
        UploadTooLarge: More bytes are announced than are taken.
    """
    options = wish.options
    content = wish.source in (Source.ARCHIVE, Source.MANIFEST)
    _require(wish.source is Source.FOLDER, "path", wish.path, "a folder", needed=True)
    _require(wish.source is Source.MANIFEST, "format", options.format, "a manifest", needed=True)
    _require(content, "bytes", wish.bytes, "an archive or manifest")
    _require(content, "sha256", options.sha256, "an archive or manifest")
    if options.dry_run and wish.source is Source.FILES:
        raise _wrong("dry_run", "All photos must be there at once: an archive, manifest or folder.")
    if wish.path is not None:
        server_folders.resolve(services.settings, wish.path)
    if wish.bytes is not None:
        most = most_bytes(services.settings)
        if wish.bytes > most:
            raise UploadTooLarge(f"An import has {most:,} bytes at most.", max_bytes=most)


def _require(
    fits: bool,
    field: str,
    value: object,
    what: str,
    *,
    needed: bool = False,
) -> None:
    """Refuse what is given where it means nothing, or is missing where it is needed."""
    if fits and needed and value is None:
        raise _wrong(field, f"Of {what} it must be given.")
    if not fits and value is not None:
        raise _wrong(field, f"Only {what} has it.")


def _wrong(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {message}", errors=[{"field": field, "message": message}])
