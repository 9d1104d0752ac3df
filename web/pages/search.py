"""The search page: a photo, a stored face or a person in; faces grouped by person out."""

from collections.abc import Sequence
from http import HTTPStatus
from uuid import UUID

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from core import collections, explaining, gallery, paging, people, search, subjects
from core.db.collections import Collection
from core.errors import FaceSearchError
from core.finding import Options
from core.images import PhotoLimits
from web import security
from web.pages import forms, results, whys
from web.pages.filters import GROUPS, NAMED, NO_FILTERS, QUALITY, Filters
from web.pages.results import Arranging, Results, Subject
from web.pages.trouble import Trouble, trouble
from web.services import doorbell, services

blueprint = Blueprint("search", __name__)

LIMIT = 12
"""Matches of each face at a time."""

IN_STRIP = 12
"""People who can be searched with at a click."""

COOKIE = "facesearch_collection"
A_YEAR_S = 365 * 24 * 3600

MOST_COLLECTIONS = 500
"""In the picker; whoever has more comes from the page of a collection."""

MOST_OTHERS = 12
"""Collections that can be searched along with another."""


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Show the form; with ``face`` or ``person`` in the address, search with that."""
    home = _collection(forms.id_in(request.args, "collection"))
    if home is None:
        return _page(_remembered())
    return _page(home, answer=_by_stored(_homes(home, request.args), request.args))


@blueprint.post("/")
def by_photo() -> ResponseReturnValue:
    """Search with the photo that was sent; one that cannot be used is told beside the form."""
    home = _collection(forms.required_id(request.form, "collection"))
    assert home is not None, "the id was given"  # noqa: S101
    try:
        homes, options = _homes(home, request.form), _options(request.form)
        found = search.by_photo(services(), doorbell(), homes, forms.photo(), options, preview=True)
        answer = _arranging(homes, options).of_photo(found)
    except FaceSearchError as error:
        return _page(home, problem=trouble(error))
    return _page(home, answer=answer)


@blueprint.get("/more")
def more() -> ResponseReturnValue:
    """Show the next matches of a face; a script adds them to those that are there."""
    position = paging.find_position(services(), security.requester(), _cursor())
    homes = paging.homes_of(services(), position)
    found = subjects.find(services(), homes, position.subject, position.options)
    shown = {
        "cards": results.cards(found),
        "about": position.about,
        "more": paging.behind(services(), security.requester(), position, found),
        "collection": homes[0],
    }
    if forms.wants_fragment():
        return render_template("search/more.html", **shown), {forms.FRAGMENT_HEADER: "1"}
    return render_template("search/further.html", **shown)


@blueprint.get("/why")
def why() -> ResponseReturnValue:
    """Explain an answer; a script shows it in its place."""
    position = paging.find_position(services(), security.requester(), _cursor())
    homes = paging.homes_of(services(), position)
    found = subjects.find(services(), homes, position.subject, position.options)
    told = explaining.explain(services(), homes, position.subject, position.options, found)
    shown = {"why": whys.told(position, found, told), "collection": homes[0]}
    if forms.wants_fragment():
        return render_template("search/why.html", **shown), {forms.FRAGMENT_HEADER: "1"}
    return render_template("search/explained.html", **shown)


def _cursor() -> str:
    return request.args.get("cursor", "")


def _collection(collection_id: UUID | None) -> Collection | None:
    if collection_id is None:
        return None
    with services().pool.connection() as conn:
        return collections.get(conn, collection_id)


def _homes(home: Collection, values: MultiDict[str, str]) -> list[Collection]:
    """Return where to search: a collection, and others that were ticked."""
    wanted = [forms.required_id({"also": text}, "also") for text in values.getlist("also")]
    with services().pool.connection() as conn:
        others = [collections.get(conn, each) for each in dict.fromkeys(wanted)]
    return [home, *(each for each in others[:MOST_OTHERS] if each.id != home.id)]


def _remembered() -> Collection | None:
    """Return the collection that was searched last, if it is still there."""
    try:
        return _collection(forms.id_in(request.cookies, COOKIE))
    except FaceSearchError:
        return None  # the cookie is old; the first collection takes its place


def _options(values: MultiDict[str, str]) -> Options:
    threshold = forms.cosine_in(values, "threshold")
    return Filters.of(values).options(limit=LIMIT, threshold=threshold)


def _arranging(homes: Sequence[Collection], options: Options) -> Arranging:
    return Arranging(services(), security.requester(), homes, options)


def _by_stored(homes: Sequence[Collection], values: MultiDict[str, str]) -> Results | None:
    """Search with the face or the person that the address names."""
    options = _options(values)
    face_id, person_id = forms.id_in(values, "face"), forms.id_in(values, "person")
    weakest = None
    with services().pool.connection() as conn:
        if face_id is not None:
            sought = subjects.of_face(conn, homes, face_id)
            face = gallery.face(conn, face_id)
            weakest = explaining.weakest_of_stored(services(), homes[0], face)
            name = face.person_name or "Unnamed face"
            subject = Subject("face", face_id, name, face_id, face.kept, face.image_id)
        elif person_id is not None:
            sought = subjects.of_person(conn, homes, person_id)
            person = people.get(conn, person_id)
            best, kept = person.best_face_id, person.best_face_kept
            subject = Subject("person", person_id, person.name, best, kept)
        else:
            return None
    found = subjects.find(services(), homes, sought, options)
    return _arranging(homes, options).of_subject(subject, sought, found, weakest)


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
        others=_others(choices, chosen),
        people=strip,
        max_photo_bytes=PhotoLimits.of(services().settings).max_bytes,
        filters=Filters.of(request.values),
        no_filters=NO_FILTERS,
        also=request.values.getlist("also"),
        filter_choices={"group": GROUPS, "named": NAMED, "quality": QUALITY},
        **shown,
    )
    response = make_response(page, status)
    if chosen is not None:
        response.set_cookie(
            COOKIE, str(chosen.id), max_age=A_YEAR_S, httponly=True, samesite="Lax", path="/"
        )
    return response


def _others(choices: Sequence[Collection], chosen: Collection | None) -> list[Collection]:
    """Return what may be searched along with *chosen*: some collections of its space."""
    return [
        each
        for each in choices
        if chosen is not None and each.id != chosen.id and each.space_id == chosen.space_id
    ][:MOST_OTHERS]
