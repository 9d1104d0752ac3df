"""Search: who looks like this photo, face, person or vector? Which photos show them together?"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TypeVar
from uuid import UUID

from flask import Response, request
from pydantic import BaseModel
from werkzeug.exceptions import UnsupportedMediaType

from core import collections, errors, explaining, gallery, paging, search, subjects, together
from core.db.collections import Collection
from core.db.pool import Connection
from core.explaining import Weakness
from core.finding import Found
from core.finding import Options as SearchedHow
from core.paging import Position, TogetherPosition
from core.search import FoundPhoto
from core.settings import MIB
from core.subjects import Subject
from web import security
from web.api import reading
from web.api.images import IMAGE_PROBLEMS
from web.api.models.explaining import Explanation
from web.api.models.matches import QueryEcho, QueryFace, QueryImage
from web.api.models.queries import (
    LARGEST,
    ManySearchForm,
    ManySearchOptions,
    ManyStoredSearch,
    NoQuery,
    Pictures,
    SearchForm,
    SearchOptions,
    StoredSearch,
    TogetherSearch,
)
from web.api.models.queries import Subject as AskedFor
from web.api.models.search import FaceResult, SearchAnswer, TogetherAnswer
from web.api.reading import MULTIPART
from web.api.routes import PICTURE, Answer, Routes, json_reply
from web.services import doorbell, services

Options = TypeVar("Options", bound=SearchOptions)
Form = TypeVar("Form", bound=SearchForm)
Stored = TypeVar("Stored", bound=StoredSearch)

routes = Routes("search", "Finding the same person in other photos.")

FIELDS_BYTES = MIB
"""For the fields of a form beside the photo."""

TIMING = {"Server-Timing": "What the time went into, in milliseconds."}

PROBLEMS = [
    errors.CollectionNotFound,
    errors.FaceNotFound,
    errors.PersonNotFound,
    errors.SpaceMismatch,
    errors.BadEmbedding,
    errors.CalibrationNeeded,
    errors.CursorExpired,
    errors.BrokerUnavailable,
    errors.SearchTimeout,
]
PHOTO_PROBLEMS = [*PROBLEMS, errors.PackNotInstalled, errors.WorkerUnavailable, *IMAGE_PROBLEMS]


@dataclass(frozen=True, slots=True, eq=False)
class _Result:
    """What was found for one query, and what its explanation and its next page need."""

    position: Position
    found: Found
    weakest: Weakness | None = None


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
    problems=PHOTO_PROBLEMS,
)
def search_collection(collection_id: UUID) -> Response:
    """Find the faces of a collection that look like a photo, a stored face, a person or a vector.

    A photo comes as a multipart form or as the whole body; then the options may be parameters.
    Every face in it is searched, and the answer says what happened to each. The photo is not kept.
    A photo without a face is no error: `results` is empty and `reason` says why.
    """
    began = time.monotonic()
    given, photo = _received(SearchOptions, SearchForm, StoredSearch)
    return _search([collection_id], given, photo, began)


@routes.route(
    "POST",
    "/search",
    query=ManySearchOptions,
    bodies={
        MULTIPART: ManySearchForm,
        "application/json": ManyStoredSearch,
        **dict.fromkeys(PICTURE.media_types, PICTURE),
    },
    answers={HTTPStatus.OK: Answer(SearchAnswer, headers=TIMING)},
    problems=PHOTO_PROBLEMS,
)
def search_collections() -> Response:
    """Find faces in several collections of one space at once, or go on with any search.

    As in one collection. Each match is judged by the threshold of its own collection, unless the
    request has one.
    """
    began = time.monotonic()
    given, photo = _received(ManySearchOptions, ManySearchForm, ManyStoredSearch)
    return _search(given.collections or (), given, photo, began)


@routes.route(
    "POST",
    "/collections/<uuid:collection_id>/images/search",
    answers={HTTPStatus.OK: Answer(TogetherAnswer, headers=TIMING)},
    problems=PROBLEMS,
)
def search_images(collection_id: UUID, body: TogetherSearch) -> Response:
    """Find the photos that show several people together, or one without another.

    Whoever stands for a person has their name, or reaches the threshold. Each of `all_of` needs a
    face of their own.
    """
    began = time.monotonic()
    if body.cursor is None:
        homes = _homes([collection_id])
        with services().pool.connection() as conn:
            position = TogetherPosition(
                collections=(collection_id,),
                all_of=tuple(_subject(conn, homes, each) for each in body.all_of),
                none_of=tuple(_subject(conn, homes, each) for each in body.none_of),
                options=body.options,
            )
    else:
        position = paging.find_together(services(), security.requester(), body.cursor)
        position = replace(position, options=_resized(position.options, body))
        homes = _followed(position, [collection_id])
    found = together.find(services(), homes[0], position.all_of, position.none_of, position.options)
    cursor = paging.behind_together(services(), security.requester(), position, found)
    answer = TogetherAnswer.of(found, cursor, _ms_since(began))
    return _timed(answer, {"search": time.monotonic() - began})


def _received(
    options: type[Options], form: type[Form], stored: type[Stored]
) -> tuple[Options | Form | Stored, bytes]:
    """Read a request of one of three kinds, and its photo; without one that is empty."""
    reading.limit_body(services().settings.max_photo_mib * MIB + FIELDS_BYTES)
    if reading.is_raw_photo():
        return reading.query(options), reading.raw_photo().data
    if request.mimetype == MULTIPART:
        filled = reading.multipart(form, "photo")
        return filled, filled.picture.data
    if request.mimetype == "application/json":
        reading.query(NoQuery)
        return reading.json_body(stored), b""
    raise UnsupportedMediaType("Send a picture, a multipart form with a photo, or JSON.")


def _search(
    collection_ids: Sequence[UUID], given: SearchOptions | StoredSearch, photo: bytes, began: float
) -> Response:
    if isinstance(given, SearchOptions):
        return _by_photo(_homes(collection_ids), photo, given, began)
    if given.query is None:
        return _further(collection_ids, given, began)
    return _by_stored(_homes(collection_ids), given.query, given, began)


def _by_photo(
    homes: Sequence[Collection], photo: bytes, given: SearchOptions, began: float
) -> Response:
    options = given.options
    found = search.by_photo(
        services(),
        doorbell(),
        homes,
        photo,
        options,
        faces=given.indexes,
        largest=given.faces == LARGEST,
        fuse=given.fuse,
        also=() if given.also is None else _pictures(homes, given.also),
    )
    about = {"kind": "photo"}
    results = [
        _Result(
            Position(_ids(homes), face.subject, options, {**about, "face_index": face.index}),
            face.found,
            explaining.weakest_of_query(services(), homes[0], face.query),
        )
        for face in found.faces
        if face.found is not None
    ]
    if found.fused is not None:
        position = Position(_ids(homes), found.fused.subject, options, about)
        results.append(_Result(position, found.fused.found))
    answer = SearchAnswer(
        query=_photo_echo(found),
        results=[_shown(homes, each, explain=given.explain) for each in results],
        reason=None if found.faces else "no_face_found",
        processing_ms=_ms_since(began),
    )
    return _timed(answer, dict(found.seconds))


def _photo_echo(found: FoundPhoto) -> QueryEcho:
    photo = found.photo
    image = QueryImage(width=photo.width, height=photo.height, format=photo.format)
    faces = [QueryFace.of(face, photo.width, photo.height) for face in found.faces]
    return QueryEcho(kind="photo", image=image, faces=faces)


def _by_stored(
    homes: Sequence[Collection], asked: AskedFor, given: StoredSearch, began: float
) -> Response:
    weakest = None
    with services().pool.connection() as conn:
        subject = _subject(conn, homes, asked)
        if asked.face_id is not None and given.explain:
            face = gallery.face(conn, asked.face_id)
            weakest = explaining.weakest_of_stored(services(), homes[0], face)
    about = {"kind": asked.kind, "face_id": asked.face_id, "person_id": asked.person_id}
    position = Position(_ids(homes), subject, given.options, about)
    return _one(homes, position, given, began, weakest)


def _further(collection_ids: Sequence[UUID], given: StoredSearch, began: float) -> Response:
    position = paging.find_position(services(), security.requester(), given.cursor or "")
    position = replace(position, options=_resized(position.options, given))
    homes = _followed(position, collection_ids)
    return _one(homes, position, given, began, None)


def _one(
    homes: Sequence[Collection],
    position: Position,
    given: StoredSearch,
    began: float,
    weakest: Weakness | None,
) -> Response:
    searching = time.monotonic()
    result = _Result(
        position, subjects.find(services(), homes, position.subject, position.options), weakest
    )
    seconds = {"search": time.monotonic() - searching}
    about = position.about
    echo = QueryEcho(
        kind=about["kind"], face_id=about.get("face_id"), person_id=about.get("person_id")
    )
    shown = [_shown(homes, result, explain=given.explain)]
    return _timed(SearchAnswer(query=echo, results=shown, processing_ms=_ms_since(began)), seconds)


def _shown(homes: Sequence[Collection], result: _Result, *, explain: bool) -> FaceResult:
    position, found = result.position, result.found
    explanation = None
    if explain:
        why = explaining.explain(services(), homes, position.subject, position.options, found)
        explanation = Explanation.of(why, result.weakest)
    cursor = paging.behind(services(), security.requester(), position, found)
    return FaceResult.of(found, position.about.get("face_index"), cursor, explanation)


def _subject(conn: Connection, homes: Sequence[Collection], asked: AskedFor) -> Subject:
    if asked.face_id is not None:
        return subjects.of_face(conn, homes, asked.face_id)
    if asked.person_id is not None:
        return subjects.of_person(conn, homes, asked.person_id, asked.use)
    if asked.vector is not None:
        return subjects.of_vector(homes, asked.vector, asked.space_id or "")
    return subjects.of_several(_pictures_of(conn, homes, asked), asked.fuse)


def _pictures(homes: Sequence[Collection], given: Pictures) -> list[Subject]:
    with services().pool.connection() as conn:
        return _pictures_of(conn, homes, given)


def _pictures_of(conn: Connection, homes: Sequence[Collection], given: Pictures) -> list[Subject]:
    return [
        *(subjects.of_face(conn, homes, face_id) for face_id in given.face_ids),
        *(subjects.of_vector(homes, vector, given.space_id or "") for vector in given.vectors),
    ]


def _resized(options: SearchedHow, given: StoredSearch | TogetherSearch) -> SearchedHow:
    """Let the next page be longer or shorter."""
    return replace(options, limit=given.limit) if "limit" in given.model_fields_set else options


def _followed(
    position: Position | TogetherPosition, collection_ids: Sequence[UUID]
) -> list[Collection]:
    if collection_ids and tuple(collection_ids) != position.collections:
        raise reading.invalid("cursor", "It is of a search in other collections.")
    return paging.homes_of(services(), position)


def _homes(collection_ids: Sequence[UUID]) -> list[Collection]:
    with services().pool.connection() as conn:
        return [collections.get(conn, each) for each in collection_ids]


def _ids(homes: Sequence[Collection]) -> tuple[UUID, ...]:
    return tuple(home.id for home in homes)


def _timed(answer: BaseModel, seconds: Mapping[str, float]) -> Response:
    response = json_reply(answer, HTTPStatus.OK)
    response.headers["Server-Timing"] = ", ".join(
        f"{stage};dur={1000 * each:.1f}" for stage, each in seconds.items()
    )
    return response


def _ms_since(began: float) -> int:
    return round(1000 * (time.monotonic() - began))
