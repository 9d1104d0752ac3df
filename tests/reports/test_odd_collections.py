"""Every report of collections in which there is hardly anything, or too much of one thing."""

from collections.abc import Callable
from threading import Event

import numpy as np
import pytest

from core import reporting
from core.reports import registry
from tests.casts import DIMENSION, Cast, directions, near
from tests.conftest import RecordingDoorbell


def nothing(made: Cast) -> None:
    """No face and nobody."""


def one_face(made: Cast) -> None:
    made.add(directions(1))


def one_named_face(made: Cast) -> None:
    made.add(directions(1), "Ann")


def nobody_with_a_face(made: Cast) -> None:
    made.give("Ann", [])
    made.give("Bob", [])


def one_person(made: Cast) -> None:
    made.add(near(directions(1)[0], 0.9, 5), "Ann")


def one_face_each(made: Cast) -> None:
    for number, vector in enumerate(directions(4)):
        made.add(vector[None], f"P{number}")


def nobody_named(made: Cast) -> None:
    for number, vector in enumerate(directions(3)):
        made.add(near(vector, 0.9, 3, seed=number))


def all_in_one_photo(made: Cast) -> None:
    faces = np.concatenate([near(each, 0.9, 3, seed=n) for n, each in enumerate(directions(3))])
    made.add(faces, together=True)


def one_vector(made: Cast) -> None:
    same = np.repeat(directions(1), 30, axis=0)
    made.add(same[:10], "Ann")
    made.add(same[:10], "Bob")
    made.add(same[:10])


def opposites(made: Cast) -> None:
    ends = np.zeros((2, DIMENSION), np.float32)
    ends[:, 0] = 1, -1
    made.add(ends, "Ann")
    made.add(ends)


def all_hidden(made: Cast) -> None:
    made.add(near(directions(1)[0], 0.9, 3))
    made.conn.execute("UPDATE faces SET hidden = true")


@pytest.mark.parametrize(
    "fill",
    [
        nothing,
        one_face,
        one_named_face,
        nobody_with_a_face,
        one_person,
        one_face_each,
        nobody_named,
        all_in_one_photo,
        one_vector,
        opposites,
        all_hidden,
    ],
)
def test_every_report_is_made(
    cast: Callable[[], Cast], doorbell: RecordingDoorbell, fill: Callable[[Cast], None]
) -> None:
    made = cast()
    fill(made)
    asked = reporting.ask(
        made.services, doorbell, made.collection.id, list(registry.REPORTS), actor="test"
    )

    reporting.work(made.services, lambda: None, Event())

    ends = {each.name: reporting.get(made.conn, each.id) for each in asked}
    assert ends.keys() == registry.REPORTS.keys()
    assert {(each.state, each.detail) for each in ends.values()} == {("done", None)}
