"""The same photos sent twice, by several at once, or by a client that was killed: each is there once."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from core.import_wishes import Source, Wish
from core.settings import MIB
from tests.conftest import TEST_PACKS
from tests.faults import photos
from tests.faults.outcome import outcome, require_consistent, require_files
from tests.faults.photos import Album
from tests.faults.sending import PEOPLE, Pace, send_archive, wait_over
from tests.faults.system import ROOT, System, free_port, running
from web.cli.targets import Photo, Target

COUNT = 40


@pytest.fixture(scope="module")
def system(quick_models: Path) -> Iterator[System]:
    """One for all tests here; each uses a collection of its own."""
    with running(quick_models, TEST_PACKS, free_port(), lease_s=5, sweep_s=1) as started:
        yield started


@pytest.fixture
def album(shared_data: Path, request: pytest.FixtureRequest) -> Album:
    """Photos with bytes that no other test uses."""
    return Album.of(shared_data / "faces" / "lfw", request.node.name)


def test_two_identical_imports_at_once_make_each_photo_once(system: System, album: Album) -> None:
    archive = photos.pack(album.photos(range(COUNT)), {})
    with system.target() as target:
        home = target.collection("twins", create=True)
        start = threading.Barrier(2)

        def send(name: str) -> UUID:
            wish = Wish(Source.ARCHIVE, name, PEOPLE, external_id=name, bytes=len(archive))
            with system.target() as sender:
                made = sender.create(home, wish)
                start.wait(30)
                sender.append(made.id, archive, 0)
            return made.id

        with ThreadPoolExecutor(2) as threads:
            ids = list(threads.map(send, ("left", "right")))
        wait_over(target, system, ids, 90)
        ends = [
            {row.key: (row.state, row.image_id) for row in target.results(each)} for each in ids
        ]

    keys = {album.key(number) for number in range(COUNT)}
    assert [end.keys() for end in ends] == [keys, keys]
    for key in keys:
        (left, image), (right, same) = (end[key] for end in ends)
        assert sorted((left, right)) == ["indexed", "skipped"]
        assert image == same
    _require_once(system, home, COUNT)


def test_an_import_that_is_sent_twice_at_once_under_its_external_id_is_one(
    system: System, album: Album
) -> None:
    archive = photos.pack(album.photos(range(COUNT)), {})
    with system.target() as target:
        home = target.collection("same", create=True)
        with ThreadPoolExecutor(2) as threads:
            ids = set(threads.map(lambda _: _impatient(system, home, archive), range(2)))
        [view] = wait_over(target, system, list(ids), 90)

    assert view.counts["indexed"] == view.total == COUNT
    _require_once(system, home, COUNT)


def _impatient(system: System, home: UUID, archive: bytes) -> UUID:
    """Send as if nobody else did; whoever comes too late has nothing left to send."""
    with system.target() as sender:
        return send_archive(sender, home, archive, Pace.over(0))


def test_one_photo_in_fifty_uploads_at_once_is_one_image_with_one_file(
    system: System, album: Album
) -> None:
    photo = album.photo(0)
    with system.target() as target:
        home = target.collection("fifty", create=True)
        made = target.create(home, Wish(Source.FILES, "photos"))
        start = threading.Barrier(50)

        def upload(number: int) -> None:
            start.wait(30)
            if number % 2:
                with system.target() as sender:
                    sender.add(made.id, [Photo(f"{number}.jpg", photo)])
            else:
                answer = httpx.post(
                    f"{system.address}/v1/collections/{home}/images",
                    headers={"Authorization": f"Bearer {system.key}"},
                    files=[("photos", (f"{number}.jpg", photo))],
                    timeout=60,
                )
                assert answer.is_success, answer.text

        with ThreadPoolExecutor(50) as threads:
            list(threads.map(upload, range(50)))
        target.change(made.id, "start")
        wait_over(target, system, [made.id], 60)

    with system.database() as conn:
        system.wait(lambda: not _open_items(system, home), 60)
        found = conn.execute(
            "SELECT state, count(*) FROM items WHERE collection_id = %s GROUP BY state", [home]
        ).fetchall()
    assert dict(found) == {"indexed": 1, "skipped": 49}
    _require_once(system, home, 1)


def _open_items(system: System, home: UUID) -> int:
    with system.database() as conn:
        row = conn.execute(
            "SELECT count(*) FROM items WHERE collection_id = %s AND finished_at IS NULL", [home]
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_client_that_was_killed_while_it_sent_goes_on_where_it_stopped(
    system: System, album: Album, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    for key, data in album.photos(range(3 * COUNT)):
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)
    with system.target() as target:
        home = target.collection("killed", create=True)
        with _ingest(system, folder, into="killed") as first:
            system.wait(lambda: _items(system, home) > 0 or first.poll() is not None, 30)
            first.kill()
            first.communicate()
        before = _items(system, home)

        with _ingest(system, folder, into="killed") as again:
            told, _ = again.communicate(timeout=90)

        assert again.returncode == 0, told
        [view] = target.imports(home)
    assert 0 < before < 3 * COUNT, "it was killed in the middle"
    assert view.state == "done"
    assert view.counts["indexed"] == view.total == 3 * COUNT
    _require_once(system, home, 3 * COUNT)


def test_a_client_that_was_killed_in_the_middle_of_an_archive_goes_on_where_it_stopped(
    system: System, album: Album, tmp_path: Path
) -> None:
    archive = tmp_path / "photos.tar"
    junk = {"photos/.DS_Store": bytes(96 * MIB)}  # many parts, and no work
    archive.write_bytes(photos.pack(album.photos(range(COUNT)), junk))
    with system.target() as target:
        home = target.collection("parts", create=True)
        with _ingest(system, archive, into="parts") as first:
            system.wait(lambda: _received(target, home) > 0 or first.poll() is not None, 30)
            first.kill()
            first.communicate()
        before = _received(target, home)

        with _ingest(system, archive, into="parts") as again:
            told, _ = again.communicate(timeout=90)

        assert again.returncode == 0, told
        [view] = target.imports(home)
    assert 0 < before < archive.stat().st_size, "it was killed in the middle"
    assert view.state == "done"
    assert view.counts["indexed"] == COUNT
    _require_once(system, home, COUNT)


def _received(target: Target, home: UUID) -> int:
    return sum(view.bytes_received or 0 for view in target.imports(home))


def _ingest(system: System, path: Path, *, into: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "web.cli", "ingest", str(path), "--people"),
            *("--collection", into, "--jobs", "1", "--json"),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "FACESEARCH_SERVER": system.address,
            "FACESEARCH_API_KEY": system.key,
            "PYTHONPATH": str(ROOT),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _items(system: System, home: UUID) -> int:
    with system.database() as conn:
        row = conn.execute("SELECT count(*) FROM items WHERE collection_id = %s", [home]).fetchone()
    assert row is not None
    return int(row[0])


def _require_once(system: System, home: UUID, count: int) -> None:
    """Require *count* images, all indexed, each with its file, and nothing that is left over."""
    with system.database() as conn:
        require_consistent(conn, home)
        assert len(outcome(conn, home).faces) == count
    assert require_files(system).removable.files == 0
