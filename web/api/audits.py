"""Recall audits: what search indexes find."""

from uuid import UUID

from core import errors, recall
from web.api import cursors
from web.api.models.audits import Audit, AuditPage, AuditsQuery
from web.api.routes import Routes
from web.services import services

routes = Routes("audits", "Measurements of what search indexes find, beside exact search.")


@routes.route(
    "GET", "/collections/<uuid:collection_id>/audits", problems=[errors.CollectionNotFound]
)
def list_audits(collection_id: UUID, query: AuditsQuery) -> AuditPage:
    """List the recall audits of a collection, newest first.

    They are made by a worker; collections without an index are searched exactly and have none.
    """
    before = cursors.after_id(query)
    with services().pool.connection() as conn:
        found = recall.page(conn, collection_id, limit=query.limit + 1, before=before)
    rows, next_cursor = cursors.page(query, found, lambda row: row.id)
    return AuditPage(items=[Audit.of(row) for row in rows], next_cursor=next_cursor)
