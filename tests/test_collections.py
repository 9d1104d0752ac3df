"""Collections: bound to one space, deleted only when asked twice."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from core import collections
from core.blobs import Kind
from core.db.collections import Collection
from core.errors import CollectionNotFound, ConfirmationRequired, NameTaken
from core.gates import Gate
from core.services import Services

NOBODY = UUID(int=7)


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
