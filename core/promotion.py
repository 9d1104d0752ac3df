"""Promotion: a collection that has grown large gets a partition of its own, in full service.

A table is made beside the shared ones, and from that transaction on triggers repeat in it what is
written to the collection. Its faces are copied in short batches, an index is built, everything that
attaching would have to check is checked beforehand. Then, in one transaction: the collection's
writers wait, the shared table gives up what the new one holds byte for byte, and for some
milliseconds everybody waits while the new table becomes the partition. Until that commit nothing has
changed for anybody; a try that broke off is gone on with, or thrown away, by the next one.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias
from uuid import UUID

from psycopg.errors import DeadlockDetected, LockNotAvailable

from core.db import collections as collection_rows
from core.db import partitions as rows
from core.db.indexes import table_name
from core.db.pool import Connection
from core.errors import CollectionNotFound, DatabaseBusy

Report: TypeAlias = Callable[[str, int, int], None]
"""Called with the step (``copy``, ``check``, ``switch``), and how much of how much is done."""

BATCH = 2_000
"""Faces whose writers may have to wait while they are copied: about a tenth of a second."""

LOCK_S = 0.2
"""How long everybody may queue behind a strong lock of ours that is not granted. Others get through
between two tries, so that a long query costs them this much again and again, and never its length."""

STOP_S = 0.05
"""The same of the lock that stops everybody, at first: it grows to `LOCK_S`."""

QUIET_S = 3.0
"""For locks that only vacuum, which leaves when somebody has waited for a second, and the writers of
the collection queue behind."""

FREEZE_S = 5.0
"""How long the writers of the collection may wait until the switch is tried again from the start."""

PATIENCE_S = 600.0


class _DifferentError(Exception):
    """The two tables do not hold the same; somebody wrote past the locks."""


TRY_AGAIN = (LockNotAvailable, DeadlockDetected, _DifferentError)


def promote(
    conn: Connection,
    collection_id: UUID,
    *,
    build: Callable[[Connection, str], None] | None = None,
    report: Report = lambda step, done, total: None,
    patience_s: float = PATIENCE_S,
) -> None:
    """Give a collection a partition of its own; nothing happens when it has one.

    Args:
        conn: Of its own, in autocommit mode.
        build: Is called with *conn* and the name of the new table, to index it before it is searched.
        patience_s: How long each step tries to get its locks.

    Raises:
        CollectionNotFound: There is none with this id (any more); nothing is left of the try.
        DatabaseBusy: Somebody else promotes it at the moment, or others would not let go of a lock.
            What was done is kept: the next try goes on with it.
    """
    if not rows.lock(conn, collection_id):
        raise DatabaseBusy("This collection is being moved already.")
    try:
        placed = rows.placed(conn, collection_id)
        if placed is None:
            raise CollectionNotFound(collection_id)
        if placed.layout == "tail":
            _Promotion(conn, collection_id, placed.face_count, report, patience_s).run(build)
    except CollectionNotFound:
        discard(conn, collection_id, patience_s=patience_s)
        raise
    finally:
        if not conn.closed:
            rows.unlock(conn, collection_id)


class _Promotion:
    def __init__(
        self,
        conn: Connection,
        collection_id: UUID,
        faces: int,
        report: Report,
        patience_s: float,
    ) -> None:
        self.conn = conn
        self.id = collection_id
        self.faces = faces
        self.report = report
        self.patience_s = patience_s
        leaves = rows.leaves(conn, collection_id)
        self.leaves = [leaf.name for leaf in leaves]
        (self.home,) = (leaf.name for leaf in leaves if leaf.home)

    def run(self, build: Callable[[Connection, str], None] | None) -> None:
        self.prepare()
        self.copy()
        rows.vacuum(self.conn, self.id)
        if build is not None:
            build(self.conn, table_name(self.id))
        self.check()
        self.switch()
        for table in (self.home, table_name(self.id)):
            rows.vacuum(self.conn, self.id, table)

    def prepare(self) -> None:
        """Go on with what an earlier try left, or make the table and its triggers."""
        if rows.is_whole(self.conn, self.id, self.home):
            return
        discard(self.conn, self.id, patience_s=self.patience_s)
        self.insist(partial(rows.create, self.conn, self.id, self.home))

    def copy(self) -> None:
        """Copy in the order of ids, then what others were at in that moment."""
        done, last, more = 0, None, True
        while more:
            self.report("copy", min(done, self.faces), self.faces)
            batch = rows.copy(self.conn, self.id, self.home, after=last, limit=BATCH)
            done, last, more = done + batch.faces, batch.last, batch.faces == BATCH
        rows.copy_missing(self.conn, self.id, self.home)
        self.report("copy", self.faces, self.faces)

    def check(self) -> None:
        """Let Postgres know, while all goes on, what it would check during the switch."""
        keys = rows.foreign_keys(self.conn, self.id)
        others = [leaf for leaf in self.leaves if leaf != self.home]
        total = len(keys) + len(others)
        for done, key in enumerate(keys):
            self.report("check", done, total)
            if not key.made:
                self.insist(partial(rows.add_foreign_key, self.conn, self.id, key))
            rows.validate_foreign_key(self.conn, self.id, key)
        for done, leaf in enumerate(others, start=len(keys)):
            self.report("check", done, total)
            self.insist(partial(rows.exclude, self.conn, self.id, leaf))
            rows.validate_exclusion(self.conn, self.id, leaf)
        # The home leaf can be read only when the faces have left it: now it is at least in memory.
        rows.count(self.conn, self.id, self.home)

    def switch(self) -> None:
        """Put the new table in the place of the faces in the home leaf."""
        self.report("switch", 0, 1)
        for _ in self.tries():
            try:
                with self.conn.transaction():
                    self.move()
                    self.attach()
            except TRY_AGAIN:
                continue
            self.report("switch", 1, 1)
            return

    def move(self) -> None:
        """Keep the collection's writers waiting, and take the faces from the home leaf."""
        rows.be_patient(self.conn, QUIET_S)
        for leaf in self.leaves:
            rows.keep_vacuum_away(self.conn, self.id, leaf)
        if not collection_rows.lock(self.conn, self.id):
            raise CollectionNotFound(self.id)
        rows.begin_move(self.conn, self.id)
        rows.copy_missing(self.conn, self.id, self.home)
        moved = rows.delete_moved(self.conn, self.id, self.home)
        if rows.count(self.conn, self.id) != moved or rows.count(self.conn, self.id, self.home):
            raise _DifferentError

    def attach(self) -> None:
        """Stop everybody for a moment; the collection's writers wait until that is granted."""
        until = time.monotonic() + FREEZE_S
        patience = STOP_S
        while True:
            try:
                with self.conn.transaction():
                    rows.be_patient(self.conn, patience)
                    rows.stop_everybody(self.conn)
                    rows.attach(self.conn, self.id)
                    for leaf in self.leaves:
                        rows.forget_exclusion(self.conn, self.id, leaf)
                return
            except TRY_AGAIN:
                if time.monotonic() > until:
                    raise
            time.sleep(patience)
            patience = min(LOCK_S, patience * 1.5)

    def insist(self, change: Callable[[], None]) -> None:
        _insist(self.conn, change, patience_s=self.patience_s)

    def tries(self) -> Iterator[None]:
        return _tries(self.patience_s)


def discard(conn: Connection, collection_id: UUID, *, patience_s: float = PATIENCE_S) -> None:
    """Remove a collection's own table with all that is in it, and what was prepared for it.

    Raises:
        DatabaseBusy: Others would not let go of a lock.
    """
    leaves = [leaf.name for leaf in rows.leaves(conn, collection_id)]

    def remove() -> None:
        if rows.exists(conn, collection_id):
            rows.stop_everybody(conn)
        rows.drop(conn, collection_id)
        for leaf in leaves:
            rows.forget_exclusion(conn, collection_id, leaf)

    _insist(conn, remove, patience_s=patience_s)


def drop_orphans(conn: Connection, *, patience_s: float = PATIENCE_S) -> list[UUID]:
    """Discard the tables of deleted collections, and promotions that nobody wants to finish.

    Args:
        conn: Of its own, in autocommit mode.

    Returns:
        The ids of their collections.

    Raises:
        DatabaseBusy: Others would not let go of a lock.
    """
    dropped = []
    for collection_id in rows.leftovers(conn):
        if not rows.lock(conn, collection_id):
            continue
        try:
            discard(conn, collection_id, patience_s=patience_s)
        finally:
            if not conn.closed:
                rows.unlock(conn, collection_id)
        dropped.append(collection_id)
    return dropped


def _insist(conn: Connection, change: Callable[[], None], *, patience_s: float) -> None:
    """Run a change that takes strong locks, in a transaction of its own, until it has got them."""
    for _ in _tries(patience_s):
        try:
            with conn.transaction():
                rows.be_patient(conn, LOCK_S)
                change()
        except TRY_AGAIN:
            continue
        return


def _tries(patience_s: float) -> Iterator[None]:
    """Yield at least once, then with pauses that grow to 2 s.

    Raises:
        DatabaseBusy: The time is over.
    """
    until = time.monotonic() + patience_s
    pause = LOCK_S
    while True:
        yield
        if time.monotonic() + pause > until:
            raise DatabaseBusy("Others hold what this change needs alone; try again later.")
        time.sleep(pause)
        pause = min(2.0, pause * 1.5)
