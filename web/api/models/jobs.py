"""Jobs over the wire."""

from datetime import datetime
from typing import Literal, Self, TypeAlias
from uuid import UUID

from pydantic import Field

from core.db import jobs as rows
from core.stages import Stage, Work
from web.api.models.common import Answer, Page, PageQuery

ItemState: TypeAlias = Literal[
    "waiting", "running", "indexed", "skipped", "rejected", "failed", "dead"
]


class ItemsQuery(PageQuery):
    """Which items."""

    state: ItemState | None = None


class Counts(Answer):
    """Items by state."""

    waiting: int
    running: int
    indexed: int
    skipped: int
    rejected: int
    failed: int = Field(description="What was in the way may pass: they can be tried again.")
    dead: int = Field(description="Each time their worker died or hung.")


class StageWork(Answer):
    """What one stage of the photos' way cost."""

    name: Stage
    busy_s: float = Field(description="Seconds at work, summed over threads.")
    share: float = Field(description="Of the seconds at work of all stages, 0 to 1.")
    wait_s: float = Field(description="Seconds that photos waited for it, summed over photos.")


class Throughput(Answer):
    """What the analysed photos of a job cost the workers, and what limits them."""

    photos: int = Field(description="Analysed and written.")
    faces: int = Field(description="Embedded; those that a quality gate refused are among them.")
    photos_per_second: float
    faces_per_second: float
    batch_fill: float = Field(description="How full the recogniser's runs were, 0 to 1.")
    stages: list[StageWork] = Field(description="In the order of the way.")
    limit: Stage | None = Field(description="The stage for which the others wait.")
    advice: str | None = Field(description="What would make it faster.")

    @classmethod
    def of(cls, work: Work, seconds: float) -> Self:
        """Show what photos cost that took so many seconds together."""
        seconds = seconds or float("inf")
        return cls(
            photos=work.photos,
            faces=work.faces,
            photos_per_second=round(work.photos / seconds, 2),
            faces_per_second=round(work.faces / seconds, 2),
            batch_fill=round(work.batch_fill, 4),
            stages=[
                StageWork(
                    name=stage,
                    busy_s=round(cost.busy, 4),
                    share=round(work.share(stage), 4),
                    wait_s=round(cost.wait, 4),
                )
                for stage, cost in work.stages.items()
            ],
            limit=work.limit,
            advice=work.advice,
        )


class Job(Answer):
    """Photos handed in together, and how far they are."""

    id: UUID
    collection_id: UUID
    kind: Literal["upload", "import"]
    state: Literal["waiting", "running", "done"] = Field(
        description="`waiting` until a worker takes the first photo; `done` when none is left."
    )
    total: int
    counts: Counts
    reasons: dict[str, int] = Field(description="How often each reason was given.")
    created_at: datetime
    finished_at: datetime | None
    throughput: Throughput | None = Field(description="Null until the first photo is analysed.")
    items_url: str

    @classmethod
    def of(cls, row: rows.Job) -> Self:
        """Show a row."""
        started = row.waiting < row.total
        return cls(
            id=row.id,
            collection_id=row.collection_id,
            kind=row.kind,
            state="done" if row.done else "running" if started else "waiting",
            total=row.total,
            counts=Counts(
                waiting=row.waiting,
                running=row.running,
                indexed=row.indexed,
                skipped=row.skipped,
                rejected=row.rejected,
                failed=row.failed,
                dead=row.dead,
            ),
            reasons=row.reasons,
            created_at=row.created_at,
            finished_at=row.last_finished_at if row.done else None,
            throughput=Throughput.of(Work.from_json(row.work), row.seconds) if row.work else None,
            items_url=f"/v1/jobs/{row.id}/items",
        )


class JobItem(Answer):
    """One photo of a job."""

    key: str = Field(description="The name the sender knows it by.")
    position: int
    state: ItemState
    image_id: UUID | None
    reason: str | None
    detail: str | None
    attempts: int

    @classmethod
    def of(cls, row: rows.Item) -> Self:
        """Show a row."""
        return cls(
            key=row.key,
            position=row.position,
            state=row.state,
            image_id=row.image_id,
            reason=row.reason,
            detail=row.detail,
            attempts=row.attempts,
        )


class JobItemPage(Page[JobItem]):
    """Items in the sender's order."""
