"""The review inbox: questions about faces that a person decides, and what the decisions do.

A decision is a change that can be undone. It moves faces or merges people where that follows from it,
and is kept as constraints, which searches, clusters and later reports respect.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from core import changes, collections, constraints, undoing
from core.answers import ACTS, Decision, Question, subject
from core.changes import Kind as ChangeKind
from core.db import collections as collection_rows
from core.db import people as people_rows
from core.db import reviews as rows
from core.db.pool import Connection
from core.db.reviews import Count, Item, State
from core.errors import (
    InvalidRequest,
    ReviewItemNotFound,
    WrongState,
)
from core.reports.finding import Finding
from core.undoing import Left

ARRIVAL: Final = "arrival"
"""The source of items that were made when a face came."""

ASKED: Final[Mapping[str, frozenset[str]]] = {
    "two-names": frozenset({"one_person"}),
    "wrong-labels": frozenset({"somebody_else", "outlier"}),
    "look-alikes": frozenset({"above"}),
    "twice-in-photo": frozenset({"one_name", "alike"}),
    "unnamed": frozenset({"suggested"}),
}
"""Which kinds of findings of which reports a person is asked about."""

SOURCES: Final = (*ASKED, ARRIVAL)
"""What items come from."""

GONE: Final = UUID(int=0)
"""Stands for the owner of a face that is not there any more."""

CHANGED: Final = "What this is about was changed meanwhile."
DECIDED: Final = "This was decided already."

MOST_ASKED: Final = 500
"""Items of one report: what matters most, and more comes when that is done."""


def take_up(
    conn: Connection,
    name: str,
    collection_id: UUID,
    found: Sequence[Finding],
    *,
    seen_at: datetime | None = None,
) -> None:
    """Ask about what a report found, and settle what it does not find any more.

    Args:
        seen_at: When the report was begun; what was decided since is not asked again. None: with
            the transaction.
    """
    if name in ASKED:
        asked = [each for each in found if each.kind in ASKED[name]][:MOST_ASKED]
        asked = [replace(each, score=_surety(each)) for each in asked]
        rows.take_up(conn, collection_id, name, asked, whole=True, seen_at=seen_at)


def _surety(finding: Finding) -> float:
    """Return how sure a finding is, about 0 to 1: items of all reports stand in one line.

    A report of groups ranks them by their sizes, and one of faces of one name by how unlike they are.
    """
    if finding.kind == "suggested":
        return float(finding.facts["suggested_cosine"] or 0)
    return finding.score / 2 if finding.kind == "one_name" else finding.score


def get(conn: Connection, item_id: UUID) -> Item:
    """Return one item.

    Raises:
        ReviewItemNotFound: There is none with this id.
    """
    found = rows.get(conn, item_id)
    if found is None:
        raise ReviewItemNotFound(item_id)
    return found


def many(conn: Connection, item_ids: Sequence[UUID]) -> list[Item]:
    """Return those of these items that are there."""
    return rows.many(conn, item_ids)


def page(
    conn: Connection,
    collection_id: UUID,
    *,
    limit: int,
    state: State = State.OPEN,
    source: str | None = None,
    after: tuple[float, UUID] | None = None,
) -> list[Item]:
    """Return up to *limit* items behind the score and id of *after*, the surest first.

    Raises:
        CollectionNotFound: There is no such collection.
        InvalidRequest: There is no such source.
    """
    collections.get(conn, collection_id)
    if source is not None and source not in SOURCES:
        raise InvalidRequest(f"There is no source {source!r}; there are {', '.join(SOURCES)}.")
    return rows.page(conn, collection_id, limit=limit, state=state, source=source, after=after)


def counts(conn: Connection, collection_id: UUID) -> list[Count]:
    """Return how many items there are, by source and state."""
    return rows.counts(conn, collection_id)


def open_count(conn: Connection, collection_id: UUID) -> int:
    """Return how many items wait for a decision."""
    return sum(each.count for each in counts(conn, collection_id) if each.state == State.OPEN)


def postpone(conn: Connection, item_id: UUID) -> Item:
    """Put an item off; it stays, behind those that are open.

    Raises:
        ReviewItemNotFound: There is none with this id.
        WrongState: It is decided.
    """
    if not rows.postpone(conn, item_id, State.LATER):
        get(conn, item_id)
        raise WrongState(DECIDED)
    return get(conn, item_id)


def decide(conn: Connection, item_id: UUID, decision: Decision, *, actor: str) -> Item:
    """Decide an item, do what follows, and keep what was said; all or nothing.

    Raises:
        ReviewItemNotFound: There is none with this id.
        WrongState: It is decided already, or what it is about has changed: it is settled then.
        InvalidRequest: This decision says nothing about such an item.
    """
    settled = False
    with conn.transaction():
        item = rows.get(conn, item_id)
        if item is None:
            raise ReviewItemNotFound(item_id)
        collection_rows.hold(conn, [item.collection_id])
        item = rows.get(conn, item_id, lock=True)
        if item is None or not item.is_open:
            raise WrongState(DECIDED)
        question = Question.of(item)
        if _is_outdated(conn, question):
            rows.settle(conn, item_id)
            settled = True
        else:
            _perform(conn, question, decision, actor)
            _settle_others(conn, question)
    if settled:
        raise WrongState(CHANGED)
    return get(conn, item_id)


def take_back(conn: Connection, item_id: UUID, *, actor: str) -> tuple[Left, ...]:
    """Ask an item again that was decided or put off; return what of its decision stays.

    Raises:
        ReviewItemNotFound: There is none with this id.
        AlreadyUndone: Nothing is left of the decision to undo.
        WrongState: It was not decided.
    """
    item = get(conn, item_id)
    if item.change_id is not None:
        return undoing.undo(conn, item.change_id, actor=actor).left
    if not rows.postpone(conn, item_id, State.OPEN):
        raise WrongState(CHANGED)
    return ()


def beside(
    conn: Connection, item: Item, *, state: State, source: str | None = None
) -> tuple[Item | None, Item | None]:
    """Return the items before and behind one, in the order of `page`."""
    key = (item.score, item.id)
    behind = rows.page(conn, item.collection_id, limit=1, state=state, source=source, after=key)
    before = rows.before(conn, item.collection_id, key, state=state, source=source)
    return before, behind[0] if behind else None


def of_findings(
    conn: Connection, collection_id: UUID, source: str, keys: Sequence[str]
) -> dict[str, Item]:
    """Return the items that were made of findings, by the keys of these."""
    found = rows.of_keys(conn, collection_id, source, keys)
    return {item.key: item for item in found}


def _perform(conn: Connection, question: Question, decision: Decision, actor: str) -> None:
    item = question.item
    act = ACTS.get((subject(item), decision))
    if act is None:
        raise InvalidRequest(f"{decision.value!r} is no answer to this.")
    change_id = changes.begin(conn, item.collection_id, ChangeKind.DECIDE, actor)
    said = act(conn, question, change_id, actor)
    constraints.add(conn, item.collection_id, said, change_id=change_id)
    rows.decide(conn, item.id, decision.value, actor=actor, change_id=change_id)


def _settle_others(conn: Connection, question: Question) -> None:
    """Settle what asks about the same people or faces, and was answered by this decision, too."""
    people_meant = [side.person_id for side in question.sides if side.person_id]
    faces = [side.faces[0] for side in question.sides if side.faces]
    home = question.item.collection_id
    for item in rows.open_about(conn, home, people=people_meant, faces=faces):
        if _is_outdated(conn, Question.of(item)):
            rows.settle(conn, item.id)


def _is_outdated(conn: Connection, question: Question) -> bool:
    """Say whether a face that is shown is gone, or has another name than when it was found."""
    shown = [face for side in question.sides for face in side.faces[:1]]
    owners = people_rows.owners(conn, question.item.collection_id, shown)
    return any(
        side.faces and owners.get(side.faces[0], GONE) != side.person_id for side in question.sides
    )
