"""A database that dies while it commits, a broker that forgets, a disk that is full."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import redis

from core.import_wishes import Source, Wish
from core.settings import MIB
from tests.faults import photos
from tests.faults.outcome import outcome, require_consistent, require_files
from tests.faults.photos import Album
from tests.faults.sending import PEOPLE, Pace, send_archive, send_photos, wait_over
from tests.faults.system import System

COUNT = 80


@pytest.fixture
def album(shared_data: Path) -> Album:
    return Album.of(shared_data / "faces" / "lfw", "outage")


@contextmanager
def sending(system: System, album: Album, *, seconds: float) -> Iterator[tuple[UUID, list[UUID]]]:
    """Send half of the photos in an archive and half one by one, beside what the block does.

    Yields the collection; the imports are in the list after the block, and over.
    """
    half = COUNT // 2
    archive = photos.pack(album.photos(range(half)), {})
    ids: list[UUID] = []
    with system.target() as target, ThreadPoolExecutor(2) as threads:
        home = target.collection("outage", create=True)
        pace = Pace.over(seconds)
        futures = [
            threads.submit(send_archive, target, home, archive, pace),
            threads.submit(send_photos, system, target, home, album, range(half, COUNT), pace),
        ]
        yield home, ids
        ids += [each.result(120) for each in futures]
        views = wait_over(target, system, ids, 120)
    assert [view.state for view in views] == ["done", "done"]


def require_whole(system: System, album: Album, home: UUID) -> None:
    """Require that each photo is there once, indexed, with its files."""
    with system.database() as conn:
        require_consistent(conn, home)
        found = outcome(conn, home)
    assert found.faces.keys() == {album.key(number) for number in range(COUNT)}
    assert {state for state, _ in found.items.values()} == {"indexed"}
    assert len(found.items) == COUNT
    require_files(system)


def test_commits_of_which_nobody_learns_lose_and_double_nothing(
    system: Callable[..., System], album: Album
) -> None:
    running = system(lease_s=5, sweep_s=1)

    with sending(running, album, seconds=6) as (home, _):
        hung = 0
        for _ in range(2):
            time.sleep(2)
            hung += _die_between_commit_and_answer(running)

    assert hung >= 2, "nobody was committing"
    require_whole(running, album, home)


def _die_between_commit_and_answer(system: System) -> int:
    """Let commits become durable and never be told, then kill Postgres; return how many were.

    Postgres then waits for a replica that does not exist, after it wrote the commit down.
    """
    with system.database() as conn:
        conn.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        conn.execute("SELECT pg_reload_conf()")
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        end = time.monotonic() + 3
        while len(found := conn.execute(waiting).fetchall()) < 3 and time.monotonic() < end:
            time.sleep(0.05)
    system.end_postgres()
    system.wait(system.database_answers, 60)
    return len(found)


def test_a_broker_that_forgets_everything_delays_and_loses_nothing(
    system: Callable[..., System], album: Album
) -> None:
    running = system(lease_s=5, sweep_s=1)

    with sending(running, album, seconds=5) as (home, _):
        for _ in range(5):
            time.sleep(1)
            with redis.Redis.from_url(running.broker_url) as broker:
                broker.flushall()

    require_whole(running, album, home)


def test_a_full_disk_stops_intake_with_its_problem_and_all_goes_on_when_there_is_room(
    system: Callable[..., System], album: Album
) -> None:
    running = system(min_free_disk_mib=100, sweep_s=1)

    with sending(running, album, seconds=3) as (home, _), running.target() as target:
        time.sleep(1)
        running.free_disk.write_text(str(50 * MIB))
        time.sleep(1)  # requests that looked before are over
        stopped = _images(running, home)
        refused = _upload(running, home, album.photo(COUNT))
        time.sleep(2)
        assert _images(running, home) == stopped, "nothing comes in while the disk is full"
        made = target.create(home, Wish(Source.ARCHIVE, "another"))
        part = httpx.patch(
            f"{running.address}/v1/imports/{made.id}/content",
            headers={"Authorization": f"Bearer {running.key}", "Upload-Offset": "0"},
            content=b"x" * 1000,
        )
        target.change(made.id, "cancel")
        running.free_disk.unlink()

    assert 0 < stopped < COUNT, "it was in the middle"
    for answer in (refused, part):
        assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
        assert answer.json()["retryable"]
        assert "Less than 100 MiB of disk" in answer.json()["detail"]
    with running.target() as target:
        target.delete(made.id)
    require_whole(running, album, home)


def test_an_import_that_is_read_waits_for_disk_and_says_so(
    system: Callable[..., System], album: Album
) -> None:
    running = system(min_free_disk_mib=100, sweep_s=1, import_ahead=10)
    archive = photos.pack(album.photos(range(COUNT)), {})

    with running.target() as target:
        home = target.collection("outage", create=True)
        wish = Wish(Source.ARCHIVE, "archive", PEOPLE, bytes=len(archive))
        made = target.create(home, wish)
        target.append(made.id, archive, 0)
        running.wait(lambda: target.get(made.id).done > 0, 60)
        running.free_disk.write_text(str(50 * MIB))
        running.wait(lambda: target.get(made.id).limit == "disk", 60)
        running.wait(lambda: not target.get(made.id).counts.get("waiting"), 60)
        waits = target.get(made.id)
        running.free_disk.unlink()
        [view] = wait_over(target, running, [made.id], 60)

    assert not waits.is_over
    assert waits.done < COUNT
    assert view.counts["indexed"] == COUNT
    require_whole(running, album, home)


def test_a_disk_that_fills_while_files_are_written_leaves_nothing_half_done(
    system: Callable[..., System], album: Album
) -> None:
    running = system(lease_s=5, sweep_s=1)
    blobs = running.data / "blobs"
    blobs.mkdir(exist_ok=True)
    with _small_disk(blobs) as grow:
        with sending(running, album, seconds=3) as (home, _):
            time.sleep(1)
            refused = _upload(running, home, album.photo(COUNT) + bytes(MIB))
            time.sleep(1)
            grow()

        assert (refused.status_code, refused.json()["code"]) == (507, "disk_full")
        require_whole(running, album, home)


@contextmanager
def _small_disk(folder: Path) -> Iterator[Callable[[], None]]:
    """Mount a disk of a few hundred photos; yields what makes it large."""
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if mount is None or unmount is None or sys.platform != "linux":
        pytest.skip("this system has no small disks in memory")
    options = [mount, "-t", "tmpfs", "-o"]
    done = subprocess.run(
        [*options, "size=512k", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip("only who may mount a disk can have a small one")

    def grow() -> None:
        subprocess.run([*options, "remount,size=256m", "tmpfs", str(folder)], check=True)

    try:
        yield grow
    finally:
        subprocess.run([unmount, "--lazy", str(folder)], check=True)


def _upload(system: System, home: UUID, photo: bytes) -> httpx.Response:
    return httpx.post(
        f"{system.address}/v1/collections/{home}/images",
        headers={"Authorization": f"Bearer {system.key}"},
        files=[("photos", ("another.jpg", photo))],
        timeout=60,
    )


def _images(system: System, home: UUID) -> int:
    with system.database() as conn:
        row = conn.execute(
            "SELECT count(*) FROM images WHERE collection_id = %s", [home]
        ).fetchone()
    assert row is not None
    return int(row[0])
