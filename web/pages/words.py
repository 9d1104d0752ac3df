"""Codes of errors and reasons in the words of the page; nothing else in the page knows a code."""

from dataclasses import dataclass

from core.db.index_work import Action
from core.db.reports import State as ReportState
from core.db.reviews import State as ReviewState
from core.gates import Gate
from core.import_progress import State
from core.keeping import Keeps
from core.offers import OnDuplicate


@dataclass(frozen=True, slots=True)
class Words:
    """A code for people: a title of a few words, and what they can do about it."""

    title: str
    hint: str = ""


UNKNOWN = Words(
    "Something went wrong", "Try again; if it stays, look into the log of the web server."
)

_NOT_THERE = "It may have been deleted, or the address is wrong."

ERRORS = {
    "internal_error": UNKNOWN,
    "collection_not_found": Words("There is no such collection", _NOT_THERE),
    "image_not_found": Words("There is no such photo", _NOT_THERE),
    "face_not_found": Words("There is no such face", _NOT_THERE),
    "person_not_found": Words("There is no such person", _NOT_THERE),
    "change_not_found": Words("There is no such change", _NOT_THERE),
    "already_undone": Words(
        "Nothing is left to undo", "All that this change did was taken back or is gone."
    ),
    "job_not_found": Words("There is no such upload", _NOT_THERE),
    "blob_missing": Words(
        "The file is missing",
        "The database knows this picture and the disk does not hold it. Upload it again.",
    ),
    "not_kept": Words("This picture is not kept", "The settings of its collection say so."),
    "not_ready": Words("Not ready yet", "A worker has not looked at this photo yet."),
    "import_not_found": Words("There is no such import", _NOT_THERE),
    "wrong_state": Words("This is not in a state for that"),
    "report_not_found": Words("There is no such report", _NOT_THERE),
    "report_failed": Words("This report cannot be made"),
    "review_item_not_found": Words("There is no such question", _NOT_THERE),
    "offset_mismatch": Words(
        "These bytes belong somewhere else", "Ask how many bytes are there, and go on behind them."
    ),
    "upload_busy": Words("Somebody else sends the same file", "Try again when that has ended."),
    "upload_too_large": Words("This is larger than may be sent", "Make several imports out of it."),
    "backlog_full": Words(
        "Too many photos wait for workers", "Nothing was stored. Try again in a few minutes."
    ),
    "idempotency_mismatch": Words("This key was used for something else", "Use a new one."),
    "idempotency_in_progress": Words("The same request is still at work", "Try again later."),
    "name_taken": Words("This name is taken", "Choose another one."),
    "space_mismatch": Words(
        "Two kinds of embeddings",
        "Faces of collections with different model packs cannot be compared.",
    ),
    "wrong_collection": Words(
        "Two collections", "A person and their faces belong to one collection."
    ),
    "calibration_needed": Words(
        "Nobody can say which cosine that is", "Calibrate on named people first."
    ),
    "index_work_refused": Words("This index does not need that"),
    "confirmation_required": Words(
        "Not confirmed", "Nothing was deleted. Type the name exactly as it is shown."
    ),
    "invalid_request": Words("This could not be read", "Look at what was filled in and try again."),
    "cursor_expired": Words("This result is too old to go on with", "Search again."),
    "bad_embedding": Words("This vector cannot be compared"),
    "image_unreadable": Words("This picture cannot be used", "Try another file."),
    "image_empty": Words("This file is empty", "It holds no bytes; export or copy it again."),
    "unsupported_format": Words(
        "This is not a picture that can be read",
        "Choose another file, or convert this one.",
    ),
    "file_too_large": Words("This file is too large", "Save it smaller and try again."),
    "image_too_large": Words(
        "This picture has too many pixels", "Scale it down; faces need far fewer."
    ),
    "image_truncated": Words(
        "The end of this picture is missing", "It was cut off on its way; copy it again."
    ),
    "image_corrupt": Words(
        "This picture is damaged", "Its pixels cannot be decoded; export it again."
    ),
    "archive_unreadable": Words(
        "This is no archive that can be read", "ZIP, TAR, TAR.GZ and TAR.ZST are."
    ),
    "archive_damaged": Words(
        "This archive is damaged", "What came before was taken. Make it anew and send it again."
    ),
    "archive_truncated": Words(
        "The end of this archive is missing",
        "What came before was taken. Copy it again; photos that are here are passed over.",
    ),
    "archive_too_large": Words("This archive is too large", "Make several out of it."),
    "archive_bomb": Words(
        "This archive unpacks to far too much", "No archive of photos is packed so tightly."
    ),
    "entry_unreadable": Words("This entry cannot be unpacked", "Pack it with another program."),
    "entry_name_unsafe": Words("This name leads out of the archive", "Pack it with another name."),
    "entry_not_a_file": Words("This is a link, or no file", "Pack the photo itself."),
    "entry_nested_archive": Words(
        "An archive inside the archive", "Only the outer one is opened: send the inner one too."
    ),
    "entry_encrypted": Words("This entry needs a password", "Pack it without one."),
    "entry_damaged": Words("This entry is damaged", "Pack the photo again."),
    "manifest_unreadable": Words(
        "This manifest cannot be read", "Write it as UTF-8, in one of the documented forms."
    ),
    "item_invalid": Words("This line of the manifest is wrong", "Correct it and send it again."),
    "source_not_allowed": Words(
        "Imports may not read this", "The settings name the folders, buckets and hosts they may."
    ),
    "source_missing": Words("There is no such file", "Look at the name or the address."),
    "source_unreachable": Words("The source did not answer", "Try again later."),
    "unauthorized": Words("Please log in", "Open a fresh login link to go on."),
    "cross_site_request": Words(
        "Sent from another site", "For safety the page takes forms only from itself."
    ),
    "server_busy": Words("The server is busy with long requests", "Try again in a moment."),
    "storage_unavailable": Words(
        "The object storage does not answer", "Photos are stored in it. Is it running?"
    ),
    "storage_refused": Words(
        "The object storage refuses us", "Somebody must see to its bucket, or to our key."
    ),
    "worker_unavailable": Words(
        "No worker answered", "Photos are analysed by a worker: start one, then try again."
    ),
    "broker_unavailable": Words(
        "The broker does not answer", "The page reaches its workers through it. Is it running?"
    ),
    "database_unavailable": Words(
        "The database does not answer", "Everything is stored in Postgres. Is it running?"
    ),
    "database_busy": Words("The database is busy with something else", "Try again in a moment."),
    "search_timeout": Words("The search took too long", "Try again in a moment."),
    "disk_full": Words("The disk is nearly full", "Nothing was stored."),
    "setup_error": Words("The set-up is not complete"),
    "not_running": Words("The system is not running"),
    "model_error": Words("The model pack cannot be used", "Check it with “facesearch models”."),
    "pack_not_found": Words("There is no such model pack"),
    "pack_not_installed": Words(
        "The model pack is not installed", "Install it with “facesearch models install”."
    ),
    "licence_not_accepted": Words("The licence was not accepted"),
    "digest_mismatch": Words("A model file is not the pinned one", "Install the pack again."),
    "download_failed": Words("A download failed", "Try again."),
    "device_unavailable": Words("The device is not there", "The worker cannot use it."),
}
"""By the code of a `core.errors.FaceSearchError`."""

GATES = {
    Gate.OFF: Words("Off", "Every face that can be compared is stored."),
    Gate.STANDARD: Words(
        "Standard",
        "Leaves out faces by which hardly anybody could be found: far too blurred, dark or bright, "
        "or turned away.",
    ),
    Gate.STRICT: Words(
        "Strict", "Stores good faces only; for photos that people are enrolled with."
    ),
}
"""By the gate of a collection."""

KEEPINGS = {
    Keeps.ORIGINALS: Words(
        "Photos", "The photo as it was sent, small copies of it, and a crop of each face."
    ),
    Keeps.CROPS: Words(
        "Crops of faces", "The photo goes as soon as its faces are indexed; their crops stay."
    ),
    Keeps.VECTORS: Words(
        "No pictures",
        "Photo and faces go as soon as they are indexed; only the numbers that a search compares "
        "stay. Another model could never be used for them.",
    ),
}
"""By what a collection keeps."""

INDEX_WORK = {
    Action.PROMOTE: Words("Own table and index", "Give it an index now"),
    Action.BUILD: Words("Build the index", "Build the index now"),
    Action.REBUILD: Words("Build the index anew", "Build it anew now"),
    Action.DROP: Words("Drop the index", "Drop the index"),
}
"""By what is done about an index: its name, and the words of its button."""

IMPORT_STATES = {
    State.RECEIVING: Words("Being sent", "It begins when all of it is here."),
    State.RUNNING: Words("Running"),
    State.PAUSED: Words("Paused", "Nothing of it is read or indexed until it is resumed."),
    State.DONE: Words("Done"),
    State.CANCELLED: Words("Cancelled", "What was indexed before stays."),
    State.FAILED: Words("Ended early", "What came before is in the collection."),
}
"""By the state of an import."""

REPORT_STATES = {
    ReportState.WAITING: Words("Waiting", "A worker makes it as soon as one is free."),
    ReportState.RUNNING: Words("Being made"),
    ReportState.DONE: Words("Done"),
    ReportState.FAILED: Words("Failed"),
    ReportState.CANCELLED: Words("Cancelled"),
}
"""By the state of a report."""

REVIEW_STATES = {
    ReviewState.OPEN: Words("Open", "Nothing waits for a decision."),
    ReviewState.LATER: Words("Later", "Nothing was put off."),
    ReviewState.DECIDED: Words("Decided", "Nothing was decided yet."),
}
"""By the state of an item of the inbox: its name, and what is said where there is none."""

DUPLICATES = {
    OnDuplicate.SKIP: "Skip them",
    OnDuplicate.UPDATE: "Update what is said of them",
    OnDuplicate.ERROR: "Refuse them",
}
"""By what becomes of photos that are here already."""

ITEM_STATES = {
    "indexed": "indexed",
    "skipped": "skipped",
    "rejected": "refused",
    "failed": "failed",
    "dead": "given up",
    "running": "at work",
    "waiting": "waiting",
}
"""By the state of an item, as they follow a number."""

REASONS = {
    "no_face_found": Words(
        "No face was found",
        "Faces that are very small, turned away, covered or cut off are not found.",
    ),
    "no_usable_face": Words(
        "No face could be used", "Faces were found, and none of them could be searched."
    ),
    "duplicate_image": Words("Already here", "The collection holds the very same file."),
    "image_deleted": Words("Deleted meanwhile"),
    "worker_lost": Words(
        "Given up", "Each worker that tried this photo stopped. Upload it again for another try."
    ),
    "processing_failed": Words(
        "It could not be worked on", "What was in the way may be gone: try the failed ones again."
    ),
    "sha256_mismatch": Words(
        "The bytes are not those that were announced", "They were changed on their way, or before."
    ),
    "reading_failed": Words(
        "It could not be read to its end", "What was in the way may be gone: import it again."
    ),
    "cancelled": Words("Cancelled"),
    "abandoned": Words(
        "Its sender stopped", "What came before stays; send the rest as an import of its own."
    ),
    "not_selected": Words("Not selected"),
    "face_too_small": Words("Too small to be compared"),
    "low_detector_score": Words("Perhaps not a face"),
    "blurred": Words("Blurred"),
    "too_dark": Words("Too dark"),
    "too_bright": Words("Too bright"),
    "extreme_pose": Words("Turned away"),
    "occluded": Words("Covered"),
    "low_embedding_norm": Words("Hard to recognise"),
    "bad_landmarks": Words("Its eyes, nose and mouth make no face"),
    "bad_embedding": Words("It could not be turned into numbers"),
    "exceeds_max_faces": Words("Beyond the most faces per photo"),
}
"""By the reason of an image, an item or a face; the codes of pictures may be reasons too."""

PAGES = {
    400: Words("This could not be read"),
    404: Words("There is no such page", "The address is wrong, or what it showed was deleted."),
    405: Words("This does not work here"),
    413: Words("This is too large", "Send fewer or smaller photos at a time."),
    500: UNKNOWN,
}
"""By HTTP status, where there is no code."""

NOTES = {
    "collection_made": "The collection is ready. Add the first photos.",
    "collection_changed": "Saved.",
    "collection_deleted": "The collection was deleted with everything in it.",
    "image_changed": "Saved.",
    "image_deleted": "The photo was deleted.",
    "face_deleted": "The face was deleted; the photo stays.",
    "face_named": "The face has a name now.",
    "face_unnamed": "The face has no name any more.",
    "person_renamed": "Renamed.",
    "person_deleted": "The person was deleted; their faces stay, without a name.",
    "person_split": "This is the new person.",
    "people_merged": "They are one person now.",
    "change_undone": "Undone.",
    "index_asked": "A worker sees to it; searches and uploads go on.",
    "import_started": "The import takes no more now, and ends when all of it has its outcome.",
    "import_confirmed": "What was tried is imported now.",
    "import_paused": "The import waits until it is resumed.",
    "import_resumed": "The import goes on.",
    "import_cancelled": "The import was cancelled; what was indexed stays.",
    "import_retried": "They are tried again.",
    "import_deleted": "The import was forgotten; its photos stay.",
    "reports_asked": "A worker sees to it; this page says how far it is.",
    "report_cancelled": "The report is given up.",
    "report_deleted": "This version was forgotten.",
    "group_named": "These faces have a name now.",
    "item_decided": "Decided. The history and the inbox can undo it.",
    "item_later": "Put off; it waits in the inbox under Later.",
    "item_asked": "Taken back: it is asked again.",
    "item_stays": "Not all of it could be taken back: what somebody changed since stays. "
    "The history has the details.",
    "key_revoked": "The key does not work any more.",
}
"""What a page says once after a form was sent, by the ``note`` of its address."""


def in_words(code: str | None) -> Words:
    """Return the words of an error or a reason."""
    return REASONS.get(code or "") or ERRORS.get(code or "", UNKNOWN)
