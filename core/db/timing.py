"""What the ways to search cost on this server, timed on a partition and its index."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final
from uuid import UUID

import numpy as np
from psycopg import sql

from core.db import queries
from core.db import search as rows
from core.db.indexes import table_name
from core.db.pool import Connection
from core.db.search import GroupBy, Kind, Query

SQL = queries.load("timing")

ROWS: Final = 2_000
CANDIDATES: Final = 100
REPEATS: Final = 4


@dataclass(frozen=True, slots=True)
class Costs:
    """Microseconds.

    Attributes:
        row_us: To compare a face with its neighbours in the table.
        scattered_us: To fetch and compare a face that an index names.
        looked_us: To look at a face that a condition refuses.
        candidate_us: For each candidate of an index scan without conditions.
    """

    row_us: float
    scattered_us: float
    looked_us: float
    candidate_us: float


def measure(conn: Connection, collection_id: UUID, kind: Kind, faces: int) -> Costs | None:
    """Time each way on a part of an own partition that has an index: some tens of milliseconds.

    Args:
        faces: In the partition, about.

    Returns:
        None where a sample of it is empty: so is the partition, or it is small.
    """
    leaf = sql.Identifier(table_name(collection_id))
    percent = sql.Literal(min(100.0, 100 * ROWS / max(1, faces)))
    statement = sql.SQL(SQL["some"]).format(leaf=leaf, percent=percent)
    some = conn.execute(statement, {"rows": ROWS}).fetchall()
    if not some:
        return None
    params = {"probe": some[0][1], "ids": [row[0] for row in some], "rows": len(some)}

    def timed(name: str) -> float:
        statement = sql.SQL(SQL[name]).format(leaf=leaf)
        return _us(lambda: conn.execute(statement, params).fetchall()) / len(some)

    return Costs(
        row_us=timed("rows"),
        scattered_us=timed("scattered"),
        looked_us=timed("looks"),
        candidate_us=_index_us(conn, collection_id, kind, some[0][1].to_numpy()) / CANDIDATES,
    )


def _index_us(conn: Connection, collection_id: UUID, kind: Kind, stored: Any) -> float:
    probe = np.asarray(stored, dtype=np.float32)
    query = Query((collection_id,), (1.0,), [probe], 1, GroupBy.FACE, own=True)
    with rows.index_scan(conn, ef_search=CANDIDATES, max_scan=CANDIDATES):
        return _us(lambda: rows.groups(conn, query, kind, candidates=CANDIDATES))


def _us(once: Callable[[], object]) -> float:
    """Return the shortest of some repetitions: what others do meanwhile only adds to it."""
    taken = []
    for _ in range(REPEATS):
        began = perf_counter()
        once()
        taken.append(perf_counter() - began)
    return 1e6 * min(taken)
