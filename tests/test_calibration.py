"""Reading the named faces of a collection, and writing down what a threshold stands on."""

from collections.abc import Callable
from datetime import date
from uuid import UUID

import numpy as np
import pytest

from core import calibration, gallery, people
from core.budget import Evidence
from core.db import calibration as rows
from core.db.collections import Collection
from core.errors import InvalidRequest
from core.evaluation.calibration import Point, calibrate
from core.evaluation.scores import Share
from core.services import Services

DAY = date(2026, 11, 24)


@pytest.fixture
def named(
    services: Services,
    collection: Collection,
    store: Callable[..., list[UUID]],
    photo: Callable[[int], bytes],
) -> calibration.NamedFaces:
    """Three people: of two photos, of one, and of one."""
    store(*(photo(number) for number in range(5)))
    with services.pool.connection() as conn:
        found = [face.id for face in gallery.faces(conn, collection.id, limit=10)]
        for name, faces in (("Ada", found[:2]), ("Bob", found[2:3]), ("Cid", found[3:4])):
            people.create(conn, collection.id, name=name, face_ids=faces, actor="test")
        return calibration.named_faces(conn, collection, limit=100)


def test_faces_of_one_person_have_one_number(named: calibration.NamedFaces) -> None:
    by_name: dict[str, set[int]] = {}
    for who, owner in zip(named.who, named.owners.tolist(), strict=True):
        by_name.setdefault(who.person_name, set()).add(owner)

    assert sorted(by_name) == ["Ada", "Bob", "Cid"]
    assert all(len(owners) == 1 for owners in by_name.values())
    assert len(set().union(*by_name.values())) == 3


def test_people_are_numbered_alike_in_whatever_order_their_faces_come(
    services: Services,
    collection: Collection,
    named: calibration.NamedFaces,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = rows.named_faces
    monkeypatch.setattr(rows, "named_faces", lambda *args, **kw: [*read(*args, **kw)][::-1])

    with services.pool.connection() as conn:
        again = calibration.named_faces(conn, collection, limit=100)

    assert again.who == named.who[::-1]
    assert again.owners.tolist() == named.owners.tolist()[::-1]


def test_stored_vectors_are_made_unit_vectors_again(named: calibration.NamedFaces) -> None:
    lengths = np.linalg.norm(named.embeddings, axis=1)

    assert named.embeddings.shape == (4, 128)
    assert lengths == pytest.approx(np.ones(4), abs=1e-6)


def test_a_threshold_says_what_it_stands_on(
    services: Services, collection: Collection, named: calibration.NamedFaces
) -> None:
    found = calibrate(named.embeddings, named.owners, gallery=5, progress=lambda done: None)
    point = Point(1e-5, Evidence.EXTRAPOLATED, 0.9512, Share(0, 5), Share(1, 1))

    with services.pool.connection() as conn:
        changed = calibration.apply(conn, collection, found, point, DAY)

    assert changed.threshold == pytest.approx(0.9512)
    assert changed.threshold_source == (
        "calibrated on 5 pairs of 3 named people here: FMR 1.0e-05, extrapolated, 2026-11-24"
    )


def test_a_point_without_a_threshold_changes_nothing(
    services: Services, collection: Collection, named: calibration.NamedFaces
) -> None:
    found = calibrate(named.embeddings, named.owners, gallery=5, progress=lambda done: None)

    with (
        services.pool.connection() as conn,
        pytest.raises(InvalidRequest, match="5 pairs of different people are too few"),
    ):
        calibration.apply(conn, collection, found, found.point(1e-6), DAY)
