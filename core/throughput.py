"""How many photos a second this machine takes in, what limits it, and how near it is to its networks.

A Postgres and a folder of blobs of its own are made for a measurement and removed after it: on those of
a running system its workers would take the photos, and the photos would stand among others'.
"""

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter
from typing import Final, TypeVar

import psutil

from core import collections, indexing, intake
from core.bare_networks import Bare, measure_bare
from core.db import jobs as job_rows
from core.db.migrate import upgrade
from core.images import Copies
from core.inference.packs import Pack
from core.local import temporary
from core.offers import Upload
from core.pipeline import AnalysedPhoto, Pipeline
from core.services import Services, services_for
from core.settings import Settings
from core.stages import Cost, Stage, Work

MARKS: Final = 10
"""Looks at the memory during a measurement."""

BARE_PHOTOS: Final = 24
"""Their tensors are held for the bare loops: of photos that the detector sees at 640, about 150 MB."""

HANDED_IN_AT_ONCE: Final = 32
NOWHERE: Final = "unix:///nowhere"
"""A broker that nobody connects to: nothing is rung for."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How much memory this process held after so many photos."""

    photos: int
    rss: int


@dataclass(frozen=True, slots=True)
class Throughput:
    """A measurement.

    Attributes:
        refused: Photos that could not be used.
        seconds: From the first claim to the last commit, warm-up excluded.
        bare: None where the photos show no face, or the networks were not asked for.
    """

    photos: int
    refused: int
    seconds: float
    work: Work
    marks: tuple[Mark, ...]
    bare: Bare | None

    @property
    def photos_per_second(self) -> float:
        """Photos that were analysed and written."""
        return self.work.photos / self.seconds

    @property
    def faces_per_second(self) -> float:
        """Faces that were embedded and written."""
        return self.work.faces / self.seconds

    @property
    def growth(self) -> float:
        """How much more memory was held at most than after a fifth of the photos; 0.05 is 5 %."""
        if not self.marks:
            return 0.0  # every file was refused before it was queued
        settled = self.marks[max(0, len(self.marks) // 5 - 1) :]
        return max(mark.rss for mark in settled) / settled[0].rss - 1


@dataclass(slots=True)
class _Progress:
    """Counts photos for many threads, and looks at the memory at the marks."""

    total: int
    tell: Callable[[int], None]
    done: int = 0
    marks: list[Mark] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, photos: int) -> None:
        with self.lock:
            self.done += photos
            if self.done * MARKS >= self.total * (len(self.marks) + 1):
                self.marks.append(Mark(self.done, psutil.Process().memory_info().rss))
        self.tell(photos)


def photos_of(files: Sequence[Path], count: int) -> Iterator[bytes]:
    """Yield so many photos, the files again and again, each time with other bytes at its end.

    What stands behind its end changes no picture, and a photo that is there already is not taken in.
    """
    for number, path in enumerate(islice(cycle(files), count)):
        turn = number // len(files)
        yield path.read_bytes() + (b"#%d" % turn if turn else b"")


def measure(
    settings: Settings,
    pack: Pack,
    pipeline: Pipeline,
    files: Sequence[Path],
    count: int,
    *,
    database: bool,
    tell: Callable[[int], None],
    networks: bool = True,
) -> Throughput:
    """Take photos in as a worker does, with as many batches at once, and say what it cost.

    Args:
        files: Photos; used again and again where *count* is more.
        database: Write everything; without it the photos are only analysed.
        tell: Is told of photos that are done.
        networks: Measure the networks alone, too, which takes some seconds.

    Raises:
        SetupError: There is no embedded Postgres.
    """
    warm = photos_of(files, min(len(files), settings.batch_photos))
    pipeline.analyse(list(warm), copies=Copies.BOTH)
    sample = list(photos_of(files, min(count, BARE_PHOTOS))) if networks else []
    before = measure_bare(pipeline, sample, settings)
    if database:
        with _system(settings) as services:
            found = _through_the_queue(services, pack, pipeline, files, count, tell)
    else:
        found = _analysed_only(settings, pipeline, files, count, tell)
    after = measure_bare(pipeline, sample, settings)
    work, seconds, marks = found
    bare = before and after and before.mean(after)
    return Throughput(count, count - work.photos, seconds, work, tuple(marks), bare)


@contextmanager
def _system(settings: Settings) -> Iterator[Services]:
    """Make a database and a folder of blobs on the disk where those of the settings are."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    # The account that runs Postgres has another working folder.
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=settings.data_dir.absolute()))
    try:
        with temporary.postgres(durable=True, inside=home) as server:
            server.create_database()
            upgrade(server.url)
            own = {
                "data_dir": home,
                "blobs_url": None,
                "database_url": server.url,
                "broker_url": NOWHERE,
            }
            connections = 2 * settings.worker_threads + 1
            with services_for(settings.model_copy(update=own), connections=connections) as services:
                yield services
    finally:
        shutil.rmtree(home)


Item = TypeVar("Item")


def _parts(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut into lists of *size*."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


class _Nobody:
    """A doorbell that nobody hears."""

    def ingest(self) -> None:
        """Ring."""

    def search(self, request_id: str) -> None:
        """Ring."""

    def indexes(self) -> None:
        """Ring."""

    def imports(self) -> None:
        """Ring."""

    def reports(self) -> None:
        """Ring."""


def _through_the_queue(
    services: Services,
    pack: Pack,
    pipeline: Pipeline,
    files: Sequence[Path],
    count: int,
    tell: Callable[[int], None],
) -> tuple[Work, float, list[Mark]]:
    with services.pool.connection() as conn:
        home = collections.create(conn, pack, name="bench")
    receipts = [
        intake.accept(services, _Nobody(), home.id, [Upload("photo", data) for data in part])
        for part in _parts(photos_of(files, count), HANDED_IN_AT_ONCE)
    ]
    waiting = sum(item.state == "waiting" for each in receipts for item in each.items)
    progress = _Progress(waiting, tell)

    def work() -> bool:
        claimed = indexing.index_batch(services, {pack.space.id: pipeline})
        if claimed:
            progress.add(claimed)
        return claimed > 0

    begin = perf_counter()
    at_once(work, services.settings.worker_threads - 1)
    seconds = perf_counter() - begin
    total = Work()
    with services.pool.connection() as conn:
        for receipt in receipts:
            job = job_rows.get(conn, receipt.job_id)
            assert job is not None, "it was stored above"
            total += Work.from_json(job.work)
    return total, seconds, progress.marks


def _analysed_only(
    settings: Settings,
    pipeline: Pipeline,
    files: Sequence[Path],
    count: int,
    tell: Callable[[int], None],
) -> tuple[Work, float, list[Mark]]:
    batches = _parts(photos_of(files, count), settings.batch_photos)
    taking, adding = threading.Lock(), threading.Lock()
    progress = _Progress(count, tell)
    total = Work()

    def work() -> bool:
        nonlocal total
        with taking:
            batch = next(batches, [])
        if not batch:
            return False
        results = pipeline.analyse(batch, copies=Copies.BOTH)
        good = [each for each in results if isinstance(each, AnalysedPhoto)]
        cost = Work.of([(each.timings, len(each.faces)) for each in good], pipeline.places)
        with adding:
            total += cost
        progress.add(len(batch))
        return True

    begin = perf_counter()
    at_once(work, settings.worker_threads - 1)
    return total, perf_counter() - begin, progress.marks


def at_once(work: Callable[[], bool], times: int) -> None:
    """Work in so many threads, each until *work* says that there was nothing left to do.

    Where one breaks, or Ctrl+C ends the waiting, all end after what they are at.
    """
    over = threading.Event()

    def keep_on() -> None:
        while not over.is_set() and work():
            pass

    with ThreadPoolExecutor(times) as threads:
        running = [threads.submit(keep_on) for _ in range(times)]
        try:
            wait(running, return_when=FIRST_EXCEPTION)
        finally:
            over.set()
    for each in running:
        each.result()


def plain(found: Throughput) -> Mapping[str, object]:
    """Return a measurement for programs."""
    work, bare = found.work, found.bare
    return {
        "photos": found.photos,
        "refused": found.refused,
        "faces": work.faces,
        "seconds": found.seconds,
        "photos_per_second": found.photos_per_second,
        "faces_per_second": found.faces_per_second,
        "batch_fill": work.batch_fill,
        "stages": {stage.value: _plain_stage(work, stage) for stage in work.stages},
        "limit": work.limit,
        "advice": work.advice,
        "bare": bare
        and {
            "detector_photos_per_second": bare.detector,
            "recogniser_photos_per_second": bare.recogniser,
            "ratio_to_slowest": found.photos_per_second / bare.slowest,
            "ratio_to_both": found.photos_per_second / bare.both,
        },
        "memory": [{"photos": mark.photos, "rss": mark.rss} for mark in found.marks],
        "memory_growth": found.growth,
    }


def _plain_stage(work: Work, stage: Stage) -> Mapping[str, float]:
    cost: Cost = work.stages[stage]
    return {"busy_s": cost.busy, "share": work.share(stage), "wait_s": cost.wait}
