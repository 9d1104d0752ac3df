"""What a collection keeps of its photos once their faces are indexed.

Every photo is stored until then, so that nothing is lost. `images.kept` says what there is of an
image: originals while it waits or was given up, and from the moment it is finished what its
collection asked for when a worker began with it. A file that several images share stays for as long
as one of them is of kind originals.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final
from uuid import UUID

from core.db import removals
from core.db.faces import Face
from core.db.images import Image
from core.db.pool import Connection
from core.errors import NotKept


class Keeps(StrEnum):
    """What stays of a photo beside the vectors of its faces."""

    #: The photo as uploaded, its small copies, and a crop of each face.
    ORIGINALS = "originals"
    #: A crop of each face.
    CROPS = "crops"
    #: No picture at all.
    VECTORS = "vectors"

    @property
    def photos(self) -> bool:
        """Whether photos and their small copies stay."""
        return self is Keeps.ORIGINALS

    @property
    def crops(self) -> bool:
        """Whether crops of faces are stored."""
        return self is not Keeps.VECTORS


USUAL: Final = Keeps.ORIGINALS
"""Of new collections."""

_NOT_KEPT: Final = {
    Keeps.CROPS: "This collection keeps no photos: of this one there are only crops of its faces.",
    Keeps.VECTORS: "This collection keeps no pictures: of this photo there are only vectors of its "
    "faces.",
}


def doom_photos(
    conn: Connection, deletion: UUID, finished: Iterable[tuple[bytes | None, Keeps]]
) -> bool:
    """Write down the photos that nobody needs once *finished* is committed; say whether there are any.

    Whether somebody else needs the same bytes is asked when the files are removed, under their lock.

    Args:
        finished: The SHA-256 of each photo, and what stays of it.
    """
    needless = [sha256 for sha256, keeps in finished if sha256 is not None and not keeps.photos]
    removals.doom_photos(conn, deletion, needless)
    return bool(needless)


def require_photo(image: Image) -> None:
    """Refuse to look for a photo or a small copy that is missing on purpose.

    Raises:
        NotKept: It is.
    """
    keeps = Keeps(image.kept)
    if not keeps.photos:
        raise _not_kept(image.id, keeps)


def require_crop(face: Face) -> None:
    """Refuse to look for a crop that is missing on purpose.

    Raises:
        NotKept: It is.
    """
    keeps = Keeps(face.kept)
    if not keeps.crops:
        raise _not_kept(face.image_id, keeps)


def _not_kept(image_id: UUID, keeps: Keeps) -> NotKept:
    return NotKept(_NOT_KEPT[keeps], image_id=str(image_id), kept=keeps.value)
