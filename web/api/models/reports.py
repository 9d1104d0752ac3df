"""Reports and their findings over the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self, TypeAlias
from uuid import UUID

from pydantic import Field

from core.db.changes import Named
from core.db.reports import Report as Row
from core.db.reports import State, StoredFinding
from core.reports import telling, words
from core.reports.files.formats import Format
from core.reports.finding import Side
from core.reports.registry import REPORTS
from web.api.models.changes import Somebody
from web.api.models.common import Answer, Body, Page, PageQuery, Query, Text
from web.api.models.faces import crop_url
from web.api.models.images import thumbnail_url

ReportName: TypeAlias = Annotated[
    str, Field(description="Which report.", json_schema_extra={"enum": list(REPORTS)})
]

Facts: TypeAlias = Annotated[
    dict[str, float | int | str | None],
    Field(description="The numbers that speak for it; cosines are from -1 to 1."),
]


class NewReports(Body):
    """Which reports to make."""

    names: list[ReportName] | None = Field(
        None,
        min_length=1,
        max_length=len(REPORTS),
        description="Left out, all of them.",
        examples=[["duplicates", "two-names"]],
    )


class ReportsQuery(PageQuery):
    """Which versions."""

    name: ReportName | None = Field(None, description="Only those of this report.")


class FindingsQuery(PageQuery):
    """Which findings."""

    kind: Text | None = Field(None, description="Only those of this kind.")
    new: bool = Field(False, description="Only those that the version before does not have.")


class GoneQuery(PageQuery):
    """How many findings."""


class FileQuery(Query):
    """Which file."""

    format: Format = Field(description="`html` and `pdf` are for people, `csv` for spreadsheets.")
    new: bool = Field(False, description="Only what the version before does not have.")


class Report(Answer):
    """One version of a report of a collection."""

    id: UUID
    collection_id: UUID
    name: ReportName
    actor: str = Field(description="Who asked for it; `schedule`: nobody did.")
    state: State
    step: str | None = Field(description="What is done now, for people.")
    done: int
    total: int = Field(description="Of the step; 0: nobody can say.")
    detail: str | None = Field(description="Why it failed.")
    previous_id: UUID | None = Field(
        description="The version that this one is compared with; null: there was none, or it is "
        "deleted."
    )
    findings: int
    new: int = Field(description="Findings that the version before does not have.")
    gone: int = Field(description="Findings that only the version before has.")
    summary: dict[str, Any] = Field(
        description="Numbers of the whole, which depend on the report (`docs/reports.md`)."
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, row: Row) -> Self:
        """Show a row."""
        return cls(
            id=row.id,
            collection_id=row.collection_id,
            name=row.name,
            actor=row.actor,
            state=State(row.state),
            step=row.step,
            done=row.done,
            total=row.total,
            detail=row.detail,
            previous_id=row.previous_id,
            findings=row.findings,
            new=row.added,
            gone=row.gone,
            summary=row.summary,
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )


class ReportPage(Page[Report]):
    """Versions of reports, newest first."""


class AskedReports(Answer):
    """Reports that wait or run, oldest first."""

    items: list[Report]


class ShownFace(Answer):
    """A face that is shown; it may be deleted since."""

    id: UUID
    crop_url: str

    @classmethod
    def of(cls, face_id: UUID) -> Self:
        """Show a face by its id."""
        return cls(id=face_id, crop_url=crop_url(face_id))


class FindingSide(Answer):
    """One of what stands side by side."""

    person: Somebody | None = Field(description="Null: nobody's faces yet, or photos.")
    image_id: UUID | None = Field(description="The photo, where photos stand side by side.")
    thumbnail_url: str | None = Field(description="Of the photo.")
    faces: list[ShownFace] = Field(description="The first ones, best first.")
    face_count: int

    @classmethod
    def of(cls, side: Side, people: Mapping[UUID, Named]) -> Self:
        """Show a side."""
        return cls(
            person=Somebody.of(side.person_id, people),
            image_id=side.image_id,
            thumbnail_url=None if side.image_id is None else thumbnail_url(side.image_id),
            faces=[ShownFace.of(face) for face in side.faces],
            face_count=side.count,
        )


class Finding(Answer):
    """One thing that a report found."""

    position: int = Field(description="From 0; what matters most comes first.")
    kind: str
    score: float = Field(description="What it is ranked by, larger first.")
    new: bool = Field(description="The version before does not have it.")
    sentence: str = Field(description="What was found, for people.")
    sides: list[FindingSide]
    facts: Facts

    @classmethod
    def of(cls, row: StoredFinding, people: Mapping[UUID, Named]) -> Self:
        """Show a row, with the names of everybody."""
        return cls(
            position=row.position,
            kind=row.kind,
            score=row.score,
            new=row.is_new,
            sentence=words.sentence(row, telling.names(people)),
            sides=[FindingSide.of(side, people) for side in telling.sides(row)],
            facts=row.facts,
        )


class FindingPage(Page[Finding]):
    """Findings, what matters most first."""
