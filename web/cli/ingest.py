"""``facesearch ingest PATH…``: photos from files, folders and archives into a collection."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from core import collections as collection_use
from core import gallery, intake
from core.archive_entries import Limits, printable
from core.archives import Junk, Member, Refused, is_archive, members
from core.doorbell import Doorbell
from core.errors import BadArchive, CollectionNotFound, SetupError, WorkerUnavailable
from core.facets import NO_FACETS, SEPARATOR, Facets, read_captured, split_tags
from core.formats import JUNK
from core.offers import Upload
from core.services import Services
from core.settings import MIB, Settings
from web.cli.common import console, json_option, print_json
from web.cli.services import PARTLY, doorbell, system

REFUSED = frozenset({"rejected", "dead"})

ROUND = 32
"""Photos handed in at once: one transaction, and one job to watch."""

LOOK_EVERY_S = 0.2
PATIENCE_S = 120
"""Seconds without any photo finished after which we stop waiting."""


@click.command()
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path),
)  # fmt: skip
@click.option("--collection", "-c", required=True, help="Name or id of the collection.")
@click.option("--create", is_flag=True, help="Create the collection when there is none.")
@click.option(
    "--tag", "tags", multiple=True, help="Tag of all these photos; give it once for each tag."
)
@click.option(
    "--captured-at",
    metavar="TIME",
    help="When all these photos were taken, as 2024-05-31T18:30+02:00; otherwise their EXIF counts.",
)
@click.option("--no-wait", is_flag=True, help="Return when the photos are stored and queued.")
@json_option
@click.pass_context
def ingest(
    ctx: click.Context,
    paths: tuple[Path, ...],
    collection: str,
    create: bool,
    tags: tuple[str, ...],
    captured_at: str | None,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Put the photos at PATHS into a collection: files, and folders with all below them.

    A ZIP, TAR, TAR.GZ or TAR.ZST is opened and read like a folder. Photos that are there already
    are skipped. Exit code 4: some were refused; they are listed.
    """
    given = Facets(
        split_tags(SEPARATOR.join(tags)),
        None if captured_at is None else read_captured(captured_at),
    )
    files = list(photo_files(paths))
    if not files:
        raise SetupError("There is no file at these paths.")
    with system() as services:
        home = _home(services, collection, create=create)
        outcomes = ingest_files(
            services, doorbell(services), home, files, facets=given, wait=not no_wait
        )
    if as_json:
        print_json(_summary(outcomes, with_items=True))
    else:
        _print_summary(outcomes)
    if any(item.state in REFUSED for item in outcomes.items):
        ctx.exit(PARTLY)


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """A file, and the name it is known by in the collection: its path below what was asked for.

    Attributes:
        asked_for: Itself, not a folder above it.
    """

    key: str
    path: Path
    asked_for: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a photo ended, or an entry of an archive that none was made of."""

    key: str
    state: str
    image_id: UUID | None = None
    reason: str | None = None
    detail: str | None = None


@dataclass(slots=True)
class Outcomes:
    """All of them.

    Attributes:
        passed_over: Hidden entries of archives, and what systems leave in them.
    """

    items: list[Outcome] = field(default_factory=list)
    passed_over: int = 0


def photo_files(paths: Sequence[Path]) -> Iterator[PhotoFile]:
    """Yield the files at *paths* and below, sorted, without hidden ones and system junk."""
    for path in paths:
        if path.is_file():
            yield PhotoFile(path.name, path, asked_for=True)
            continue
        for file in sorted(path.rglob("*")):
            inside = file.relative_to(path)
            hidden = any(part.startswith(".") for part in inside.parts)
            if file.is_file() and not hidden and file.name.lower() not in JUNK:
                yield PhotoFile(str(inside), file)


def ingest_files(
    services: Services,
    bell: Doorbell,
    collection_id: UUID,
    files: Sequence[PhotoFile],
    *,
    facets: Facets = NO_FACETS,
    wait: bool,
) -> Outcomes:
    """Hand the files in, in rounds, with a progress bar; return how each photo ended.

    Args:
        files: Archives among them are opened.
        facets: Of all of them.

    Raises:
        WorkerUnavailable: Nothing was indexed for a long time; the photos are safe and wait.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    # How many photos an archive holds is known when it was read.
    total = None if any(is_archive(file.path) for file in files) else len(files)
    outcomes = Outcomes()
    jobs: list[UUID] = []
    handed_in = 0
    with Progress(*columns, console=console()) as progress:
        stored = progress.add_task("stored", total=total)
        photos = _photos(files, services.settings, outcomes)
        for batch in _rounds(photos, services.settings.max_request_mib * MIB):
            uploads = [
                Upload(photo.name, photo.data, tags=facets.tags, captured_at=facets.captured_at)
                for photo in batch
            ]
            jobs.append(intake.accept(services, bell, collection_id, uploads).job_id)
            handed_in += len(batch)
            progress.advance(stored, len(batch))
        progress.update(stored, total=handed_in)
        if wait:
            _wait(services, jobs, progress, handed_in)
    with services.pool.connection() as conn:
        items = (item for job in jobs for item in gallery.items(conn, job, limit=ROUND))
        outcomes.items += (
            Outcome(item.key, item.state, item.image_id, item.reason, item.detail) for item in items
        )
    return outcomes


def _wait(services: Services, jobs: Sequence[UUID], progress: Progress, total: int) -> None:
    finished = progress.add_task("indexed", total=total)
    left = list(jobs)
    closed = 0
    last_change = time.monotonic()
    while left:
        with services.pool.connection() as conn:
            states = [gallery.job(conn, job) for job in left]
        closed += sum(state.total for state in states if state.done)
        left = [state.id for state in states if not state.done]
        done = closed + sum(s.total - s.waiting - s.running for s in states if not s.done)
        if done != progress.tasks[finished].completed:
            last_change = time.monotonic()
            progress.update(finished, completed=done)
        elif time.monotonic() - last_change > PATIENCE_S:
            raise WorkerUnavailable(
                f"Nothing was indexed for {PATIENCE_S} s; the photos are stored and wait. "
                "Is a worker running? See `facesearch status`."
            )
        if left:
            time.sleep(LOOK_EVERY_S)


def _photos(files: Iterable[PhotoFile], settings: Settings, outcomes: Outcomes) -> Iterator[Member]:
    """Yield the photos one by one; what is none of an archive's entries goes to *outcomes*."""
    limits = Limits.of(settings)
    for file in files:
        key = printable(file.key)
        with file.path.open("rb") as stream:
            if not is_archive(file.path):
                # Of a file that is too large to be a photo just enough to see that.
                yield Member(key, stream.read(limits.entry_bytes + 1))
                continue
            # Names begin where those of a folder would: below what was asked for.
            above = "" if file.asked_for else f"{key}/"
            for found in members(stream, limits, called=key):
                match found:
                    case Member():
                        yield Member(above + found.name, found.data)
                    case Refused():
                        outcomes.items.append(_refusal(found, above))
                    case Junk():
                        outcomes.passed_over += found.count


def _refusal(refused: Refused, above: str) -> Outcome:
    of_all = isinstance(refused.error, BadArchive)
    key = refused.name if of_all else above + refused.name
    return Outcome(key, "rejected", None, refused.error.code, str(refused.error))


def _rounds(photos: Iterable[Member], most_bytes: int) -> Iterator[list[Member]]:
    """Gather *photos* into batches of at most `ROUND`, and of *most_bytes* bytes unless it is one."""
    part: list[Member] = []
    size = 0
    for photo in photos:
        if part and (len(part) == ROUND or size + len(photo.data) > most_bytes):
            yield part
            part, size = [], 0
        part.append(photo)
        size += len(photo.data)
    if part:
        yield part


def _home(services: Services, name: str, *, create: bool) -> UUID:
    with services.pool.connection() as conn:
        try:
            return collection_use.find(conn, name).id
        except CollectionNotFound:
            if not create:
                raise
        pack = services.manifest.pack(services.settings.pack)
        return collection_use.create(conn, pack, name=name).id


def _summary(outcomes: Outcomes, *, with_items: bool) -> dict[str, Any]:
    items = outcomes.items
    summary: dict[str, Any] = {
        "total": len(items),
        "states": Counter(item.state for item in items),
        "reasons": Counter(item.reason for item in items if item.reason),
        "passed_over": outcomes.passed_over,
    }
    if with_items:
        summary["items"] = [
            {
                "key": i.key,
                "state": i.state,
                "image_id": i.image_id,
                "reason": i.reason,
                "detail": i.detail,
            }
            for i in items
        ]
    return summary


def _print_summary(outcomes: Outcomes) -> None:
    items = outcomes.items
    states = _summary(outcomes, with_items=False)["states"]
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    click.echo(f"{len(items)} photos: {counts or 'there was nothing to do'}.")
    if outcomes.passed_over:
        click.echo(f"  Besides, {outcomes.passed_over} hidden or system files were passed over.")
    faceless = Counter(item.reason for item in items if item.state == "indexed" and item.reason)
    if faceless:
        reasons = ", ".join(f"{count} {reason}" for reason, count in faceless.most_common())
        click.echo(f"  {faceless.total()} of them without a face that was stored: {reasons}.")
    for item in items:
        if item.state in REFUSED:
            click.echo(f"  {item.key}: {item.reason}. {item.detail or ''}")
