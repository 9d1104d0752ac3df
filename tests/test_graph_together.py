"""Graphs that several build, or that somebody is at while faces come and go, or breaks off."""

from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from core import graph as module
from core import neighbours, vectors
from core.db import graphs as rows
from core.db import material, reports
from core.db.graphs import State
from core.errors import ReportFailed
from core.graph import Builder
from core.services import Services
from tests.galleries import isotropic, manifold
from tests.graphs import Make, Truth, of, want

pytestmark = pytest.mark.usefixtures("small_graphs")


def test_several_build_one_graph(services: Services, gallery: Make, another: Builder) -> None:
    made = gallery(manifold(300), kind=None)
    want(made)
    helped = []
    first = Builder(services, made.conn, pause=lambda: helped.append(another.help()))

    graph = first.bring_up_to_date(made.fresh())

    Truth.of(made).require(made, graph)
    assert helped.count(True) >= 2
    assert another.help() is False


def test_a_slice_whose_holder_died_is_done_by_somebody_else(
    services: Services, gallery: Make, another: Builder
) -> None:
    made = gallery(manifold(300), kind=None)
    want(made)
    taken = []

    def die() -> None:
        if not taken:
            taken.append(rows.claim(another.conn, lease=uuid4(), lease_s=0, most_attempts=3))

    graph = Builder(services, made.conn, pause=die).bring_up_to_date(made.fresh())

    assert taken[0] is not None
    Truth.of(made).require(made, graph)


def test_a_slice_that_every_process_dies_of_ends_the_graph(
    services: Services, gallery: Make, another: Builder
) -> None:
    made = gallery(manifold(300), kind=None)

    def die() -> None:
        another.conn.execute(
            "UPDATE graph_slices SET state = 'running', attempts = 3, lease = %s,"
            " lease_until = now() - interval '1 second' WHERE position = 2",
            [uuid4()],
        )

    with pytest.raises(ReportFailed, match="ended early"):
        Builder(services, made.conn, pause=die).bring_up_to_date(made.fresh())

    assert made.conn.execute("SELECT count(*) FROM graphs").fetchone() == (0,)


def test_work_that_is_broken_off_goes_on_where_it_stopped(
    services: Services, gallery: Make
) -> None:
    made = gallery(manifold(300), kind=None)
    pauses = []

    def stop_at_third() -> None:
        pauses.append(1)
        if len(pauses) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        Builder(services, made.conn, pause=stop_at_third).bring_up_to_date(made.fresh())
    done: list[tuple[int, int]] = []
    report = lambda *counts: done.append(counts)  # noqa: E731
    graph = Builder(services, made.conn, report=report).bring_up_to_date(made.fresh())

    assert done[0] == (192, 300)
    Truth.of(made).require(made, graph)


def test_nobody_helps_with_a_graph_that_no_report_waits_for(
    services: Services, gallery: Make, another: Builder
) -> None:
    made = gallery(manifold(300), kind=None)
    want(made)
    helped = []

    def give_up() -> None:
        helped.append(another.help())
        for each in reports.open_ones(made.conn, made.collection.id):
            reports.cancel(made.conn, each.id)
        helped.append(another.help())
        raise InterruptedError

    with pytest.raises(InterruptedError):
        Builder(services, made.conn, pause=give_up).bring_up_to_date(made.fresh())

    assert helped == [True, False]


def test_a_slice_is_stored_by_whoever_has_it(
    services: Services, gallery: Make, another: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = gallery(manifold(300), kind=None)
    want(made)
    nearest, late = neighbours.nearest, []

    def take_long(*given: Any) -> Any:
        if not late:
            late.append(1)
            made.conn.execute("UPDATE graph_slices SET lease_until = now() - interval '1 second'")
            assert another.help()
            # As an update may have changed them since.
            made.conn.execute("UPDATE face_edges SET neighbours = '{}', cosines = '{}'")
        return nearest(*given)

    monkeypatch.setattr(neighbours, "nearest", take_long)
    found = material.edges(made.conn, of(services, made))

    stored = (found.cosines > -2).any(axis=1)
    assert not stored[:64].any()
    assert stored[64:].all()


def test_a_graph_that_is_deleted_while_a_slice_is_done_is_not_missed(
    services: Services, gallery: Make, another: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = gallery(manifold(300), kind=None)
    want(made)
    nearest = neighbours.nearest

    def drop(*given: Any) -> Any:
        rows.drop(made.conn, made.collection.id, State.BUILDING)
        return nearest(*given)

    def help_once() -> None:
        monkeypatch.setattr(neighbours, "nearest", drop)
        assert another.help()
        monkeypatch.undo()

    with pytest.raises(ReportFailed, match="deleted"):
        Builder(services, made.conn, pause=help_once).bring_up_to_date(made.fresh())


def test_what_comes_while_a_graph_is_built_is_added_however_much_it_is(
    services: Services, gallery: Make
) -> None:
    made = gallery(manifold(100), kind=None)
    came = []

    def come() -> None:
        if not came:
            came.extend(made.add(manifold(200, seed=3)))

    # The first slices are made before: they know nobody of those who come.
    graph = Builder(services, made.conn, report=lambda *_: come()).bring_up_to_date(made.fresh())

    Truth.of(made).require(made, graph)


def test_who_goes_while_a_graph_is_built_is_in_no_list(services: Services, gallery: Make) -> None:
    made = gallery(isotropic(300), kind=None)
    ids = [row[0] for row in made.conn.execute("SELECT id FROM faces ORDER BY id").fetchall()]

    def go() -> None:
        made.conn.execute("DELETE FROM faces WHERE id = ANY(%s)", [ids[290:]])
        made.conn.execute(
            "DELETE FROM face_edges WHERE face_id = ANY(%s)", [ids[290:]]
        )  # as if whoever has their slice read the vectors now

    graph = Builder(services, made.conn, report=lambda *_: go()).bring_up_to_date(made.fresh())

    Truth.of(made).require(made, graph)


@pytest.mark.parametrize("has_memory", [True, False])
def test_an_update_that_is_broken_off_is_gone_on_with(
    services: Services, gallery: Make, monkeypatch: pytest.MonkeyPatch, has_memory: bool
) -> None:
    monkeypatch.setattr(module, "WALKED_AT_ONCE", 10)
    monkeypatch.setattr(module, "SLICE_FACES", 10)
    made = gallery(manifold(400))
    graph = of(services, made)
    monkeypatch.setattr(vectors, "fits", lambda collection: has_memory)
    made.conn.execute(
        "DELETE FROM faces WHERE id IN (SELECT id FROM faces ORDER BY id LIMIT 5 OFFSET 10)"
    )
    made.add(manifold(30, seed=9))
    pauses = []

    def stop_at_second() -> None:
        pauses.append(1)
        if len(pauses) == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        Builder(services, made.conn, pause=stop_at_second).bring_up_to_date(made.fresh())
    again = of(services, made)

    found = material.edges(made.conn, again)
    exact = np.sort(Truth.of(made).cosines, axis=1)[:, ::-1][:, :6]
    assert again.id == graph.id
    assert (found.face_ids == Truth.of(made).ids).all()
    assert (found.cosines >= exact - 1e-5).mean() > (0.9999 if has_memory else 0.95)


def test_how_far_an_update_is_can_be_told_and_seen_while_it_goes_on(
    services: Services, gallery: Make, another: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "fits", lambda collection: False)
    made = gallery(manifold(400))
    of(services, made)
    made.add(manifold(30, seed=9))
    seen = []

    def report(done: int, total: int) -> None:
        made.conn.execute("UPDATE collections SET metadata = '{\"told\": 1}'")
        seen.append(another.conn.execute("SELECT metadata FROM collections").fetchone())

    Builder(services, made.conn, report=report).bring_up_to_date(made.fresh())

    assert seen
    assert all(each == ({"told": 1},) for each in seen)
