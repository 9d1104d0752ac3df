"""Blobs against rows: files that no row needs, and files that a row needs and that are not there.

Files and rows are read in one order and compared as they come, so that a million photos take no more
memory than a thousand. Uploads, workers and deletions go on meanwhile: whatever seems wrong is asked
about again before it is told or removed.
"""

import errno
import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import Final, TypeAlias
from uuid import UUID

from core.blobs import BlobStore, Kind, Stored, Tally, place
from core.db import blob_check as rows
from core.db import images as image_rows
from core.db.blob_check import Named
from core.db.pool import Connection, connect
from core.errors import BlobMissing
from core.services import Services

GRACE_S: Final = 3600.0
"""A worker stores crops, and an upload its photo, before the rows that need them are committed. No
file is called an orphan that is younger than this."""

AT_ONCE: Final = 200
"""Files that are compared, and asked about, at a time."""

READERS: Final = 8
"""Files that are read at the same time: so many are in memory."""

MOST_FAULTS: Final = 1_000
"""That are named; all are counted."""

MANY: Final = 100
"""Orphans from which on it matters whether they are most of the files."""

_NONE: Final = Tally()

Pair: TypeAlias = tuple[Stored | None, Named | None]
Tell: TypeAlias = Callable[[Kind, int], None]
"""Is told how many files of a kind were looked at so far."""


class Trouble(StrEnum):
    """What is wrong with a file that a row needs."""

    MISSING = "missing"
    #: It cannot be read, is empty, or has other bytes than those that were uploaded.
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Fault:
    """A file that an image needs and that cannot be used; *collection* is a name."""

    kind: Kind
    key: str
    trouble: Trouble
    image_id: UUID
    filename: str | None
    collection: str


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of one kind.

    Attributes:
        used: Files that a row needs.
        orphans: No row needs them, and nobody will remove them.
        recent: No row needs them yet; they are too young to be called orphans.
        doomed: Their rows were deleted; they are removed by the workers.
        faults: The first `MOST_FAULTS`.
    """

    used: Tally = _NONE
    orphans: Tally = _NONE
    recent: Tally = _NONE
    doomed: Tally = _NONE
    missing: int = 0
    damaged: int = 0
    faults: tuple[Fault, ...] = ()

    def __add__(self, other: "Found") -> "Found":
        return Found(
            self.used + other.used,
            self.orphans + other.orphans,
            self.recent + other.recent,
            self.doomed + other.doomed,
            self.missing + other.missing,
            self.damaged + other.damaged,
            (self.faults + other.faults)[:MOST_FAULTS],
        )

    @property
    def files(self) -> int:
        """All files of this kind."""
        return sum(each.files for each in (self.used, self.orphans, self.recent, self.doomed))


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a check.

    Attributes:
        leftovers: Of writes that never ended.
    """

    kinds: dict[Kind, Found]
    leftovers: Tally

    @property
    def whole(self) -> bool:
        """Whether every file that a row needs can be used, as far as was looked."""
        return not any(found.missing or found.damaged for found in self.kinds.values())

    @property
    def removable(self) -> Tally:
        """What `remove_orphans` would remove."""
        return sum((found.orphans for found in self.kinds.values()), self.leftovers)

    @property
    def odd(self) -> bool:
        """Whether most files are orphans, as where the files are of another database."""
        orphans = sum(found.orphans.files for found in self.kinds.values())
        return orphans > max(MANY, sum(found.used.files for found in self.kinds.values()))


def check(
    services: Services,
    *,
    grace_s: float = GRACE_S,
    deep: bool = False,
    tell: Tell = lambda kind, files: None,
) -> Report:
    """Compare all files with all rows; change nothing.

    Args:
        grace_s: Age from which on a file that no row needs is an orphan.
        deep: Read every photo, and compare its digest with that of what was uploaded.
    """
    before = time.time() - grace_s
    kinds = {}
    with ThreadPoolExecutor(READERS, thread_name_prefix="blobs") as readers:
        judge = _Judge(services, readers, before, deep)
        for kind in Kind:
            found = Found()
            for pairs in _pairs(services, kind):
                found += judge.found(kind, pairs)
                tell(kind, found.files)
            kinds[kind] = found
    return Report(kinds, services.blobs.leftovers(before))


def remove_orphans(
    services: Services, *, grace_s: float = GRACE_S, tell: Tell = lambda kind, files: None
) -> Tally:
    """Remove files that no row needs and those of writes that never ended; return what they were."""
    before = time.time() - grace_s
    removed = _NONE
    for kind in Kind:
        looked_at = 0
        for pairs in _pairs(services, kind):
            removed += _remove(services, kind, _unnamed(pairs, before))
            looked_at += sum(file is not None for file, _ in pairs)
            tell(kind, looked_at)
    return removed + services.blobs.leftovers(before, remove=True)


def _remove(services: Services, kind: Kind, files: Sequence[Stored]) -> Tally:
    """Remove those of *files* that still nobody needs.

    Photos and their copies under the lock that uploads and `core.removal` take, in the same order:
    whoever sends the same bytes at this moment stores them after us, or has committed before we ask.
    """
    if not files:
        return _NONE
    with services.pool.connection() as conn:
        if kind is not Kind.CROP:
            for key in sorted(file.key for file in files):
                image_rows.lock_bytes(conn, bytes.fromhex(key))
        orphans = _needless(conn, kind, files)
        services.blobs.delete_many(kind, [file.key for file in orphans])
    return Tally.of(file.bytes for file in orphans)


@dataclass(frozen=True, slots=True)
class _Judge:
    """Says what is wrong with a part of the files, under the conditions of a `check`."""

    services: Services
    readers: Executor
    before: float
    deep: bool

    def found(self, kind: Kind, pairs: Sequence[Pair]) -> Found:
        """Judge one part."""
        named = [(file, row) for file, row in pairs if file is not None and row is not None]
        orphans = self.orphans(kind, _unnamed(pairs, self.before))
        faults = self.faults(
            kind, [row.key for file, row in pairs if row and self.doubts(file, row)]
        )
        return Found(
            used=Tally.of(file.bytes for file, row in named if row.used),
            orphans=Tally.of(file.bytes for file in orphans),
            recent=Tally.of(file.bytes for file in _unnamed(pairs) if file not in orphans),
            doomed=Tally.of(file.bytes for file, row in named if not row.used),
            missing=sum(fault.trouble is Trouble.MISSING for fault in faults),
            damaged=sum(fault.trouble is Trouble.DAMAGED for fault in faults),
            faults=tuple(faults),
        )

    def doubts(self, file: Stored | None, row: Named) -> bool:
        """Say whether a file must be there and looks wrong, or is to be read in any case."""
        if not row.must:
            return False
        if file is None or not file.bytes or row.bytes not in {None, file.bytes}:
            return True
        return self.deep and row.bytes is not None

    def orphans(self, kind: Kind, files: Sequence[Stored]) -> list[Stored]:
        """Return those that have no row now either."""
        if not files:
            return []
        with self.services.pool.connection() as conn:
            return _needless(conn, kind, files)

    def faults(self, kind: Kind, keys: Sequence[str]) -> list[Fault]:
        """Read files, and name the images of those that cannot be used."""
        read = self.readers.map(partial(_trouble, self.services.blobs, kind), keys)
        troubles = {key: trouble for key, trouble in zip(keys, read, strict=True) if trouble}
        if not troubles:
            return []
        with self.services.pool.connection() as conn:
            owners = rows.owners(conn, kind, list(troubles))
        return [
            Fault(kind, key, trouble, owner.image_id, owner.filename, owner.collection)
            for key, trouble in troubles.items()
            if (owner := owners.get(key)) is not None
        ]


def _unnamed(pairs: Iterable[Pair], before: float = math.inf) -> list[Stored]:
    return [
        file for file, row in pairs if file is not None and row is None and file.written < before
    ]


def _needless(conn: Connection, kind: Kind, files: Sequence[Stored]) -> list[Stored]:
    """Return those of *files* that no row needs now."""
    used = rows.used(conn, kind, [file.key for file in files])
    return [file for file in files if file.key not in used]


def _trouble(blobs: BlobStore, kind: Kind, key: str) -> Trouble | None:
    """Read a file and say what is wrong with it."""
    try:
        data = blobs.get(kind, key)
    except BlobMissing:
        return Trouble.MISSING
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return Trouble.DAMAGED  # the disk cannot read it any more, which is what we look for
    if not data or (kind is Kind.PHOTO and hashlib.sha256(data).hexdigest() != key):
        return Trouble.DAMAGED
    return None


def _pairs(services: Services, kind: Kind) -> Iterator[list[Pair]]:
    """Yield files beside their rows, `AT_ONCE` at a time, in the order of their keys."""
    url = services.settings.database_url
    assert url is not None, "services were opened"
    with connect(url, autocommit=True) as conn:
        both = _beside(services.blobs.keys(kind), rows.named(conn, kind))
        while part := list(islice(both, AT_ONCE)):
            yield part


def _beside(files: Iterator[Stored], names: Iterator[Named]) -> Iterator[Pair]:
    """Put what has the same key together; both are in the order of `core.blobs.place`."""
    # Rows first: whatever a row of this moment needs was stored before it was committed.
    row = next(names, None)
    file = next(files, None)
    while file is not None or row is not None:
        if row is None or (file is not None and place(file.key) < place(row.key)):
            yield file, None
            file = next(files, None)
        elif file is None or place(row.key) < place(file.key):
            yield None, row
            row = next(names, None)
        else:
            yield file, row
            file, row = next(files, None), next(names, None)
