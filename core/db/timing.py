"""What the ways to search cost on this server, timed on a partition and its index."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, LiteralString, TypeVar
from uuid import UUID

import numpy as np
from psycopg import sql

from core.db import queries
from core.db import search as rows
from core.db.indexes import table_name
from core.db.pool import Connection
from core.db.rows import fetch_value
from core.db.search import GroupBy, Kind, Query

SQL = queries.load("timing")

ROWS: Final = 5_000
CANDIDATES: Final = 100
REPEATS: Final = 4

Given = TypeVar("Given")


@dataclass(frozen=True, slots=True)
class Costs:
    """Microseconds.

    Attributes:
        row_us: To compare a face with its neighbours in the table.
        looked_us: To look at a face that a condition refuses.
        candidate_us: For each candidate of an index scan without conditions.
    """

    row_us: float
    looked_us: float
    candidate_us: float


def measure(conn: Connection, collection_id: UUID, kind: Kind) -> Costs | None:
    """Time each way on a part of an own partition that has an index: some tens of milliseconds.

    None: the partition is empty.
    """
    leaf = sql.Identifier(table_name(collection_id))
    stored = fetch_value(conn, sql.SQL(SQL["probe"]).format(leaf=leaf), {})
    if stored is None:
        return None
    params = {"probe": stored, "rows": ROWS}

    def timed(query: LiteralString) -> float:
        statement = sql.SQL(query).format(leaf=leaf)
        taken, found = _us(lambda: conn.execute(statement, params).fetchall())
        return taken / int(found[0][1])

    return Costs(
        row_us=timed(SQL["rows"]),
        looked_us=timed(SQL["looks"]),
        candidate_us=_index_us(conn, collection_id, kind, stored.to_numpy()) / CANDIDATES,
    )


def largest(conn: Connection, *, limit: int) -> list[UUID]:
    """Return the largest collections that have a partition of their own."""
    return [row[0] for row in conn.execute(SQL["largest"], {"limit": limit})]


def _index_us(conn: Connection, collection_id: UUID, kind: Kind, stored: Any) -> float:
    probe = np.asarray(stored, dtype=np.float32)
    query = Query((collection_id,), (1.0,), [probe], 1, GroupBy.FACE, own=True)
    with rows.index_scan(conn, ef_search=CANDIDATES, max_scan=CANDIDATES):
        return _us(lambda: rows.groups(conn, query, kind, candidates=CANDIDATES))[0]


def _us(once: Callable[[], Given]) -> tuple[float, Given]:
    """Return the shortest of some repetitions (what others do only adds to it), and what it gave."""
    taken = []
    for _ in range(REPEATS):
        began = perf_counter()
        given = once()
        taken.append(perf_counter() - began)
    return 1e6 * min(taken), given
