"""The page of one person: their faces, renaming, merging, splitting, deleting."""

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core import collections, gallery, people
from core.db.people import Person
from core.db.pool import Connection
from core.errors import FaceSearchError
from web.pages import forms, pictures
from web.pages.changes import of_person
from web.pages.trouble import Trouble, trouble
from web.security import actor
from web.services import services

blueprint = Blueprint("people", __name__, url_prefix="/people")

PER_PAGE = 60
MOST_NAMES = 500
"""Offered while a name is typed; any other name can be typed too."""
MOST_NAMESAKES = 20
MOST_CHANGES = 5
"""Shown below the faces; the history has all."""


@dataclass(frozen=True, slots=True)
class Same:
    """Others of a name that was looked for; *name* is None where none was."""

    name: str | None
    people: tuple[Person, ...]


@blueprint.get("/<uuid:person_id>")
def show(person_id: UUID) -> ResponseReturnValue:
    """Show a person, newest faces first."""
    return _show(person_id)


@blueprint.post("/<uuid:person_id>")
def rename(person_id: UUID) -> ResponseReturnValue:
    """Give a person another name."""
    try:
        name = forms.name_in(request.form)
        with services().pool.connection() as conn:
            people.change(conn, person_id, name=name, actor=actor())
    except FaceSearchError as error:
        problem = trouble(error)
        return _show(person_id, problem), problem.status
    return redirect(url_for("pages.people.show", person_id=person_id, note="person_renamed"), 303)


@blueprint.post("/<uuid:person_id>/faces")
def assign(person_id: UUID) -> ResponseReturnValue:
    """Give a found face to the person who was searched with, and search again."""
    face_id = forms.required_id(request.form, "face")
    with services().pool.connection() as conn:
        person = people.assign(conn, person_id, [face_id], actor=actor())
    target = url_for(
        "pages.search.index",
        collection=person.collection_id,
        person=person_id,
        note="face_named",
    )
    return redirect(target, 303)


@blueprint.post("/<uuid:person_id>/delete")
def delete(person_id: UUID) -> ResponseReturnValue:
    """Delete a person; their faces stay."""
    with services().pool.connection() as conn:
        person = people.get(conn, person_id)
        people.delete(conn, person_id, actor=actor())
    target = url_for(
        "pages.collections.people_of", collection_id=person.collection_id, note="person_deleted"
    )
    return redirect(target, 303)


@blueprint.post("/<uuid:person_id>/merge")
def merge(person_id: UUID) -> ResponseReturnValue:
    """Give a person the faces of another, who is deleted."""
    try:
        other = forms.required_id(request.form, "person")
        with services().pool.connection() as conn:
            people.merge(conn, person_id, [other], actor=actor())
    except FaceSearchError as error:
        problem = trouble(error)
        return _show(person_id, problem), problem.status
    return redirect(url_for("pages.people.show", person_id=person_id, note="people_merged"), 303)


@blueprint.post("/<uuid:person_id>/split")
def split(person_id: UUID) -> ResponseReturnValue:
    """Make a new person of the faces that were chosen, and show them."""
    try:
        name = forms.name_in(request.form)
        chosen = forms.ids_in(request.form, "face")
        with services().pool.connection() as conn:
            new = people.split(conn, person_id, chosen, name=name, actor=actor())
    except FaceSearchError as error:
        problem = trouble(error)
        return _show(person_id, problem), problem.status
    return redirect(url_for("pages.people.show", person_id=new.id, note="person_split"), 303)


def _same(conn: Connection, person: Person) -> Same:
    """Find others of the name in the address, who may be the same person."""
    name = forms.name_in(request.args, "same") if request.args.get("same") else None
    if name is None:
        return Same(None, ())
    found = people.page(conn, person.collection_id, limit=MOST_NAMESAKES + 1, name=name)
    others = [each for each in found if each.id != person.id]
    return Same(name, tuple(others[:MOST_NAMESAKES]))


def _show(person_id: UUID, problem: Trouble | None = None) -> str:
    after = forms.id_in(request.args, "after")
    with services().pool.connection() as conn:
        person = people.get(conn, person_id)
        collection = collections.get(conn, person.collection_id)
        faces = gallery.faces(
            conn, person.collection_id, limit=PER_PAGE + 1, after=after, person_id=person_id
        )
        same = _same(conn, person)
        known = people.page(conn, person.collection_id, limit=MOST_NAMES)
        changes = of_person(conn, person.collection_id, person_id, limit=MOST_CHANGES)
    return render_template(
        "people/show.html",
        person=person,
        collection=collection,
        faces=faces[:PER_PAGE],
        more=faces[PER_PAGE - 1].id if len(faces) > PER_PAGE else None,
        lights={face.id: pictures.light(face.quality) for face in faces},
        same=same,
        names=sorted({each.name for each in known if each.id != person_id}),
        changes=changes,
        problem=problem,
    )
