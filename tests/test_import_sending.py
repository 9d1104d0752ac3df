"""Bytes on their way into an import: room for them, their durability, and who says that all are there."""

import fcntl
import io
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from core import import_content, import_files, import_sweep, imports
from core.db.imports import Import
from core.errors import DiskFull, UploadBusy, WrongState
from core.import_wishes import Options, Source
from core.services import require_disk
from core.settings import MIB
from core.spool import LOOK_EVERY, Spool
from tests.importing import OF_LINES, Importing, archive

Photo = Callable[[int], bytes]


def send(importing: Importing, made: Any, data: bytes, offset: int = 0, **more: Any) -> int:
    return import_content.append(
        importing.services,
        importing.doorbell,
        made.id,
        io.BytesIO(data),
        offset=offset,
        **{"coming": len(data), **more},
    )


def test_archives_need_room_here_also_where_photos_go_to_a_bucket(importing: Importing) -> None:
    settings = importing.services.settings.model_copy(update={"blobs_url": "s3://photos"})
    importing.services = replace(importing.services, settings=settings)
    much = settings.max_import_gib * 1024 * MIB
    free = SimpleNamespace(free=much)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: free)

        require_disk(settings, much)
        with pytest.raises(DiskFull):
            importing.create(Source.ARCHIVE, bytes=much)
        made = importing.create(Source.ARCHIVE)
        free.free = settings.min_free_disk_mib * MIB + LOOK_EVERY
        with pytest.raises(DiskFull):
            send(importing, made, b"1", coming=LOOK_EVERY + 1)
        assert send(importing, made, b"1") == 1
        free.free -= 1
        with pytest.raises(DiskFull):
            send(importing, made, b"2", 1, coming=None)


def test_an_import_that_is_known_needs_no_room_for_what_is_there(
    importing: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = {"bytes": LOOK_EVERY + 1}
    made = importing.create(Source.ARCHIVE, **large, external_id="a")
    send(importing, made, b"12345678")
    free = importing.services.settings.min_free_disk_mib * MIB + LOOK_EVERY
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))

    assert importing.create(Source.ARCHIVE, **large, external_id="a").id == made.id
    with pytest.raises(DiskFull):
        importing.create(Source.ARCHIVE, **large, external_id="b")
    assert send(importing, made, b"90", 8) == 10


def test_what_a_killed_process_received_is_durable_before_it_counts(
    importing: Importing, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = archive({"a.png": photo(1)})
    made = importing.create(Source.ARCHIVE, bytes=len(content))
    folder = importing.spool(made)
    folder.mkdir(parents=True)
    (folder / "content").write_bytes(content)  # it was killed before it could sync
    synced: list[tuple[str, str]] = []
    sync = os.fsync

    def noted(handle: int) -> None:
        synced.append((os.readlink(f"/proc/self/fd/{handle}"), importing.get(made).state))
        sync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    import_sweep.sweep(importing.services)

    assert importing.get(made).state == "reading"
    assert {(str(folder / "content"), "receiving"), (str(folder), "receiving")} <= set(synced)


def test_whoever_sent_the_last_bytes_is_told_so_though_somebody_else_started_it(
    importing: Importing, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = archive({"a.png": photo(1)})
    made = importing.create(Source.ARCHIVE, bytes=len(content))
    append = Spool.append

    def then_swept(*given: Any, **more: Any) -> int:
        size = append(*given, **more)
        import_sweep.sweep(importing.services)
        return size

    monkeypatch.setattr(Spool, "append", then_swept)

    assert send(importing, made, content) == len(content)
    assert importing.get(made).state == "reading"


def test_nothing_is_added_to_an_import_that_was_started_at_this_moment(
    importing: Importing, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = archive({"a.png": photo(1)})
    made = importing.create(Source.ARCHIVE)
    send(importing, made, content)
    append = Spool.append

    def started_first(*given: Any, **more: Any) -> int:
        imports.start(importing.services, importing.doorbell, made.id)
        return append(*given, **more)

    monkeypatch.setattr(Spool, "append", started_first)
    with pytest.raises(WrongState):
        send(importing, made, b"more", len(content))

    assert (importing.spool(made) / "content").read_bytes() == content
    importing.run()
    assert importing.ends(made) == [("a.png", "indexed", None)]


def test_nobody_adds_while_an_import_is_being_started(
    importing: Importing, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = importing.create(Source.ARCHIVE)
    send(importing, made, archive({"a.png": photo(1)}))
    refused: list[UploadBusy] = []
    size = Spool.size

    def and_somebody_adds(spool: Spool) -> int:
        there = size(spool)
        if not refused:
            with pytest.raises(UploadBusy) as caught:
                spool.append(io.BytesIO(b"more"), offset=there)
            refused.append(caught.value)
        return there

    monkeypatch.setattr(Spool, "size", and_somebody_adds)

    imports.start(importing.services, importing.doorbell, made.id)

    assert importing.get(made).state == "reading"
    assert refused


# --- senders who never came back ------------------------------------------------------------------


def long_ago(importing: Importing, made: Import, days: float = 8) -> None:
    """Let all that happened to an import have been so many days ago."""
    importing.sql(
        "UPDATE imports SET created_at = created_at - ago, looked_at = looked_at - ago, "
        "closed_at = closed_at - ago FROM (SELECT %s::interval AS ago) AS given WHERE id = %s",
        timedelta(days=days),
        made.id,
    )
    at = time.time() - days * 86_400
    for path in importing.spool(made).rglob("*"):
        os.utime(path, (at, at))


def test_an_import_whose_sender_never_came_back_is_cancelled(importing: Importing) -> None:
    half = importing.create(Source.ARCHIVE, bytes=100)
    nothing = importing.create(Source.FILES)
    late = importing.create(Source.ARCHIVE, bytes=100)
    send(importing, half, b"12345")
    for made, days in ((half, 8), (nothing, 8), (late, 6)):
        long_ago(importing, made, days)

    import_sweep.sweep(importing.services)

    for made in (half, nothing):
        found = importing.get(made)
        assert (found.state, found.reason) == ("cancelled", "abandoned")
        assert found.detail == "Nothing came for 7 days."
        assert found.closed_at is not None
    assert not importing.spool(half).exists()
    assert importing.get(late).state == "receiving"
    with pytest.raises(WrongState):
        send(importing, half, b"6", 5)


def test_an_import_to_which_anything_came_lately_is_not_given_up(
    importing: Importing, photo: Photo
) -> None:
    packed, listed, photos, added = (
        importing.create(Source.ARCHIVE, bytes=100),
        importing.create(Source.MANIFEST, OF_LINES),
        importing.create(Source.FILES),
        importing.create(Source.ARCHIVE, bytes=100),
    )
    importing.add(photos, {"1.png": photo(1)})
    importing.index()
    all_of_them = (packed, listed, photos, added)
    for made in all_of_them:
        long_ago(importing, made)
    send(importing, packed, b"1")
    import_files.put_file(importing.services, listed.id, "1.png", io.BytesIO(photo(1)), coming=None)
    importing.add(photos, {"2.png": photo(2)})
    importing.index()

    importing.spool(added).mkdir()
    with (importing.spool(added) / "content").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # somebody is about to add
        os.utime(file.fileno(), (0, 0))
        import_sweep.sweep(importing.services)

    assert {importing.get(made).state for made in all_of_them} == {"receiving"}


def test_photos_that_wait_for_workers_are_not_lost_with_their_sender(
    importing: Importing, photo: Photo
) -> None:
    made = importing.create(Source.FILES)
    importing.add(made, {"1.png": photo(1)})
    long_ago(importing, made)

    import_sweep.sweep(importing.services)
    assert importing.get(made).state == "receiving"
    importing.index()
    import_sweep.sweep(importing.services)

    assert importing.get(made).reason == "abandoned"
    assert importing.ends(made) == [("1.png", "indexed", None)]


def test_a_dry_run_may_be_confirmed_long_after_its_end(importing: Importing, photo: Photo) -> None:
    made = importing.of_archive({"1.png": photo(1)}, Options(dry_run=True))
    importing.run()
    long_ago(importing, made, 2)
    import_sweep.sweep(importing.services)

    imports.confirm(importing.services, importing.doorbell, made.id)
    importing.run()

    assert importing.ends(made) == [("1.png", "indexed", None)]


def test_what_was_sent_to_a_dry_run_is_kept_for_some_days(
    importing: Importing, photo: Photo
) -> None:
    made = importing.of_archive({"1.png": photo(1)}, Options(dry_run=True))
    importing.read()
    long_ago(importing, made, 6)
    import_sweep.sweep(importing.services)
    assert importing.spool(made).exists()

    long_ago(importing, made, 2)
    import_sweep.sweep(importing.services)

    assert not importing.spool(made).exists()
    assert importing.get(made).forecast is not None
    with pytest.raises(WrongState, match="not kept any more"):
        imports.confirm(importing.services, importing.doorbell, made.id)
