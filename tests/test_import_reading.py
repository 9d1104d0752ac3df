"""Reading imports: as far as there is room, by one reader at a time, and on from where a reader died."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core import import_reading, import_sweep, import_turns, imports, storing
from core.blobs import FolderBlobs
from core.errors import DiskFull, SourceUnreachable, StorageUnavailable
from core.import_wishes import Options, Source
from core.manifests import Format
from core.objects import Objects
from core.settings import Settings
from tests.importing import Importing, archive
from tests.queues import Queue, assert_counters_are_true

Photo = Callable[[int], bytes]

THREE_ROUNDS = 3 * import_reading.ROUND


@pytest.fixture
def many(photo: Photo) -> dict[str, bytes]:
    return {f"{n:03}.png": photo(n) for n in range(THREE_ROUNDS)}


@pytest.fixture
def with_settings(importing: Importing) -> Callable[..., None]:
    def change(**changes: Any) -> None:
        settings = importing.services.settings.model_copy(update=changes)
        importing.services = replace(importing.services, settings=settings)

    return change


class Crash(BaseException):
    """The process ends here."""


def crash_in_round(monkeypatch: pytest.MonkeyPatch, number: int, *, committed: bool) -> None:
    """Let a reader die in the *number*th round, before or after its transaction is committed."""
    rounds = iter(range(1, 1_000))
    write = import_reading._write

    def dying(reading: Any, part: Any) -> bool:
        if next(rounds) < number:
            return write(reading, part)
        if committed:
            write(reading, part)
        raise Crash

    monkeypatch.setattr(import_reading, "_write", dying)


@pytest.mark.parametrize("committed", [False, True])
def test_the_next_reader_goes_on_where_one_died(
    importing: Importing,
    queue: Queue,
    many: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    committed: bool,
) -> None:
    made = importing.of_archive(many)
    with monkeypatch.context() as patched:
        crash_in_round(patched, 2, committed=committed)
        with pytest.raises(Crash):
            importing.read()
    read = importing.get(made).entries_read
    assert read == import_reading.ROUND * (2 if committed else 1)
    assert not importing.read(), "its lease still runs"
    importing.sql("UPDATE imports SET lease_until = now()")

    importing.run()

    assert importing.ends(made) == [(key, "indexed", None) for key in many]
    assert importing.get(made).closed_at is not None
    assert_counters_are_true(queue)


def test_a_folder_that_changed_since_its_reader_died_loses_no_file_and_has_none_twice(
    importing: Importing,
    many: dict[str, bytes],
    photo: Photo,
    tmp_path: Path,
    with_settings: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for key, data in many.items():
        (folder / key).write_bytes(data)
    with_settings(import_folders=str(folder))
    made = importing.create(Source.FOLDER, path=str(folder))
    with monkeypatch.context() as patched:
        crash_in_round(patched, 2, committed=True)
        with pytest.raises(Crash):
            importing.read()
    (folder / "000.png").unlink()
    (folder / "000-new.png").write_bytes(photo(1_000))
    (folder / "001-new.png").write_bytes(photo(1_001))
    importing.sql("UPDATE imports SET lease_until = now()")

    importing.run()

    ends = importing.ends(made)
    assert {end[1:] for end in ends} == {("indexed", None)}
    assert sorted(end[0] for end in ends) == sorted([*many, "000-new.png", "001-new.png"])


def test_a_round_whose_rows_are_not_written_leaves_no_files(
    importing: Importing, queue: Queue, many: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    importing.of_archive(many)

    def fail(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(storing, "_insert", fail)
    importing.read()

    assert queue.files()["photos"] == 0
    assert importing.sql("SELECT count(*) FROM items") == [(0,)]
    assert importing.sql("SELECT detail FROM imports") == [("Reading failed: RuntimeError.",)]


def test_what_breaks_its_readers_each_time_is_given_up(
    importing: Importing, many: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    said, silent = importing.of_archive(many), importing.of_archive(many)
    importing.sql("UPDATE imports SET paused = true WHERE id = %s", said.id)

    def die(*_: Any) -> None:
        raise Crash

    def fail(*_: Any) -> None:
        raise RuntimeError

    for broken, error in ((die, Crash), (fail, None)):
        monkeypatch.setattr(import_reading, "_read_all", broken)
        for _ in range(importing.services.settings.max_attempts):
            if error:
                with pytest.raises(error):
                    importing.read()
            else:
                importing.read()
            importing.sql("UPDATE imports SET lease_until = now()")
        importing.sql("UPDATE imports SET paused = id <> %s", said.id)
    import_sweep.sweep(importing.services)

    ends = {each.id: (each.state, each.reason) for each in map(importing.get, (said, silent))}
    assert ends == {said.id: ("failed", "reading_failed"), silent.id: ("failed", "worker_lost")}
    assert all(importing.get(each).closed_at is not None for each in (said, silent))


def test_a_bucket_that_is_away_costs_an_import_no_attempt(
    importing: Importing, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = importing.of_archive({"1.png": photo(1)})

    def away(*_: Any) -> None:
        raise StorageUnavailable("The bucket is away.")

    with monkeypatch.context() as patched:
        patched.setattr(FolderBlobs, "put", away)
        for _ in range(2 * importing.services.settings.max_attempts):
            importing.read()
            importing.sql("UPDATE imports SET lease_until = now()")
            import_sweep.sweep(importing.services)
    found = importing.get(made)
    assert (found.state, found.held_up_by, found.attempts) == ("reading", "storage", 0)

    importing.run()

    assert importing.ends(made) == [("1.png", "indexed", None)]
    assert importing.get(made).held_up_by is None


def test_an_import_is_read_no_further_ahead_than_is_useful(
    importing: Importing, many: dict[str, bytes], with_settings: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with_settings(import_ahead=import_reading.ROUND)
    monkeypatch.setattr(import_turns, "LONGEST_WAIT_S", 0.0)
    first, second = importing.of_archive(many), importing.of_archive(many)

    assert importing.read()

    assert importing.get(first).entries_read == import_reading.ROUND
    assert importing.get(first).held_up_by == "backlog"
    importing.index()
    assert importing.read(), "the other one has its turn"
    assert importing.get(second).entries_read > 0


def test_a_reader_waits_while_the_disk_is_nearly_full(
    importing: Importing, many: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = importing.of_archive(many)
    full = threading.Event()
    full.set()

    def require(settings: Settings, incoming_bytes: int) -> None:
        if full.is_set():
            raise DiskFull("There is too little disk.")

    monkeypatch.setattr(import_turns, "require_disk", require)
    reader = threading.Thread(target=importing.read)
    reader.start()
    while importing.get(made).held_up_by != "disk":
        assert reader.is_alive()
    assert importing.results(made) == []

    full.clear()
    reader.join()
    importing.index()

    assert {end[1] for end in importing.ends(made)} == {"indexed"}


def test_pausing_and_cancelling_stop_a_reader(
    importing: Importing, many: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = importing.of_archive(many)
    write = import_reading._write

    def pausing(reading: Any, part: Any) -> bool:
        imports.pause(importing.services, importing.doorbell, made.id, paused=True)
        return write(reading, part)

    with monkeypatch.context() as patched:
        patched.setattr(import_reading, "_write", pausing)
        importing.read()
    assert importing.get(made).entries_read == 0
    imports.pause(importing.services, importing.doorbell, made.id, paused=False)

    def cancelling(reading: Any, part: Any) -> bool:
        imports.cancel(importing.services, made.id)
        return write(reading, part)

    with monkeypatch.context() as patched:
        patched.setattr(import_reading, "_write", cancelling)
        importing.read()
    assert importing.get(made).entries_read == 0
    assert importing.get(made).closed_at is not None
    assert not importing.read()


def test_the_end_of_the_process_stops_a_reader_at_once(
    importing: Importing, many: dict[str, bytes]
) -> None:
    made = importing.of_archive(many)
    stop = threading.Event()
    stop.set()

    import_reading.read_one(importing.services, {}, importing.doorbell.ingest, stop)

    assert importing.get(made).lease is None
    assert importing.get(made).entries_read == 0


def test_sources_that_cannot_be_reached_fail_and_are_read_again_when_asked(
    importing: Importing, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: Objects, address: str) -> bytes:
        raise SourceUnreachable("The server is away.")

    monkeypatch.setattr(Objects, "fetch", away)
    made = importing.of_manifest(
        [{"key": "1.png"}, {"key": "2.png", "object": "s3://photos/2.png"}, {"key": "3.png"}],
        {"1.png": photo(1), "3.png": photo(3)},
        Options(format=Format.NDJSON),
    )
    importing.run()
    assert importing.ends(made) == [
        ("1.png", "indexed", None),
        ("2.png", "failed", "source_unreachable"),
        ("3.png", "indexed", None),
    ]
    assert importing.get(made).closed_at is not None
    assert importing.spool(made).exists(), "the manifest is still needed"

    monkeypatch.setattr(Objects, "fetch", lambda self, address: photo(2))
    assert imports.retry(importing.services, importing.doorbell, made.id) == 1
    importing.run()

    assert {end[1] for end in importing.ends(made)} == {"indexed"}
    assert not importing.spool(made).exists()


def test_other_bytes_than_announced_are_not_read(importing: Importing, photo: Photo) -> None:
    made = importing.of_archive({"1.png": photo(1)}, Options(sha256="00" * 32))

    importing.read()

    found = importing.get(made)
    assert (found.state, found.reason) == ("failed", "sha256_mismatch")
    assert importing.results(made) == []


def test_what_is_no_archive_fails_with_its_reason(importing: Importing) -> None:
    made = importing.of_archive(b"These are no photos.")

    importing.read()

    found = importing.get(made)
    assert (found.state, found.reason) == ("failed", "archive_unreadable")


def test_received_bytes_that_are_elsewhere_are_left_to_other_readers(
    importing: Importing, photo: Photo
) -> None:
    made = importing.of_archive({"1.png": photo(1)})
    here = importing.spool(made)
    away = here.with_name("elsewhere")
    here.rename(away)

    importing.read()

    found = importing.get(made)
    assert found.state == "reading"
    assert "not on this machine" in (found.detail or "")
    away.rename(here)
    importing.sql("UPDATE imports SET lease_until = now()")
    importing.run()
    assert importing.ends(made) == [("1.png", "indexed", None)]
    assert importing.get(made).detail is None


def test_an_external_id_that_is_taken_at_the_same_moment_refuses_its_photo_alone(
    importing: Importing, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = storing._refuse_taken_ids
    looks: list[int] = []

    def late(conn: Any, place: Any, photos: Any, known: Any) -> Any:
        looks.append(1)
        found = look(conn, place, photos, known)
        if len(looks) == 1:
            importing.sql(
                "INSERT INTO images (collection_id, sha256, external_id, format, bytes, width, height) "
                "VALUES (%s, sha256('x'), 'E-1', 'png', 1, 1, 1)",
                importing.home.id,
            )
        return found

    monkeypatch.setattr(storing, "_refuse_taken_ids", late)
    made = importing.of_manifest(
        [{"key": "1.png", "external_id": "E-1"}, {"key": "2.png"}],
        {"1.png": photo(1), "2.png": photo(2)},
    )

    importing.run()

    assert importing.ends(made) == [("1.png", "rejected", "name_taken"), ("2.png", "indexed", None)]


def test_received_bytes_of_imports_that_are_gone_are_removed(
    importing: Importing, photo: Photo
) -> None:
    gone, open_ = importing.of_archive({"1.png": photo(1)}), importing.create(Source.ARCHIVE)
    importing.sql("DELETE FROM jobs WHERE id = %s", gone.id)
    (importing.spool(open_)).mkdir(parents=True)
    stranger = importing.spool(open_).parent / "notes"
    stranger.mkdir()

    import_sweep.sweep(importing.services)

    assert not importing.spool(gone).exists()
    assert importing.spool(open_).exists()
    assert stranger.exists()


def test_the_sample_of_a_dry_run_is_of_the_whole_archive(
    importing: Importing, photo: Photo, fake_pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.forecast.SAMPLE", 10)
    photos = {f"{n}.png": photo(n) for n in range(60)}
    seen: list[bytes] = []
    fake_pipeline.before = seen.extend
    made = importing.of_archive(archive(photos), Options(dry_run=True))

    importing.read()

    forecast = importing.get(made).forecast
    assert forecast is not None
    assert (forecast["entries"], forecast["sampled"], len(seen)) == (60, 10, 10)
    places = [list(photos.values()).index(data) for data in seen]
    assert max(places) - min(places) > 20, "not the first ten"
