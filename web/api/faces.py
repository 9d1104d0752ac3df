"""Faces: listed, shown, deleted."""

from http import HTTPStatus
from uuid import UUID

from flask import Response

from core import collections, errors, gallery
from web.api import cursors, files
from web.api.models.faces import Embedding, Face, FaceChange, FacePage, FaceQuery, FacesQuery
from web.api.routes import Answer, Routes
from web.services import services

routes = Routes("faces", "Faces that were found in the images, with a person or without.")


@routes.route(
    "GET", "/collections/<uuid:collection_id>/faces", problems=[errors.CollectionNotFound]
)
def list_faces(collection_id: UUID, query: FacesQuery) -> FacePage:
    """List faces, newest first."""
    after = cursors.after_id(query)
    with services().pool.connection() as conn:
        collections.get(conn, collection_id)
        found = gallery.faces(
            conn,
            collection_id,
            limit=query.limit + 1,
            after=after,
            person_id=query.person_id,
            named=query.named,
            external_id=query.external_id,
            tag=query.tag,
            captured_from=query.captured_from,
            captured_before=query.captured_before,
        )
    rows, next_cursor = cursors.page(query, found, lambda row: row.id)
    return FacePage(items=[Face.of(row) for row in rows], next_cursor=next_cursor)


@routes.route("GET", "/faces/<uuid:face_id>", problems=[errors.FaceNotFound])
def get_face(face_id: UUID, query: FaceQuery) -> Face:
    """Get one face, with its embedding if asked for."""
    with services().pool.connection() as conn:
        row = gallery.face(conn, face_id)
        if query.include is None:
            return Face.of(row)
        vector = gallery.embedding(conn, face_id)
        collection = collections.get(conn, row.collection_id)
    return Face.of(row, Embedding(space_id=collection.space_id, vector=vector.tolist()))


@routes.route("PATCH", "/faces/<uuid:face_id>", problems=[errors.FaceNotFound, errors.NameTaken])
def change_face(face_id: UUID, body: FaceChange) -> Face:
    """Change a face.

    Tags and the time are those of its image: change them there.
    """
    with services().pool.connection() as conn:
        return Face.of(gallery.change_face(conn, face_id, **body.changes()))


@routes.route("DELETE", "/faces/<uuid:face_id>")
def delete_face(face_id: UUID) -> None:
    """Delete one face; its image stays.

    An unknown id is fine: what is asked for is the case already.
    """
    gallery.delete_face(services().pool, services().blobs, face_id)


@routes.route(
    "GET",
    "/faces/<uuid:face_id>/crop",
    answers={HTTPStatus.OK: Answer(files.CROP)},
    problems=[errors.FaceNotFound, errors.NotKept, errors.BlobMissing],
)
def get_crop(face_id: UUID) -> Response:
    """Get the aligned crop that the recogniser saw, without loss.

    A collection that keeps vectors only has none: 404 `not_kept`.
    """
    data = gallery.crop(services().pool, services().blobs, face_id)
    return files.own_picture(data, str(face_id))
