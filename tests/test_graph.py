"""Graphs of made-up collections, against all cosines by NumPy."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from core import graph_methods, vectors
from core.db import graphs as rows
from core.db import material
from core.db.binary import id_bytes
from core.db.graphs import Method
from core.db.search import Kind
from core.errors import ReportFailed
from core.services import Services
from tests.galleries import isotropic, manifold
from tests.graphs import Make, Truth, of

pytestmark = pytest.mark.usefixtures("small_graphs")


def test_every_face_has_its_nearest_ones(services: Services, gallery: Make) -> None:
    made = gallery(manifold(300), kind=None)

    graph = of(services, made)

    Truth.of(made).require(made, graph)
    assert (graph.method, graph.neighbours) == ("exact", 6)
    ready = rows.get(made.conn, made.collection.id)
    assert ready is not None
    assert ready.faces == 300


def test_few_faces_have_short_lists_and_one_has_an_empty_one(
    services: Services, gallery: Make
) -> None:
    few, one = gallery(manifold(4), kind=None), gallery(manifold(1), kind=None)

    Truth.of(few).require(few, of(services, few))
    edges = material.edges(one.conn, of(services, one))

    assert edges.neighbours.tolist() == [[b""] * 6]


def test_a_collection_without_faces_has_a_graph_without_edges(
    services: Services, gallery: Make
) -> None:
    made = gallery(manifold(0), kind=None)

    assert len(material.edges(made.conn, of(services, made)).face_ids) == 0


@pytest.mark.parametrize("kind", [Kind.HNSW, Kind.BIT])
def test_walks_through_the_index_find_nearly_all(
    services: Services, gallery: Make, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    monkeypatch.setattr(vectors, "fits", lambda collection: False)
    made = gallery(manifold(1000), kind=kind)

    graph = of(services, made)

    found = material.edges(made.conn, graph)
    exact = np.sort(Truth.of(made).cosines, axis=1)[:, ::-1][:, :6]
    assert graph.method == "index"
    assert (found.cosines >= exact - 1e-5).mean() > 0.95
    assert (np.diff(found.cosines, axis=1) <= 0).all()
    assert not (found.neighbours == found.face_ids[:, None]).any()


def test_what_came_and_what_went_leaves_the_graph_that_would_be_built_anew(
    services: Services, gallery: Make
) -> None:
    made = gallery(isotropic(400), kind=None)
    graph = of(services, made)
    ids = [row[0] for row in made.conn.execute("SELECT id FROM faces ORDER BY id").fetchall()]
    made.conn.execute("DELETE FROM faces WHERE id = ANY(%s)", [ids[10:25]])
    made.add(isotropic(30, seed=9))

    again = of(services, made)

    assert again.id == graph.id  # not built anew
    Truth.of(made).require(made, again)


def test_new_faces_that_are_found_by_walks_are_neighbours_of_old_ones(
    services: Services, gallery: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "fits", lambda collection: False)
    made = gallery(manifold(800))
    graph = of(services, made)
    new = made.add(made.vectors[:20])  # the same faces once more

    again = of(services, made)

    found = material.edges(made.conn, again)
    twins = vectors.rows_of(found.face_ids, id_bytes(new))
    old = vectors.rows_of(found.face_ids, found.neighbours[twins, 0])
    assert again.id == graph.id
    assert (found.cosines[twins, 0] > 0.999).all()
    assert (found.neighbours[old, 0] == found.face_ids[twins]).all()


def test_a_graph_of_which_much_changed_is_built_anew(services: Services, gallery: Make) -> None:
    made = gallery(manifold(100), kind=None)
    graph = of(services, made)
    made.add(manifold(200, seed=3))

    again = of(services, made)

    assert again.id != graph.id
    Truth.of(made).require(made, again)
    assert made.conn.execute("SELECT count(*) FROM graphs").fetchone() == (1,)


def test_the_way_that_is_expected_to_be_faster_is_taken(
    services: Services, gallery: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_methods, "ALWAYS_COMPARED", 0)
    made = gallery(manifold(600))

    choices = {
        seconds: graph_methods.choose(made.conn, made.fresh(), 600, ef_search=100)
        for seconds in (0.0, 1e9)
        if monkeypatch.setattr(graph_methods, "_seconds_of_comparing", lambda *_, s=seconds: s)
        is None
    }

    assert {seconds: choice.method for seconds, choice in choices.items()} == {
        0.0: Method.EXACT,
        1e9: Method.INDEX,
    }
    assert all(choice.index_s is not None and choice.index_s > 0 for choice in choices.values())


def test_without_index_and_memory_nothing_is_promised(
    services: Services, gallery: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "fits", lambda collection: False)
    made = gallery(manifold(50), kind=None)

    with pytest.raises(ReportFailed, match="too little memory"):
        of(services, made)


def test_few_faces_are_compared_where_little_memory_is_free(
    gallery: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = gallery(manifold(50), kind=None).fresh()
    monkeypatch.setattr(
        vectors.psutil, "virtual_memory", lambda: SimpleNamespace(available=100 * 2**20)
    )

    assert vectors.fits(few)
    assert not vectors.fits(replace(few, face_count=100_000))


def test_a_deleted_collection_takes_its_graph_along(services: Services, gallery: Make) -> None:
    made = gallery(manifold(50), kind=None)
    of(services, made)

    made.conn.execute("DELETE FROM faces")
    made.conn.execute("DELETE FROM images")
    made.conn.execute("DELETE FROM collections WHERE id = %s", [made.collection.id])

    assert made.conn.execute("SELECT count(*) FROM face_edges").fetchone() == (0,)
