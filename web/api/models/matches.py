"""What a search found, over the wire."""

from typing import Literal, Self, TypeAlias
from uuid import UUID

from pydantic import Field

from core import finding
from core.db.search import Detail
from core.finding import Decision, Match
from core.search import FoundFace
from web.api.models.common import (
    Answer,
    Box,
    PersonName,
    Quality,
    RelativeBox,
    landmarks,
)
from web.api.models.faces import crop_url
from web.api.models.images import thumbnail_url

Kind: TypeAlias = Literal["photo", "face", "person", "vector", "several"]


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
            searched=found.searched,
            reasons=list(found.reasons),
        )


class QueryEcho(Answer):
    """What was searched with."""

    kind: Kind = Field(description="`several`: faces of one person, fused.")
    image: QueryImage | None = None
    faces: list[QueryFace] = Field([], description="Every face of the photo, searched or not.")
    face_id: UUID | None = None
    person_id: UUID | None = None


class IndexUse(Answer):
    """How the matches were found."""

    kind: str = Field(
        description="`exact`, `hnsw`, `bit`, or `mixed` where collections were searched differently."
    )
    exact: bool = Field(description="No match can be missing.")
    ef_search: int | None
    second_look: bool = Field(
        description="The index found nobody at first and was asked again, by "
        "other ways through its graph."
    )
    candidates: int = Field(description="Faces that the matches were chosen from.")
    fallback: str | None = Field(
        description="Why the index was given up for looking at every face: `too_few_rows` (it found "
        "fewer than asked for), `crowded` (those of one person hid the others) or `nobody_found` "
        "(and looking at every face is no slower than asking the index again)."
    )

    @classmethod
    def of(cls, used: finding.IndexUse) -> Self:
        """Show what a search did."""
        return cls(
            kind=used.kind,
            exact=used.exact,
            ef_search=used.ef_search,
            second_look=used.second_look,
            candidates=used.candidates,
            fallback=used.fallback,
        )


class MatchAnswer(Answer):
    """The best face of a group: of a person, an image, or alone."""

    rank: int = Field(description="From 1; goes on over pages.")
    person: PersonName | None
    face_id: UUID
    image_id: UUID
    collection_id: UUID
    cluster_id: UUID | None = Field(description="Unnamed faces that share it look like one person.")
    cosine: float = Field(description="-1 to 1; larger is closer. Not a probability.")
    margin: float | None = Field(
        description="How far the best face of the next other named person is behind."
    )
    threshold: float = Field(description="Of its collection, or of the request.")
    decision: Decision = Field(description="Whether the cosine reaches the threshold.")
    supporting_faces: int = Field(description="Of this group, at or above the threshold.")
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
            collection_id=near.collection_id,
            cluster_id=near.cluster_id,
            cosine=near.cosine,
            margin=match.margin,
            threshold=match.threshold,
            decision=match.decision,
            supporting_faces=near.supporting,
            quality=round(near.quality, 3),
            box=Box.of(near.box),
            crop_url=crop_url(near.face_id),
            thumbnail_url=thumbnail_url(near.image_id),
        )


def _person(near: Detail) -> PersonName | None:
    if near.person_id is None:
        return None
    return PersonName(id=near.person_id, name=near.person_name or "")
