"""Reports as jobs: asked for, made by a worker, cancelled, kept in versions.

A worker takes all reports of a collection that wait, since they read the same. While the graph of a
collection is built, other workers help with its slices.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Final
from uuid import UUID, uuid4

import psycopg

from core import collections, naming, reviews
from core.answers import whole
from core.db import collections as collection_rows
from core.db import people as people_rows
from core.db import reports as rows
from core.db.people import Person
from core.db.pool import Connection, connect
from core.db.reports import Report, StoredFinding
from core.doorbell import Doorbell
from core.errors import (
    CollectionNotFound,
    FaceSearchError,
    InvalidRequest,
    ReportNotFound,
    WrongState,
)
from core.graph import Builder
from core.leases import kept
from core.reports import registry, unnamed
from core.reports.finding import Side
from core.reports.material import Material
from core.services import Services

logger = logging.getLogger(__name__)

SCHEDULE: Final = "schedule"
"""The actor of reports that nobody asked for."""

MOST_ATTEMPTS: Final = 3
LOST: Final = "Each process that tried to make it ended early."

TOLD_EVERY_S: Final = 1.0
"""Between two notes of how far a report is."""

COMPARING: Final = "comparing faces"
MAKING: Final = "making the report"


@dataclass(frozen=True, slots=True)
class Standing:
    """How one report of a collection stands.

    Attributes:
        made: Its newest version that was made.
        last: Its newest version, which may wait, run, or have ended otherwise.
    """

    name: str
    made: Report | None
    last: Report | None


class GivenUp(Exception):
    """Nobody wants what is made any more, or not from this process."""


def ask(
    services: Services, doorbell: Doorbell, collection_id: UUID, names: Sequence[str], *, actor: str
) -> list[Report]:
    """Let reports wait for a worker; return them, or those that wait or run already.

    Raises:
        CollectionNotFound: There is no such collection.
        InvalidRequest: There is no such report.
        BrokerUnavailable: The reports wait; a worker finds them within a minute.
    """
    wanted = [registry.require(name) for name in names]
    with services.pool.connection() as conn:
        collections.get(conn, collection_id)
        for name in wanted:
            rows.ask(conn, collection_id, name, actor=actor)
        found = [each for each in rows.open_ones(conn, collection_id) if each.name in wanted]
    doorbell.reports()
    return found


def get(conn: Connection, report_id: UUID) -> Report:
    """Return one version of a report.

    Raises:
        ReportNotFound: There is none with this id.
    """
    found = rows.get(conn, report_id)
    if found is None:
        raise ReportNotFound(report_id)
    return found


def page(
    conn: Connection,
    collection_id: UUID,
    *,
    limit: int,
    before: UUID | None = None,
    name: str | None = None,
) -> list[Report]:
    """Return up to *limit* versions older than *before*, newest first.

    Raises:
        CollectionNotFound: There is no such collection.
        InvalidRequest: There is no such report.
    """
    collections.get(conn, collection_id)
    if name is not None:
        registry.require(name)
    return rows.page(conn, collection_id, limit=limit, before=before, name=name)


def overview(conn: Connection, collection_id: UUID) -> list[Standing]:
    """Return how all reports of a collection stand, in the order in which they are shown.

    Raises:
        CollectionNotFound: There is no such collection.
    """
    collections.get(conn, collection_id)
    made = {report.name: report for report in rows.latest(conn, collection_id)}
    last = {report.name: report for report in rows.last(conn, collection_id)}
    return [Standing(name, made.get(name), last.get(name)) for name in registry.REPORTS]


def newest(conn: Connection, collection_id: UUID, name: str) -> Report:
    """Return the newest version of a report that was made.

    Raises:
        InvalidRequest: There is no such report.
        ReportNotFound: It was never made.
    """
    registry.require(name)
    made = [each for each in rows.latest(conn, collection_id) if each.name == name]
    if not made:
        raise ReportNotFound(f"{name!r} that was made")
    return made[0]


def findings(
    conn: Connection,
    report: Report,
    *,
    limit: int,
    after: int | None = None,
    kind: str | None = None,
    only_new: bool = False,
) -> list[StoredFinding]:
    """Return up to *limit* findings behind the position *after*, what matters most first."""
    return rows.findings(conn, report.id, limit=limit, after=after, kind=kind, only_new=only_new)


def gone(
    conn: Connection, report: Report, *, limit: int, after: int | None = None
) -> list[StoredFinding]:
    """Return up to *limit* findings behind a position that only the version before has."""
    return rows.gone(conn, report, limit=limit, after=after)


def cancel(conn: Connection, report_id: UUID) -> Report:
    """Give a report up; whoever makes it stops within seconds. One that is over stays as it is.

    Raises:
        ReportNotFound: There is none with this id.
    """
    rows.cancel(conn, report_id)
    return get(conn, report_id)


def delete(conn: Connection, report_id: UUID) -> None:
    """Forget a version that is over. An unknown id is fine.

    Raises:
        WrongState: It waits or runs.
    """
    if not rows.delete(conn, report_id) and rows.get(conn, report_id) is not None:
        raise WrongState("This report is still being made; cancel it first.")


def name_group(
    conn: Connection, report_id: UUID, position: int, name: str, *, actor: str
) -> Person:
    """Give the faces of a found group to whoever has this name, or to somebody new.

    Raises:
        ReportNotFound: There is no such report.
        InvalidRequest: It has no group at this position.
        WrongState: A face of the group has got a name, or is gone.
    """
    report = get(conn, report_id)
    found = rows.findings(conn, report_id, limit=1, after=position - 1)
    if report.name != unnamed.NAME or not found or found[0].position != position:
        raise InvalidRequest("This report has no such group.")
    faces = whole(conn, report.collection_id, Side.from_json(found[0].sides[0]))
    owners = people_rows.owners(conn, report.collection_id, faces)
    if not faces or any(owners.get(face, reviews.GONE) is not None for face in faces):
        raise WrongState(reviews.CHANGED)
    return naming.name_faces(conn, report.collection_id, faces, name, actor=actor)


def ask_for_due(services: Services) -> int:
    """Let the reports wait whose time has come, and forget old versions; return how many wait now."""
    settings = services.settings
    with services.pool.connection() as conn:
        rows.give_up(conn, most_attempts=MOST_ATTEMPTS, detail=LOST)
        rows.forget(conn, keep=settings.report_versions)
        if not settings.report_hours:
            return 0
        due = rows.due(conn, list(registry.REPORTS), hours=settings.report_hours)
        return sum(rows.ask(conn, each.id, each.name, actor=SCHEDULE) for each in due)


def work(services: Services, ring: Callable[[], None], ending: Event) -> None:
    """Make reports, and help others with theirs, until there is nothing to do.

    Args:
        ring: Calls other workers.
        ending: Whoever sets it wants this process to end; what is not done waits again.
    """
    url = services.settings.database_url
    assert url is not None, "services were opened"
    with connect(url, autocommit=True) as conn:
        helper = Builder(services, conn, pause=partial(_pause_if, ending))
        called = False
        while not ending.is_set():
            if _make_some(services, conn, ring, ending):
                continue
            if not helper.help():
                return
            if not called:  # whoever builds calls one; the others are called one by the other
                ring()
                called = True


def _pause_if(ending: Event) -> None:
    if ending.is_set():
        raise GivenUp


def _make_some(
    services: Services, conn: Connection, ring: Callable[[], None], ending: Event
) -> bool:
    """Claim the reports of a collection and make them; False: none waits."""
    lease = uuid4()
    lease_s = services.settings.lease_s
    claimed = rows.claim(conn, lease=lease, lease_s=lease_s, most_attempts=MOST_ATTEMPTS)
    if not claimed:
        return False
    try:
        with kept(partial(_renew, services, lease), lease_s):
            _Run(services, conn, ring, ending, lease, claimed).make()
    except GivenUp:
        rows.put_back(conn, lease)
    except psycopg.OperationalError:
        raise  # the lease runs out, and somebody else tries
    except FaceSearchError as error:
        rows.fail(conn, lease, str(error))
    except Exception as error:
        rows.fail(conn, lease, f"It failed: {type(error).__name__}.")
        raise
    return True


def _renew(services: Services, lease: UUID) -> None:
    with services.pool.connection() as conn:
        rows.renew(conn, lease, lease_s=services.settings.lease_s)


@dataclass(slots=True)
class _Run:
    """Reports of one collection that this process makes."""

    services: Services
    conn: Connection
    ring: Callable[[], None]
    ending: Event
    lease: UUID
    claimed: list[Report]
    _told: float = field(default=0.0, init=False)
    _looked: float = field(default=0.0, init=False)

    def make(self) -> None:
        """Make them one after the other; one that fails does not keep the others from being made."""
        try:
            collection = collections.get(self.conn, self.claimed[0].collection_id)
        except CollectionNotFound:
            return
        builder = Builder(self.services, self.conn, self.ring, self._pause, self._tell)
        graph = builder.bring_up_to_date(collection)
        material = Material(self.services, self.conn, collection, graph, pause=self._pause)
        for done, report in enumerate(self.claimed):
            rows.progress(self.conn, self.lease, MAKING, done, len(self.claimed))
            with self._reported(report):
                self._make_one(report, material)

    def _make_one(self, report: Report, material: Material) -> None:
        if not rows.is_ours(self.conn, report.id, self.lease):
            return
        outcome = registry.REPORTS[report.name](material)
        if report.name == unnamed.NAME:  # while it is ours: whoever decides reads the groups
            unnamed.store(material)
        with self.conn.transaction():
            collection_rows.hold(self.conn, [report.collection_id])
            if rows.is_ours(self.conn, report.id, self.lease, lock=True):
                rows.finish(self.conn, report, outcome.findings, outcome.summary)
                reviews.take_up(
                    self.conn,
                    report.name,
                    report.collection_id,
                    outcome.findings,
                    seen_at=report.started_at,
                )

    @contextmanager
    def _reported(self, report: Report) -> Iterator[None]:
        """Close a report that cannot be made, with the reason."""
        try:
            yield
        except (GivenUp, psycopg.OperationalError):
            raise
        except FaceSearchError as error:
            rows.fail(self.conn, self.lease, str(error), report.id)
        except Exception as error:
            logger.exception("the report %s of %s failed", report.name, report.collection_id)
            rows.fail(self.conn, self.lease, f"It failed: {type(error).__name__}.", report.id)

    def _pause(self) -> None:
        """Stop when this process ends, or when nobody wants any of the reports any more."""
        _pause_if(self.ending)
        if time.monotonic() - self._looked >= TOLD_EVERY_S:
            self._looked = time.monotonic()
            if not any(rows.is_ours(self.conn, each.id, self.lease) for each in self.claimed):
                raise GivenUp

    def _tell(self, done: int, total: int) -> None:
        if time.monotonic() - self._told >= TOLD_EVERY_S or done == total:
            self._told = time.monotonic()
            rows.progress(self.conn, self.lease, COMPARING, done, total)
