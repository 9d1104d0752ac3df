"""Faces of named people, as calibration reads them."""

from typing import Any

import numpy as np

from core.db import calibration
from core.db.pool import Connection


def unit(*numbers: float) -> np.ndarray:
    return np.array([*numbers, *[0.0] * (128 - len(numbers))], dtype=np.float32)


def test_only_named_faces_of_the_collection_are_read(conn: Connection, make: Any) -> None:
    home, other = make.collection(), make.collection()
    ada, bob, _nobody = make.faces(home, [unit(1), unit(0, 1), unit(0, 0, 1)])
    ada_id, bob_id = make.person(home, "Ada", [ada]), make.person(home, "Bob", [bob])
    make.person(other, "Cid", [make.face(other)])

    found = {face.id: face for face in calibration.named_faces(conn, home, limit=10)}

    assert {id_: (face.person_id, face.person_name) for id_, face in found.items()} == {
        ada: (ada_id, "Ada"),
        bob: (bob_id, "Bob"),
    }
    assert np.array_equal(found[bob].embedding.to_numpy(), unit(0, 1))


def test_a_limit_takes_some_and_the_same_ones_again(conn: Connection, make: Any) -> None:
    home = make.collection()
    make.person(home, "Ada", make.faces(home, [unit(1)] * 40))

    first, again = (
        {face.id for face in calibration.named_faces(conn, home, limit=15)} for _ in range(2)
    )

    assert len(first) == 15
    assert first == again


def test_more_faces_than_one_answer_holds_are_all_read(
    conn: Connection, make: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(calibration, "FETCHED_AT_ONCE", 3)
    home = make.collection()
    made = make.faces(home, [unit(1)] * 10)
    make.person(home, "Ada", made)

    assert {face.id for face in calibration.named_faces(conn, home, limit=100)} == set(made)
