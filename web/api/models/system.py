"""Health, limits and packs over the wire."""

from typing import Literal, Self

from pydantic import Field

from core.findings import Finding as CheckFinding
from core.findings import Level
from core.inference.packs import Pack as ManifestPack
from core.workers_seen import WorkerSeen
from web.api.models.common import Answer


class Worker(Answer):
    """One worker process."""

    name: str
    ready: bool
    device: str
    spaces: list[str] = Field(description="Ids of the spaces whose photos it analyses.")

    @classmethod
    def of(cls, seen: WorkerSeen) -> Self:
        """Show a worker."""
        return cls(
            name=seen.hostname, ready=seen.ready, device=seen.device, spaces=list(seen.spaces)
        )


class Finding(Answer):
    """Something about the database that is not as it should be."""

    level: Literal["error", "warning"]
    what: str
    cure: str

    @classmethod
    def of(cls, finding: CheckFinding) -> Self:
        """Show a finding that is not fine."""
        level: Literal["error", "warning"] = "error" if finding.level is Level.ERROR else "warning"
        return cls(level=level, what=finding.what, cure=finding.cure)


class HealthDetails(Answer):
    """For whoever may in."""

    version: str
    workers: list[Worker]
    waiting_photos: int
    running_photos: int
    findings: list[Finding] = Field(
        description="What the checks of the database found, at most a minute ago; empty: all is well."
    )


class Health(Answer):
    """Whether the system works."""

    status: Literal["ok", "degraded", "down"] = Field(
        description="`degraded`: no worker is ready; `down`: database or broker cannot be reached."
    )
    database: bool
    broker: bool
    workers: bool = Field(description="Some worker is ready.")
    details: HealthDetails | None = Field(None, description="Only with a session or an API key.")


class Limits(Answer):
    """What is refused, before you try."""

    photo_bytes: int
    photo_pixels: int
    request_bytes: int
    photos_per_request: int
    formats: list[str]
    faces_per_photo: int = Field(description="Of more, the largest are kept.")
    matches: int = Field(description="Largest `limit` of a search.")
    page_size: int = Field(description="Largest `limit` of a list.")
    name_characters: int
    metadata_bytes: int
    wait_s: int = Field(description="Longest `Prefer: wait`.")
    import_bytes: int = Field(description="Of an archive or manifest that is sent.")
    import_entries: int = Field(description="Read of one archive or manifest.")
    import_unpacked_bytes: int = Field(description="Of one archive.")
    photos_waiting: int = Field(
        description="So many wait for workers: more photos are answered with 429 `backlog_full`."
    )
    photos_waiting_of_import: int = Field(description="The same, of one import.")


class Licence(Answer):
    """Under which terms the weights of a pack come."""

    id: str
    title: str
    summary: str
    commercial: bool
    url: str | None = Field(None, description="Where the terms can be read.")


class Pack(Answer):
    """A detector, a recogniser and their threshold."""

    name: str
    title: str
    summary: str
    space_id: str
    dimension: int
    threshold: float
    threshold_source: str
    licence: Licence
    default: bool = Field(description="New collections take this one.")
    ready: bool = Field(description="A worker with this pack is there now.")

    @classmethod
    def of(cls, pack: ManifestPack, *, default: bool, ready: bool) -> Self:
        """Show a pack of the manifest."""
        licence = pack.licence
        return cls(
            name=pack.name,
            title=pack.title,
            summary=pack.summary,
            space_id=pack.space.id,
            dimension=pack.space.dimension,
            threshold=pack.threshold,
            threshold_source=pack.threshold_source,
            licence=Licence(
                id=licence.id,
                title=licence.title,
                url=licence.url,
                summary=licence.summary,
                commercial=licence.commercial,
            ),
            default=default,
            ready=ready,
        )


class PackList(Answer):
    """Every pack of the manifest."""

    items: list[Pack]
