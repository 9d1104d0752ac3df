"""How long searches take beside a backlog of photos that are being imported.

    python -m benchmarks.import_pressure DATA [--backlog 10000] [--rounds 4] [--seconds 20]

DATA is a folder with faces/ and weights/. A running system (web under gunicorn, one worker, beat, Postgres,
broker; det_500m and MobileFaceNet, or --pack r50_random) has a collection of LFW. An archive of the backlog
is sent to another collection; then its import is paused and resumed in turns, while one client searches by
HTTP, a photo, then a stored face, with a short rest after each. So both states are measured in one run.
Exits with 1 where the 99th percentile beside the import is more than 1.5 times the one without.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks import timing
from benchmarks.import_system import PACKS, SMALL, Album, System, running

BACKLOG: Final = 10_000
GALLERY: Final = 600
ROUNDS, SECONDS = 4, 20.0
REST_S: Final = 0.02
SETTLE_S: Final = 3.0
GOAL: Final = 1.5
QUIET, BUSY = "quiet", "importing"
PHOTO, STORED = "a photo", "a stored face"


@dataclass(slots=True)
class Searches:
    """What one client waited for.

    Attributes:
        seconds: By kind of query and state of the system.
        parts: Milliseconds of the stages of photo searches, by state and stage, as the server tells.
        indexed: Photos that were imported meanwhile, and in how many seconds.
    """

    seconds: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    parts: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    indexed: int = 0
    importing_s: float = 0.0


@dataclass(slots=True)
class Client:
    """Searches one collection, again and again."""

    system: System
    home: str
    photos: Iterator[bytes]
    faces: list[str]
    found: Searches = field(default_factory=Searches)

    def search(self, state: str, seconds: float) -> None:
        """Search for so long."""
        path = f"/v1/collections/{self.home}/search"
        client, end = self.system.client, time.monotonic() + seconds
        while time.monotonic() < end:
            photo = next(self.photos)
            began = time.monotonic()
            answer = client.post(path, content=photo, headers={"Content-Type": "image/jpeg"})
            self._note(PHOTO, state, time.monotonic() - began)
            for part in answer.raise_for_status().headers["Server-Timing"].split(", "):
                name, _, took = part.partition(";dur=")
                self.found.parts.setdefault((state, name), []).append(float(took))
            time.sleep(REST_S)
            asked = {"query": {"face_id": random.choice(self.faces)}}  # noqa: S311
            began = time.monotonic()
            client.post(path, json=asked).raise_for_status()
            self._note(STORED, state, time.monotonic() - began)
            time.sleep(REST_S)

    def _note(self, kind: str, state: str, seconds: float) -> None:
        self.found.seconds.setdefault((kind, state), []).append(seconds)


def measured(system: System, album: Album, backlog: int, rounds: int, seconds: float) -> Searches:
    """Search in turns with and without the import."""
    home = system.collection("searched")
    system.wait(system.send(home, album.tar(GALLERY, "gallery")))
    faces = [
        each["id"]
        for each in system.ask("GET", f"/collections/{home}/faces", params={"limit": 200})["items"]
    ]
    queries = (album.photo(n, "query") for n in iter(lambda: random.randrange(10**6), None))  # noqa: S311
    client = Client(system, home, queries, faces)
    client.search("warm", 5)
    import_id = system.send(system.collection("backlog"), album.tar(backlog, "backlog"))
    address = f"/imports/{import_id}"
    for _ in range(rounds):
        system.ask("POST", f"{address}/pause")
        time.sleep(SETTLE_S)
        client.search(QUIET, seconds)
        system.ask("POST", f"{address}/resume")
        time.sleep(SETTLE_S)
        before, began = system.ask("GET", address), time.monotonic()
        client.search(BUSY, seconds)
        after = system.ask("GET", address)
        if after["closed_at"] is not None:
            raise RuntimeError("The import ended too soon: give more to import.")
        client.found.indexed += after["counts"]["indexed"] - before["counts"]["indexed"]
        client.found.importing_s += time.monotonic() - began
    system.ask("POST", f"{address}/cancel")
    return client.found


def tables(found: Searches) -> tuple[list[str], bool]:
    """Show latencies, their ratios and their parts; say whether the goal is reached."""
    rows: list[list[object]] = []
    reached = True
    for kind in (PHOTO, STORED):
        quiet, busy = (
            np.percentile(np.array(found.seconds[kind, state]) * 1000, (50, 95, 99))
            for state in (QUIET, BUSY)
        )
        ratio = busy[2] / quiet[2]
        reached = reached and ratio <= GOAL
        told = [" / ".join(f"{each:.1f}" for each in state) for state in (quiet, busy)]
        number = len(found.seconds[kind, QUIET]), len(found.seconds[kind, BUSY])
        rows.append([kind, *told, f"{busy[0] / quiet[0]:.2f}", f"{ratio:.2f}", number])
    heads = [
        "search by",
        "p50 / p95 / p99 without, ms",
        "with, ms",
        "p50, times",
        "p99, times",
        "n",
    ]
    names = [name for state, name in found.parts if state == QUIET]
    parts = [[name, *(_part(found, state, name) for state in (QUIET, BUSY))] for name in names]
    return [
        timing.table(heads, rows),
        timing.table(["of a photo search", "p50 / p99 without, ms", "with, ms"], parts),
        f"imported meanwhile: {found.indexed / found.importing_s:.1f} photos/s",
    ], reached


def _part(found: Searches, state: str, name: str) -> str:
    p50, p99 = np.percentile(found.parts[state, name], (50, 99))
    return f"{p50:.1f} / {p99:.1f}"


def main() -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--pack", choices=PACKS, default=SMALL)
    parser.add_argument("--backlog", type=int, default=BACKLOG)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    given = parser.parse_args()
    with running(given.data, given.pack) as system:
        print("\n".join(system.facts()))
        album = Album.of(given.data)
        found = measured(system, album, given.backlog, given.rounds, given.seconds)
    told, reached = tables(found)
    print("\n".join([*told, f"goal {GOAL} times: {'reached' if reached else 'missed'}"]))
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
