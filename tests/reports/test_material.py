"""What reports read, while faces come and go."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core import vectors
from core.db import graphs
from core.db import material as rows
from core.db.graphs import State
from core.errors import ReportFailed
from core.reports import material as module
from tests.casts import Cast, directions


@pytest.fixture
def town(cast: Callable[[], Cast]) -> Cast:
    made = cast()
    made.add(directions(5))
    return made


def test_faces_that_go_while_they_are_read_are_nowhere(
    town: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    material = town.material()
    (gone,) = town.conn.execute("SELECT id FROM faces ORDER BY id LIMIT 1 OFFSET 1").fetchall()
    faces, read = rows.faces, vectors.read

    def then_delete(what: Callable[..., Any]) -> Callable[..., Any]:
        def reading(*given: Any) -> Any:
            found = what(*given)
            town.conn.execute("DELETE FROM faces WHERE id = %s", gone)
            return found

        return reading

    monkeypatch.setattr(rows, "faces", then_delete(faces))
    monkeypatch.setattr(vectors, "read", then_delete(read))

    assert len(material.faces.ids) == len(material.halves) == len(material.edges.neighbours) == 4
    cosines = material.cosines(np.arange(4), np.arange(4))
    assert np.abs(cosines - np.eye(4)).max() < 0.5  # nobody has the vector of somebody else


def test_faces_that_came_since_the_graph_was_made_have_no_neighbours(
    cast: Callable[[], Cast],
) -> None:
    made = cast()
    material = made.material()
    made.add(directions(2))

    assert (material.edges.neighbours == -1).all()
    assert (material.edges.cosines == -2).all()
    assert len(material.edges.neighbours) == 2


def test_edges_of_a_graph_that_somebody_replaced_are_not_taken_for_none(town: Cast) -> None:
    material = town.material()
    graphs.drop(town.conn, town.collection.id, State.READY)

    with pytest.raises(ReportFailed, match="anew"):
        _ = material.edges


def test_vectors_that_do_not_fit_into_memory_are_not_read(
    town: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    material = town.material()
    monkeypatch.setattr(vectors, "fits", lambda collection: False)

    with pytest.raises(ReportFailed, match="Too little memory"):
        _ = material.halves


def test_the_best_cosines_are_those_of_all_blocks(
    town: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", 5)
    material = town.material()
    some, others = np.array([0, 2, 4]), np.array([1, 3])
    cosines = material.cosines(some, others)

    own, theirs = material.best(some, others)

    assert len(list(material.blocks(some, others))) == 2
    np.testing.assert_allclose(own, cosines.max(axis=1), atol=1e-6)
    np.testing.assert_allclose(theirs, cosines.max(axis=0), atol=1e-6)
