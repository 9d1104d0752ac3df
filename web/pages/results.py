"""What a search found, arranged for the templates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from core import explaining, paging
from core.db.collections import Collection
from core.exchange import QueryFace
from core.explaining import Weakness
from core.finding import Decision, Found, Match, Options
from core.paging import Position
from core.search import FoundFace, FoundPhoto
from core.services import Services
from core.subjects import Subject as Sought
from web.pages import pictures
from web.pages.pictures import Bar, Light, Outline
from web.pages.words import Words, in_words

CROWD = 12
"""Photos with more faces than this show only the first few matches of each, at first."""

CARDS_IN_A_CROWD = 4


@dataclass(frozen=True, slots=True)
class Card:
    """One match with what is drawn of it."""

    match: Match
    bar: Bar
    outline: Outline
    light: Light

    @property
    def is_match(self) -> bool:
        """Whether the cosine reaches the threshold."""
        return self.match.decision is Decision.MATCH


@dataclass(frozen=True, slots=True)
class Query:
    """One face that was searched with, or the reasons why it was not.

    Attributes:
        more: Cursor to the next matches; None where there are none.
        here: Cursor that "why?" asks with.
        view_box: Part of the query photo that shows the face; None for a stored face.
    """

    number: int
    found: Found | None
    reasons: tuple[Words, ...]
    cards: tuple[Card, ...]
    more: str | None = None
    here: str | None = None
    face: QueryFace | None = None
    view_box: str | None = None
    light: Light | None = None

    @property
    def matches(self) -> int:
        """Shown cards at or above the threshold."""
        return sum(card.is_match for card in self.cards)

    @property
    def closest(self) -> Card | None:
        """The first card."""
        return self.cards[0] if self.cards else None

    @property
    def shortfall(self) -> float:
        """How far the closest card is below the threshold."""
        if self.closest is None:
            return 0.0
        return self.closest.match.threshold - self.closest.match.neighbour.cosine

    @property
    def headline(self) -> str:
        """The result in a few words."""
        if self.found is None:
            return "Not searched"
        if not self.cards:
            return "Nothing to compare with"
        if not self.matches:
            return "No match"
        name = self.cards[0].match.neighbour.person_name
        return name or ("1 match" if self.matches == 1 else f"{self.matches} matches")


@dataclass(frozen=True, slots=True)
class QueryPicture:
    """The photo that was searched with."""

    src: str
    width: int
    height: int
    label_scale: float
    outlines: tuple[Outline, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """A stored face or a person that was searched with.

    Attributes:
        kept: What there is of the image of *crop_id*, of `core.keeping.Keeps`.
    """

    kind: str
    id: UUID
    name: str
    crop_id: UUID | None
    kept: str | None
    image_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Results:
    """A whole answer: either *picture* or *subject* is there.

    Attributes:
        filtered: Conditions narrowed the search.
    """

    collection: Collection
    queries: tuple[Query, ...]
    picture: QueryPicture | None = None
    subject: Subject | None = None
    filtered: bool = False

    @property
    def summary(self) -> str:
        """One sentence, for whoever cannot see the result."""
        if not self.queries:
            return "No face was found in this photo."
        faces = "1 face" if len(self.queries) == 1 else f"{len(self.queries)} faces"
        matched = sum(query.matches > 0 for query in self.queries)
        return f"{faces} searched, {matched or 'none'} with a match."


@dataclass(frozen=True, slots=True)
class Arranging:
    """How the answers of one request are arranged: where was searched, how, and for whom."""

    services: Services
    owner: bytes
    homes: Sequence[Collection]
    options: Options

    def of_photo(self, answer: FoundPhoto) -> Results:
        """Arrange the answer for a photo."""
        photo = answer.photo
        size = (photo.width, photo.height)
        most = CARDS_IN_A_CROWD if len(answer.faces) > CROWD else None
        queries = tuple(self._query(face, size, most) for face in answer.faces)
        assert photo.preview is not None, "the page asks for it"  # noqa: S101
        picture = QueryPicture(
            src=pictures.data_uri(photo.preview),
            width=photo.width,
            height=photo.height,
            label_scale=pictures.label_scale(*size),
            outlines=tuple(_outline(query, size) for query in queries),
        )
        return Results(self.homes[0], queries, picture=picture, filtered=self._filtered)

    def of_subject(
        self, subject: Subject, sought: Sought, found: Found, weakest: Weakness | None
    ) -> Results:
        """Arrange the answer for a stored face or a person."""
        about = {"kind": subject.kind, "id": str(subject.id), "name": subject.name}
        more, here = self._cursors(sought, found, weakest, about)
        query = Query(1, found, (), cards(found), more, here)
        return Results(self.homes[0], (query,), subject=subject, filtered=self._filtered)

    @property
    def _filtered(self) -> bool:
        return bool(self.options.filter.asked)

    def _query(self, face: FoundFace, size: tuple[int, int], most: int | None) -> Query:
        found, quality = face.found, face.query.quality
        more = here = None
        if found is not None:
            if len(found.matches) > len(found.matches[:most]):
                found = replace(found, matches=found.matches[:most], more=True)
            weakest = explaining.weakest_of_query(self.services, self.homes[0], face.query)
            about = {"kind": "photo", "number": face.index + 1}
            more, here = self._cursors(face.subject, found, weakest, about)
        return Query(
            number=face.index + 1,
            found=found,
            reasons=tuple(in_words(reason) for reason in face.reasons),
            cards=cards(found) if found else (),
            more=more,
            here=here,
            face=face.query,
            view_box=pictures.around(face.query.face.box, size),
            light=None if quality is None else pictures.light(quality.overall),
        )

    def _cursors(
        self, sought: Sought, found: Found, weakest: Weakness | None, about: Mapping[str, object]
    ) -> tuple[str | None, str | None]:
        """Return where the next matches are, and where this answer is explained."""
        told = about if weakest is None else {**about, "weakest": explaining.plain(weakest)}
        homes = tuple(home.id for home in self.homes)
        position = Position(homes, sought, self.options, told)
        return (
            paging.behind(self.services, self.owner, position, found),
            paging.keep(self.services, self.owner, position),
        )


def cards(found: Found) -> tuple[Card, ...]:
    """Arrange matches."""
    return tuple(card(match) for match in found.matches)


def card(match: Match) -> Card:
    """Arrange one match."""
    return Card(
        match,
        pictures.bar(match.neighbour.cosine, match.threshold),
        pictures.neighbour_outline(match.neighbour),
        pictures.light(match.neighbour.quality),
    )


def _outline(query: Query, size: tuple[int, int]) -> Outline:
    assert query.face is not None, "every face of a photo has one"  # noqa: S101
    kind = "unsearched" if query.found is None else "match" if query.matches else "other"
    return pictures.outline(
        query.face.face.box,
        size,
        key=str(query.number),
        number=query.number,
        label=f"Face {query.number}: {query.headline}",
        kind=kind,
    )
