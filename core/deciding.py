"""Deciding several review items at once, each by itself: one that cannot be decided stops no other."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from core import reviews
from core.answers import Decision
from core.db.pool import Pool
from core.db.reviews import Item
from core.errors import FaceSearchError, ReviewItemNotFound


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item.

    Attributes:
        item: As it was decided; None: it was not.
        error: Why it was not.
    """

    item_id: UUID
    item: Item | None = None
    error: FaceSearchError | None = None


def decide_each(
    pool: Pool,
    item_ids: Iterable[UUID],
    decision: Decision | None,
    *,
    actor: str,
    collection_id: UUID | None = None,
) -> list[Outcome]:
    """Decide items one after the other, in their order; each is a change of its own.

    Args:
        decision: None puts them off.
        collection_id: An item of another one counts as not found.
    """
    return [_decide(pool, each, decision, actor, collection_id) for each in item_ids]


def _decide(
    pool: Pool, item_id: UUID, decision: Decision | None, actor: str, collection_id: UUID | None
) -> Outcome:
    try:
        with pool.connection() as conn:
            home = reviews.get(conn, item_id).collection_id
            conn.commit()  # so that what a refusal settles stays settled
            if collection_id not in (None, home):
                raise ReviewItemNotFound(item_id)
            if decision is None:
                return Outcome(item_id, reviews.postpone(conn, item_id))
            return Outcome(item_id, reviews.decide(conn, item_id, decision, actor=actor))
    except FaceSearchError as error:
        return Outcome(item_id, error=error)
