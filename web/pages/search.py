"""The search page: a photo, a stored face or a person in; faces grouped by person out."""

from http import HTTPStatus
from uuid import UUID

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue

from core import collections, gallery, people, search
from core.db.collections import Collection
from core.errors import FaceSearchError
from core.finding import MOST_MATCHES, Options
from core.images import PhotoLimits
from web.pages import forms, results
from web.pages.results import Results, Subject
from web.pages.trouble import Trouble, trouble
from web.services import doorbell, services

blueprint = Blueprint("search", __name__)

LIMIT = 12
"""Matches of each face, at first."""

IN_STRIP = 12
"""People who can be searched with at a click."""

COOKIE = "facesearch_collection"
A_YEAR_S = 365 * 24 * 3600

MOST_COLLECTIONS = 500
"""In the picker; whoever has more comes from the page of a collection."""


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Show the form; with ``face`` or ``person`` in the address, search with that."""
    collection = _collection(forms.id_in(request.args, "collection"))
    if collection is None:
        return _page(_remembered())
    return _page(collection, answer=_by_stored(collection))


@blueprint.post("/")
def by_photo() -> ResponseReturnValue:
    """Search with the photo that was sent; one that cannot be used is told beside the form."""
    collection = _collection(forms.required_id(request.form, "collection"))
    assert collection is not None, "the id was given"  # noqa: S101
    try:
        options = Options(limit=LIMIT, threshold=forms.cosine_in(request.form, "threshold"))
        found = search.by_photo(
            services(), doorbell(), [collection], forms.photo(), options, preview=True
        )
    except FaceSearchError as error:
        return _page(collection, problem=trouble(error))
    return _page(collection, answer=results.of_photo(collection, found))


def _collection(collection_id: UUID | None) -> Collection | None:
    if collection_id is None:
        return None
    with services().pool.connection() as conn:
        return collections.get(conn, collection_id)


def _remembered() -> Collection | None:
    """Return the collection that was searched last, if it is still there."""
    try:
        return _collection(forms.id_in(request.cookies, COOKIE))
    except FaceSearchError:
        return None  # the cookie is old; the first collection takes its place


def _by_stored(collection: Collection) -> Results | None:
    """Search with the face or the person that the address names."""
    limit = forms.count_in(request.args, "limit", default=LIMIT, most=MOST_MATCHES)
    options = Options(limit=limit, threshold=forms.cosine_in(request.args, "threshold"))
    face_id = forms.id_in(request.args, "face")
    person_id = forms.id_in(request.args, "person")
    if face_id is not None:
        found = search.by_face(services(), [collection], face_id, options)
        with services().pool.connection() as conn:
            face = gallery.face(conn, face_id)
        name = face.person_name or "Unnamed face"
        subject = Subject("face", face_id, name, crop_id=face_id, image_id=face.image_id)
    elif person_id is not None:
        found = search.by_person(services(), [collection], person_id, options)
        with services().pool.connection() as conn:
            person = people.get(conn, person_id)
        subject = Subject("person", person_id, person.name, crop_id=person.best_face_id)
    else:
        return None
    return results.of_subject(collection, subject, found, limit=limit, most=MOST_MATCHES)


def _page(
    collection: Collection | None,
    *,
    answer: Results | None = None,
    problem: Trouble | None = None,
) -> ResponseReturnValue:
    """Render the page, or its results only for a script, and remember the collection."""
    status = HTTPStatus.OK if problem is None else problem.status
    shown = {"results": answer, "problem": problem}
    if forms.wants_fragment():
        page = render_template("search/results.html", collection=collection, **shown)
        return page, status, {forms.FRAGMENT_HEADER: "1"}
    with services().pool.connection() as conn:
        choices = collections.page(conn, limit=MOST_COLLECTIONS)
        chosen = collection or (choices[0] if choices else None)
        strip = people.page(conn, chosen.id, limit=IN_STRIP) if chosen is not None else []
    if chosen is not None and chosen.id not in {choice.id for choice in choices}:
        choices = [chosen, *choices]
    page = render_template(
        "search/index.html",
        choices=choices,
        collection=chosen,
        people=strip,
        max_photo_bytes=PhotoLimits.of(services().settings).max_bytes,
        **shown,
    )
    response = make_response(page, status)
    if chosen is not None:
        response.set_cookie(
            COOKIE, str(chosen.id), max_age=A_YEAR_S, httponly=True, samesite="Lax", path="/"
        )
    return response
