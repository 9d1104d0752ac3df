"""What building an index will take, said before it starts: memory, disk, time."""

import math
from dataclasses import dataclass

from core.db import index_work as work_rows
from core.db import indexes as rows
from core.db.index_work import Action
from core.db.indexes import LINKS, Kind, Server, Table
from core.db.pool import Connection
from core.settings import MIB, Settings

MANY_FACES = 250_000
"""From which a graph has `MORE_LINKS`. A walk through a large graph of 16 links ends in the wrong
part of it too often: among a million faces it loses 3 % of the mates however wide it is, and finds at
most 96 % of the ten nearest (docs/performance.md)."""

MORE_LINKS = 32

NARROW_EF_SEARCH = 48
"""In a graph of `MORE_LINKS`, the least that finds 98 % of the ten nearest of a million faces."""

GRAPH_BYTES = {LINKS: 716, MORE_LINKS: 1_231}
"""Memory of one face in pgvector's graph, beside its numbers, by its links: measured by how many
faces 6 MiB hold (``benchmarks/index_cost.py``), for 128 and 512 numbers and bits alike."""

INDEX_BYTES = {LINKS: 302, MORE_LINKS: 574}
"""The same on disk, where pages leave `PAGE_LOSS` of the numbers' bytes empty."""

PAGE_LOSS = 0.04

ROW_BYTES = 0.5 * 1024
"""Of a stored face, beside its numbers and with its share of the plain indexes."""

HEADROOM = 1.15
LEAST_MEMORY = 64 * MIB
"""Postgres lets no second process help with less."""

CACHE_SHARE = 3
"""Where the settings name no limit, a build takes a third of the memory that the server counts on:
it is there for an hour at most times, and what it takes is taken from the cache of files."""

SECONDS_PER_MILLION = 1500.0
"""On two cores, for 512 numbers, by docs/performance.md."""

DOCUMENTED_FACES = 1_000_000
SPILLED = 5.0
"""How many times as long a face takes that finds no room in memory."""

COPIED_PER_SECOND = 5000.0
"""Faces that a promotion copies, with what is written meanwhile."""


MINUTE, HOUR = 60, 3600


@dataclass(frozen=True, slots=True)
class Estimate:
    """What work will take.

    Attributes:
        memory_bytes: Of the graph while it is built.
        memory_limit_bytes: As much as a build may take; see `fits`.
        disk_bytes: Of the finished index, and of the table where it is copied.
        measured: The time follows an earlier build on this server; else a published rate.
    """

    faces: int
    memory_bytes: int
    memory_limit_bytes: int
    disk_bytes: int
    seconds: float
    measured: bool

    @property
    def fits(self) -> bool:
        """Whether the graph fits into memory; if not, Postgres goes on slowly on disk."""
        return self.memory_bytes <= self.memory_limit_bytes


@dataclass(frozen=True, slots=True)
class BuildLimits:
    """What a build is given.

    Attributes:
        workers: Processes beside the one that builds.
    """

    memory_bytes: int
    workers: int


def estimate(
    conn: Connection, table: Table, action: Action, kind: Kind, settings: Settings
) -> Estimate:
    """Say what *action* will take for the faces that are there now."""
    memory = graph_bytes(table.faces, kind, table.dimension)
    limit = memory_limit(rows.server(conn), settings)
    disk = index_bytes(table.faces, kind, table.dimension)
    if action is Action.DROP:
        return Estimate(table.faces, 0, limit, 0, 0.0, measured=True)
    seconds, measured = _build_seconds(conn, table, kind)
    if memory > limit:
        seconds *= 1 + (SPILLED - 1) * (1 - limit / memory)
    if action is Action.PROMOTE:
        disk += round(table.faces * (_number_bytes(Kind.HNSW, table.dimension) + ROW_BYTES))
        seconds += table.faces / COPIED_PER_SECOND
    return Estimate(table.faces, memory, limit, disk, seconds, measured)


def build_limits(conn: Connection, table: Table, kind: Kind, settings: Settings) -> BuildLimits:
    """Return what a build of this size is given: what it needs, if that is allowed."""
    server = rows.server(conn)
    needed = round(HEADROOM * graph_bytes(table.faces, kind, table.dimension)) + LEAST_MEMORY
    return BuildLimits(min(needed, memory_limit(server, settings)), server.workers)


def memory_limit(server: Server, settings: Settings) -> int:
    """Return the most bytes that one build may take."""
    allowed = settings.index_build_mib * MIB or server.cache_bytes // CACHE_SHARE
    return max(LEAST_MEMORY, allowed)


def links(faces: int, kind: Kind) -> int:
    """Return how many links each face of a graph is to have; of bits, which save room, few."""
    return MORE_LINKS if faces >= MANY_FACES and kind is Kind.HNSW else LINKS


def graph_bytes(faces: int, kind: Kind, dimension: int) -> int:
    """Return the memory of the graph of *faces* faces."""
    return faces * (_number_bytes(kind, dimension) + GRAPH_BYTES[links(faces, kind)])


def index_bytes(faces: int, kind: Kind, dimension: int) -> int:
    """Return the size of the index of *faces* faces on disk."""
    linked = INDEX_BYTES[links(faces, kind)]
    return round(faces * (_number_bytes(kind, dimension) * (1 + PAGE_LOSS) + linked))


def duration(seconds: float) -> str:
    """Return a rough time for people."""
    if seconds < 2 * MINUTE:
        return f"about {max(1, round(seconds))} s"
    if seconds < 2 * HOUR:
        return f"about {seconds / MINUTE:.0f} minutes"
    return f"about {seconds / HOUR:.1f} hours"


def _number_bytes(kind: Kind, dimension: int) -> int:
    return 2 * dimension if kind is Kind.HNSW else dimension // 8


def _build_seconds(conn: Connection, table: Table, kind: Kind) -> tuple[float, bool]:
    """Return how long a build takes, and whether an earlier one here says so."""
    earlier = work_rows.latest_build(conn, kind, table.dimension)
    if earlier is not None:
        return earlier.seconds * _work(table.faces, kind) / _work(earlier.faces, kind), True
    # Half of the work is in the numbers, half in walking the graph.
    share = 0.5 + 0.5 * _number_bytes(kind, table.dimension) / _number_bytes(Kind.HNSW, 512)
    per_million = SECONDS_PER_MILLION * share
    return per_million * _work(table.faces, kind) / _work(DOCUMENTED_FACES, Kind.HNSW), False


def _work(faces: int, kind: Kind) -> float:
    """Return the work of a build, in any unit: each face walks a way that grows with the log.

    At every step of it the links of one face are looked at.
    """
    return faces * math.log(max(faces, 2)) * links(faces, kind)
