"""The memory of the web process while archives of gigabytes come in.

    python -m benchmarks.large_archive DATA [--mib 2048]

DATA is a folder with faces/ and weights/. A TAR is made while it is sent, of one photo that is there again
and again, so that reading it is quick; only the spool of the import is on the disk. It is sent three times: as
one request without a length (chunked), as one with it, and in parts of 64 MiB by PATCH, each to the import's
end. The web process is looked at 20 times a second, and the kernel's own high-water mark is set back before
and read after each. Exits with 1 where one takes 150 MB or more above what web holds when idle.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import timing
from benchmarks.import_system import (
    SMALL,
    TAR,
    Memory,
    System,
    family,
    high_water,
    mib,
    running,
    tar,
)
from core.settings import MIB

SIZE_MIB: Final = 2048
PART: Final = 64 * MIB
LOOK_S: Final = 0.05
IDLE_S: Final = 5.0
MOST: Final = 150_000_000
LARGEST_PHOTO: Final = 4 * MIB


@dataclass(frozen=True, slots=True)
class Archive:
    """So many times the same photo."""

    photo: bytes
    count: int

    @classmethod
    def of(cls, data: Path, size: int) -> "Archive":
        """Take the largest of some photos."""
        files = sorted((data / "faces").glob("*/*.jpg"), key=lambda file: file.stat().st_size)
        (*_, chosen) = (file for file in files if file.stat().st_size < LARGEST_PHOTO)
        photo = chosen.read_bytes()
        return cls(photo, size // len(photo))

    def bytes(self) -> Iterator[bytes]:
        """Yield it, a photo at a time."""
        return tar((f"{n:06}.jpg", self.photo) for n in range(self.count))

    @property
    def size(self) -> int:
        """In bytes; the numbers of its photos have six digits."""
        return sum(map(len, tar(iter([("000000.jpg", self.photo)])))) * self.count - (
            (self.count - 1) * 1024
        )


@dataclass(frozen=True, slots=True)
class Sent:
    """What one way of sending came to.

    Attributes:
        seconds: Until the server had all of it.
        above: Bytes of web above its idle level, the most of all looks; *marked* by the kernel's mark.
    """

    seconds: float
    above: int
    marked: int
    read_s: float


def chunked(system: System, home: str, archive: Archive) -> str:
    """Send it as one request without a length."""
    return system.send(home, archive.bytes())


def whole(system: System, home: str, archive: Archive) -> str:
    """Send it as one request with its length."""
    made = system.ask(
        "POST",
        f"/collections/{home}/imports",
        content=archive.bytes(),
        headers={"Content-Type": TAR, "Content-Length": str(archive.size)},
    )
    return str(made["id"])


def in_parts(system: System, home: str, archive: Archive) -> str:
    """Send it in parts; with the last of them it starts by itself."""
    asked = {"source": "archive", "name": "parts", "bytes": archive.size}
    made = system.ask("POST", f"/collections/{home}/imports", json=asked)
    offset = 0
    for part in parts(archive.bytes()):
        system.ask(
            "PATCH",
            f"/imports/{made['id']}/content",
            content=part,
            headers={"Upload-Offset": str(offset), "Content-Type": "application/octet-stream"},
        )
        offset += len(part)
    return str(made["id"])


def parts(stream: Iterator[bytes]) -> Iterator[bytes]:
    """Cut into parts."""
    held = bytearray()
    for some in stream:
        held += some
        while len(held) >= PART:
            yield bytes(held[:PART])
            del held[:PART]
    if held:
        yield bytes(held)


WAYS: Final = {"one request, chunked": chunked, "one request": whole, "parts of 64 MiB": in_parts}


def measured(system: System, way: str, archive: Archive) -> tuple[Sent, Mapping[str, Any]]:
    """Send it one way; return that, and the import at its end."""
    home = system.collection(way)
    time.sleep(IDLE_S)
    idle = sum(each.memory_info().rss for each in family(system, "web"))
    forget_marks(system)
    marked = high_water(system, "web")
    with Memory(system, ["web"], LOOK_S).watched() as memory:
        began = time.monotonic()
        import_id = WAYS[way](system, home, archive)
        sent = time.monotonic()
        found = system.wait(import_id)
        read = time.monotonic()
    above = max(memory.rss["web"]) - idle
    mark = high_water(system, "web") - marked
    return Sent(sent - began, above, mark, read - sent), found


def forget_marks(system: System) -> None:
    """Set the high-water marks of web back to what it holds now."""
    for each in family(system, "web"):
        Path(f"/proc/{each.pid}/clear_refs").write_text("5", encoding="ascii")


def main() -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--mib", type=int, default=SIZE_MIB)
    given = parser.parse_args()
    archive = Archive.of(given.data, given.mib * MIB)
    rows, most = [], 0
    with running(given.data, SMALL) as system:
        print("\n".join(system.facts()))
        small = Archive(archive.photo, 1)
        system.wait(system.send(system.collection("warm"), small.bytes()))
        for way in WAYS:
            sent, found = measured(system, way, archive)
            most = max(most, sent.above, sent.marked)
            speed = archive.size / sent.seconds / 1e6
            rows.append(
                [
                    *(way, f"{sent.seconds:.1f}", f"{speed:.0f}"),
                    *(mib(sent.above), mib(sent.marked), f"{sent.read_s:.1f}"),
                    *(found["counts"][state] for state in ("indexed", "skipped")),
                ]
            )
    heads = ["sent as", "s", "MB/s", "web above idle", "by VmHWM", "read in, s more", "indexed"]
    print(f"{archive.size:,} bytes, {archive.count:,} entries of {len(archive.photo):,} bytes")
    print(timing.table([*heads, "skipped"], rows))
    print(f"goal: less than {mib(MOST)}: {'reached' if most < MOST else 'missed'}")
    return 0 if most < MOST else 1


if __name__ == "__main__":
    sys.exit(main())
