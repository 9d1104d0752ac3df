"""``facesearch ingest PATH…``: photos from files and folders into a collection."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from core import collections as collection_use
from core import gallery, intake
from core.db.jobs import Item
from core.doorbell import Doorbell
from core.errors import CollectionNotFound, SetupError, WorkerUnavailable
from core.facets import NO_FACETS, SEPARATOR, Facets, read_captured, split_tags
from core.formats import JUNK
from core.intake import Upload
from core.services import Services
from core.settings import MIB
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
    """Put the photos at PATHS (files, or folders with all below them) into a collection.

    Photos that are there already are skipped. Exit code 4: some were refused; they are listed.
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
    if any(item.state in REFUSED for item in outcomes):
        ctx.exit(PARTLY)


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """A file, and the name it is known by in the collection: its path below what was asked for."""

    key: str
    path: Path


def photo_files(paths: Sequence[Path]) -> Iterator[PhotoFile]:
    """Yield the files at *paths* and below, sorted, without hidden ones and system junk."""
    for path in paths:
        if path.is_file():
            yield PhotoFile(path.name, path)
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
) -> list[Item]:
    """Hand the files in, in rounds, with a progress bar; return every item as it ended.

    Args:
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
    jobs: list[UUID] = []
    with Progress(*columns, console=console()) as progress:
        stored = progress.add_task("stored", total=len(files))
        for batch in _rounds(files, services.settings.max_request_mib * MIB):
            uploads = [
                Upload(
                    file.key,
                    _read(file.path, services),
                    tags=facets.tags,
                    captured_at=facets.captured_at,
                )
                for file in batch
            ]
            jobs.append(intake.accept(services, bell, collection_id, uploads).job_id)
            progress.advance(stored, len(batch))
        if wait:
            _wait(services, jobs, progress, len(files))
    with services.pool.connection() as conn:
        return [item for job in jobs for item in gallery.items(conn, job, limit=ROUND)]


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


def _read(file: Path, services: Services) -> bytes:
    """Read a photo, or just enough of a file that is too large to be one."""
    with file.open("rb") as stream:
        return stream.read(services.settings.max_photo_mib * MIB + 1)


def _rounds(files: Sequence[PhotoFile], most_bytes: int) -> Iterator[list[PhotoFile]]:
    """Cut *files* into batches of at most `ROUND` files and about *most_bytes* bytes."""
    rest = iter(files)
    while batch := list(islice(rest, ROUND)):
        part: list[PhotoFile] = []
        size = 0
        for file in batch:
            bytes_ = file.path.stat().st_size
            if part and size + bytes_ > most_bytes:
                yield part
                part, size = [], 0
            part.append(file)
            size += bytes_
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


def _summary(items: Sequence[Item], *, with_items: bool) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "total": len(items),
        "states": Counter(item.state for item in items),
        "reasons": Counter(item.reason for item in items if item.reason),
    }
    if with_items:
        summary["items"] = [
            {"key": i.key, "state": i.state, "image_id": i.image_id, "reason": i.reason}
            for i in items
        ]
    return summary


def _print_summary(items: Sequence[Item]) -> None:
    summary = _summary(items, with_items=False)
    counts = ", ".join(f"{count} {state}" for state, count in summary["states"].items())
    click.echo(f"{len(items)} photos: {counts}.")
    faceless = Counter(item.reason for item in items if item.state == "indexed" and item.reason)
    if faceless:
        reasons = ", ".join(f"{count} {reason}" for reason, count in faceless.most_common())
        click.echo(f"  {faceless.total()} of them without a face that was stored: {reasons}.")
    for item in items:
        if item.state in REFUSED:
            click.echo(f"  {item.key}: {item.reason}. {item.detail or ''}")
