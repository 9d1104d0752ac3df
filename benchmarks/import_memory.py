"""The memory of web and worker while an import of many items runs.

    python -m benchmarks.import_memory DATA [--items 20000]

DATA is a folder with faces/ and weights/. The photos are those of LFW at half their size, so that 20,000
take minutes, again and again with other bytes at their ends; det_500m and MobileFaceNet. An archive of them
is sent to a running system, whose processes are looked at every second until the import is over, while
somebody asks how far it is four times a second. Exits with 1 where the last fifth holds more than 5 % more
than the second, or the slope over the last four would add so much in as long a time.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from benchmarks import timing
from benchmarks.import_system import SMALL, Album, Memory, mib, running, tar

ITEMS: Final = 20_000
WARM: Final = 64
SIDE: Final = 125
FIFTHS: Final = 5
MOST_GROWTH: Final = 0.05
NAMES: Final = ("web", "worker")


@dataclass(frozen=True, slots=True)
class Course:
    """How the memory of one process went.

    Attributes:
        fifths: Mean bytes of each fifth of the time.
        slope: Bytes a second, least squares over all but the first fifth.
        most: At any look.
        grown: By that slope over that time, as a share of its beginning.
    """

    fifths: list[float]
    slope: float
    most: int
    grown: float

    @classmethod
    def of(cls, seconds: Sequence[float], rss: Sequence[int]) -> "Course":
        """Sum up the looks."""
        at, size = np.array(seconds), np.array(rss, dtype=np.float64)
        settled = len(at) // FIFTHS
        slope = float(np.polyfit(at[settled:], size[settled:], 1)[0])
        fifths = [float(part.mean()) for part in np.array_split(size, FIFTHS)]
        grown = slope * float(at[-1] - at[settled]) / fifths[1]
        return cls(fifths, slope, max(rss), grown)

    @property
    def is_flat(self) -> bool:
        """Whether it stays where it was after the first fifth."""
        return max(self.grown, self.fifths[-1] / self.fifths[1] - 1) <= MOST_GROWTH


def small(photo: bytes) -> bytes:
    """Return a photo at half its size."""
    stream = BytesIO()
    with Image.open(BytesIO(photo)) as picture:
        picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def main() -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--items", type=int, default=ITEMS)
    given = parser.parse_args()
    photos = [small(path.read_bytes()) for path in Album.of(given.data).files]
    archive = tar((f"{n:06}.jpg", photos[n % len(photos)] + b"#%d" % n) for n in range(given.items))
    with running(given.data, SMALL) as system:
        print("\n".join(system.facts()))
        warm = tar((f"{n}.jpg", photos[n] + b"#warm") for n in range(WARM))
        system.wait(system.send(system.collection("warm"), warm))
        with Memory(system, NAMES).watched() as memory:
            import_id = system.send(system.collection("all"), archive)
            found = system.wait(import_id)
    print(f"{given.items:,} items in {memory.seconds[-1]:.0f} s: {found['counts']}")
    courses = {name: Course.of(memory.seconds, memory.rss[name]) for name in NAMES}
    print(table(courses))
    return 0 if all(course.is_flat for course in courses.values()) else 1


def table(courses: dict[str, Course]) -> str:
    """Show how the memory of each went."""
    heads = ["", *(f"fifth {n + 1}" for n in range(FIFTHS)), "most", "slope, a minute", "flat"]
    rows = [
        [
            name,
            *map(mib, course.fifths),
            mib(course.most),
            mib(60 * course.slope),
            "yes" if course.is_flat else "no",
        ]
        for name, course in courses.items()
    ]
    return timing.table(heads, rows)


if __name__ == "__main__":
    sys.exit(main())
