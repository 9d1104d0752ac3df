"""A bit index in place of one of whole vectors: about a quarter of the memory, and only where it
finds enough. What the signs of the numbers say of two faces depends on the recogniser and on the faces,
so nobody can know it before; it is measured on this collection's own queries.
"""

from collections.abc import Callable
from dataclasses import dataclass

from core import collections, recall
from core.db import indexes
from core.db.collections import Collection
from core.db.indexes import Kind
from core.db.pool import Connection
from core.recall import climb, good, store
from core.replay import Replay, Step
from core.settings import Settings

MEASURING = "measuring what the bit index finds"

Report = Callable[[str, int, int], None]
"""Told a step in words, and how many faces of how many are done."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether searches use the bit index from now on, and why.

    Attributes:
        bits: The smallest ef_search that is enough, or the largest that was tried.
        whole: The index of whole vectors on the same queries; None: there was none.
    """

    passed: bool
    goal: float
    bits: Step
    whole: Step | None

    @property
    def sentence(self) -> str:
        """Say it to people."""
        found = f"The bit index found {_figures(self.bits)}"
        if self.whole is not None:
            found += f"; the index of whole vectors {_figures(self.whole)}"
        if self.passed:
            return f"{found}. Searches use it from now on."
        least = f"at least {self.goal:.2%} of the ten nearest and every mate"
        return f"{found}. That is too little (asked for: {least}), so it was dropped again."


def build_small(
    conn: Connection,
    collection: Collection,
    settings: Settings,
    *,
    build: Callable[[], object],
    report: Report,
) -> Verdict:
    """Build a bit index on trial; adopt it instead of the whole one if it passes, else drop it.

    Args:
        conn: In autocommit mode.
        build: Builds it on trial.

    Raises:
        InvalidRequest: The collection has no face.
    """
    build()
    try:
        replay = Replay(
            conn,
            collection,
            queries=recall.QUERIES,
            report=lambda done, total: report(MEASURING, done, total),
        )
        verdict, steps = _judge(conn, collection, settings, replay)
    except BaseException:
        if not conn.closed:
            indexes.drop_by_name(conn, indexes.trial_name(collection.id, Kind.BIT))
        raise
    if not verdict.passed:
        indexes.drop_by_name(conn, indexes.trial_name(collection.id, Kind.BIT))
        return verdict
    # In this order no search is ever without an index, or with one and the ef_search of the other.
    indexes.adopt(conn, collection.id, Kind.BIT)
    collections.change(conn, collection.id, ef_search=verdict.bits.ef_search)
    indexes.drop(conn, collection.id, Kind.HNSW)
    proposed = verdict.bits.ef_search
    store(conn, collection, replay, now=verdict.bits, steps=steps, proposed=proposed, applied=True)
    return verdict


def _judge(
    conn: Connection, collection: Collection, settings: Settings, replay: Replay
) -> tuple[Verdict, list[Step]]:
    goal = settings.recall_goal
    steps = climb(replay, Kind.BIT, goal=goal)
    whole = None
    if indexes.is_valid(conn, collection.id, Kind.HNSW):
        whole = replay.step(Kind.HNSW, collection.ef_search or settings.hnsw_ef_search)
    return Verdict(good(steps[-1], goal), goal, steps[-1], whole), steps


def _figures(step: Step) -> str:
    lost = f"{step.mates - step.lost_mates:,} of {step.mates:,} mates"
    return f"{step.recall_10:.2%} of the ten nearest and {lost} at ef_search {step.ef_search}"
