"""The review inbox over the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Self, TypeAlias
from uuid import UUID

from pydantic import Field

from core import reviews
from core.answers import Decision, answers
from core.db.changes import Named
from core.db.reviews import Count, Item, State
from core.deciding import Outcome
from core.reports import telling, words
from web.api.models.common import Answer, Body, Page, PageQuery
from web.api.models.reports import Facts, FindingSide

MOST_DECIDED: int = 100

Source: TypeAlias = Annotated[
    str,
    Field(
        description="The report that found it; `arrival`: it was asked when a face came.",
        json_schema_extra={"enum": list(reviews.SOURCES)},
    ),
]

Said: TypeAlias = Annotated[
    Decision,
    Field(
        strict=False,
        description="`same`: both sides are one person; `different`: they are two; `wrong_label`: the "
        "face in question has a wrong name, whoever it is; `not_a_face`: nobody should be found by it.",
    ),
]


class ReviewsQuery(PageQuery):
    """Which items."""

    state: State = Field(State.OPEN, description="Only those in this state.")
    source: Source | None = Field(None, description="Only those of this source.")


class NewDecision(Body):
    """What to say of an item."""

    decision: Said


class NewDecisions(NewDecision):
    """What to say of several items."""

    ids: list[UUID] = Field(min_length=1, max_length=MOST_DECIDED, description="Of items.")


class ReviewItem(Answer):
    """A question for a person."""

    id: UUID
    collection_id: UUID
    source: Source
    kind: str = Field(description="Of the finding, within its report.")
    score: float = Field(description="What it is ranked by, larger first.")
    question: str = Field(description="What it asks, for people.")
    sides: list[FindingSide] = Field(
        description="What stands side by side; the first one is in question, unless both are people."
    )
    facts: Facts
    state: State = Field(
        description="`settled`: what it asks was answered elsewhere, and nobody need decide it."
    )
    answers: list[Decision] = Field(description="The decisions that it can have.")
    decision: Decision | None
    decided_by: str | None
    decided_at: datetime | None
    change_id: UUID | None = Field(description="What the decision did, by which it can be undone.")
    created_at: datetime

    @classmethod
    def of(cls, row: Item, people: Mapping[UUID, Named]) -> Self:
        """Show a row, with the names of everybody."""
        return cls(
            id=row.id,
            collection_id=row.collection_id,
            source=row.source,
            kind=row.kind,
            score=row.score,
            question=words.question(row, telling.names(people)),
            sides=[FindingSide.of(side, people) for side in telling.sides(row)],
            facts=row.facts,
            state=State(row.state),
            answers=answers(row),
            decision=None if row.decision is None else Decision(row.decision),
            decided_by=row.decided_by,
            decided_at=row.decided_at,
            change_id=row.change_id,
            created_at=row.created_at,
        )


class ReviewPage(Page[ReviewItem]):
    """Items, the surest first."""


class ReviewCount(Answer):
    """How many items of one source are in a state."""

    source: Source
    state: State
    count: int

    @classmethod
    def of(cls, row: Count) -> Self:
        """Show a count."""
        return cls(source=row.source, state=State(row.state), count=row.count)


class ReviewCounts(Answer):
    """How many items there are."""

    items: list[ReviewCount]


class Refusal(Answer):
    """Why a decision was not taken."""

    code: str = Field(description="As in a problem document.")
    detail: str


class DecidedItem(Answer):
    """What became of one of several items."""

    id: UUID
    decided: bool
    change_id: UUID | None = Field(description="What the decision did, by which it can be undone.")
    refusal: Refusal | None

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """Show an outcome."""
        error = outcome.error
        return cls(
            id=outcome.item_id,
            decided=error is None,
            change_id=None if outcome.item is None else outcome.item.change_id,
            refusal=None if error is None else Refusal(code=error.code, detail=str(error)),
        )


class DecidedItems(Answer):
    """What became of each, in the order of the request."""

    items: list[DecidedItem]
    decided: int
    refused: int

    @classmethod
    def of(cls, outcomes: list[Outcome]) -> Self:
        """Show outcomes and count them."""
        refused = sum(each.error is not None for each in outcomes)
        items = [DecidedItem.of(each) for each in outcomes]
        return cls(items=items, decided=len(items) - refused, refused=refused)
