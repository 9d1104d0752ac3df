"""Search indexes: how they are, and work on them."""

from http import HTTPStatus
from uuid import UUID

from core import errors, indexes
from core.db.indexes import Kind
from web import security
from web.api import cursors
from web.api.models.indexes import (
    CollectionIndex,
    CollectionIndexDetails,
    CollectionIndexPage,
    IndexesQuery,
    IndexEstimate,
    IndexWork,
    NewIndexWork,
)
from web.api.routes import Routes
from web.services import doorbell, services

routes = Routes("indexes", "Tables and search indexes of large collections, and work on them.")


@routes.route("GET", "/indexes")
def list_indexes(query: IndexesQuery) -> CollectionIndexPage:
    """List the collections with a table of their own, or that should have one, oldest first."""
    after = cursors.after_id(query)
    with services().pool.connection() as conn:
        found = indexes.statuses(
            conn,
            least_faces=services().settings.promote_faces,
            limit=query.limit + 1,
            after=after,
        )
    rows, next_cursor = cursors.page(query, found, lambda status: status.table.collection_id)
    items = [CollectionIndex.of(status) for status in rows]
    return CollectionIndexPage(items=items, next_cursor=next_cursor)


@routes.route(
    "GET", "/collections/<uuid:collection_id>/index", problems=[errors.CollectionNotFound]
)
def get_collection_index(collection_id: UUID) -> CollectionIndexDetails:
    """Say how a collection is indexed, what is done about it, and what the next work would take."""
    with services().pool.connection() as conn:
        status = indexes.status(conn, collection_id)
        action = status.next_action
        kind = status.kinds[0] if status.kinds else Kind.HNSW
        estimate = indexes.plan(conn, collection_id, action, kind, services().settings)
    shown = CollectionIndex.of(status).model_dump()
    told = IndexEstimate.of(action, estimate) if status.table.faces else None
    return CollectionIndexDetails(**shown, estimate=told)


@routes.route(
    "POST",
    "/collections/<uuid:collection_id>/index",
    status=HTTPStatus.ACCEPTED,
    problems=[errors.CollectionNotFound, errors.IndexWorkRefused],
)
def work_on_collection_index(collection_id: UUID, body: NewIndexWork) -> IndexWork:
    """Let a worker promote a collection, or build, rebuild or drop its index.

    Searches and uploads go on meanwhile. The same again answers with what is under way.
    """
    with services().pool.connection() as conn:
        work = indexes.ask(conn, collection_id, body.action, body.kind, actor=security.actor())
    indexes.ring(doorbell())
    return IndexWork.of(work)
