"""Running the statements of a search until the answer is whole, and putting them together."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Final
from uuid import UUID

import numpy as np

from core.db import search as rows
from core.db.pool import Connection
from core.db.search import Detail, Group, Kind, Query
from core.faces import Embedding
from core.routing import Part, exact

MORE_CANDIDATES: Final = 8
"""How many times more when those of one person crowded everybody else out."""

MOST_CANDIDATES: Final = 20_000
"""That an index is asked for; then looking at every face is the better way."""

MOST_DETOURS: Final = 10
"""When an index finds nobody, and looking at every face would take longer than these. A walk through the graph may end among strangers, far from a face that is
there, and one that aims a little beside the query takes another way: of the walks through a million
made-up faces that went astray, the first such detour found the right place for 6 in 10, and six of them
for 95 in 100. Whoever was still lost then (5 of 2,448) was so after all six."""

BESIDE: Final = (0.8, 0.95)
"""The cosine of where a detour aims and the query, in turns: who is lost to the one is not to the other."""

BARELY: Final = 0.05
"""Above the threshold: so little may be the best of the strangers where a walk went astray."""

EVERY_CANDIDATE: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Ranked:
    """A group of the answer.

    Attributes:
        margin: How far the best face of the next other named person is behind; None: no other.
    """

    detail: Detail
    margin: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """What became of a part.

    Attributes:
        candidates: Faces that the groups were made of.
        fallback: Why the index was given up for exact search: ``too_few_rows``, ``crowded`` or
            ``nobody_found``.
        detours: Walks that aimed beside the query, since the first found nobody.
    """

    part: Part
    groups: Sequence[Group]
    candidates: int
    fallback: str | None = None
    detours: int = 0

    @property
    def best(self) -> float:
        """The cosine of the nearest group; -1 where there is none."""
        return max((group.cosine for group in self.groups), default=-1.0)

    @property
    def exact(self) -> bool:
        """No face can be missing."""
        return self.part.kind is Kind.EXACT or self.fallback is not None


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The answer; *more*: there are groups behind the last one."""

    ranked: tuple[Ranked, ...]
    more: bool
    parts: tuple[Done, ...]


def rank(conn: Connection, query: Query, parts: Sequence[Part]) -> Ranking:
    """Answer *query* by its *parts*, inside `core.db.search.bounded`."""
    done = [run(conn, part) for part in parts]
    found = [group for each in done for group in each.groups]
    placed = sorted((group for group in found if group.key is not None), key=_order)
    top = placed[: query.limit]
    only = parts[0].query if len(parts) == 1 else query
    details = rows.details(conn, only, top) if top else []
    best = _best_of_people(found, details)
    ranked = [Ranked(detail, _margin(detail, best)) for detail in details]
    ranked.sort(key=lambda each: (-each.detail.cosine, each.detail.key))
    return Ranking(tuple(ranked), len(placed) > query.limit, tuple(done))


def _order(group: Group) -> tuple[float, UUID]:
    assert group.key is not None, "rivals are left out"
    return -group.cosine, group.key


def _best_of_people(found: Iterable[Group], details: Iterable[Detail]) -> dict[UUID, float]:
    best: dict[UUID, float] = {}
    everybody: Sequence[Group | Detail] = [*found, *details]
    for each in everybody:
        if each.person_id is not None:
            best[each.person_id] = max(each.cosine, best.get(each.person_id, -1.0))
    return best


def _margin(detail: Detail, best: Mapping[UUID, float]) -> float | None:
    behind = [
        cosine
        for person_id, cosine in best.items()
        if person_id != detail.person_id and cosine <= detail.cosine
    ]
    return detail.cosine - max(behind) if behind else None


def run(conn: Connection, part: Part) -> Done:
    """Find the groups of one part, and look again where the answer may not be whole."""
    # One more than wanted: is there another page?
    part = replace(part, query=replace(part.query, limit=part.query.limit + 1))
    if part.kind is Kind.EXACT:
        return _exactly(conn, part)
    assert part.ef_search is not None, "an index scan has one"
    with rows.index_scan(conn, ef_search=part.ef_search, max_scan=part.max_scan):
        done = _walk(conn, part)
        if done.fallback is None and not _sure(done) and _exact_is_nearer(part):
            done = replace(done, fallback="nobody_found")
        if done.fallback is None:
            return _around(conn, done)
    again = _exactly(conn, exact(part.query))
    return replace(done, groups=again.groups, candidates=again.candidates)


def _sure(done: Done) -> bool:
    """Whether somebody was found who is no stranger that came near."""
    return done.best >= min(done.part.query.thresholds) + BARELY


def _exact_is_nearer(part: Part) -> bool:
    """Whether looking at every face takes no longer than all detours, as of a face that is not there."""
    expected = part.estimate
    return expected is not None and expected.exact_ms <= MOST_DETOURS * expected.index_ms


def _around(conn: Connection, done: Done) -> Done:
    """Take detours until one finds somebody; the walk that came nearest is the answer."""
    part = done.part
    for number, walks in enumerate(_detours(part.query.probes), start=1):
        if _sure(done):
            break
        again = _walk(conn, replace(part, query=replace(part.query, walks=walks)))
        nearest = done if again.fallback or again.best <= done.best else again
        done = replace(nearest, part=part, detours=number)
    return done


def _detours(probes: Sequence[Embedding]) -> Iterator[list[Embedding]]:
    """Aim beside the probes, each time to another side; the same ones each time, as answers should be."""
    random = np.random.default_rng(0)
    for _, cosine in zip(range(MOST_DETOURS), cycle(BESIDE), strict=False):
        side = random.standard_normal(probes[0].shape, dtype=np.float32)
        yield [_turned(probe, side, cosine) for probe in probes]


def _turned(probe: Embedding, side: Embedding, cosine: float) -> Embedding:
    across = side - (side @ probe) * probe
    across /= np.linalg.norm(across)
    turned: Embedding = (cosine * probe + np.sqrt(1 - cosine**2) * across).astype(np.float32)
    return turned


def _walk(conn: Connection, part: Part) -> Done:
    asked = part.candidates
    while True:
        found = rows.groups(conn, part.query, part.kind, candidates=asked)
        got = found[0].candidates if found else 0
        if got < asked:  # the scan ended early, and nearer faces may lie where it did not go
            return Done(part, found, got, "too_few_rows")
        if _whole(found, part.query):
            return Done(part, found, got)
        if asked >= MOST_CANDIDATES:
            return Done(part, found, got, "crowded")
        asked = min(MOST_CANDIDATES, MORE_CANDIDATES * asked)


def _exactly(conn: Connection, part: Part) -> Done:
    found: list[Group] = []
    for asked in (part.candidates, MORE_CANDIDATES * part.candidates, EVERY_CANDIDATE):
        found = rows.groups(conn, part.query, Kind.EXACT, candidates=asked)
        got = found[0].candidates if found else 0
        if got < asked or _whole(found, part.query):
            return Done(part, found, got)
    raise AssertionError("nobody has that many faces")


def _whole(found: Sequence[Group], query: Query) -> bool:
    """Whether more candidates could not change the answer.

    The nearest faces give the nearest groups, if they make enough of them. Those of one person
    alone say nothing about how far the next one is behind.
    """
    placed = [group for group in found if group.key is not None]
    people = {group.person_id for group in found}
    return len(placed) >= query.limit and (len(people) > 1 or None in people)
