"""Photos that show several people of a collection together, or some without others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Self
from uuid import UUID

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from core import collections, paging, people, picking, subjects, together
from core.db.collections import Collection
from core.db.people import Person
from core.db.together import Standing
from core.errors import CursorExpired, FaceSearchError
from core.paging import TogetherPosition
from core.picking import Party, Pick
from core.together import MOST_SUBJECTS, FoundImage, FoundTogether
from web import security
from web.pages import forms, pictures
from web.pages.filters import QUALITY, Filters
from web.pages.pictures import Bar, Outline
from web.pages.trouble import Trouble, trouble
from web.services import services

blueprint = Blueprint("together", __name__, url_prefix="/collections/<uuid:collection_id>/together")

WHO, NOT = "who", "not"
"""Fields of the people who must be in a photo, and of those who must not: names or ids."""

LIMIT = 24
"""Photos at a time."""

FILLED: Final = frozenset({WHO, NOT, "threshold", *Filters.__slots__})
"""Fields that links between the pages of one form carry along."""

MOST_NAMES = 500
"""Offered while a name is typed; any other name can be typed too."""


@dataclass(frozen=True, slots=True)
class Side:
    """The people of one field of the form, as they were filled in.

    Attributes:
        rooms: Empty fields for further names.
    """

    field: str
    picks: tuple[Pick, ...]
    rooms: int

    @property
    def chosen(self) -> list[Person]:
        """Whoever was made out."""
        return [pick.only for pick in self.picks if pick.only]

    @property
    def unclear(self) -> list[Pick]:
        """What means nobody, or several."""
        return [pick for pick in self.picks if not pick.only]


@dataclass(frozen=True, slots=True)
class Stand:
    """A face, whom it stands for, and what is drawn of it."""

    person: Person
    face: Standing
    outline: Outline
    bar: Bar


@dataclass(frozen=True, slots=True)
class Tile:
    """A photo with the faces that count."""

    image: FoundImage
    stands: tuple[Stand, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found; *more* is the address of the next page."""

    found: FoundTogether
    tiles: tuple[Tile, ...]
    more: str | None


@dataclass(frozen=True, slots=True)
class Choosing:
    """Somebody is chosen on the page of all people, for one side of the form.

    Attributes:
        filled: What the form holds already.
    """

    collection_id: UUID
    field: str
    filled: Mapping[str, Any]

    @classmethod
    def of(cls, collection_id: UUID, values: MultiDict[str, str]) -> Self | None:
        """Say for which side the address wants somebody; None where it does not."""
        field = values.get("pick", "")
        return cls(collection_id, field, _filled(values)) if field in {WHO, NOT} else None

    def taking(self, person: Person) -> str:
        """Return the address of the form with this person."""
        given = {**self.filled, self.field: [*self.filled.get(self.field, ()), person.id]}
        return url_for("pages.together.show", collection_id=self.collection_id, **given)

    @property
    def back(self) -> str:
        """The address of the form as it was."""
        return url_for("pages.together.show", collection_id=self.collection_id, **self.filled)

    def people(self, after: UUID | None = None) -> str:
        """Return the address of the page of people behind *after*."""
        return url_for(
            "pages.collections.people_of",
            collection_id=self.collection_id,
            pick=self.field,
            after=after,
            **self.filled,
        )


@blueprint.get("")
def show(collection_id: UUID) -> ResponseReturnValue:
    """Show the form; with people in the address, search for photos of them."""
    with services().pool.connection() as conn:
        home = collections.get(conn, collection_id)
        known = people.page(conn, home.id, limit=MOST_NAMES)
    names = sorted({person.name for person in known}, key=str.casefold)
    answer, problem = None, None
    sides = _side(WHO, ()), _side(NOT, ())
    try:
        sides = _picked(home, WHO), _picked(home, NOT)
        if any(side.picks for side in sides) and not any(side.unclear for side in sides):
            answer = _answer(home, picking.party(sides[0].picks, sides[1].picks), request.args)
    except FaceSearchError as error:
        problem = trouble(error)
    return _page(home, names, sides, answer, problem)


def _page(
    home: Collection,
    names: Sequence[str],
    sides: tuple[Side, Side],
    answer: Answer | None,
    problem: Trouble | None,
) -> ResponseReturnValue:
    unclear = any(side.unclear for side in sides)
    status = problem.status if problem else HTTPStatus.BAD_REQUEST if unclear else HTTPStatus.OK
    page = render_template(
        "together/index.html",
        collection=home,
        names=names,
        present=sides[0],
        absent=sides[1],
        choosing={
            field: Choosing(home.id, field, _filled(request.args)).people() for field in (WHO, NOT)
        },
        filters=Filters.of(request.args),
        qualities=QUALITY,
        answer=answer,
        problem=problem,
    )
    return page, status


def _picked(home: Collection, field: str) -> Side:
    with services().pool.connection() as conn:
        return _side(field, picking.pick(conn, home.id, request.args.getlist(field)))


def _side(field: str, picks: Sequence[Pick]) -> Side:
    """Keep one field free, and two where the first people of a party are asked for."""
    wanted = 2 if field == WHO else 1
    rooms = min(max(1, wanted - len(picks)), max(0, MOST_SUBJECTS - len(picks)))
    return Side(field, tuple(picks), rooms)


def _answer(home: Collection, party: Party, values: MultiDict[str, str]) -> Answer:
    position = _position(home, party, values)
    found = together.find(services(), home, position.all_of, position.none_of, position.options)
    cursor = paging.behind_together(services(), security.requester(), position, found)
    return Answer(
        found,
        tuple(_tile(image, party.present, found.threshold) for image in found.images),
        None if cursor is None else _address(home, party, values, cursor),
    )


def _position(home: Collection, party: Party, values: MultiDict[str, str]) -> TogetherPosition:
    """Return where to search: where the cursor of the address leads, or at the beginning.

    Raises:
        CursorExpired: It leads nowhere any more, or the address names other people.
    """
    cursor = values.get("cursor")
    if cursor:
        position = paging.find_together(services(), security.requester(), cursor)
        sides = ((position.all_of, party.present), (position.none_of, party.absent))
        for known, named in sides:
            if [each.people for each in known] != [(person.id,) for person in named]:
                raise CursorExpired("This address goes on with a search for others.")
        return position
    threshold = forms.cosine_in(values, "threshold")
    options = Filters.of(values).options(limit=LIMIT, threshold=threshold)
    with services().pool.connection() as conn:
        all_of, none_of = (
            tuple(subjects.of_person(conn, [home], person.id) for person in side)
            for side in (party.present, party.absent)
        )
    return TogetherPosition((home.id,), all_of, none_of, options)


def _filled(values: MultiDict[str, str]) -> dict[str, Any]:
    """Return the fields of the form that say something."""
    lists = {key: [text for text in texts if text.strip()] for key, texts in values.lists()}
    return {key: texts for key, texts in lists.items() if key in FILLED and texts}


def _address(home: Collection, party: Party, values: MultiDict[str, str], cursor: str) -> str:
    ids = {
        WHO: [person.id for person in party.present],
        NOT: [person.id for person in party.absent],
    }
    fields = {**_filled(values), **ids}
    return url_for("pages.together.show", collection_id=home.id, cursor=cursor, **fields)


def _tile(image: FoundImage, present: Sequence[Person], threshold: float) -> Tile:
    size = (image.width, image.height)
    stands = (
        Stand(
            person,
            face,
            pictures.outline(
                face.box, size, key=str(face.face_id), number=number, label="", kind="match"
            ),
            pictures.bar(face.cosine, threshold),
        )
        for number, (person, face) in enumerate(zip(present, image.faces, strict=True), start=1)
    )
    return Tile(image, tuple(stands))
