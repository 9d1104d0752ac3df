"""The pictures of findings, small enough that hundreds of them make one file."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final, TypeAlias
from uuid import UUID

from core.blobs import BlobStore, Kind
from core.db import images as image_rows
from core.db.images import Image
from core.errors import BadImage, BlobMissing
from core.images import preview
from core.reports import duplicates
from core.reports.files.content import Content, Told
from core.stored_pictures import unpack

MOST_FINDINGS: Final = 500
"""With pictures: what a person reads, and a file of some ten megabytes."""

MOST_PICTURES: Final = 4
"""Of each side; twice as many of one that stands alone."""

AT_ONCE: Final = 50
"""Findings whose pictures are in memory."""

BLOBS_AT_ONCE: Final = 8

CROP_PX: Final = 112
PHOTO_PX: Final = 240

Jpeg: TypeAlias = bytes
Key: TypeAlias = tuple[Kind, UUID]


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding with its pictures.

    Attributes:
        of_photos: Its sides are photos, and no faces.
        pictures: Of each side; None where one is not kept, or was deleted.
        photos: Of the sides that are photos, those that are there.
    """

    told: Told
    of_photos: bool
    pictures: tuple[tuple[Jpeg | None, ...], ...]
    photos: Mapping[UUID, Image]


def shown(content: Content) -> Iterator[Shown]:
    """Yield the first `MOST_FINDINGS` findings with their pictures.

    Raises:
        ReportNotFound: It was deleted meanwhile.
        OSError, StorageUnavailable: Pictures cannot be read.
    """
    told = content.findings(MOST_FINDINGS)
    of_photos = content.report.name == duplicates.NAME
    with ThreadPoolExecutor(BLOBS_AT_ONCE, thread_name_prefix="blobs") as readers:
        while some := list(islice(told, AT_ONCE)):
            keys = [_keys(each, of_photos=of_photos) for each in some]
            wanted = list(dict.fromkeys(key for sides in keys for side in sides for key in side))
            photos = _photos(content, wanted)
            read = readers.map(partial(_picture, content.services.blobs, photos), wanted)
            found = dict(zip(wanted, read, strict=True))
            for each, sides in zip(some, keys, strict=True):
                pictures = tuple(tuple(found[key] for key in side) for side in sides)
                yield Shown(each, of_photos, pictures, photos)


def _keys(told: Told, *, of_photos: bool) -> list[list[Key]]:
    """Return what is shown of each side: photos, or faces."""
    if of_photos:
        return [[(Kind.THUMBNAIL, side.image_id)] if side.image_id else [] for side in told.sides]
    most = MOST_PICTURES if len(told.sides) > 1 else 2 * MOST_PICTURES
    return [[(Kind.CROP, face) for face in side.faces[:most]] for side in told.sides]


def _photos(content: Content, wanted: list[Key]) -> Mapping[UUID, Image]:
    """Return the photos that are shown themselves."""
    ids = [owner for kind, owner in wanted if kind is Kind.THUMBNAIL]
    if not ids:
        return {}
    with content.services.pool.connection() as conn:
        return image_rows.many(conn, ids)


def _picture(blobs: BlobStore, photos: Mapping[UUID, Image], key: Key) -> Jpeg | None:
    kind, owner = key
    if kind is Kind.CROP:
        return _small(blobs, kind, owner.hex, CROP_PX)
    photo = photos.get(owner)
    return None if photo is None else _small(blobs, kind, photo.sha256.hex(), PHOTO_PX)


def _small(blobs: BlobStore, kind: Kind, stored: str, longest_side: int) -> Jpeg | None:
    try:
        return preview(unpack(blobs.get(kind, stored)), longest_side)
    except (BlobMissing, BadImage):
        return None
