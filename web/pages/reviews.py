"""The review inbox: one question after the other, or a list to decide several at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core import collections, gallery, reviews
from core.answers import Decision
from core.db.changes import FaceState
from core.db.images import Image
from core.db.pool import Connection
from core.db.reviews import Count, Item, State
from core.deciding import Outcome, decide_each
from core.errors import FaceSearchError, InvalidRequest
from core.keeping import Keeps
from core.reports import words
from core.reports.words import DECISIONS
from web.pages import findings, forms, pictures, reports
from web.pages.findings import KEYS, Shown
from web.pages.pictures import Outline
from web.pages.trouble import Trouble, trouble
from web.pages.words import REVIEW_STATES
from web.security import actor
from web.services import services

blueprint = Blueprint("reviews", __name__)

PER_PAGE = 50

LATER = "later"


@dataclass(frozen=True, slots=True)
class Place:
    """Which part of an inbox is looked at.

    Attributes:
        source: Only items of this report; None: of all.
        as_list: All at once, with a box for each.
    """

    collection_id: UUID
    state: State
    source: str | None
    as_list: bool

    @classmethod
    def read(cls, collection_id: UUID) -> "Place":
        """Read the address, or the form that was sent from such a page.

        Raises:
            InvalidRequest: There is no such state or source.
        """
        values = request.values
        try:
            state = State(values.get("state", State.OPEN))
        except ValueError:
            raise InvalidRequest("There is no such part of the inbox.") from None
        source = values.get("source") or None
        if source not in (None, *reviews.SOURCES):
            raise InvalidRequest("There is no such source of questions.")
        as_list = values.get("view") == "list" or state is State.DECIDED
        return cls(collection_id, state, source, as_list)

    def parameters(self, **other: Any) -> dict[str, Any]:
        """Return what the address of this part carries, or of one that is *other* in something."""
        usual = {
            "state": None if self.state is State.OPEN else self.state.value,
            "source": self.source,
            "view": "list" if self.as_list and self.state is not State.DECIDED else None,
        }
        return {key: value for key, value in {**usual, **other}.items() if value is not None}

    def address(self, **other: Any) -> str:
        """Return the address of this part, or of one that is *other* in something."""
        return url_for(
            "pages.reviews.index",
            collection_id=self.collection_id,
            **self.parameters(**other),
        )


@dataclass(frozen=True, slots=True)
class Photo:
    """The photo of a face, with the face outlined."""

    image: Image
    outline: Outline


@blueprint.get("/collections/<uuid:collection_id>/review")
def index(collection_id: UUID) -> ResponseReturnValue:
    """Show what is to be decided; ``item`` in the address is the question to begin with."""
    place = Place.read(collection_id)
    if forms.wants_fragment():
        return _rendered("reviews/desk.html", place), {forms.FRAGMENT_HEADER: "1"}
    return _rendered("reviews/index.html", place)


@blueprint.post("/collections/<uuid:collection_id>/review")
def decide(collection_id: UUID) -> ResponseReturnValue:
    """Decide one or several questions alike; the next one follows, or the ``report`` they are from."""
    place = Place.read(collection_id)
    chosen = forms.ids_in(request.form, "item")
    decision = _decision_in_form()
    outcomes = decide_each(
        services().pool, chosen, decision, actor=actor(), collection_id=collection_id
    )
    report_id = forms.id_in(request.form, "report")
    if report_id is None:
        return redirect(_behind(place, outcomes), 303)
    if outcomes and outcomes[0].error is not None:
        problem = trouble(outcomes[0].error)
        return reports.page(report_id, problem), problem.status
    return _back(report_id, "item_later" if decision is None else "item_decided")


@blueprint.post("/collections/<uuid:collection_id>/review/undo")
def undo(collection_id: UUID) -> ResponseReturnValue:
    """Take decisions back; what was asked is asked again."""
    place = Place.read(collection_id)
    chosen = forms.ids_in(request.form, "item")
    report_id = forms.id_in(request.form, "report")
    stays = False
    try:
        for item_id in reversed(chosen):  # the last decision first: it may stand on those before
            with services().pool.connection() as conn:
                stays = bool(reviews.take_back(conn, item_id, actor=actor())) or stays
    except FaceSearchError as error:
        problem = trouble(error)
        if report_id is not None:
            return reports.page(report_id, problem), problem.status
        return _failed(place, problem)
    note = "item_stays" if stays else "item_asked"
    if report_id is not None:
        return _back(report_id, note)
    first = chosen[0] if chosen else None
    return redirect(place.address(state=None, item=first, note=note), 303)


def _decision_in_form() -> Decision | None:
    """Return what was decided; None: to ask later."""
    text = request.form.get("decision", "")
    if text == LATER:
        return None
    try:
        return Decision(text)
    except ValueError:
        raise InvalidRequest("There is no such decision.") from None


def _back(report_id: UUID, note: str) -> ResponseReturnValue:
    position = request.form.get("position", type=int)
    return redirect(reports.address(report_id, note=note, _anchor=f"finding-{position}"), 303)


def _behind(place: Place, outcomes: Sequence[Outcome]) -> str:
    """Return the address of the next question, which tells what became of these."""
    done = [each.item_id for each in outcomes if each.item is not None]
    refused = [each.item_id for each in outcomes if each.item is None]
    following = None
    if not place.as_list and outcomes:
        with services().pool.connection() as conn:
            last = reviews.get(conn, outcomes[-1].item_id)
            following = reviews.beside(conn, last, state=place.state, source=place.source)[1]
    item = following.id if following else None
    return place.address(item=item, done=done, refused=refused)


def _failed(place: Place, problem: Trouble) -> ResponseReturnValue:
    if forms.wants_fragment():
        headers = {forms.FRAGMENT_HEADER: "1"}
        return _rendered("reviews/desk.html", place, problem), problem.status, headers
    return _rendered("reviews/index.html", place, problem), problem.status


def _rendered(template: str, place: Place, problem: Trouble | None = None) -> str:
    with services().pool.connection() as conn:
        collection = collections.get(conn, place.collection_id)
        counts = reviews.counts(conn, place.collection_id)
        done, refused = (_items(conn, place, key) for key in ("done", "refused"))
        parts = _list(conn, place) if place.as_list else _desk(conn, place)
        told = findings.of_items(conn, place.collection_id, done[:1])
    return render_template(
        template,
        collection=collection,
        place=place,
        states=REVIEW_STATES,
        in_state={state: _total(counts, state, place.source) for state in REVIEW_STATES},
        in_source={source: _total(counts, place.state, source) for source in reviews.SOURCES},
        total=_total(counts, place.state, None),
        done=done,
        done_words=told[0].decided if told else None,
        refused=refused,
        words=words,
        keys={decision.value: (DECISIONS[decision], key) for decision, key in KEYS.items()},
        is_fragment=forms.wants_fragment(),
        problem=problem,
        **parts,
    )


def _list(conn: Connection, place: Place) -> dict[str, Any]:
    """Return what the list shows, behind the item of the address."""
    after = forms.id_in(request.args, "after")
    last = None if after is None else reviews.get(conn, after)
    found = reviews.page(
        conn,
        place.collection_id,
        limit=PER_PAGE + 1,
        state=place.state,
        source=place.source,
        after=None if last is None else (last.score, last.id),
    )
    return {
        "rows": findings.of_items(conn, place.collection_id, found[:PER_PAGE]),
        "more": found[PER_PAGE - 1].id if len(found) > PER_PAGE else None,
    }


def _desk(conn: Connection, place: Place) -> dict[str, Any]:
    """Return the question of the address, or the first one, with those around it."""
    item = _asked(conn, place)
    if item is None:
        return {"shown": None}
    before, behind = reviews.beside(conn, item, state=place.state, source=place.source)
    [shown] = findings.of_items(conn, place.collection_id, [item])
    return {
        "shown": shown,
        "photos": _photos(conn, shown),
        "before": before,
        "behind": behind,
    }


def _asked(conn: Connection, place: Place) -> Item | None:
    wanted = forms.id_in(request.args, "item")
    if wanted is not None:
        item = reviews.get(conn, wanted)
        if item.state == place.state and item.collection_id == place.collection_id:
            return item
    first = reviews.page(conn, place.collection_id, limit=1, state=place.state, source=place.source)
    return first[0] if first else None


def _photos(conn: Connection, shown: Shown) -> list[Photo | None]:
    """Return the photo of the first face of each side, where it is kept."""
    firsts = [side.faces[0].state if side.faces else None for side in shown.sides]
    return [
        _photo(conn, first) if first is not None and Keeps(first.kept).photos else None
        for first in firsts
    ]


def _photo(conn: Connection, state: FaceState) -> Photo:
    found = gallery.image(conn, state.image_id)
    [face] = [each for each in found.faces if each.id == state.face_id]
    size = (found.image.width, found.image.height)
    return Photo(found.image, pictures.stored_outline(face, size))


def _items(conn: Connection, place: Place, key: str) -> list[Item]:
    """Return the items of the address that this collection has."""
    found = reviews.many(conn, forms.ids_in(request.args, key))
    return [item for item in found if item.collection_id == place.collection_id]


def _total(counts: Sequence[Count], state: State, source: str | None) -> int:
    return sum(
        each.count for each in counts if each.state == state and source in (None, each.source)
    )
