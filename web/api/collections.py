"""Collections: made, listed, changed, deleted."""

from http import HTTPStatus
from uuid import UUID

from core import collections, errors
from web.api import cursors
from web.api.models.collections import (
    Collection,
    CollectionChange,
    CollectionPage,
    CollectionsQuery,
    DeletionQuery,
    DeletionReceipt,
    NewCollection,
)
from web.api.routes import Routes
from web.services import services

routes = Routes("collections", "Galleries, each bound to one space for life.")


@routes.route(
    "POST",
    "/collections",
    status=HTTPStatus.CREATED,
    problems=[errors.NameTaken, errors.PackNotFound, errors.CalibrationNeeded],
)
def create_collection(body: NewCollection) -> Collection:
    """Make a collection.

    It is bound to the space of a model pack for life: vectors of other spaces are refused.
    """
    manifest = services().manifest
    pack = manifest.pack(body.pack or services().settings.pack)
    with services().pool.connection() as conn:
        made = collections.create(
            conn,
            pack,
            name=body.name,
            external_id=body.external_id,
            metadata=body.metadata,
            quality_gate=body.quality_gate,
            keeps_queries=body.keeps_queries,
            keeps=body.keeps,
            **body.matching,
        )
    return Collection.of(made)


@routes.route("GET", "/collections")
def list_collections(query: CollectionsQuery) -> CollectionPage:
    """List collections, oldest first."""
    after = cursors.after_id(query)
    with services().pool.connection() as conn:
        found = collections.page(
            conn, limit=query.limit + 1, after=after, external_id=query.external_id
        )
    rows, next_cursor = cursors.page(query, found, lambda row: row.id)
    return CollectionPage(items=[Collection.of(row) for row in rows], next_cursor=next_cursor)


@routes.route("GET", "/collections/<uuid:collection_id>", problems=[errors.CollectionNotFound])
def get_collection(collection_id: UUID) -> Collection:
    """Get one collection."""
    with services().pool.connection() as conn:
        return Collection.of(collections.get(conn, collection_id))


@routes.route(
    "PATCH",
    "/collections/<uuid:collection_id>",
    problems=[errors.CollectionNotFound, errors.NameTaken, errors.CalibrationNeeded],
)
def change_collection(collection_id: UUID, body: CollectionChange) -> Collection:
    """Change a collection.

    The pack cannot be changed: vectors of another space could not be compared with the old ones.
    """
    with services().pool.connection() as conn:
        return Collection.of(collections.change(conn, collection_id, **body.changes()))


@routes.route(
    "DELETE",
    "/collections/<uuid:collection_id>",
    problems=[errors.CollectionNotFound, errors.ConfirmationRequired],
)
def delete_collection(collection_id: UUID, query: DeletionQuery) -> DeletionReceipt:
    """Delete a collection and everything in it.

    `confirm` must repeat its id. The receipt says how much went with it.
    """
    receipt = collections.delete(
        services().pool, services().blobs, collection_id, confirm=query.confirm
    )
    return DeletionReceipt.of(receipt)
