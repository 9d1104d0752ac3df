"""Every failure a caller may want to handle. The web layer maps each to an HTTP status."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self


class FaceSearchError(Exception):
    """Base of all expected failures.

    ``str(error)`` is one sentence for the person who made the request; it never holds a
    stack trace, a path of the server or somebody's data.

    Attributes:
        code: Stable, for programs.
        retryable: The same request may succeed later without a change.
        details: More for programs, JSON-serialisable.
    """

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details: Mapping[str, Any] = details


# --- what was asked for does not exist, or is there already ---------------------------------


class NotFound(FaceSearchError):
    """No such thing; *noun* is one of the words of the design."""

    noun: ClassVar[str] = "thing"

    def __init__(self, key: object) -> None:
        super().__init__(f"There is no {self.noun} {key}.", **{f"{self.noun}_id": str(key)})


class CollectionNotFound(NotFound):
    """No collection has this id or name."""

    code = "collection_not_found"
    noun = "collection"


class ImageNotFound(NotFound):
    """No image has this id."""

    code = "image_not_found"
    noun = "image"


class FaceNotFound(NotFound):
    """No face has this id."""

    code = "face_not_found"
    noun = "face"


class PersonNotFound(NotFound):
    """No person has this id."""

    code = "person_not_found"
    noun = "person"


class ChangeNotFound(NotFound):
    """No change has this id."""

    code = "change_not_found"
    noun = "change"


class AlreadyUndone(FaceSearchError):
    """Nothing is left of a change to undo."""

    code = "already_undone"


class JobNotFound(NotFound):
    """No job has this id."""

    code = "job_not_found"
    noun = "job"


class BlobMissing(FaceSearchError):
    """A row names bytes that the blob store does not hold."""

    code = "blob_missing"


class NotKept(FaceSearchError):
    """The picture is missing on purpose: its collection keeps crops only, or no pictures at all."""

    code = "not_kept"


class ImportNotFound(NotFound):
    """No import has this id."""

    code = "import_not_found"
    noun = "import"


class NotReady(FaceSearchError):
    """The picture is still waiting for a worker."""

    code = "not_ready"
    retryable = True


class NameTaken(FaceSearchError):
    """A name or external id that must be unique is in use."""

    code = "name_taken"


class SpaceMismatch(FaceSearchError):
    """A vector of one space was to be compared with, or stored among, vectors of another."""

    code = "space_mismatch"

    def __init__(self, *, expected: str, given: str) -> None:
        super().__init__(
            f"This collection compares vectors of space {expected}; the one given is of {given}.",
            expected=expected,
            given=given,
        )


class WrongCollection(FaceSearchError):
    """Two things that must belong to one collection do not."""

    code = "wrong_collection"


class CalibrationNeeded(FaceSearchError):
    """No calibration says which cosine keeps this budget of false alarms."""

    code = "calibration_needed"


class WrongState(FaceSearchError):
    """The import is not in a state in which this can be done."""

    code = "wrong_state"


class OffsetMismatch(FaceSearchError):
    """These bytes do not begin where those that came before them end."""

    code = "offset_mismatch"


class UploadBusy(FaceSearchError):
    """Another request is sending bytes of the same file."""

    code = "upload_busy"
    retryable = True


class UploadTooLarge(FaceSearchError):
    """More bytes came than were announced or are taken."""

    code = "upload_too_large"


class BacklogFull(FaceSearchError):
    """So many photos wait for workers that no more are taken for now."""

    code = "backlog_full"
    retryable = True


class IndexWorkRefused(FaceSearchError):
    """This work on an index makes no sense as the collection is now; the detail says what would."""

    code = "index_work_refused"


class ConfirmationRequired(FaceSearchError):
    """Something that destroys much must be asked for twice."""

    code = "confirmation_required"


class InvalidRequest(FaceSearchError):
    """The request is malformed; ``details["errors"]`` names every fault."""

    code = "invalid_request"


class CursorExpired(FaceSearchError):
    """A search cannot be gone on with: its cursor is too old, or not one of this caller's."""

    code = "cursor_expired"


class BadEmbedding(FaceSearchError):
    """A vector that cannot be compared (wrong length, zero or not finite)."""

    code = "bad_embedding"


class IdempotencyMismatch(FaceSearchError):
    """An `Idempotency-Key` came with another request than before."""

    code = "idempotency_mismatch"


class IdempotencyInProgress(FaceSearchError):
    """The first request with this `Idempotency-Key` is not answered yet."""

    code = "idempotency_in_progress"
    retryable = True


# --- pictures ------------------------------------------------------------------------------


class BadImage(FaceSearchError):
    """These bytes are not a picture that can be used. Each way has its own code."""

    code = "image_unreadable"


class ImageEmpty(BadImage):
    """There are no bytes."""

    code = "image_empty"


class UnsupportedFormat(BadImage):
    """Not a picture, or of a format that is not read."""

    code = "unsupported_format"


class FileTooLarge(BadImage):
    """More bytes than the limit."""

    code = "file_too_large"

    @classmethod
    def over(cls, limit: int) -> Self:
        """Return what is said of a file that was read no further than its limit, in bytes."""
        return cls(f"The file has more than {limit:,} bytes, which is the limit.", max_bytes=limit)


class ImageTooLarge(BadImage):
    """More pixels than the limit, as the header says; nothing was decoded."""

    code = "image_too_large"


class ImageTruncated(BadImage):
    """The file ends before the picture does."""

    code = "image_truncated"


class ImageCorrupt(BadImage):
    """The header is fine and the pixels behind it cannot be decoded."""

    code = "image_corrupt"


class PhotoDiffers(BadImage):
    """The bytes are not those that the sender meant to send."""

    code = "sha256_mismatch"


class ProcessingFailed(BadImage):
    """Workers tried the photo until its attempts were used up; what was in the way may pass."""

    code = "processing_failed"


class WorkerLost(BadImage):
    """Each worker that tried this photo died or hung; sending it again asks for another try."""

    code = "worker_lost"


# --- archives ------------------------------------------------------------------------------


class BadArchive(FaceSearchError):
    """This file is no archive that can be read."""

    code = "archive_unreadable"


class ArchiveDamaged(BadArchive):
    """From some place on the archive makes no sense; what came before was taken."""

    code = "archive_damaged"


class ArchiveTruncated(BadArchive):
    """The end of the archive is missing; what came before was taken."""

    code = "archive_truncated"


class ArchiveTooLarge(BadArchive):
    """More entries or more bytes than the limits; what came before was taken."""

    code = "archive_too_large"


class ArchiveBomb(BadArchive):
    """It unpacks to far more than an archive of photos would; what came before was taken."""

    code = "archive_bomb"


class BadEntry(FaceSearchError):
    """This entry of an archive is not taken; its neighbours are. Each way has its own code."""

    code = "entry_unreadable"


class EntryNameUnsafe(BadEntry):
    """Its name leads out of the archive, or is none."""

    code = "entry_name_unsafe"


class EntryNotAFile(BadEntry):
    """A link, a device or another thing that is no file."""

    code = "entry_not_a_file"


class EntryNested(BadEntry):
    """An archive inside the archive."""

    code = "entry_nested_archive"


class EntryEncrypted(BadEntry):
    """It needs a password."""

    code = "entry_encrypted"


class EntryDamaged(BadEntry):
    """Its bytes are not those that were packed."""

    code = "entry_damaged"


# --- what the items of an import name ------------------------------------------------------


class BadManifest(FaceSearchError):
    """This file is no manifest that can be read, or the rest of it is left out."""

    code = "manifest_unreadable"


class ItemInvalid(FaceSearchError):
    """A line of a manifest says something that cannot be; its neighbours are taken."""

    code = "item_invalid"


class SourceNotAllowed(FaceSearchError):
    """The operator does not let imports read this, or whoever has it does not give it out."""

    code = "source_not_allowed"


class SourceMissing(FaceSearchError):
    """There is no such file where an import looked for it."""

    code = "source_missing"


class SourceUnreachable(FaceSearchError):
    """Where an import looked for a file nobody answered properly."""

    code = "source_unreachable"
    retryable = True


# --- access --------------------------------------------------------------------------------


class NotAuthenticated(FaceSearchError):
    """No valid session or API key came with the request."""

    code = "unauthorized"


class CrossSite(FaceSearchError):
    """A page of another site tried to use this session."""

    code = "cross_site_request"


# --- the parts that must be there ----------------------------------------------------------


class WorkerUnavailable(FaceSearchError):
    """No worker answered in time."""

    code = "worker_unavailable"
    retryable = True


class ServerBusy(FaceSearchError):
    """All places for requests that last long are taken; the others are kept for those that do not."""

    code = "server_busy"
    retryable = True


class BrokerUnavailable(FaceSearchError):
    """The broker cannot be reached."""

    code = "broker_unavailable"
    retryable = True


class DatabaseUnavailable(FaceSearchError):
    """Postgres cannot be reached."""

    code = "database_unavailable"
    retryable = True


class DatabaseBusy(FaceSearchError):
    """Others hold what a change needs alone, and went on holding it for as long as it waited."""

    code = "database_busy"
    retryable = True


class StorageUnavailable(FaceSearchError):
    """The object storage that holds the photos cannot be reached, or fails."""

    code = "storage_unavailable"
    retryable = True


class StorageRefused(StorageUnavailable):
    """The object storage answers and refuses us: somebody must see to its bucket, or to our key."""

    code = "storage_refused"


class SearchTimeout(FaceSearchError):
    """The search ran into the statement timeout."""

    code = "search_timeout"
    retryable = True


class DiskFull(FaceSearchError):
    """Too little disk is left to go on safely."""

    code = "disk_full"
    retryable = True


class SetupError(FaceSearchError):
    """This machine or its settings cannot run facesearch as asked; the message names the cure."""

    code = "setup_error"


class NotRunning(SetupError):
    """The local system is not up."""

    code = "not_running"


# --- reports -------------------------------------------------------------------------------


class ReportNotFound(FaceSearchError):
    """No report has this id."""

    code = "report_not_found"

    def __init__(self, report_id: object) -> None:
        super().__init__(f"There is no report {report_id}.")


class ReviewItemNotFound(FaceSearchError):
    """No review item has this id."""

    code = "review_item_not_found"

    def __init__(self, item_id: object) -> None:
        super().__init__(f"There is no review item {item_id}.")


class ReportFailed(FaceSearchError):
    """A report cannot be made; the message says why."""

    code = "report_failed"


# --- models --------------------------------------------------------------------------------


class ModelError(FaceSearchError):
    """A pack or one of its files cannot be used."""

    code = "model_error"


class PackNotFound(ModelError):
    """The manifest has no such pack."""

    code = "pack_not_found"


class PackNotInstalled(ModelError):
    """The weights of the pack are not on this machine."""

    code = "pack_not_installed"


class LicenceNotAccepted(ModelError):
    """The pack's licence must be accepted first."""

    code = "licence_not_accepted"


class DigestMismatch(ModelError):
    """A file is not the one that the manifest pins."""

    code = "digest_mismatch"


class DownloadFailed(ModelError):
    """A source could not be fetched whole."""

    code = "download_failed"
    retryable = True


class DeviceUnavailable(ModelError):
    """The device that was asked for by name is not there."""

    code = "device_unavailable"
