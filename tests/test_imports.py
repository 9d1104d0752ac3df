"""Imports: each item ends in exactly one state, nothing is lost, and nothing is there twice."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from core import collections, import_files, import_sweep, imports
from core.errors import (
    BacklogFull,
    CollectionNotFound,
    ImportNotFound,
    InvalidRequest,
    NameTaken,
    WrongState,
)
from core.import_wishes import Options, Source, Wish
from core.manifests import Format
from core.offers import OnDuplicate, Upload
from tests.importing import Importing, archive, image_ids
from tests.queues import Queue, assert_counters_are_true

Photo = Callable[[int], bytes]


def test_an_archive_becomes_images_and_each_entry_an_item(
    importing: Importing, photo: Photo, fake_pipeline: Any
) -> None:
    fake_pipeline.refuse = {photo(3)}
    made = importing.of_archive(
        {
            "a/1.png": photo(1),
            "a/.DS_Store": b"junk",
            "a/2.png": photo(2),
            "again.png": photo(1),
            "damaged.png": photo(3),
            "notes.txt": b"not a photo",
        }
    )

    importing.run()

    assert importing.ends(made) == [
        ("a/1.png", "indexed", None),
        ("a/2.png", "indexed", None),
        ("again.png", "skipped", "duplicate_image"),
        ("damaged.png", "rejected", "image_unreadable"),
        ("notes.txt", "rejected", "unsupported_format"),
    ]
    found = importing.get(made)
    assert (found.state, found.entries_read, found.entries_passed_over) == ("read", 5, 1)
    assert found.closed_at is not None
    assert found.counts == {
        "states": {"indexed": 2, "skipped": 1, "rejected": 2},
        "reasons": {"duplicate_image": 1, "image_unreadable": 1, "unsupported_format": 1},
    }
    assert not importing.spool(made).exists(), "what was received is not needed any more"


def test_the_same_import_twice_changes_nothing(
    importing: Importing, queue: Queue, photo: Photo
) -> None:
    photos = {f"Ada Lovelace/{n}.png": photo(n) for n in range(20)}
    options = Options(people_by_folder=True)
    importing.of_archive(photos, options)
    importing.run()
    before = importing.sql("SELECT to_jsonb(collections) - 'updated_at' FROM collections")
    images = importing.sql("SELECT * FROM images ORDER BY id")
    events = importing.sql("SELECT count(*) FROM assignment_events")

    again = importing.of_archive(photos, options)
    importing.run()

    assert {end[1:] for end in importing.ends(again)} == {("skipped", "duplicate_image")}
    assert importing.sql("SELECT to_jsonb(collections) - 'updated_at' FROM collections") == before
    assert importing.sql("SELECT * FROM images ORDER BY id") == images
    assert importing.sql("SELECT count(*) FROM assignment_events") == events
    assert_counters_are_true(queue)


def test_a_manifest_says_what_is_said_of_its_photos(importing: Importing, photo: Photo) -> None:
    made = importing.of_manifest(
        [
            {"key": "1.png", "person": {"name": "Ada", "external_id": "A-1"}, "tags": ["staff"],
             "metadata": {"floor": 3}, "captured_at": "2024-05-31T18:30:00+00:00",
             "external_id": "photo-1"},
            {"key": "two", "file": "2.png", "person": {"external_id": "A-1"}},
            {"key": "3.png"},
            {"key": "4.png", "external_id": "photo-1"},
            {"key": "5.png", "person": {"name": ""}},
            {"key": "6.png", "sha256": "00" * 32},
        ],
        {f"{n}.png": photo(n) for n in (1, 2, 4, 5, 6)},
        Options(format=Format.NDJSON, tags=("all",), metadata={"floor": 1, "by": "import"}),
    )  # fmt: skip

    importing.run()

    assert importing.ends(made) == [
        ("1.png", "indexed", None),
        ("two", "indexed", None),
        ("3.png", "rejected", "source_missing"),
        ("4.png", "rejected", "name_taken"),
        ("5.png", "rejected", "item_invalid"),
        ("6.png", "rejected", "sha256_mismatch"),
    ]
    assert importing.named() == [("1.png", "Ada", "A-1"), ("two", "Ada", "A-1")]
    first, second = importing.sql(
        "SELECT tags, metadata, captured_at::text, external_id FROM images ORDER BY id"
    )
    assert first == (
        ["staff", "all"],
        {"floor": 3, "by": "import"},
        "2024-05-31 18:30:00+00",
        "photo-1",
    )
    assert second == (["all"], {"floor": 1, "by": "import"}, None, None)


def test_a_csv_manifest_is_read_too(importing: Importing, photo: Photo) -> None:
    made = importing.of_manifest(
        [{"key": "1.png", "person_name": "Ada", "tags": "a, b"}],
        {"1.png": photo(1)},
        Options(format=Format.CSV),
    )

    importing.run()

    assert importing.ends(made) == [("1.png", "indexed", None)]
    assert importing.named() == [("1.png", "Ada", None)]
    assert importing.get(made).entries_expected == 1


def test_a_folder_of_the_server_is_read_where_that_is_allowed(
    importing: Importing, photo: Photo, tmp_path: Any
) -> None:
    (tmp_path / "allowed" / "Ada").mkdir(parents=True)
    for n in range(3):
        (tmp_path / "allowed" / "Ada" / f"{n}.png").write_bytes(photo(n))
    settings = importing.services.settings.model_copy(
        update={"import_folders": str(tmp_path / "allowed")}
    )
    importing.services = replace(importing.services, settings=settings)

    made = importing.create(Source.FOLDER, Options(people_by_folder=True), path=str(tmp_path / "allowed"))  # fmt: skip
    importing.run()

    assert {end[1] for end in importing.ends(made)} == {"indexed"}
    assert len(importing.named()) == 3
    assert importing.get(made).entries_expected == 3


def test_photos_that_are_sent_one_by_one_are_there_once_for_each_name(
    importing: Importing, photo: Photo
) -> None:
    made = importing.create(Source.FILES, Options(tags=("trip",)))

    first = importing.add(made, {"1.png": photo(1), "2.png": photo(2)})
    importing.index()
    again = importing.add(made, {"2.png": photo(9), "3.png": photo(3)})

    assert again[0].position == first[1].position
    importing.index()
    assert importing.get(made).closed_at is None, "more may come"
    imports.start(importing.services, importing.doorbell, made.id)
    assert importing.get(made).closed_at is not None
    assert importing.ends(made) == [(f"{n}.png", "indexed", None) for n in (1, 2, 3)]
    assert importing.sql("SELECT DISTINCT tags FROM images") == [(["trip"],)]
    with pytest.raises(WrongState):
        importing.add(made, {"4.png": photo(4)})


def test_an_import_takes_no_more_photos_than_workers_can_follow(
    importing: Importing, photo: Photo
) -> None:
    settings = importing.services.settings.model_copy(update={"import_ahead": 3})
    importing.services = replace(importing.services, settings=settings)
    made = importing.create(Source.FILES)
    importing.add(made, {f"{n}.png": photo(n) for n in range(3)})

    with pytest.raises(BacklogFull):
        importing.add(made, {"3.png": photo(3)})

    importing.index()
    importing.add(made, {"3.png": photo(3)})


@pytest.mark.parametrize("on_duplicate", list(OnDuplicate))
def test_a_photo_that_is_there_is_skipped_or_updates_or_is_refused(
    importing: Importing, queue: Queue, photo: Photo, on_duplicate: OnDuplicate
) -> None:
    importing.of_archive({"1.png": photo(1)}, Options(tags=("old",)))
    importing.run()
    options = Options(on_duplicate, people_by_folder=True, tags=("new",))

    made = importing.of_archive({"Ada/1.png": photo(1)}, options)
    importing.run()

    state = "rejected" if on_duplicate is OnDuplicate.ERROR else "skipped"
    assert importing.ends(made) == [("Ada/1.png", state, "duplicate_image")]
    updated = on_duplicate is OnDuplicate.UPDATE
    [(tags,)] = importing.sql("SELECT tags FROM images")
    assert tags == (["new"] if updated else ["old"])
    assert importing.sql("SELECT tags FROM faces") == [(tags,)], "its faces repeat them"
    assert importing.named() == ([("1.png", "Ada", None)] if updated else [])
    assert_counters_are_true(queue)


def test_asking_again_with_an_external_id_gives_the_same_import(importing: Importing) -> None:
    first = importing.create(Source.FILES, external_id="2024-trip")

    assert importing.create(Source.FILES, external_id="2024-trip").id == first.id
    with pytest.raises(NameTaken):
        importing.create(Source.ARCHIVE, external_id="2024-trip")


def test_an_import_that_pauses_is_neither_read_nor_indexed(
    importing: Importing, photo: Photo
) -> None:
    made = importing.of_archive({f"{n}.png": photo(n) for n in range(3)})
    later = importing.of_archive({f"{n}.png": photo(n) for n in range(10, 13)})
    importing.read()
    for each in (made, later):
        imports.pause(importing.services, importing.doorbell, each.id, paused=True)

    importing.run()

    assert {end[1] for end in importing.ends(made)} == {"waiting"}
    assert importing.ends(later) == []
    for each in (made, later):
        imports.pause(importing.services, importing.doorbell, each.id, paused=False)
    importing.run()
    assert {end[1] for end in importing.ends(made) + importing.ends(later)} == {"indexed"}


def test_a_cancelled_import_leaves_what_is_indexed_and_forgets_the_rest(
    importing: Importing, queue: Queue, photo: Photo
) -> None:
    made = importing.create(Source.FILES)
    importing.add(made, {f"{n}.png": photo(n) for n in range(40)})
    queue.put(photo(39))  # somebody else has sent it, too
    importing.index(batches=1)
    done = sum(end[1] == "indexed" for end in importing.ends(made))
    assert 0 < done < 39

    imports.cancel(importing.services, made.id)

    states = [end[1] for end in importing.ends(made)]
    assert states.count("indexed") == done
    assert states[39] == "waiting"
    assert states.count("skipped") == 40 - done - 1
    importing.index()
    assert importing.get(made).closed_at is not None
    assert importing.ends(made)[39][1] == "indexed"
    assert queue.files()["photos"] == done + 1
    assert_counters_are_true(queue)


def test_what_failed_is_tried_again_and_what_was_lost_with_its_workers_when_asked(
    importing: Importing, photo: Photo, fake_pipeline: Any
) -> None:
    made = importing.of_archive({f"{n}.png": photo(n) for n in range(3)})
    importing.read()
    importing.sql("UPDATE items SET attempts = 3 WHERE position = 0")
    importing.sql(
        "UPDATE items SET attempts = 3, state = 'running', lease_until = now() WHERE position = 1"
    )
    Queue(importing.services, importing.doorbell, importing.home).sweep()
    importing.index()
    assert [end[1] for end in importing.ends(made)] == ["failed", "dead", "indexed"]
    assert importing.get(made).closed_at is not None

    assert imports.retry(importing.services, importing.doorbell, made.id) == 1
    importing.index()
    assert [end[1] for end in importing.ends(made)] == ["indexed", "dead", "indexed"]
    assert imports.retry(importing.services, importing.doorbell, made.id, dead=True) == 1
    importing.index()
    assert {end[1] for end in importing.ends(made)} == {"indexed"}
    assert importing.get(made).counts == {"states": {"indexed": 3}, "reasons": {}}


def test_an_import_is_deleted_when_it_is_over_and_its_images_stay(
    importing: Importing, photo: Photo
) -> None:
    made = importing.of_archive({"1.png": photo(1)})
    with pytest.raises(WrongState):
        imports.delete(importing.services, made.id)
    importing.run()

    imports.delete(importing.services, made.id)

    with pytest.raises(ImportNotFound):
        importing.get(made)
    assert importing.sql("SELECT count(*) FROM items") == [(0,)]
    assert importing.sql("SELECT count(*) FROM images") == [(1,)]
    assert importing.sql("SELECT count(*) FROM lanes") == [(0,)]
    imports.delete(importing.services, made.id)


def test_a_dry_run_stores_nothing_and_says_what_would_be(
    importing: Importing, queue: Queue, photo: Photo, fake_pipeline: Any
) -> None:
    queue.put(photo(0))
    fake_pipeline.refuse = {photo(5)}
    made = importing.of_archive(
        {**{f"{n}.png": photo(n) for n in range(10)}, "x.png": photo(9), "notes.txt": b"text"},
        Options(dry_run=True),
    )

    importing.read()

    found = importing.get(made)
    assert found.forecast is not None
    assert found.forecast | {"seconds": 0, "bytes": 0} == {
        "entries": 12, "sampled": 12, "duplicates": 2, "refused": 2, "faces": 8, "seconds": 0, "bytes": 0,
        "reasons": {"image_unreadable": 1, "unsupported_format": 1},
    }  # fmt: skip
    assert found.forecast["bytes"] > 8 * 3_300
    assert found.closed_at is not None
    assert importing.results(made) == []
    assert importing.sql("SELECT count(*) FROM images") == [(1,)]
    assert queue.files()["photos"] == 1
    import_sweep.sweep(importing.services)
    assert importing.spool(made).exists(), "the import itself may follow"


def test_wishes_that_make_no_sense_are_refused(importing: Importing) -> None:
    with pytest.raises(InvalidRequest):
        importing.create(Source.FILES, Options(dry_run=True))
    wish = Wish(Source.FILES, "x")
    with pytest.raises(CollectionNotFound):
        imports.create(importing.services, importing.doorbell, uuid4(), wish, actor="test")
    made = importing.create(Source.ARCHIVE, bytes=100)
    with pytest.raises(WrongState):
        imports.start(importing.services, importing.doorbell, made.id)
    with pytest.raises(WrongState):
        import_files.add(importing.services, importing.doorbell, made.id, [Upload("1.png", b"")])


def test_a_collection_is_deleted_with_its_imports(
    importing: Importing, photo: Photo, doorbell: Any
) -> None:
    made = importing.of_archive({f"{n}.png": photo(n) for n in range(3)})
    importing.read()

    services, home = importing.services, importing.home.id
    collections.delete(services.pool, services.blobs, home, confirm=str(home))
    importing.run()

    with pytest.raises(ImportNotFound):
        importing.get(made)
    assert importing.sql("SELECT count(*) FROM lanes") == [(0,)]


def test_two_imports_of_the_same_photos_at_once_store_each_once(
    importing: Importing, queue: Queue, photo: Photo
) -> None:
    photos = {f"Ada/{n}.png": photo(n) for n in range(100)}
    both = [importing.of_archive(photos, Options(people_by_folder=True)) for _ in range(2)]

    threads = [threading.Thread(target=importing.read) for _ in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    importing.run()

    ends = [importing.ends(each) for each in both]
    for one, other in zip(*ends, strict=True):
        assert sorted((one[1], other[1])) == ["indexed", "skipped"]
    assert importing.sql("SELECT count(*), count(DISTINCT sha256) FROM images") == [(100, 100)]
    assert importing.sql("SELECT count(*) FROM people") == [(1,)]
    assert len(image_ids(importing.results(both[0]))) == 100
    assert len(importing.named()) == 100
    assert_counters_are_true(queue)


def test_an_archive_without_an_end_is_read_up_to_where_it_is_cut(
    importing: Importing, photo: Photo
) -> None:
    whole = archive({f"{n}.png": photo(n) for n in range(3)})

    made = importing.of_archive(whole[:-30])
    importing.run()

    found = importing.get(made)
    assert (found.state, found.reason) == ("failed", "archive_truncated")
    assert found.detail
    assert found.closed_at is not None
