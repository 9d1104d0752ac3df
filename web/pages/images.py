"""The page of one photo: its faces outlined, named, searched with; deleting it or a face."""

from datetime import datetime
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core import collections, gallery, naming, people
from core.errors import FaceSearchError
from core.facets import split_tags
from web.pages import forms, pictures, reports
from web.pages.trouble import Trouble, trouble
from web.pages.words import in_words
from web.security import actor
from web.services import services

blueprint = Blueprint("images", __name__)

FORM_TIME = "%Y-%m-%dT%H:%M:%S"
"""How a browser wants a date and a time."""

MOST_NAMES = 500
"""Offered while a name is typed; any other name can be typed too."""


@blueprint.get("/images/<uuid:image_id>")
def show(image_id: UUID) -> ResponseReturnValue:
    """Show one photo; ``face`` in the address is the face to point at."""
    return _show(image_id)


@blueprint.post("/images/<uuid:image_id>")
def change(image_id: UUID) -> ResponseReturnValue:
    """Change the tags, the time and the external id of a photo."""
    try:
        tags = split_tags(request.form.get("tags", ""))
        taken = forms.captured_in(request.form)
        external_id = forms.external_id_in(request.form)
        with services().pool.connection() as conn:
            before = gallery.image(conn, image_id).image
        # As the form shows it, without fractions of a second: sent back unchanged, it stays.
        same = form_time(taken) == form_time(before.captured_at)
        with services().pool.connection() as conn:
            gallery.change_image(
                conn,
                image_id,
                tags=tags,
                external_id=external_id,
                captured_at=None if same else taken,
                no_captured_at=taken is None,
            )
    except FaceSearchError as error:
        problem = trouble(error)
        return _show(image_id, problem), problem.status
    return redirect(url_for("pages.images.show", image_id=image_id, note="image_changed"), 303)


@blueprint.post("/images/<uuid:image_id>/delete")
def delete(image_id: UUID) -> ResponseReturnValue:
    """Delete a photo and its faces; the ``report`` that it was found by follows, or its collection."""
    report_id = forms.id_in(request.form, "report")
    with services().pool.connection() as conn:
        image = gallery.image(conn, image_id).image
    gallery.delete_image(services().pool, services().blobs, image_id)
    if report_id is not None:
        return redirect(reports.address(report_id, note="image_deleted"), 303)
    target = url_for(
        "pages.collections.show", collection_id=image.collection_id, note="image_deleted"
    )
    return redirect(target, 303)


@blueprint.post("/faces/<uuid:face_id>/name")
def name_face(face_id: UUID) -> ResponseReturnValue:
    """Give a face to the person of that name, or to a new one."""
    with services().pool.connection() as conn:
        face = gallery.face(conn, face_id)
    try:
        name = forms.name_in(request.form)
        new = request.form.get("as") == "new"
        with services().pool.connection() as conn:
            naming.name_face(conn, face_id, name, new_person=new, actor=actor())
    except FaceSearchError as error:
        problem = trouble(error)
        return _show(face.image_id, problem), problem.status
    return _back_to(face.image_id, face_id, "face_named")


@blueprint.post("/faces/<uuid:face_id>/unname")
def unname_face(face_id: UUID) -> ResponseReturnValue:
    """Take a face from its person; ``back`` says whether to return to the person's page."""
    with services().pool.connection() as conn:
        face = gallery.face(conn, face_id)
    if face.person_id is not None:
        # In a transaction of its own: what was read before must not be locked while it waits.
        with services().pool.connection() as conn:
            people.unassign(conn, face.person_id, [face_id], actor=actor())
    if request.form.get("back") == "person" and face.person_id is not None:
        target = url_for("pages.people.show", person_id=face.person_id, note="face_unnamed")
        return redirect(target, 303)
    return _back_to(face.image_id, face_id, "face_unnamed")


@blueprint.post("/faces/<uuid:face_id>/delete")
def delete_face(face_id: UUID) -> ResponseReturnValue:
    """Delete one face; its photo stays."""
    with services().pool.connection() as conn:
        face = gallery.face(conn, face_id)
    gallery.delete_face(services().pool, services().blobs, face_id)
    target = url_for("pages.images.show", image_id=face.image_id, note="face_deleted")
    return redirect(target, 303)


def _show(image_id: UUID, problem: Trouble | None = None) -> str:
    with services().pool.connection() as conn:
        found = gallery.image(conn, image_id)
        collection = collections.get(conn, found.image.collection_id)
        names = people.page(conn, collection.id, limit=MOST_NAMES)
    size = (found.image.width, found.image.height)
    outlines = [pictures.stored_outline(face, size) for face in found.faces]
    left_out = [
        pictures.skipped_outline(skipped, size, number)
        for number, skipped in enumerate(found.image.skipped_faces, start=len(outlines) + 1)
    ]
    return render_template(
        "images/show.html",
        image=found.image,
        faces=found.faces,
        outlines=[*outlines, *left_out],
        left_out=left_out,
        lights={face.id: pictures.light(face.quality) for face in found.faces},
        label_scale=pictures.label_scale(*size),
        chosen=forms.id_in(request.args, "face"),
        collection=collection,
        names=sorted({person.name for person in names}, key=str.casefold),
        reason=in_words(found.image.reason) if found.image.reason else None,
        problem=problem,
    )


@blueprint.app_template_filter()
def form_time(moment: datetime | None) -> str:
    """Return a time as the field of a form holds it."""
    return "" if moment is None else moment.strftime(FORM_TIME)


def _back_to(image_id: UUID, face_id: UUID, note: str) -> ResponseReturnValue:
    target = url_for(
        "pages.images.show",
        image_id=image_id,
        face=face_id,
        note=note,
        _anchor=f"face-{face_id}",
    )
    return redirect(target, 303)
