"""Photos that somebody hands in, checked before anything is stored."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from core.enrolment import PersonRef
from core.errors import BadImage, FaceSearchError, PhotoDiffers
from core.images import PhotoHeader, PhotoLimits, inspect


class OnDuplicate(StrEnum):
    """What becomes of a photo whose bytes the collection has."""

    #: Nothing: the first one stays as it is.
    SKIP = "skip"
    #: The first one takes over what is said of this one: its tags, metadata, time, ids and person.
    UPDATE = "update"
    #: It is refused.
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Upload:
    """One photo as it came in.

    Attributes:
        key: The name the sender knows it by; echoed in every answer about it.
        tags: As `core.facets.clean_tags` leaves them.
        captured_at: When it was taken; None: as its EXIF says.
        person: Whose photo it is: they get its most prominent face.
        sha256: Of the bytes, as the sender says; 32 bytes.
    """

    key: str
    data: bytes
    external_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: Sequence[str] = ()
    captured_at: datetime | None = None
    person: PersonRef | None = None
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was to be a photo, and why it is none.

    Attributes:
        passing: It may be one later: what is in the way may pass.
    """

    key: str
    error: FaceSearchError
    passing: bool = False


Offer: TypeAlias = Upload | Refusal


@dataclass(frozen=True, slots=True)
class Checked:
    """A photo that can be stored."""

    upload: Upload
    sha256: bytes
    header: PhotoHeader


def check(offer: Offer, limits: PhotoLimits) -> Checked | Refusal:
    """Look at a photo without decoding it."""
    if isinstance(offer, Refusal):
        return offer
    sha256 = hashlib.sha256(offer.data).digest()
    try:
        if offer.sha256 not in (None, sha256):
            raise PhotoDiffers("The bytes are not those whose SHA-256 was given.")
        return Checked(offer, sha256, inspect(offer.data, limits))
    except BadImage as error:
        return Refusal(offer.key, error)
