"""What a search found, arranged for the templates."""

from dataclasses import dataclass
from uuid import UUID

from core.db.collections import Collection
from core.exchange import QueryFace
from core.finding import Decision, Found, Match
from core.search import FoundFace, FoundPhoto
from web.pages import pictures
from web.pages.pictures import Bar, Light, Outline
from web.pages.words import Words, in_words

CROWD = 12
"""Photos with more faces than this show only the first few matches of each."""

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
        view_box: Part of the query photo that shows the face; None for a stored face.
        hidden: Matches that were found and are not shown.
    """

    number: int
    found: Found | None
    reasons: tuple[Words, ...]
    cards: tuple[Card, ...]
    hidden: int
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
        if self.found is None or self.closest is None:
            return 0.0
        return self.found.threshold - self.closest.match.neighbour.cosine

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
    """A stored face or a person that was searched with."""

    kind: str
    id: UUID
    name: str
    crop_id: UUID | None
    image_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Results:
    """A whole answer: either *picture* or *subject* is there."""

    collection: Collection
    queries: tuple[Query, ...]
    picture: QueryPicture | None = None
    subject: Subject | None = None
    more: int | None = None

    @property
    def summary(self) -> str:
        """One sentence, for whoever cannot see the result."""
        if not self.queries:
            return "No face was found in this photo."
        faces = "1 face" if len(self.queries) == 1 else f"{len(self.queries)} faces"
        matched = sum(query.matches > 0 for query in self.queries)
        return f"{faces} searched, {matched or 'none'} with a match."


def of_photo(collection: Collection, answer: FoundPhoto) -> Results:
    """Arrange the answer for a photo."""
    photo = answer.photo
    size = (photo.width, photo.height)
    most = CARDS_IN_A_CROWD if len(answer.faces) > CROWD else None
    queries = tuple(_query(face, size, most) for face in answer.faces)
    assert photo.preview is not None, "the page asks for it"  # noqa: S101
    picture = QueryPicture(
        src=pictures.data_uri(photo.preview),
        width=photo.width,
        height=photo.height,
        label_scale=pictures.label_scale(*size),
        outlines=tuple(_outline(query, size) for query in queries),
    )
    return Results(collection, queries, picture=picture)


def of_subject(
    collection: Collection, subject: Subject, found: Found, *, limit: int, most: int
) -> Results:
    """Arrange the answer for a stored face or a person."""
    query = Query(1, found, (), _cards(found), 0)
    more = min(most, 2 * limit) if len(found.matches) == limit and limit < most else None
    return Results(collection, (query,), subject=subject, more=more)


def _query(face: FoundFace, size: tuple[int, int], most: int | None) -> Query:
    cards = _cards(face.found) if face.found else ()
    quality = face.query.quality
    return Query(
        number=face.index + 1,
        found=face.found,
        reasons=tuple(in_words(reason) for reason in face.reasons),
        cards=cards[:most],
        hidden=len(cards) - len(cards[:most]),
        face=face.query,
        view_box=pictures.around(face.query.face.box, size),
        light=None if quality is None else pictures.light(quality.overall),
    )


def _cards(found: Found) -> tuple[Card, ...]:
    return tuple(
        Card(
            match,
            pictures.bar(match.neighbour.cosine, found.threshold),
            pictures.neighbour_outline(match.neighbour),
            pictures.light(match.neighbour.quality),
        )
        for match in found.matches
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
