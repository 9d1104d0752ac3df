"""Photos a second through an import, against the bare pipeline and `facesearch bench ingest`.

    python -m benchmarks.import_throughput DATA [--pack r50_random] [--photos 600] [--rounds 5]

DATA is a folder with faces/ and weights/. Three sides take turns, each with photos that are new to it:

import   a TAR of LFW photos is sent to a running system (web under gunicorn, one worker, beat, Postgres,
         broker; every commit and file made durable): from the request to the last item's final state
bare     the same photos through `pipeline.analyse` with their small copies, in batches of the same size
         in as many threads, in a process of its own: no files, no database
bench    as `facesearch bench ingest` does it: rows and files, without reading an archive, without queue

Each side runs alone; the others are idle meanwhile. Packs: test_scrfd (det_500m and MobileFaceNet) and
r50_random (det_2.5g and an IResNet-50 of random weights). Says where the time of the imports went. Exits
with 1 where imports are slower than 0.9 of the bare pipeline.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import timing
from benchmarks.import_system import PACKS, SMALL, Album, System, cpu_seconds, in_turns, running
from core.inference.packs import load_manifest
from core.memory import share_heaps
from core.pipelines import Pipelines
from core.settings import Settings
from core.throughput import measure

PHOTOS = {SMALL: 600}
PHOTOS_OF_LARGE = 160
ROUNDS = 5
WARM = 64
GOAL = 0.9


@dataclass(slots=True)
class Sides:
    """The three ways of so many photos; each returns photos a second.

    Attributes:
        told: What the system said of each import at its end.
        cpu: Seconds of each of its processes in each import.
    """

    system: System
    album: Album
    photos: int
    pipelines: Pipelines
    told: list[Mapping[str, Any]] = field(default_factory=list)
    cpu: list[Mapping[str, float]] = field(default_factory=list)

    def imported(self, number: int) -> float:
        """Send an archive and wait for its end."""
        home = self.system.collection(f"round {number}")
        before = cpu_seconds(self.system)
        found = self.system.wait(
            self.system.send(home, self.album.tar(self.photos, f"import-{number}"))
        )
        after = cpu_seconds(self.system)
        if found["counts"]["indexed"] != self.photos:
            raise RuntimeError(f"Not all were indexed: {found['counts']}")
        self.told.append(found)
        self.cpu.append({name: after[name] - before[name] for name in after})
        return self.photos / seconds(found)

    def bare(self, number: int) -> float:
        """Analyse, and nothing else."""
        return self._measured(database=False)

    def bench(self, number: int) -> float:
        """Analyse and write."""
        return self._measured(database=True)

    def _measured(self, *, database: bool) -> float:
        settings = self.system.settings
        pack = load_manifest(settings).pack(settings.pack)
        found = measure(
            settings,
            pack,
            self.pipelines[pack.space.id],
            self.album.files,
            self.photos,
            database=database,
            tell=lambda _: None,
            networks=False,
        )
        return found.photos_per_second


def seconds(found: Mapping[str, Any]) -> float:
    """Return how long an import took, from its request to its end."""
    begun, closed = (datetime.fromisoformat(found[each]) for each in ("created_at", "closed_at"))
    return (closed - begun).total_seconds()


def speeds(found: Mapping[str, Sequence[float]]) -> str:
    """Return the table of speeds."""
    rows = [
        [name, f"{median(each):.1f}", f"{min(each):.1f} to {max(each):.1f}"]
        for name, each in found.items()
    ]
    return timing.table(["side", "photos/s, median", "slowest to fastest"], rows)


def ratio(found: Mapping[str, Sequence[float]], other: str) -> float:
    """Return how fast imports are beside another side, the median of the rounds."""
    return median(one / two for one, two in zip(found["import"], found[other], strict=True))


def costs(each: Sides) -> list[str]:
    """Say where the time of the imports went, in milliseconds of a photo, medians of the rounds."""
    names = [stage["name"] for stage in each.told[0]["throughput"]["stages"]]
    busy = [
        {stage["name"]: stage["busy_s"] for stage in told["throughput"]["stages"]}
        for told in each.told
    ]
    first = [each.photos / told["throughput"]["photos_per_second"] for told in each.told]
    late = median(seconds(told) - took for told, took in zip(each.told, first, strict=True))
    rows = [
        [f"stage {name}", _ms([part[name] for part in busy], each.photos)] for name in names
    ] + [
        [f"CPU of {name}", _ms([part[name] for part in each.cpu], each.photos)]
        for name in each.cpu[0]
    ]
    return [
        timing.table(["of an import", "ms a photo"], rows),
        f"before the first photo was claimed and after the last was written: {late:.2f} s",
    ]


def _ms(values: Sequence[float], photos: int) -> str:
    return f"{1000 * median(values) / photos:.2f}"


@contextmanager
def sides(data: Path, pack: str, photos: int) -> Iterator[Sides]:
    """Start a system, and load the pack here, too."""
    with running(data, pack) as system:
        print("\n".join(system.facts()))
        settings: Settings = system.settings
        manifest = load_manifest(settings)
        album = Album.of(data)
        home = system.collection("warm")
        system.wait(system.send(home, album.tar(WARM, "warm")))
        yield Sides(system, album, photos, Pipelines(manifest, settings))


def main() -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--pack", choices=PACKS, default=SMALL)
    parser.add_argument("--photos", type=int)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    share_heaps()  # as a worker does
    photos = given.photos or PHOTOS.get(given.pack, PHOTOS_OF_LARGE)
    with sides(given.data, given.pack, photos) as each:
        ways = {"import": each.imported, "bare": each.bare, "bench": each.bench}
        found = in_turns(given.rounds, ways)
    reached = ratio(found, "bare") >= GOAL
    print(f"{photos} photos, {given.rounds} rounds")
    print(speeds(found))
    print(f"import / bench: {ratio(found, 'bench'):.2f}; import / bare: {ratio(found, 'bare'):.2f}")
    print(f"goal {GOAL} of bare: {'reached' if reached else 'missed'}")
    print("\n".join(costs(each)))
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
