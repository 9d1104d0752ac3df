"""The history of people: what was done, each change with its faces, and undoing it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core import changes, collections, undoing
from core.changes import Kind, Summary
from core.db.pool import Connection
from core.errors import FaceSearchError
from core.undoing import Undone
from web import telling
from web.pages import forms
from web.pages.trouble import Trouble, trouble
from web.security import actor
from web.services import services

blueprint = Blueprint("changes", __name__)

PER_PAGE = 50

NOW = {
    changes.Now.LEFT: "Unchanged since",
    changes.Now.BACK: "Taken back",
    changes.Now.MOVED: "Moved since",
    changes.Now.GONE: "Deleted",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A change in words.

    Attributes:
        can_be_undone: It is no baseline.
    """

    summary: Summary
    title: str
    lines: Sequence[str]
    can_be_undone: bool


def row(summary: Summary) -> Row:
    """Put a change into words."""
    can_be_undone = summary.change.kind != Kind.BASELINE
    return Row(summary, telling.title(summary), telling.lines(summary), can_be_undone)


def of_person(conn: Connection, collection_id: UUID, person_id: UUID, *, limit: int) -> list[Row]:
    """Return the newest changes of one person."""
    found = changes.page(conn, collection_id, limit=limit, person_id=person_id)
    return [row(summary) for summary in found]


@blueprint.get("/collections/<uuid:collection_id>/history")
def index(collection_id: UUID) -> ResponseReturnValue:
    """List the changes of a collection, or of the ``person`` in the address, newest first."""
    return _index(collection_id)


@blueprint.get("/changes/<uuid:change_id>")
def show(change_id: UUID) -> ResponseReturnValue:
    """Show one change with its faces."""
    return _show(change_id)


@blueprint.post("/changes/<uuid:change_id>/undo")
def undo(change_id: UUID) -> ResponseReturnValue:
    """Take a change back, or what it did to one ``face``; ``back`` says which page follows.

    Where something stays as it is the page of the change follows, and says what.
    """
    try:
        face_id = forms.id_in(request.form, "face")
        with services().pool.connection() as conn:
            undone = undoing.undo(
                conn, change_id, face_ids=None if face_id is None else [face_id], actor=actor()
            )
    except FaceSearchError as error:
        problem = trouble(error)
        return _show(change_id, problem=problem), problem.status
    if undone.left:
        return _show(change_id, undone=undone)
    return redirect(_behind(change_id), 303)


def _behind(change_id: UUID) -> str:
    """Return the address that follows an undo: the list that it was on, or the change's own."""
    note = "change_undone"
    collection_id = forms.id_in(request.form, "collection")
    person_id = forms.id_in(request.form, "person")
    if collection_id is None:
        return url_for("pages.changes.show", change_id=change_id, note=note)
    return url_for("pages.changes.index", collection_id=collection_id, person=person_id, note=note)


def _index(collection_id: UUID) -> str:
    before = forms.id_in(request.args, "before")
    person_id = forms.id_in(request.args, "person")
    with services().pool.connection() as conn:
        collection = collections.get(conn, collection_id)
        found = changes.page(
            conn, collection_id, limit=PER_PAGE + 1, before=before, person_id=person_id
        )
    names = found[0].names if found else {}
    return render_template(
        "changes/index.html",
        collection=collection,
        person=names.get(person_id) if person_id else None,
        person_id=person_id,
        rows=[row(summary) for summary in found[:PER_PAGE]],
        more=found[PER_PAGE - 1].change.id if len(found) > PER_PAGE else None,
    )


def _show(change_id: UUID, *, problem: Trouble | None = None, undone: Undone | None = None) -> str:
    with services().pool.connection() as conn:
        found = changes.get(conn, change_id)
        collection = collections.get(conn, found.summary.change.collection_id)
    return render_template(
        "changes/show.html",
        collection=collection,
        change=found.summary.change,
        row=row(found.summary),
        found=found,
        names={each: telling.name_of(found.summary, each) for each in found.summary.names},
        nobody=telling.NOBODY,
        now=NOW,
        problem=problem,
        undone=undone,
    )
