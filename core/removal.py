"""Removing the files of what was deleted, or is not to be kept. Whoever changes the rows writes the
files down in the same transaction (`core.db.removals`), so that a crash before they are gone leaves
none for ever.
"""

from collections.abc import Iterable
from uuid import UUID

from core.blobs import OF_A_PHOTO, BlobStore, Kind
from core.db import images as image_rows
from core.db import removals as rows
from core.db.pool import Connection, Pool

AT_ONCE = 200

MOST_FILES = 20_000
"""While somebody waits. A large collection has more; a sweep every few seconds takes the rest."""

FILES_OF_A_SWEEP = 2_000
"""About a second: meanwhile a worker may have no thread for a search."""


def remove_files(
    pool: Pool, blobs: BlobStore, deletion: UUID | None = None, *, most: int = MOST_FILES
) -> int:
    """Remove up to *most* files of one deletion, or of any; return how many were looked at.

    Several at once share the work.
    """
    done = 0
    while done < most:
        with pool.connection() as conn:
            files = rows.take(conn, limit=min(AT_ONCE, most - done), deletion=deletion)
            blobs.delete_many(Kind.CROP, [file.key for file in files if file.kind == "crop"])
            photos = {file.key for file in files if file.kind == "photo"}
            _forget_bytes(conn, blobs, [bytes.fromhex(digest) for digest in photos])
            rows.forget(conn, files)
        done += len(files)
        if not files:
            break
    return done


def forget_bytes(pool: Pool, blobs: BlobStore, sha256: bytes) -> None:
    """Remove a photo's blobs once no image of any collection needs these bytes."""
    with pool.connection() as conn:
        _forget_bytes(conn, blobs, [sha256])


def _forget_bytes(conn: Connection, blobs: BlobStore, digests: Iterable[bytes]) -> None:
    # Under the same lock as storing them, so that an upload at this moment does not lose its file,
    # and in the order in which uploads lock them.
    needless = []
    for sha256 in sorted(digests):
        image_rows.lock_bytes(conn, sha256)
        if not image_rows.bytes_in_use(conn, sha256):
            needless.append(sha256.hex())
    for kind in OF_A_PHOTO:
        blobs.delete_many(kind, needless)
