"""Images: uploaded, listed, shown, deleted."""

from http import HTTPStatus
from uuid import UUID

from flask import Response

from core import collections, errors, gallery, intake
from core.blobs import Kind
from web.api import cursors, files, streams, uploads
from web.api.models.images import (
    Image,
    ImageChange,
    ImagePage,
    ImagesQuery,
    ImageWithFaces,
    RawUploadQuery,
    ThumbnailQuery,
    Upload,
    UploadForm,
    UploadItem,
)
from web.api.reading import MULTIPART
from web.api.routes import PICTURE, Answer, Header, Routes, json_reply
from web.services import doorbell, services

routes = Routes("images", "Photos of a collection.")

PREFER = Header(
    "Prefer",
    f"`wait=N`: answer with the finished images if that takes at most N seconds, 1 to "
    f"{uploads.LONGEST_WAIT_S}.",
    "wait=10",
)
IMAGE_PROBLEMS = [
    errors.BadImage,
    errors.ImageEmpty,
    errors.UnsupportedFormat,
    errors.FileTooLarge,
    errors.ImageTooLarge,
    errors.ImageTruncated,
    errors.ImageCorrupt,
]
UPLOAD_HEADERS = {
    "Location": "Where to ask how far the job is.",
    "Preference-Applied": "`wait=N`, when there was time to wait.",
}


@routes.route(
    "POST",
    "/collections/<uuid:collection_id>/images",
    query=RawUploadQuery,
    bodies={MULTIPART: UploadForm, **dict.fromkeys(PICTURE.media_types, PICTURE)},
    headers=[PREFER],
    answers={
        HTTPStatus.CREATED: Answer(Upload, "Everything is finished.", UPLOAD_HEADERS),
        HTTPStatus.ACCEPTED: Answer(Upload, "Stored; a worker takes care of it.", UPLOAD_HEADERS),
    },
    problems=[
        errors.CollectionNotFound,
        errors.NameTaken,
        errors.DiskFull,
        errors.ServerBusy,
        errors.ProcessingFailed,
        errors.WorkerLost,
        *IMAGE_PROBLEMS,
    ],
)
def upload_images(collection_id: UUID) -> Response:
    """Add one or several photos.

    Everything that is accepted is stored before the answer. Bytes that the collection has already
    give the first image again (`deduplicated`). Of several photos each has its own state; one
    photo alone that cannot be used is answered with a problem.
    """
    with streams.place():
        sent = uploads.read_uploads()
    alone = len(sent) == 1
    receipt = intake.accept(services(), doorbell(), collection_id, sent, strict=alone)
    wait_s = uploads.preferred_wait()
    if not wait_s:
        return _accepted(receipt)
    with uploads.may_wait() as waits:
        images = uploads.finished_images(receipt, wait_s) if waits else None
    if images is None:
        return _accepted(receipt, wait_s if waits else 0)
    if alone:
        for image in images.values():
            uploads.raise_refusal(image)
    items = uploads.with_images(receipt, images)
    return _reply(receipt, items, HTTPStatus.CREATED, wait_s)


def _accepted(receipt: intake.Receipt, waited_s: int = 0) -> Response:
    items = [UploadItem.of(item, None) for item in receipt.items]
    return _reply(receipt, items, HTTPStatus.ACCEPTED, waited_s)


def _reply(
    receipt: intake.Receipt, items: list[UploadItem], status: HTTPStatus, waited_s: int
) -> Response:
    poll = f"/v1/jobs/{receipt.job_id}"
    response = json_reply(Upload(job_id=receipt.job_id, poll=poll, items=items), status)
    response.headers["Location"] = poll
    if waited_s:
        response.headers["Preference-Applied"] = f"wait={waited_s}"
    return response


@routes.route(
    "GET", "/collections/<uuid:collection_id>/images", problems=[errors.CollectionNotFound]
)
def list_images(collection_id: UUID, query: ImagesQuery) -> ImagePage:
    """List images, newest first."""
    after = cursors.after_id(query)
    with services().pool.connection() as conn:
        collections.get(conn, collection_id)
        found = gallery.images(
            conn,
            collection_id,
            limit=query.limit + 1,
            after=after,
            state=query.state,
            external_id=query.external_id,
            tag=query.tag,
            captured_from=query.captured_from,
            captured_before=query.captured_before,
        )
    rows, next_cursor = cursors.page(query, found, lambda row: row.id)
    return ImagePage(items=[Image.of(row) for row in rows], next_cursor=next_cursor)


@routes.route("GET", "/images/<uuid:image_id>", problems=[errors.ImageNotFound])
def get_image(image_id: UUID) -> ImageWithFaces:
    """Get one image with its faces."""
    with services().pool.connection() as conn:
        found = gallery.image(conn, image_id)
    return ImageWithFaces.of_rows(found.image, found.faces)


@routes.route("PATCH", "/images/<uuid:image_id>", problems=[errors.ImageNotFound, errors.NameTaken])
def change_image(image_id: UUID, body: ImageChange) -> ImageWithFaces:
    """Change an image; its faces take its tags and its time over.

    That holds for a photo that is being indexed too.
    """
    with services().pool.connection() as conn:
        changed = gallery.change_image(conn, image_id, **body.changes())
    return ImageWithFaces.of_rows(changed.image, changed.faces)


@routes.route("DELETE", "/images/<uuid:image_id>")
def delete_image(image_id: UUID) -> None:
    """Delete an image, its faces and its files.

    An unknown id is fine: what is asked for is the case already.
    """
    gallery.delete_image(services().pool, services().blobs, image_id)


@routes.route(
    "GET",
    "/images/<uuid:image_id>/original",
    answers={HTTPStatus.OK: Answer(files.PHOTO)},
    problems=[errors.ImageNotFound, errors.NotKept, errors.BlobMissing],
)
def get_original(image_id: UUID) -> Response:
    """Get the bytes as they were uploaded.

    A collection that keeps no photos has them only until they are indexed: 404 `not_kept` then.
    """
    image, data = gallery.photo(services().pool, services().blobs, image_id)
    return files.picture(data, image.format, image.filename or str(image.id))


@routes.route(
    "GET",
    "/images/<uuid:image_id>/thumbnail",
    answers={HTTPStatus.OK: Answer(files.SMALL)},
    problems=[errors.ImageNotFound, errors.NotReady, errors.NotKept, errors.BlobMissing],
)
def get_thumbnail(image_id: UUID, query: ThumbnailQuery) -> Response:
    """Get a small copy, upright.

    There is none before a worker has decoded the photo, and none in a collection that keeps no photos.
    """
    kind = Kind.THUMBNAIL if query.size == "small" else Kind.PREVIEW
    data = gallery.small_copy(services().pool, services().blobs, image_id, kind)
    return files.own_picture(data, f"{image_id}-{query.size}")
