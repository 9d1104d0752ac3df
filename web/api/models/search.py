"""Searches over the wire."""

import re
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from core.db.search import Detail, GroupBy
from core.finding import MOST_MATCHES, Decision, Found, Match, Options
from core.search import FoundFace
from web.api.models.common import (
    Answer,
    Body,
    Box,
    PersonName,
    Quality,
    Query,
    RelativeBox,
    Text,
    Threshold,
    landmarks,
)
from web.api.models.faces import crop_url
from web.api.models.images import FileField, thumbnail_url
from web.api.reading import Photo

MOST_NUMBERS = 4000
MOST_INDEXES = 500

LARGEST = "largest"
INDEX = re.compile(r"[0-9]{1,5}")


def _face_choice(given: object) -> object:
    """Read ``all``, ``largest`` or ``0,2``."""
    if not isinstance(given, str) or given in ("all", LARGEST):
        return given
    parts = [part.strip() for part in given.split(",")]
    if len(parts) > MOST_INDEXES or not all(INDEX.fullmatch(part) for part in parts):
        raise ValueError("must be all, largest or indexes of faces, such as 0,2")
    return tuple(int(part) for part in parts)


FaceChoice = Annotated[
    Literal["all", "largest"] | tuple[int, ...],
    BeforeValidator(_face_choice),
    WithJsonSchema({"type": "string", "examples": ["all", "largest", "0,2"]}),
]


class SearchOptions(Query):
    """How to search with a photo."""

    limit: int = Field(20, ge=1, le=MOST_MATCHES, description="Most matches per face.")
    threshold: Threshold | None = Field(None, description="Left out: the collection's.")
    group_by: GroupBy = Field(
        GroupBy.PERSON, description="One match per person (unnamed faces alone), or per face."
    )
    only_matches: bool = Field(False, description="Leave out what is below the threshold.")
    faces: FaceChoice = Field(
        "all", description="Which faces of the photo: `all`, `largest`, or indexes like `0,2`."
    )

    @property
    def options(self) -> Options:
        """The same for core."""
        return Options(self.limit, self.threshold, self.group_by, self.only_matches)

    @property
    def indexes(self) -> tuple[int, ...] | None:
        """The faces that were named by index."""
        return None if isinstance(self.faces, str) else self.faces


class SearchForm(SearchOptions):
    """A photo to search with; every face in it is searched."""

    photo: list[FileField] = Field(min_length=1, max_length=1, description="One picture.")

    @property
    def picture(self) -> Photo:
        """The one photo."""
        return self.photo[0]


class Subject(Body):
    """What to search with: exactly one of a stored face, a person, and a vector."""

    face_id: UUID | None = Field(None, description="It is not itself among the matches.")
    person_id: UUID | None = Field(
        None, description="The mean of their faces, which are not among the matches."
    )
    vector: list[Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]] | None = Field(
        None, max_length=MOST_NUMBERS, description="Of any length but 0; it is scaled to 1."
    )
    space_id: Text | None = Field(None, description="Of the vector; must be the collection's.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [self.face_id, self.person_id, self.vector]
        if sum(each is not None for each in given) != 1:
            raise ValueError("give exactly one of face_id, person_id and vector")
        if (self.vector is None) != (self.space_id is None):
            raise ValueError("vector and space_id belong together")
        return self


class NoQuery(Query):
    """No parameters: in a JSON search the options are members."""


class StoredSearch(Body):
    """A search without a photo."""

    query: Subject
    limit: int = Field(20, ge=1, le=MOST_MATCHES, description="Most matches.")
    threshold: Threshold | None = Field(None, description="Left out: the collection's.")
    group_by: GroupBy = GroupBy.PERSON
    only_matches: bool = False

    @property
    def options(self) -> Options:
        """The same for core."""
        return Options(self.limit, self.threshold, self.group_by, self.only_matches)


class QueryImage(Answer):
    """The photo that was searched with; it is not kept."""

    width: int = Field(description="Of the upright image, in pixels.")
    height: int
    format: str


class QueryFace(Answer):
    """A face of that photo, and what became of it."""

    index: int = Field(description="Best detector score first.")
    box: Box
    box_rel: RelativeBox
    landmarks: list[tuple[float, float]]
    score: float
    quality: Quality | None
    norm: float | None
    searched: bool
    reasons: list[str] = Field(description="Why it was not searched; no quality gate judges it.")

    @classmethod
    def of(cls, found: FoundFace, width: int, height: int) -> Self:
        """Show a face of an image of this size."""
        face, quality = found.query.face, found.query.quality
        return cls(
            index=found.index,
            box=Box.of(face.box),
            box_rel=RelativeBox.of(face.box, width, height),
            landmarks=landmarks(face.landmarks.tolist()),
            score=round(face.score, 4),
            quality=None
            if quality is None
            else Quality.of(
                overall=quality.overall,
                sharpness=quality.sharpness,
                brightness=quality.brightness,
                size=quality.size,
                yaw=quality.yaw,
                pitch=quality.pitch,
                roll=quality.roll,
            ),
            norm=None if found.query.norm is None else round(found.query.norm, 4),
            searched=found.found is not None,
            reasons=list(found.reasons),
        )


class QueryEcho(Answer):
    """What was searched with."""

    kind: Literal["photo", "face", "person", "vector"]
    image: QueryImage | None = None
    faces: list[QueryFace] = Field([], description="Every face of the photo, searched or not.")
    face_id: UUID | None = None
    person_id: UUID | None = None


class IndexUse(Answer):
    """How the matches were found."""

    kind: str = Field(description="`exact` or `hnsw`.")
    exact: bool = Field(description="No match can be missing.")
    ef_search: int | None


class MatchAnswer(Answer):
    """A face of the collection, the best of its person."""

    rank: int
    person: PersonName | None
    face_id: UUID
    image_id: UUID
    cosine: float = Field(description="-1 to 1; larger is closer. Not a probability.")
    margin: float | None = Field(
        description="How far the best face of the next other named person is behind."
    )
    decision: Decision = Field(description="Whether the cosine reaches the threshold.")
    supporting_faces: int = Field(description="Of this person, at or above the threshold.")
    quality: float
    box: Box
    crop_url: str
    thumbnail_url: str

    @classmethod
    def of(cls, match: Match) -> Self:
        """Show a match."""
        near = match.neighbour
        return cls(
            rank=match.rank,
            person=_person(near),
            face_id=near.face_id,
            image_id=near.image_id,
            cosine=near.cosine,
            margin=match.margin,
            decision=match.decision,
            supporting_faces=near.supporting,
            quality=round(near.quality, 3),
            box=Box.of(near.box),
            crop_url=crop_url(near.face_id),
            thumbnail_url=thumbnail_url(near.image_id),
        )


class FaceResult(Answer):
    """The matches of one query face."""

    face_index: int | None = Field(description="Null when no photo was searched with.")
    threshold: float
    threshold_source: str
    searched_faces: int
    index: IndexUse
    matches: list[MatchAnswer]

    @classmethod
    def of(cls, found: Found, face_index: int | None = None) -> Self:
        """Show what was found."""
        return cls(
            face_index=face_index,
            threshold=found.threshold,
            threshold_source=found.threshold_source,
            searched_faces=found.searched_faces,
            index=IndexUse(
                kind=found.index.kind, exact=found.index.exact, ef_search=found.index.ef_search
            ),
            matches=[MatchAnswer.of(match) for match in found.matches],
        )


class SearchAnswer(Answer):
    """What a search found."""

    query: QueryEcho
    results: list[FaceResult] = Field(description="One per face that was searched.")
    reason: str | None = Field(
        None, description="`no_face_found` when the photo has no face; that is no error."
    )
    processing_ms: int


def _person(near: Detail) -> PersonName | None:
    if near.person_id is None:
        return None
    return PersonName(id=near.person_id, name=near.person_name or "")
