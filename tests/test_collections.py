"""Collections: bound to one space, deleted only when asked twice."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from core import collections, promotion
from core.blobs import Kind
from core.budget import Fit, Impostors, Steps, threshold_at
from core.db import collections as rows
from core.db import partitions
from core.db.collections import Collection
from core.db.pool import connect
from core.errors import (
    CalibrationNeeded,
    CollectionNotFound,
    ConfirmationRequired,
    InvalidRequest,
    NameTaken,
)
from core.gates import Gate
from core.services import Services

NOBODY = UUID(int=7)
IMPOSTORS = Impostors(
    steps=Steps(1e-4, tuple(0.45 - 0.002 * number for number in range(61))),
    fit=Fit(0.4, 1e-3, 0.03, 300),
    pairs=1_000_000,
    people=500,
    day=date(2026, 11, 24),
)
"""Reaches FMR 1e-6."""


def test_a_collection_takes_the_space_and_the_threshold_of_its_pack(services: Services) -> None:
    pack = services.manifest.pack("open")

    with services.pool.connection() as conn:
        made = collections.create(conn, pack, name="trip")

    assert (made.space_id, made.pack, made.dimension) == (pack.space.id, "open", 128)
    assert made.threshold == pytest.approx(pack.threshold)
    assert made.threshold_source == pack.threshold_source


def test_a_threshold_of_ones_own_says_so(services: Services) -> None:
    with services.pool.connection() as conn:
        made = collections.create(conn, services.manifest.pack("open"), name="t", threshold=0.25)

    assert (made.threshold, made.threshold_source) == (0.25, "set by hand")


def test_a_gate_is_the_usual_one_unless_chosen_and_stays_until_changed(services: Services) -> None:
    pack = services.manifest.pack("open")

    with services.pool.connection() as conn:
        usual = collections.create(conn, pack, name="usual")
        strict = collections.create(conn, pack, name="strict", quality_gate=Gate.STRICT)
        renamed = collections.change(conn, strict.id, name="staff")
        off = collections.change(conn, strict.id, quality_gate=Gate.OFF)

    gates = [each.quality_gate for each in (usual, strict, renamed, off)]
    assert gates == ["standard", "strict", "strict", "off"]


def test_a_taken_name_and_a_taken_external_id_say_which(services: Services) -> None:
    pack = services.manifest.pack("open")
    with services.pool.connection() as conn:
        collections.create(conn, pack, name="trip", external_id="t-1")

        with pytest.raises(NameTaken) as by_name:
            collections.create(conn, pack, name="trip")
        with pytest.raises(NameTaken) as by_id:
            collections.create(conn, pack, name="other", external_id="t-1")
        assert len(collections.page(conn, limit=9)) == 1

    assert by_name.value.details == {"field": "name"}
    assert by_id.value.details == {"field": "external_id"}


def test_a_collection_is_found_by_name_or_id(services: Services, collection: Collection) -> None:
    with services.pool.connection() as conn:
        assert collections.find(conn, "trip") == collection
        assert collections.find(conn, str(collection.id)) == collection
        for unknown in ("nothing", str(NOBODY)):
            with pytest.raises(CollectionNotFound):
                collections.find(conn, unknown)


def test_a_name_that_looks_like_an_id_wins(services: Services, collection: Collection) -> None:
    with services.pool.connection() as conn:
        pack = services.manifest.pack("open")
        tricky = collections.create(conn, pack, name=str(collection.id))

        assert collections.find(conn, str(collection.id)) == tricky


def test_a_change_leaves_the_rest_alone(services: Services, collection: Collection) -> None:
    with services.pool.connection() as conn:
        changed = collections.change(conn, collection.id, threshold=0.9, external_id="t-1")
        cleared = collections.change(conn, collection.id, external_id="")

    assert (changed.name, changed.external_id, changed.threshold_source) == (
        *("trip", "t-1"),
        "set by hand",
    )
    assert changed.threshold == pytest.approx(0.9)
    assert (cleared.external_id, cleared.threshold) == (None, changed.threshold)


def test_a_change_of_nothing_known_or_to_a_taken_name_is_an_error(
    services: Services, collection: Collection
) -> None:
    with services.pool.connection() as conn:
        other = collections.create(conn, services.manifest.pack("open"), name="other")

        with pytest.raises(CollectionNotFound):
            collections.change(conn, NOBODY, name="x")
        with pytest.raises(NameTaken):
            collections.change(conn, other.id, name="trip")
        assert collections.get(conn, other.id).name == "other"


def test_a_budget_moves_the_threshold_as_the_gallery_grows_for_whoever_reads_it(
    services: Services, collection: Collection
) -> None:
    with services.pool.connection() as conn:
        collections.change(conn, collection.id, alarm_budget=100, impostors=IMPOSTORS)
        found = []
        for more in (0, 1000, 9000):
            rows.count(conn, collection.id, faces=more)
            one = collections.get(conn, collection.id)
            assert collections.page(conn, limit=9) == [one]
            assert collections.find(conn, collection.name) == one
            found.append(one)

    assert [each.face_count for each in found] == [0, 1000, 10_000]
    expected = [threshold_at(IMPOSTORS, 100, faces) for faces in (0, 1000, 10_000)]
    assert [each.budget for each in found] == expected
    assert [each.threshold for each in found] == [each.cosine for each in expected]
    assert [each.threshold_source for each in found] == [each.source for each in expected]
    assert found[0].threshold < found[1].threshold < found[2].threshold
    assert {each.fixed_threshold for each in found} == {collection.threshold}


def test_a_budget_that_is_outgrown_keeps_the_strictest_cosine_and_says_so(
    services: Services, collection: Collection
) -> None:
    with services.pool.connection() as conn:
        collections.change(conn, collection.id, alarm_budget=1000, impostors=IMPOSTORS)
        rows.count(conn, collection.id, faces=100_000)
        outgrown = collections.get(conn, collection.id)

    assert outgrown.budget is not None
    assert (outgrown.budget.kept, outgrown.budget.keeps_one_in) == (False, 10)
    assert outgrown.threshold == IMPOSTORS.curve.at(IMPOSTORS.curve.reach)[0]
    assert "one false alarm in 10 strangers instead of 1,000" in outgrown.threshold_source


def test_a_threshold_ends_a_budget_and_a_change_of_anything_else_keeps_it(
    services: Services, collection: Collection
) -> None:
    with services.pool.connection() as conn:
        collections.change(conn, collection.id, alarm_budget=100, impostors=IMPOSTORS)
        renamed = collections.change(conn, collection.id, name="other")
        fixed = collections.change(conn, collection.id, threshold=0.5)
        again = collections.change(conn, collection.id, alarm_budget=7)

    assert renamed.alarm_budget == 100
    assert (fixed.alarm_budget, fixed.threshold, fixed.threshold_source) == (
        *(None, 0.5),
        "set by hand",
    )
    assert (again.alarm_budget, again.fixed_threshold, again.calibration) == (7, 0.5, IMPOSTORS)


def test_a_budget_that_nobody_can_keep_is_refused(
    services: Services, collection: Collection
) -> None:
    with services.pool.connection() as conn:
        with pytest.raises(CalibrationNeeded, match="facesearch calibrate") as uncalibrated:
            collections.change(conn, collection.id, alarm_budget=100)
        with pytest.raises(CalibrationNeeded, match="more named people") as beyond:
            collections.change(
                conn, collection.id, name="x", alarm_budget=10**9, impostors=IMPOSTORS
            )
        with pytest.raises(CalibrationNeeded, match="facesearch calibrate"):
            collections.create(conn, services.manifest.pack("open"), name="new", alarm_budget=100)
        with pytest.raises(InvalidRequest, match="not both"):
            collections.change(conn, collection.id, threshold=0.5, alarm_budget=100)
        assert collections.page(conn, limit=9) == [collection]

    assert uncalibrated.value.details == {"one_in": 100, "keeps_one_in": None}
    assert beyond.value.details == {"one_in": 10**9, "keeps_one_in": 1_000_000}


def test_one_search_of_several_collections_has_one_budget(
    services: Services, collection: Collection
) -> None:
    laxer = Impostors(Steps(1e-4, (0.1,)), IMPOSTORS.fit, 10, 2, IMPOSTORS.day)
    with services.pool.connection() as conn:
        pack = services.manifest.pack("open")
        homes = [collection, collections.create(conn, pack, name="other")]
        for home, impostors in zip(homes, (laxer, IMPOSTORS), strict=True):
            collections.change(conn, home.id, alarm_budget=2, impostors=impostors)
            rows.count(conn, home.id, faces=25)
        known = [collections.get(conn, home.id) for home in homes]
        unknown = collections.create(conn, pack, name="third")

    assert collections.threshold_for(known, 100) == threshold_at(IMPOSTORS, 100, 50)
    with pytest.raises(CalibrationNeeded):
        collections.threshold_for([*known, unknown], 100)
    with pytest.raises(CalibrationNeeded):
        collections.threshold_for(known, 10**6)


@pytest.mark.parametrize("confirm", [None, "", "yes", str(NOBODY)])
def test_a_collection_is_not_deleted_without_its_id_as_confirmation(
    services: Services, collection: Collection, confirm: str | None
) -> None:
    with pytest.raises(ConfirmationRequired) as error:
        collections.delete(services.pool, services.blobs, collection.id, confirm=confirm)

    assert error.value.details == {"confirm": str(collection.id)}
    with services.pool.connection() as conn:
        assert collections.get(conn, collection.id) == collection


def test_a_deleted_collection_leaves_a_receipt_and_no_file(
    services: Services, collection: Collection, store: Any, photo: Callable[[int], bytes]
) -> None:
    store(photo(1), photo(2))

    receipt = collections.delete(
        services.pool, services.blobs, collection.id, confirm=str(collection.id)
    )

    assert (receipt.images, receipt.faces, receipt.people) == (2, 2, 0)
    root = services.settings.data_dir / "blobs"
    assert [path for kind in Kind for path in (root / kind).rglob("*") if path.is_file()] == []
    with services.pool.connection() as conn, pytest.raises(CollectionNotFound):
        collections.get(conn, collection.id)
    with pytest.raises(CollectionNotFound):
        collections.delete(services.pool, services.blobs, NOBODY, confirm=str(NOBODY))


def test_a_deleted_collection_leaves_no_partition_unless_somebody_reads_it_for_long(
    services: Services,
    collection: Collection,
    store: Any,
    photo: Callable[[int], bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collections, "DROP_PATIENCE_S", 0.2)
    with services.pool.connection() as conn:
        read = collections.create(conn, services.manifest.pack("open"), name="read for long")
    store(photo(1))
    store(photo(2), into=read)
    with connect(str(services.settings.database_url), autocommit=True) as conn:
        promotion.promote(conn, collection.id)
        promotion.promote(conn, read.id)

        receipt = collections.delete(
            services.pool, services.blobs, collection.id, confirm=str(collection.id)
        )
        with conn.transaction():
            conn.execute("SELECT count(*) FROM faces")
            collections.delete(services.pool, services.blobs, read.id, confirm=str(read.id))

        assert (receipt.images, receipt.faces) == (1, 1)
        assert not partitions.exists(conn, collection.id)
        assert promotion.drop_orphans(conn) == [read.id]


def test_deleting_a_collection_keeps_files_that_others_need(
    services: Services, collection: Collection, store: Any, photo: Callable[[int], bytes]
) -> None:
    with services.pool.connection() as conn:
        other = collections.create(conn, services.manifest.pack("open"), name="other")
    store(photo(1))
    store(photo(1), into=other)

    collections.delete(services.pool, services.blobs, collection.id, confirm=str(collection.id))

    root = services.settings.data_dir / "blobs" / "photos"
    assert sum(path.is_file() for path in root.rglob("*")) == 1
