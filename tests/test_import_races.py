"""What several do to one import, or to the same photos, at the same moment."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import import_reading, import_sweep, imports, indexing, intake
from core.blobs import FolderBlobs, Kind
from core.db import import_items as item_rows
from core.errors import SourceUnreachable
from core.import_wishes import Options, Source
from core.manifests import Format
from core.objects import Objects
from core.offers import OnDuplicate, Upload
from core.server_folders import FolderFile, walk
from tests.importing import Importing
from tests.queues import Queue, assert_counters_are_true

Photo = Callable[[int], bytes]


def send_alone(importing: Importing, photo: bytes) -> None:
    """Upload a photo as somebody else does."""
    upload = Upload("mine.png", photo)
    intake.accept(importing.services, importing.doorbell, importing.home.id, [upload])


def test_a_photo_that_is_sent_while_its_import_is_cancelled_stays(
    importing: Importing, queue: Queue, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = importing.of_archive({"1.png": photo(1), "2.png": photo(2)})
    importing.read()
    lock = item_rows.lock_cancelled

    def late(conn: Any, import_id: Any, *, limit: int) -> Any:
        found = lock(conn, import_id, limit=limit)
        if found:  # as if its lock had been waited for until the other one was told
            conn.rollback()
            send_alone(importing, photo(1))
            with conn.transaction():
                conn.execute("SELECT 1 FROM images FOR UPDATE")
        return found

    monkeypatch.setattr(item_rows, "lock_cancelled", late)
    imports.cancel(importing.services, made.id)
    importing.index()

    assert importing.sql("SELECT filename, state FROM images") == [("1.png", "indexed")]
    assert [end[1] for end in importing.ends(made)] == ["indexed", "skipped"]
    assert importing.get(made).closed_at is not None
    assert_counters_are_true(queue)


def test_whoever_was_killed_while_cancelling_is_followed_by_the_sweep(
    importing: Importing, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = importing.of_archive({f"{n}.png": photo(n) for n in range(3)})
    importing.read()
    importing.sql("DELETE FROM images WHERE filename = '0.png'")

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(imports, "forget_waiting", die)
        with pytest.raises(KeyboardInterrupt):
            imports.cancel(importing.services, made.id)

    import_sweep.sweep(importing.services)

    assert {end[1:] for end in importing.ends(made)} == {("skipped", "cancelled")}
    assert importing.get(made).closed_at is not None
    assert importing.sql("SELECT count(*) FROM images") == [(0,)]


def test_what_was_sent_again_since_it_failed_is_not_indexed_twice(
    importing: Importing, queue: Queue, photo: Photo
) -> None:
    made = importing.of_archive({"1.png": photo(1), "2.png": photo(2)})
    importing.read()
    importing.sql("UPDATE items SET attempts = 3")
    indexing.sweep(importing.services)
    assert [end[1] for end in importing.ends(made)] == ["failed", "failed"]
    send_alone(importing, photo(1))
    importing.index()

    retried = imports.retry(importing.services, importing.doorbell, made.id)
    importing.index()

    assert retried == 1
    assert importing.ends(made) == [
        ("1.png", "skipped", "duplicate_image"),
        ("2.png", "indexed", None),
    ]
    assert importing.sql("SELECT face_count FROM images") == [(1,), (1,)]
    assert_counters_are_true(queue)


def test_a_name_that_is_given_while_a_photo_is_indexed_counts(
    importing: Importing, photo: Photo, fake_pipeline: Any
) -> None:
    importing.of_archive({"1.png": photo(1)})
    importing.read()
    importing.of_archive(
        {"Ada/1.png": photo(1)}, Options(OnDuplicate.UPDATE, people_by_folder=True)
    )
    fake_pipeline.before = lambda photos: importing.read() and None

    importing.index()

    assert importing.named() == [("1.png", "Ada", None)]


def test_uploads_that_an_older_version_took_in_get_their_turn(
    importing: Importing, photo: Photo
) -> None:
    send_alone(importing, photo(1))
    importing.sql("UPDATE items SET lane = NULL")
    importing.sql("DELETE FROM lanes")
    importing.index()
    assert importing.sql("SELECT state FROM items") == [("waiting",)]

    indexing.sweep(importing.services)
    importing.index()

    assert importing.sql("SELECT state FROM items") == [("indexed",)]


@pytest.fixture
def away(importing: Importing, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An import whose second item failed, since its bucket was away; it is tried again."""

    def fail(self: Objects, address: str) -> bytes:
        raise SourceUnreachable("The server is away.")

    monkeypatch.setattr(Objects, "fetch", fail)
    made = importing.of_manifest(
        [{"key": "1.png"}, {"key": "2.png", "object": "s3://photos/2.png"}],
        {"1.png": photo(1)},
        Options(format=Format.NDJSON),
    )
    importing.run()
    imports.retry(importing.services, importing.doorbell, made.id)
    return made


def test_an_import_whose_readers_die_while_it_is_tried_again_ends(
    importing: Importing, away: Any
) -> None:
    importing.sql("UPDATE imports SET attempts = 3, lease_until = now()")

    import_sweep.sweep(importing.services)

    assert importing.get(away).closed_at is not None
    assert [end[1] for end in importing.ends(away)] == ["indexed", "skipped"]


def test_what_is_gone_when_it_is_tried_again_is_said_so(importing: Importing, away: Any) -> None:
    (importing.spool(away) / "content").write_bytes(b'{"key": "1.png"}\n')

    importing.run()

    assert importing.ends(away)[1] == ("2.png", "rejected", "source_missing")
    assert importing.get(away).closed_at is not None


def test_files_of_a_folder_whose_names_look_alike_have_an_item_each(
    importing: Importing, photo: Photo, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(["e\u0301.png", "\u00e9.png", "%FF.png"]):
        (folder / name).write_bytes(photo(number))
    (folder / "\udcff.png").write_bytes(photo(3))
    settings = importing.services.settings.model_copy(update={"import_folders": str(folder)})

    found = [each.key for each in walk(settings, folder) if isinstance(each, FolderFile)]

    assert sorted(found) == sorted(["\u00e9.png", "\u00e9.png~2", "%FF.png", "%FF.png~2"])


def test_a_name_of_a_thousand_characters_of_any_script_is_kept(
    importing: Importing, photo: Photo
) -> None:
    random = "".join(chr(0x4E00 + (n * 7919) % 20000) for n in range(996))

    made = importing.of_archive({f"{random}.png": photo(1)})
    importing.run()

    assert [(end[1], len(end[0])) for end in importing.ends(made)] == [("indexed", 1000)]


def test_a_stored_photo_that_cannot_be_read_does_not_hold_up_its_neighbours(
    importing: Importing, queue: Queue, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = queue.put(*(photo(n) for n in range(3)))
    get = FolderBlobs.get
    with importing.services.pool.connection() as conn:
        [(broken,)] = conn.execute("SELECT sha256 FROM images WHERE id = %s", [ids[1]]).fetchall()

    def failing(self: FolderBlobs, kind: Kind, key: str) -> bytes:
        if key == broken.hex():
            raise OSError(5, "Input/output error")
        return get(self, kind, key)

    with monkeypatch.context() as patched:
        patched.setattr(FolderBlobs, "get", failing)
        importing.index()
    assert [queue.image(each).state for each in ids] == ["indexed", "rejected", "indexed"]
    assert queue.image(ids[1]).reason == "blob_missing"

    queue.put(photo(1))
    importing.index()

    assert queue.image(ids[1]).state == "indexed", "sending it again heals it"


def test_a_folder_whose_disk_fails_for_a_moment_is_read_again(
    importing: Importing, photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(import_reading.LOADED_AT_ONCE + 3):
        (folder / f"{number:02}.png").write_bytes(photo(number))
    settings = importing.services.settings.model_copy(update={"import_folders": str(folder)})
    importing.services = importing.services.__class__(
        **{
            name: getattr(importing.services, name)
            for name in importing.services.__dataclass_fields__
        }
        | {"settings": settings}
    )
    made = importing.create(Source.FOLDER, path=str(folder))

    def failing(*given: Any) -> Any:
        for number, each in enumerate(walk(*given)):
            if number == import_reading.LOADED_AT_ONCE + 1:
                raise SourceUnreachable("The disk fails.")
            yield each

    with monkeypatch.context() as patched:
        patched.setattr("core.server_folders.walk", failing)
        patched.setattr("core.import_sources.Sources.expected", lambda self, found: None)
        importing.read()
    assert importing.get(made).state == "reading"
    importing.sql("UPDATE imports SET lease_until = now()")

    importing.run()

    assert {end[1] for end in importing.ends(made)} == {"indexed"}
    assert len(importing.ends(made)) == import_reading.LOADED_AT_ONCE + 3


def test_a_dry_run_is_left_to_a_worker_that_has_the_models(
    importing: Importing, photo: Photo
) -> None:
    made = importing.of_archive({"1.png": photo(1)}, Options(dry_run=True))

    taken = import_reading.read_one(
        importing.services, {}, importing.doorbell.ingest, threading.Event()
    )

    assert not taken
    assert importing.get(made).attempts == 0


def test_an_item_is_never_written_over(importing: Importing, photo: Photo) -> None:
    made = importing.of_archive({"1.png": photo(1), "2.png": photo(2)})
    importing.read()
    importing.sql("UPDATE imports SET state = 'reading', entries_read = 1")

    importing.read()

    assert "LookupError" in (importing.get(made).detail or "")
    assert importing.sql("SELECT count(*) FROM images") == [(2,)]
