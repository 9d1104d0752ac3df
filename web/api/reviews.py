"""The review inbox: questions about faces, and their answers."""

from uuid import UUID

from core import collections, errors, reviews
from core.db.pool import Connection
from core.db.reviews import Item
from core.deciding import decide_each
from core.reports import telling
from web import security
from web.api import cursors
from web.api.models.reviews import (
    DecidedItems,
    NewDecision,
    NewDecisions,
    ReviewCount,
    ReviewCounts,
    ReviewItem,
    ReviewPage,
    ReviewsQuery,
)
from web.api.routes import Routes
from web.services import services

routes = Routes("reviews", "Questions about faces that a person decides.")

OPEN_PROBLEMS = (errors.ReviewItemNotFound, errors.WrongState)


@routes.route(
    "GET",
    "/collections/<uuid:collection_id>/reviews",
    problems=[errors.CollectionNotFound, errors.InvalidRequest],
)
def list_reviews(collection_id: UUID, query: ReviewsQuery) -> ReviewPage:
    """List the questions about a collection, the surest first."""
    after = cursors.after_score(query)
    with services().pool.connection() as conn:
        found = reviews.page(
            conn,
            collection_id,
            limit=query.limit + 1,
            state=query.state,
            source=query.source,
            after=after,
        )
        rows, next_cursor = cursors.page(
            query, found, lambda row: cursors.by_score(row.score, row.id)
        )
        people = telling.people(conn, collection_id, rows)
    return ReviewPage(items=[ReviewItem.of(row, people) for row in rows], next_cursor=next_cursor)


@routes.route(
    "GET", "/collections/<uuid:collection_id>/reviews/counts", problems=[errors.CollectionNotFound]
)
def count_reviews(collection_id: UUID) -> ReviewCounts:
    """Count the questions about a collection, by source and state."""
    with services().pool.connection() as conn:
        collections.get(conn, collection_id)
        found = reviews.counts(conn, collection_id)
    return ReviewCounts(items=[ReviewCount.of(row) for row in found])


@routes.route("GET", "/reviews/<uuid:item_id>", problems=[errors.ReviewItemNotFound])
def get_review(item_id: UUID) -> ReviewItem:
    """Get one question, with the decisions that it can have."""
    with services().pool.connection() as conn:
        return _shown(conn, reviews.get(conn, item_id))


@routes.route(
    "POST", "/reviews/<uuid:item_id>/decide", problems=[*OPEN_PROBLEMS, errors.InvalidRequest]
)
def decide_review(item_id: UUID, body: NewDecision) -> ReviewItem:
    """Answer a question, and do what follows: merge people, move or hide faces, keep them apart.

    It is a change and can be undone by its `change_id`. What was changed since it was asked is settled
    instead: 409 `wrong_state`.
    """
    with services().pool.connection() as conn:
        decided = reviews.decide(conn, item_id, body.decision, actor=security.actor())
        return _shown(conn, decided)


@routes.route("POST", "/reviews/<uuid:item_id>/later", problems=OPEN_PROBLEMS)
def postpone_review(item_id: UUID) -> ReviewItem:
    """Put a question off: it waits apart from those that are open."""
    with services().pool.connection() as conn:
        return _shown(conn, reviews.postpone(conn, item_id))


@routes.route(
    "POST",
    "/collections/<uuid:collection_id>/reviews/decide",
    problems=[errors.CollectionNotFound],
)
def decide_reviews(collection_id: UUID, body: NewDecisions) -> DecidedItems:
    """Answer several questions alike, one after the other; each is a change of its own.

    One that cannot be decided says why and stops no other.
    """
    with services().pool.connection() as conn:
        collections.get(conn, collection_id)
    outcomes = decide_each(
        services().pool,
        dict.fromkeys(body.ids),
        body.decision,
        actor=security.actor(),
        collection_id=collection_id,
    )
    return DecidedItems.of(outcomes)


def _shown(conn: Connection, item: Item) -> ReviewItem:
    return ReviewItem.of(item, telling.people(conn, item.collection_id, [item]))
