"""What the index of a collection finds, on the page of the index: its audits, and what to change."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from core import collections, recall
from core.collections import LEAST_EF_SEARCH, MOST_EF_SEARCH
from core.db.collections import Collection
from core.db.pool import Connection
from core.db.recall import Audit
from core.errors import InvalidRequest
from core.query_samples import MOST
from web.services import services

blueprint = Blueprint("recall", __name__)

SHOWN = 10
"""Audits in the table; the API lists all."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the page shows.

    Attributes:
        audits: Newest first.
        ef_search: That searches use now.
        goal: Share of the ten nearest faces that they are to find.
        most_queries: Kept of each collection.
        hours: Between two audits; 0: there are none.
    """

    collection: Collection
    audits: Sequence[Audit]
    ef_search: int
    goal: float
    most_queries: int
    hours: int

    @property
    def proposed(self) -> int | None:
        """What should be used in the place of *ef_search*; None: there is nothing to change."""
        if not self.audits or self.audits[0].proposed_ef_search == self.ef_search:
            return None
        return self.audits[0].proposed_ef_search


def findings(conn: Connection, collection_id: UUID) -> Findings:
    """Collect what the page shows of a collection."""
    settings = services().settings
    collection = collections.get(conn, collection_id)
    return Findings(
        collection=collection,
        audits=recall.page(conn, collection_id, limit=SHOWN),
        ef_search=collection.ef_search or settings.hnsw_ef_search,
        goal=settings.recall_goal,
        most_queries=MOST,
        hours=settings.recall_audit_hours,
    )


@blueprint.post("/collections/<uuid:collection_id>/recall")
def change(collection_id: UUID) -> ResponseReturnValue:
    """Use what an audit proposed, or keep queries or none."""
    with services().pool.connection() as conn:
        if "ef_search" in request.form:
            collections.change(conn, collection_id, ef_search=_ef_search())
        else:
            keeps = request.form.get("keeps_queries") == "1"
            collections.change(conn, collection_id, keeps_queries=keeps)
    shown = url_for("pages.indexes.show", collection_id=collection_id, note="collection_changed")
    return redirect(shown, 303)


def _ef_search() -> int:
    """Read the form of the proposal.

    Raises:
        InvalidRequest: It was made up.
    """
    text = request.form["ef_search"]
    if not text.isdecimal() or not LEAST_EF_SEARCH <= int(text[:9]) <= MOST_EF_SEARCH:
        raise InvalidRequest(f"This is a number from {LEAST_EF_SEARCH} to {MOST_EF_SEARCH}.")
    return int(text)
