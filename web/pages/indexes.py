"""Pages of search indexes: all of them, and one with what is done about it."""

from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core import index_policy, indexes, recall
from core.db.index_work import Action
from core.db.indexes import Kind
from core.errors import FaceSearchError, InvalidRequest
from web.pages import forms
from web.pages.recall import findings
from web.pages.trouble import Trouble, trouble
from web.pages.words import INDEX_WORK
from web.security import actor
from web.services import doorbell, services

blueprint = Blueprint("indexes", __name__)

PER_PAGE = 100


@blueprint.get("/system/indexes")
def index() -> ResponseReturnValue:
    """List the collections with a table of their own, or that should have one."""
    after = forms.id_in(request.args, "after")
    least = services().settings.promote_faces
    with services().pool.connection() as conn:
        found = indexes.statuses(conn, least_faces=least, limit=PER_PAGE + 1, after=after)
        audits = {audit.collection_id: audit for audit in recall.latest(conn)}
    return render_template(
        "indexes/index.html",
        statuses=found[:PER_PAGE],
        more=found[PER_PAGE - 1].table.collection_id if len(found) > PER_PAGE else None,
        promote_faces=least,
        audits=audits,
        goal=services().settings.recall_goal,
        words=INDEX_WORK,
    )


@blueprint.get("/collections/<uuid:collection_id>/index")
def show(collection_id: UUID) -> ResponseReturnValue:
    """Show how a collection is indexed; a script asks again while there is work."""
    if forms.wants_fragment():
        return _rendered("indexes/panel.html", collection_id), {forms.FRAGMENT_HEADER: "1"}
    return _rendered("indexes/show.html", collection_id)


@blueprint.post("/collections/<uuid:collection_id>/index")
def work(collection_id: UUID) -> ResponseReturnValue:
    """Ask for work on the index of a collection."""
    try:
        action, kind = _asked_for()
        with services().pool.connection() as conn:
            indexes.ask(conn, collection_id, action, kind, actor=actor())
        indexes.ring(doorbell())
    except FaceSearchError as error:
        problem = trouble(error)
        return _rendered("indexes/show.html", collection_id, problem), problem.status
    shown = url_for("pages.indexes.show", collection_id=collection_id, note="index_asked")
    return redirect(shown, 303)


def _asked_for() -> tuple[Action, Kind]:
    """Read the form.

    Raises:
        InvalidRequest: It asks for something that does not exist.
    """
    try:
        return Action(request.form.get("action", "")), Kind(request.form.get("kind", Kind.HNSW))
    except ValueError:
        raise InvalidRequest("There is no such work on an index.") from None


def _rendered(template: str, collection_id: UUID, problem: Trouble | None = None) -> str:
    settings = services().settings
    with services().pool.connection() as conn:
        status = indexes.status(conn, collection_id)
        kind = status.kinds[0] if status.kinds else Kind.HNSW
        estimate = indexes.plan(conn, collection_id, status.next_action, kind, settings)
        found = findings(conn, collection_id)
    return render_template(
        template,
        status=status,
        estimate=estimate,
        findings=found,
        kind=kind,
        promote_faces=settings.promote_faces,
        dead_limit=index_policy.DEAD_SHARE,
        words=INDEX_WORK,
        drop=Action.DROP,
        problem=problem,
    )
