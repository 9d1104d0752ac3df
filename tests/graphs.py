"""What tests of graphs share: small slices, somebody who helps, and all cosines by NumPy."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

import numpy as np
import pytest
from numpy.typing import NDArray

from core import graph as module
from core import vectors
from core.db import material, reports
from core.db.graphs import Graph
from core.db.pool import connect
from core.graph import Builder
from core.neighbours import unit
from core.services import Services
from tests.galleries import Gallery

Make = Callable[..., Gallery]


@pytest.fixture
def small_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short lists, and slices of which a small collection has several."""
    monkeypatch.setattr(module, "NEIGHBOURS", 6)
    monkeypatch.setattr(module, "SLICE_FACES", 64)
    monkeypatch.setattr(module, "PAUSE_S", 0.01)


@pytest.fixture
def another(services: Services) -> Iterator[Builder]:
    """Somebody else who works on graphs."""
    assert services.settings.database_url is not None
    with connect(services.settings.database_url, autocommit=True) as conn:
        yield Builder(services, conn)


def want(made: Gallery) -> None:
    """Let a report be made that waits for the graph."""
    reports.ask(made.conn, made.collection.id, "health", actor="test")
    assert reports.claim(made.conn, lease=uuid4(), lease_s=60, most_attempts=1)


@dataclass(frozen=True, slots=True)
class Truth:
    """All cosines of a collection, in the order of the ids of its faces."""

    ids: NDArray[np.bytes_]
    cosines: NDArray[np.float32]

    @classmethod
    def of(cls, made: Gallery) -> "Truth":
        everything = vectors.read(made.conn, made.collection)
        whole = unit(everything.halves)
        cosines = whole @ whole.T
        np.fill_diagonal(cosines, -2)
        return cls(everything.ids, cosines)

    def require(self, made: Gallery, graph: Graph, k: int = 6) -> None:
        """Every face has its *k* nearest, with their cosines."""
        found = material.edges(made.conn, graph)
        assert (found.face_ids == self.ids).all()
        k = min(k, len(self.ids) - 1)
        exact = np.sort(self.cosines, axis=1)[:, ::-1][:, :k]
        np.testing.assert_allclose(found.cosines[:, :k], exact, atol=1e-5)
        places = vectors.rows_of(self.ids, found.neighbours)
        stored = np.take_along_axis(self.cosines, places[:, :k], axis=1)
        np.testing.assert_allclose(stored, exact, atol=1e-5)


def of(services: Services, made: Gallery) -> Graph:
    return Builder(services, made.conn).bring_up_to_date(made.fresh())
