"""The page of one upload: how far it is, and what became of every photo."""

from uuid import UUID

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from core import collections, gallery
from core.stages import Work
from web.pages import forms
from web.pages.words import in_words
from web.services import services

blueprint = Blueprint("jobs", __name__, url_prefix="/jobs")

PER_PAGE = 200


@blueprint.get("/<uuid:job_id>")
def show(job_id: UUID) -> ResponseReturnValue:
    """Show one upload; a script asks again for the changing part until it is done."""
    after = forms.count_in(request.args, "after", default=0, most=10**6)
    with services().pool.connection() as conn:
        job = gallery.job(conn, job_id)
        collection = collections.get(conn, job.collection_id)
        items = gallery.items(conn, job_id, limit=PER_PAGE, after=after - 1)
    values = {
        "job": job,
        "finished": job.total - job.waiting - job.running,
        "collection": collection,
        "items": items,
        "more": items[-1].position + 1 if len(items) == PER_PAGE else None,
        "work": Work.from_json(job.work) if job.work else None,
        "reasons": {item.id: in_words(item.reason) for item in items if item.reason},
    }
    if forms.wants_fragment():
        return render_template("jobs/progress.html", **values), {forms.FRAGMENT_HEADER: "1"}
    return render_template("jobs/show.html", **values)
