"""What files of a report hold, read part by part: a report may have thousands of findings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

from core import collections, reporting
from core.db.changes import Named
from core.db.collections import Collection
from core.db.reports import Report, State, StoredFinding
from core.errors import WrongState
from core.reports import telling, words
from core.reports.finding import Side
from core.services import Services

PART: Final = 500
"""Findings in memory; each part is read in a transaction of its own."""


@dataclass(frozen=True, slots=True)
class Told:
    """A finding, with who is meant by it.

    Attributes:
        people: Everybody on its sides.
    """

    finding: StoredFinding
    sides: tuple[Side, ...]
    people: Mapping[UUID, Named]

    @property
    def sentence(self) -> str:
        """What was found."""
        return words.sentence(self.finding, telling.names(self.people))

    def name(self, side: Side) -> str | None:
        """Return what the person of a side is called, or was; None: a side without a person."""
        if side.person_id is None:
            return None
        return self.people[side.person_id].name or words.GONE


@dataclass(frozen=True, slots=True)
class Content:
    """One version of a report.

    Attributes:
        previous: The version that it is compared with.
        only_new: Findings that *previous* has, too, are left out.
    """

    services: Services
    report: Report
    collection: Collection
    previous: Report | None
    only_new: bool

    @classmethod
    def of(cls, services: Services, report_id: UUID, *, only_new: bool = False) -> Self:
        """Look a report up.

        Raises:
            ReportNotFound: There is none with this id.
            WrongState: It is not made.
        """
        with services.pool.connection() as conn:
            report = reporting.get(conn, report_id)
            if report.state != State.DONE:
                raise WrongState("There is no file of a report that is not made.")
            home = collections.get(conn, report.collection_id)
            before = report.previous_id
            previous = None if before is None else reporting.get(conn, before)
        return cls(services, report, home, previous, only_new)

    @property
    def count(self) -> int:
        """How many findings there are, all parts together."""
        return self.report.added if self.only_new else self.report.findings

    def findings(self, most: int | None = None) -> Iterator[Told]:
        """Yield the findings, what matters most first, up to *most*.

        Raises:
            ReportNotFound: It was deleted meanwhile: what was told is not all, and must not look so.
        """
        after, left = -1, self.count if most is None else most
        while left > 0:
            part = self._part(after, min(PART, left))
            yield from part
            if len(part) < min(PART, left):
                return
            after, left = part[-1].finding.position, left - len(part)

    def _part(self, after: int, limit: int) -> list[Told]:
        with self.services.pool.connection() as conn:
            found = reporting.findings(
                conn, self.report, limit=limit, after=after, only_new=self.only_new
            )
            if len(found) < limit:
                reporting.get(conn, self.report.id)
            people = telling.people(conn, self.collection.id, found)
        return [_told(each, people) for each in found]


def _told(finding: StoredFinding, people: Mapping[UUID, Named]) -> Told:
    sides = telling.sides(finding)
    meant = {side.person_id for side in sides if side.person_id}
    return Told(finding, sides, {each: people[each] for each in meant})
