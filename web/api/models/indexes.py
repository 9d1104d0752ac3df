"""Search indexes of large collections over the wire."""

from datetime import datetime
from typing import Annotated, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import Field

from core.db.index_work import Action, Work
from core.db.indexes import Kind
from core.estimates import Estimate
from core.indexes import Status, Step
from web.api.models.common import Answer, Body, Page, PageQuery

IndexKind: TypeAlias = Annotated[
    Kind,
    Field(
        strict=False,
        description="`hnsw` holds whole vectors, `bit` one bit for each number: less memory, and "
        "candidates are ranked again by their vectors.",
    ),
]


class IndexesQuery(PageQuery):
    """Which collections: all with an index, or that should have one."""


class NewIndexWork(Body):
    """What to do about an index."""

    action: Action = Field(
        strict=False,
        description="`promote` gives a collection its own table, with an index; `build` an index "
        "that is missing; `rebuild` makes all of its indexes anew beside the old ones; `drop` "
        "takes one away, for a load.",
        examples=["promote"],
    )
    kind: IndexKind = Kind.HNSW


class IndexWork(Answer):
    """Work on an index: it waits, runs, or has ended."""

    id: UUID
    collection_id: UUID
    action: Action
    kind: IndexKind
    state: Literal["waiting", "running", "done", "failed"]
    actor: str = Field(description="Who asked for it; `policy`: the system by itself.")
    detail: str | None = Field(description="Why it failed, or a remark.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, row: Work) -> Self:
        """Show a row."""
        return cls(
            id=row.id,
            collection_id=row.collection_id,
            action=Action(row.action),
            kind=Kind(row.kind),
            state=row.state,
            actor=row.actor,
            detail=row.detail,
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )


class IndexProgress(Answer):
    """What running work does now."""

    step: str = Field(description="For people.")
    done: int
    total: int = Field(description="Of the step, mostly in faces; 0: nobody can say.")

    @classmethod
    def of(cls, step: Step) -> Self:
        """Show a step."""
        return cls(step=step.words, done=step.done, total=step.total)


class VectorIndex(Answer):
    """One index on the collection's own table."""

    kind: IndexKind
    valid: bool = Field(description="Finished, so that searches can use it.")
    bytes: int
    built_at: datetime | None


class CollectionIndex(Answer):
    """How the faces of a collection are stored and indexed."""

    collection_id: UUID
    name: str
    layout: Literal["tail", "own"] = Field(
        description="`tail`: among other small collections, always searched exactly; `own`: in a "
        "table of its own, which can have an index."
    )
    faces: int
    dead_rows: int = Field(description="Changed or deleted rows that its indexes still hold.")
    dead_share: float = Field(description="Of the rows of its own table, 0 to 1.")
    table_bytes: int | None = Field(description="Of its own table, without indexes.")
    waiting_photos: int = Field(description="On their way into it.")
    indexes: list[VectorIndex]
    open_work: list[IndexWork] = Field(description="What runs comes first.")
    progress: IndexProgress | None = Field(description="Of the work that runs.")
    last_work: IndexWork | None = Field(description="The latest that ended.")

    @classmethod
    def of(cls, status: Status) -> Self:
        """Show a status."""
        table = status.table
        return cls(
            collection_id=table.collection_id,
            name=table.name,
            layout="own" if table.layout == "own" else "tail",
            faces=table.faces,
            dead_rows=table.dead,
            dead_share=round(status.dead_share, 4),
            table_bytes=table.heap_bytes,
            waiting_photos=status.incoming.photos,
            indexes=[
                VectorIndex(
                    kind=Kind(index.kind),
                    valid=index.valid,
                    bytes=index.bytes,
                    built_at=status.built_at(Kind(index.kind)),
                )
                for index in status.indexes
            ],
            open_work=[IndexWork.of(work) for work in status.open],
            progress=IndexProgress.of(status.step) if status.step else None,
            last_work=IndexWork.of(status.history[0]) if status.history else None,
        )


class IndexEstimate(Answer):
    """What the work that makes sense next would take."""

    action: Action
    memory_bytes: int = Field(description="Of Postgres, while it builds.")
    memory_limit_bytes: int = Field(description="As much as a build may take.")
    fits: bool = Field(description="If not, the build goes on slowly on disk.")
    disk_bytes: int
    seconds: float
    measured: bool = Field(
        description="The time follows an earlier build here; if not, a published rate."
    )

    @classmethod
    def of(cls, action: Action, estimate: Estimate) -> Self:
        """Show an estimate."""
        return cls(
            action=action,
            memory_bytes=estimate.memory_bytes,
            memory_limit_bytes=estimate.memory_limit_bytes,
            fits=estimate.fits,
            disk_bytes=estimate.disk_bytes,
            seconds=round(estimate.seconds, 1),
            measured=estimate.measured,
        )


class CollectionIndexDetails(CollectionIndex):
    """The same with an estimate."""

    estimate: IndexEstimate | None = Field(None, description="None of an empty collection.")


class CollectionIndexPage(Page[CollectionIndex]):
    """Collections with an index, or that should have one, oldest first."""
