"""Pages of collections: the list, one with its photos, making, changing, filling, deleting."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core import collections, gallery, intake, people, reviews, workers_seen
from core.budget import Effective, threshold_at
from core.db.collections import Collection
from core.errors import BrokerUnavailable, FaceSearchError
from core.gates import USUAL
from core.inference.packs import Pack
from core.keeping import USUAL as KEEPS_USUALLY
from core.keeping import Keeps
from web.pages import forms, imports
from web.pages.together import Choosing
from web.pages.trouble import Trouble, trouble
from web.pages.words import GATES, IMPORT_STATES, KEEPINGS
from web.services import doorbell, services

blueprint = Blueprint("collections", __name__, url_prefix="/collections")

PER_PAGE = 48
IN_STRIP = 12
"""People shown above the photos."""
IN_COVER = 4
"""Newest photos shown for a collection."""
USUAL_BUDGETS = 1000, 100, 10
"""Offered where there is no budget yet: the strictest that can be kept with ten times the faces."""


@dataclass(frozen=True, slots=True)
class Packs:
    """What a new collection may be made with: the default and what workers have, and the rest."""

    ready: list[Pack]
    others: list[Pack]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a budget of one false alarm in *one_in* comes to now, and with ten times the faces."""

    one_in: int
    now: Effective
    tenfold: Effective


@blueprint.get("")
def index() -> ResponseReturnValue:
    """List the collections, with the form for another one."""
    return _index()


@blueprint.post("")
def create() -> ResponseReturnValue:
    """Make a collection."""
    try:
        name = forms.name_in(request.form)
        gate = forms.gate_in(request.form) or USUAL
        keeps = forms.keeps_in(request.form) or KEEPS_USUALLY
        pack = services().manifest.pack(request.form.get("pack", ""))
        with services().pool.connection() as conn:
            made = collections.create(conn, pack, name=name, quality_gate=gate, keeps=keeps)
    except FaceSearchError as error:
        problem = trouble(error)
        return _index(problem), problem.status
    return _to(made.id, note="collection_made")


@blueprint.get("/<uuid:collection_id>")
def show(collection_id: UUID) -> ResponseReturnValue:
    """Show one collection, newest photos first; ``tag`` in the address leaves those that have it."""
    return _show(collection_id)


@blueprint.post("/<uuid:collection_id>/images")
def upload(collection_id: UUID) -> ResponseReturnValue:
    """Take photos in from a plain form and show how far they are."""
    try:
        photos = forms.uploads(services().settings.max_photos_per_request)
        receipt = intake.accept(services(), doorbell(), collection_id, photos)
    except FaceSearchError as error:
        problem = trouble(error)
        return _show(collection_id, problem), problem.status
    return redirect(url_for("pages.jobs.show", job_id=receipt.job_id), 303)


@blueprint.post("/<uuid:collection_id>")
def change(collection_id: UUID) -> ResponseReturnValue:
    """Rename a collection, move its threshold, choose another gate or what is kept of photos."""
    try:
        name = forms.name_in(request.form)
        gate, keeps = forms.gate_in(request.form), forms.keeps_in(request.form)
        one_in = forms.strangers_in(request.form)
        threshold = None if one_in else forms.cosine_in(request.form, "threshold")
        with services().pool.connection() as conn:
            before = collections.get(conn, collection_id)
            policy = _policy(before, threshold, one_in)
            collections.change(
                conn, collection_id, name=name, quality_gate=gate, keeps=keeps, **policy
            )
    except FaceSearchError as error:
        problem = trouble(error)
        return _show(collection_id, problem), problem.status
    return _to(collection_id, note="collection_changed")


@blueprint.post("/<uuid:collection_id>/delete")
def delete(collection_id: UUID) -> ResponseReturnValue:
    """Delete a collection whose name was typed."""
    typed = request.form.get("confirm", "")
    with services().pool.connection() as conn:
        collection = collections.get(conn, collection_id)
    # Browsers show runs of blanks as one, so nobody can see how many to type.
    same = typed.split() == collection.name.split()
    confirm = str(collection_id) if same else typed
    try:
        collections.delete(services().pool, services().blobs, collection_id, confirm=confirm)
    except FaceSearchError as error:
        problem = trouble(error)
        return _show(collection_id, problem), problem.status
    return redirect(url_for("pages.collections.index", note="collection_deleted"), 303)


@blueprint.get("/<uuid:collection_id>/people")
def people_of(collection_id: UUID) -> ResponseReturnValue:
    """Show everybody with a name in a collection; ``pick`` asks for one of them."""
    after = forms.id_in(request.args, "after")
    with services().pool.connection() as conn:
        collection = collections.get(conn, collection_id)
        found = people.page(conn, collection_id, limit=PER_PAGE + 1, after=after)
    more = found[PER_PAGE - 1].id if len(found) > PER_PAGE else None
    return render_template(
        "people/index.html",
        collection=collection,
        people=found[:PER_PAGE],
        more=more,
        choosing=Choosing.of(collection_id, request.args),
    )


def _index(problem: Trouble | None = None) -> str:
    after = forms.id_in(request.args, "after")
    with services().pool.connection() as conn:
        found = collections.page(conn, limit=PER_PAGE + 1, after=after)
        covers = {
            collection.id: [
                image
                for image in gallery.images(conn, collection.id, limit=IN_COVER, state="indexed")
                if Keeps(image.kept).photos
            ]
            for collection in found[:PER_PAGE]
        }
    return render_template(
        "collections/index.html",
        collections=found[:PER_PAGE],
        more=found[PER_PAGE - 1].id if len(found) > PER_PAGE else None,
        covers=covers,
        packs=_packs(),
        default_pack=services().settings.pack,
        gates=GATES,
        usual_gate=USUAL,
        keepings=KEEPINGS,
        keeps_usually=KEEPS_USUALLY,
        problem=problem,
    )


def _show(collection_id: UUID, problem: Trouble | None = None) -> str:
    after = forms.id_in(request.args, "after")
    tag = forms.tag_in(request.args)
    with services().pool.connection() as conn:
        collection = collections.get(conn, collection_id)
        images = gallery.images(conn, collection_id, limit=PER_PAGE + 1, after=after, tag=tag)
        strip = people.page(conn, collection_id, limit=IN_STRIP)
        to_review = reviews.open_count(conn, collection_id)
    return render_template(
        "collections/show.html",
        collection=collection,
        images=images[:PER_PAGE],
        more=images[PER_PAGE - 1].id if len(images) > PER_PAGE else None,
        first_page=after is None and tag is None,
        under_way=imports.under_way(collection_id) if after is None and tag is None else (),
        import_states=IMPORT_STATES,
        tag=tag,
        people=strip,
        to_review=to_review,
        limits=services().settings,
        pack=services().manifest.packs.get(collection.pack),
        outlook=_outlook(collection),
        gates=GATES,
        keepings=KEEPINGS,
        problem=problem,
    )


def _policy(before: Collection, threshold: float | None, one_in: int | None) -> dict[str, Any]:
    """Return what a form changes; sent back as it was shown, a number keeps where it comes from."""
    if one_in is not None:
        return {} if one_in == before.alarm_budget else {"alarm_budget": one_in}
    if threshold is not None and threshold != round(before.fixed_threshold, 4):
        return {"threshold": threshold}
    if before.alarm_budget is not None:
        return {"threshold": before.fixed_threshold, "threshold_source": before.fixed_source}
    return {}


def _outlook(collection: Collection) -> Outlook | None:
    found, faces = collection.calibration, collection.face_count
    if found is None:
        return None
    chosen = collection.alarm_budget
    for one_in in (chosen,) if chosen else USUAL_BUDGETS:
        now, tenfold = (threshold_at(found, one_in, size) for size in (faces, 10 * faces))
        if tenfold.kept:
            break
    return Outlook(one_in, now, tenfold)


def _packs() -> Packs:
    """Sort the packs by whether some worker has them; a broker that is away knows of none."""
    default = services().settings.pack
    try:
        workers = workers_seen.workers(services().broker)
    except BrokerUnavailable:
        workers = []
    spaces = {space for worker in workers if worker.ready for space in worker.spaces}
    ready = [p for p in services().manifest if p.name == default or p.space.id in spaces]
    ready.sort(key=lambda pack: pack.name != default)
    return Packs(ready, [pack for pack in services().manifest if pack not in ready])


def _to(collection_id: UUID, *, note: str) -> ResponseReturnValue:
    return redirect(url_for("pages.collections.show", collection_id=collection_id, note=note), 303)
