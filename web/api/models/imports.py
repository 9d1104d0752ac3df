"""Imports over the wire: how they are shown."""

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from core.db.import_items import Result
from core.import_progress import Expected, Limit, Progress, State
from core.import_wishes import Options, Source
from core.manifests import Format
from core.offers import OnDuplicate
from core.stages import Stage
from web.api.models.common import Answer, Body, Page, PageQuery
from web.api.models.jobs import Counts, ItemState, Throughput


class ImportOptions(Answer):
    """What holds for all items of an import."""

    on_duplicate: OnDuplicate
    people_by_folder: bool
    dry_run: bool
    tags: list[str]
    metadata: dict[str, Any]
    captured_at: datetime | None
    format: Format | None
    sha256: str | None

    @classmethod
    def of(cls, options: Options) -> Self:
        """Show options."""
        return cls(
            on_duplicate=options.on_duplicate,
            people_by_folder=options.people_by_folder,
            dry_run=options.dry_run,
            tags=list(options.tags),
            metadata=dict(options.metadata),
            captured_at=options.captured_at,
            format=options.format,
            sha256=options.sha256,
        )


class Forecast(Answer):
    """What the whole import would come to, scaled from a sample that was tried."""

    entries: int = Field(description="Of the whole import.")
    sampled: int = Field(description="So many of them were tried: the fewer, the rougher is this.")
    faces: int
    refused: int = Field(description="Entries that would become no image.")
    duplicates: int = Field(description="Photos that the collection has, or the import has twice.")
    reasons: dict[str, int] = Field(
        description="Why entries would be refused, or images have no face."
    )
    seconds: float = Field(description="On one worker like the one that tried the sample.")
    bytes: int = Field(description="Of disk: photos, small copies, crops and rows.")

    @classmethod
    def of(cls, expected: Expected) -> Self:
        """Show a forecast."""
        return cls(
            entries=expected.entries,
            sampled=expected.sampled,
            faces=expected.faces,
            refused=expected.refused,
            duplicates=expected.duplicates,
            reasons=dict(expected.reasons),
            seconds=round(expected.seconds, 1),
            bytes=expected.bytes,
        )


class ImportUrls(Answer):
    """Where to go on with an import."""

    self: str
    results: str
    events: str


class Import(Answer):
    """A bulk job over many photos, and how far it is."""

    id: UUID
    collection_id: UUID
    name: str
    external_id: str | None
    source: Source
    path: str | None = Field(description="Of a folder of the server, as it was asked for.")
    options: ImportOptions
    state: State = Field(
        description="`receiving` until all was sent; `done` when every item has its final state; "
        "`failed` when the rest could not be read: what came before it is indexed."
    )
    reason: str | None = Field(description="Code of what ended it early.")
    detail: str | None
    counts: Counts
    reasons: dict[str, int] = Field(description="How often each reason was given.")
    total: int | None = Field(description="Items that there will be; null where nobody can tell.")
    done: int = Field(description="Items in their final state.")
    passed_over: int = Field(
        description="Hidden entries and those that systems leave among photos; no items."
    )
    rate: float | None = Field(description="Items per second since it runs without a pause.")
    eta_s: float | None = Field(description="Seconds until its end at that rate.")
    limit: Limit | Stage | None = Field(description="What it waits for most.")
    advice: str | None = Field(description="One sentence on that.")
    bytes_expected: int | None = Field(description="As announced, or as they came.")
    bytes_received: int | None = Field(description="Null of a folder of the server.")
    bytes_read: int
    throughput: Throughput | None = Field(description="Null until the first photo is analysed.")
    forecast: Forecast | None = Field(description="Of a dry run that was tried.")
    created_at: datetime
    closed_at: datetime | None
    urls: ImportUrls

    @classmethod
    def of(cls, progress: Progress) -> Self:
        """Show how far an import is."""
        found, counts = progress.found, progress.counts
        address = f"/v1/imports/{found.id}"
        work, expected = progress.work, progress.expected
        return cls(
            id=found.id,
            collection_id=found.collection_id,
            name=found.name,
            external_id=found.external_id,
            source=Source(found.source),
            path=found.path,
            options=ImportOptions.of(Options.from_json(found.options)),
            state=progress.state,
            reason=found.reason,
            detail=found.detail,
            counts=Counts(**{name: counts.states.get(name, 0) for name in Counts.model_fields}),
            reasons=dict(counts.reasons),
            total=progress.total,
            done=progress.done,
            passed_over=found.entries_passed_over,
            rate=None if progress.rate is None else round(progress.rate, 2),
            eta_s=None if progress.eta_s is None else round(progress.eta_s, 1),
            limit=progress.limit,
            advice=progress.advice,
            bytes_expected=found.bytes_expected,
            bytes_received=progress.bytes_received,
            bytes_read=found.bytes_read,
            throughput=Throughput.of(work, progress.work_s) if work.photos else None,
            forecast=None if expected is None else Forecast.of(expected),
            created_at=found.created_at,
            closed_at=found.closed_at,
            urls=ImportUrls(self=address, results=f"{address}/results", events=f"{address}/events"),
        )


class ImportPage(Page[Import]):
    """Imports, newest first."""


class RetryImport(Body):
    """Which items to try again."""

    dead: bool = Field(False, description="Those whose workers died each time, too.")


class Retried(Answer):
    """How many items wait again."""

    retried: int


class ResultsQuery(PageQuery):
    """Which items, and how they are written."""

    state: ItemState | None = Field(None, description="Only those in this state.")
    status: ItemState | None = Field(None, description="Another name of `state`.")
    format: Literal["json", "ndjson", "csv"] | None = Field(
        None,
        description="`ndjson` and `csv` give all items at once, without pages; left out, the header "
        "`Accept` decides.",
    )

    @property
    def wanted(self) -> ItemState | None:
        """The state, however it was called."""
        return self.state or self.status

    @model_validator(mode="after")
    def _has_one_state(self) -> Self:
        if self.state and self.status and self.state != self.status:
            raise ValueError("state and status are two names of one thing; give one")
        return self


class ImportItem(Answer):
    """What became of one item."""

    position: int = Field(description="In the sender's order, from 0.")
    key: str = Field(description="The name the sender knows it by.")
    state: ItemState
    reason: str | None
    detail: str | None
    image_id: UUID | None = Field(description="Null where it has no image, or not any more.")
    attempts: int
    faces: int | None = Field(description="Stored of its image; null unless it is indexed.")

    @classmethod
    def of(cls, row: Result) -> Self:
        """Show a row."""
        return cls(
            position=row.position,
            key=row.key,
            state=row.state,
            reason=row.reason,
            detail=row.detail,
            image_id=row.image_id,
            attempts=row.attempts,
            faces=row.faces,
        )


class ImportItemPage(Page[ImportItem]):
    """Items in the sender's order."""


class ImportItemList(Answer):
    """The items of the photos that were sent, in their order."""

    items: list[ImportItem]
