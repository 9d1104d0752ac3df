"""What reading a photo's time costs, and lists of photos narrowed by tag and by time.

    python -m benchmarks.facets [--images 200_000]

prints two tables. First, what reading the EXIF block of a photo and of a hostile file takes beside the
whole check of a photo's header. Then how long a page of the newest 49 images takes, narrowed by tags
that half of the images, one in forty, ten of them and none have, and by time, with and without the
indexes: in a Postgres of its own, which is removed again.
"""

import argparse
import struct
from collections.abc import Callable
from datetime import datetime
from io import BytesIO
from time import perf_counter
from typing import Any
from uuid import UUID

import numpy as np
from PIL import Image

from core import exif, spaces
from core.db import collections, images
from core.db.migrate import upgrade
from core.db.pool import Connection, connect
from core.db.rows import fetch_value
from core.images import PhotoLimits, inspect
from core.local import temporary
from web.cli.measuring import machine

PAGE = 49
REPEATS = 7

FILL = """
INSERT INTO images (collection_id, sha256, tags, captured_at, format, bytes, width, height, state)
SELECT %(collection_id)s, sha256(i::text::bytea),
       CASE WHEN i %% 2 = 0 THEN '{}' ELSE
           ARRAY['half'] || CASE WHEN i %% 40 = 1 THEN ARRAY['fortieth'] ELSE '{}' END
                         || CASE WHEN i <= 20 THEN ARRAY['ten'] ELSE '{}' END END::text[],
       now() - i * interval '1 minute', 'jpeg', 1, 1, 1, 'indexed'
  FROM generate_series(1, %(images)s) AS i
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=200_000)
    number = parser.parse_args().images
    about = machine()
    print(f"{about['processor']}, {about['system']}")
    _exif()
    with temporary.postgres() as postgres:
        url = postgres.url_of("postgres")
        upgrade(url)
        with connect(url, autocommit=True) as conn:
            _lists(conn, _fill(conn, number), number)


def _exif() -> None:
    photo, block = _photo()
    full = struct.pack("<HHII", 0x8769, 4, 1, 8) * 65_535  # a directory that is its own second one
    hostile = b"II*\0\x08\0\0\0\xff\xff" + full
    limits = PhotoLimits(max_bytes=len(photo), max_pixels=10**8)
    print("\n| read | microseconds |\n|---|---|")
    for name, read in (
        ("the header of a photo, its EXIF included", lambda: inspect(photo, limits)),
        ("its EXIF", lambda: exif.captured_at(block)),
        ("a hostile EXIF", lambda: exif.captured_at(hostile)),
    ):
        print(f"| {name} | {1e6 * _fastest(read, 200):,.0f} |")


def _photo() -> tuple[bytes, bytes]:
    """Return a JPEG of 1600 x 1200 pixels as cameras write them, and its EXIF block."""
    told = Image.Exif()
    told[0x010F], told[0x0110], told[0x0112] = "a maker", "a camera", 1
    more: dict[int, Any] = {0xA400 + number: 1 for number in range(10)}
    more |= {0x927C: bytes(3000), 0x9003: "2024:05:31 12:00:00", 0x9011: "+02:00"}
    told[0x8769] = more
    noise = np.random.default_rng(1).integers(0, 256, (1200, 1600, 3), dtype=np.uint8)
    stream = BytesIO()
    Image.fromarray(noise).save(stream, "JPEG", exif=told)
    return stream.getvalue(), told.tobytes()


def _fill(conn: Connection, number: int) -> UUID:
    """Make a collection of so many images."""
    space = spaces.space("made up", 4, {})
    collections.keep_space(conn, space)
    made = collections.insert(
        conn,
        name="made up",
        external_id=None,
        metadata={},
        space_id=space.id,
        threshold=0.5,
        threshold_source="made up",
        quality_gate="off",
    )
    conn.execute(FILL, {"collection_id": made, "images": number})
    conn.execute("VACUUM ANALYZE images")
    return made


def _lists(conn: Connection, collection_id: UUID, number: int) -> None:
    oldest: datetime = fetch_value(conn, "SELECT min(captured_at) FROM images", {})
    tags = ("half", "fortieth", "ten", "none")
    narrowed: list[dict[str, Any]] = [{}, *({"tag": tag} for tag in tags)]
    narrowed.append({"captured_before": oldest})

    def took() -> list[float]:
        return [
            _fastest(lambda how=how: images.page(conn, collection_id, limit=PAGE, **how), REPEATS)
            for how in narrowed
        ]

    size = fetch_value(conn, "SELECT pg_relation_size('images_by_tag')", {})
    by_index = took()
    conn.execute("DROP INDEX images_by_tag, images_by_capture")
    without = took()
    print(f"\n{number:,} images; the index of tags has {size / 1000:,.0f} kB\n")
    print("| the newest of | with indexes | without |\n|---|---|---|")
    names = ("all", *(f"tag: {tag}" for tag in tags), "time: none")
    for name, indexed, plain in zip(names, by_index, without, strict=True):
        print(f"| {name} | {1e3 * indexed:.1f} ms | {1e3 * plain:.1f} ms |")


def _fastest(work: Callable[[], object], times: int) -> float:
    """Return the seconds of the fastest run: what the machine does beside only makes it slower."""
    taken = []
    for _ in range(times):
        began = perf_counter()
        work()
        taken.append(perf_counter() - began)
    return min(taken)


if __name__ == "__main__":
    main()
