"""Running the statements of a search until the answer is whole, and putting them together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from core.db import search as rows
from core.db.pool import Connection
from core.db.search import Detail, Group, Kind, Query
from core.routing import Part, exact

MORE_CANDIDATES: Final = 8
"""How many times more when those of one person crowded everybody else out."""

MOST_CANDIDATES: Final = 20_000
"""That an index is asked for; then looking at every face is the better way."""

CLOSER: Final = 8
"""How many times the ef_search when an index finds nobody. A walk through the graph may end among
strangers, far from a face that is there: of a million made-up faces it did for 2.7 % of the queries
whose person was there, and a second look found all but 0.1 %."""

MOST_EF_SEARCH: Final = 1_000
"""That pgvector takes."""

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
        fallback: Why the index was given up for exact search: ``too_few_rows`` or ``crowded``.
        ef_search: That the answer was found with; None where no index was asked.
    """

    part: Part
    groups: Sequence[Group]
    candidates: int
    fallback: str | None = None
    ef_search: int | None = None

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
    done = [_run(conn, part) for part in parts]
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


def _run(conn: Connection, part: Part) -> Done:
    # One more than wanted: is there another page?
    part = replace(part, query=replace(part.query, limit=part.query.limit + 1))
    if part.kind is Kind.EXACT:
        return _exactly(conn, part)
    assert part.ef_search is not None, "an index scan has one"
    done = _by_index(conn, part, part.ef_search)
    if done.fallback is None and _nobody(done):
        done = _by_index(conn, part, min(MOST_EF_SEARCH, CLOSER * part.ef_search))
    if done.fallback is not None:
        again = _exactly(conn, exact(part.query))
        done = replace(done, groups=again.groups, candidates=again.candidates)
    return done


def _nobody(done: Done) -> bool:
    """Whether no face reaches the threshold, so that each of them may be far from the nearest."""
    best = max((group.cosine for group in done.groups), default=-1.0)
    return best < min(done.part.query.thresholds)


def _by_index(conn: Connection, part: Part, ef_search: int) -> Done:
    with rows.index_scan(conn, ef_search=ef_search, max_scan=part.max_scan):
        return replace(_walk(conn, part), ef_search=ef_search)


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
