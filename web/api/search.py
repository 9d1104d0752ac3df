"""Search: who looks like this photo, face, person or vector?"""

import time
from http import HTTPStatus
from uuid import UUID

from flask import Response, request
from werkzeug.exceptions import UnsupportedMediaType

from core import collections, errors, search
from core.db.collections import Collection
from core.finding import Found
from core.search import FoundPhoto
from core.settings import MIB
from web.api import reading
from web.api.images import IMAGE_PROBLEMS
from web.api.models.search import (
    LARGEST,
    FaceResult,
    NoQuery,
    QueryEcho,
    QueryFace,
    QueryImage,
    SearchAnswer,
    SearchForm,
    SearchOptions,
    StoredSearch,
)
from web.api.reading import MULTIPART, Photo
from web.api.routes import PICTURE, Answer, Routes, json_reply
from web.services import doorbell, services

routes = Routes("search", "Finding the same person in other photos.")

FIELDS_BYTES = MIB
"""For the fields of a form beside the photo."""

TIMING = {"Server-Timing": "What the time went into, in milliseconds."}


@routes.route(
    "POST",
    "/collections/<uuid:collection_id>/search",
    query=SearchOptions,
    bodies={
        MULTIPART: SearchForm,
        "application/json": StoredSearch,
        **dict.fromkeys(PICTURE.media_types, PICTURE),
    },
    answers={HTTPStatus.OK: Answer(SearchAnswer, headers=TIMING)},
    problems=[
        errors.CollectionNotFound,
        errors.FaceNotFound,
        errors.PersonNotFound,
        errors.SpaceMismatch,
        errors.BadEmbedding,
        errors.PackNotInstalled,
        errors.WorkerUnavailable,
        errors.BrokerUnavailable,
        errors.SearchTimeout,
        *IMAGE_PROBLEMS,
    ],
)
def search_collection(collection_id: UUID) -> Response:
    """Find the faces of a collection that look like a photo, a stored face, a person or a vector.

    A photo comes as a multipart form or as the whole body; then the options may be parameters.
    Every face in it is searched, and the answer says what happened to each. The photo is not kept.
    A photo without a face is no error: `results` is empty and `reason` says why.
    """
    began = time.monotonic()
    reading.limit_body(services().settings.max_photo_mib * MIB + FIELDS_BYTES)
    if reading.is_raw_photo():
        options, photo = reading.query(SearchOptions), reading.raw_photo()
        return _by_photo(_collection(collection_id), photo, options, began)
    if request.mimetype == MULTIPART:
        form = reading.multipart(SearchForm, "photo")
        return _by_photo(_collection(collection_id), form.picture, form, began)
    if request.mimetype == "application/json":
        reading.query(NoQuery)
        wanted = reading.json_body(StoredSearch)
        return _by_stored(_collection(collection_id), wanted, began)
    raise UnsupportedMediaType("Send a picture, a multipart form with a photo, or JSON.")


def _collection(collection_id: UUID) -> Collection:
    with services().pool.connection() as conn:
        return collections.get(conn, collection_id)


def _by_photo(
    collection: Collection, photo: Photo, options: SearchOptions, began: float
) -> Response:
    found = search.by_photo(
        services(),
        doorbell(),
        [collection],
        photo.data,
        options.options,
        faces=options.indexes,
        largest=options.faces == LARGEST,
    )
    answer = SearchAnswer(
        query=_photo_echo(found),
        results=[
            FaceResult.of(face.found, face.index) for face in found.faces if face.found is not None
        ],
        reason=None if found.faces else "no_face_found",
        processing_ms=_ms_since(began),
    )
    return _timed(answer, dict(found.seconds))


def _photo_echo(found: FoundPhoto) -> QueryEcho:
    photo = found.photo
    image = QueryImage(width=photo.width, height=photo.height, format=photo.format)
    faces = [QueryFace.of(face, photo.width, photo.height) for face in found.faces]
    return QueryEcho(kind="photo", image=image, faces=faces)


def _by_stored(collection: Collection, wanted: StoredSearch, began: float) -> Response:
    searching = time.monotonic()
    echo, found = _search_stored(collection, wanted)
    seconds = {"search": time.monotonic() - searching}
    answer = SearchAnswer(
        query=echo, results=[FaceResult.of(found)], processing_ms=_ms_since(began)
    )
    return _timed(answer, seconds)


def _search_stored(collection: Collection, wanted: StoredSearch) -> tuple[QueryEcho, Found]:
    subject, options = wanted.query, wanted.options
    if subject.face_id is not None:
        found = search.by_face(services(), [collection], subject.face_id, options)
        return QueryEcho(kind="face", face_id=subject.face_id), found
    if subject.person_id is not None:
        found = search.by_person(services(), [collection], subject.person_id, options)
        return QueryEcho(kind="person", person_id=subject.person_id), found
    vector, space_id = subject.vector or [], subject.space_id or ""
    found = search.by_vector(services(), [collection], vector, space_id, options)
    return QueryEcho(kind="vector"), found


def _timed(answer: SearchAnswer, seconds: dict[str, float]) -> Response:
    response = json_reply(answer, HTTPStatus.OK)
    response.headers["Server-Timing"] = ", ".join(
        f"{stage};dur={1000 * each:.1f}" for stage, each in seconds.items()
    )
    return response


def _ms_since(began: float) -> int:
    return round(1000 * (time.monotonic() - began))
