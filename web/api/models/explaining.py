"""Why a search found this and not that, over the wire."""

from typing import Final, Self

from pydantic import Field

from core import explaining as core
from core.explaining import Factor, Level
from core.routing import Estimate
from web.api.models.common import Answer
from web.api.models.matches import MatchAnswer

CONDITIONS: Final = {
    "people": "person.ids",
    "not_people": "person.not_ids",
    "named": "person.named",
    "person_prefix": "person.external_id.prefix",
    "person_metadata": "person.metadata",
    "tags_any": "image.tags.any",
    "tags_all": "image.tags.all",
    "tags_none": "image.tags.none",
    "captured_from": "image.captured_at.gte",
    "captured_before": "image.captured_at.lt",
    "image_prefix": "image.external_id.prefix",
    "image_metadata": "image.metadata",
    "not_images": "image.not_ids",
    "created_from": "face.created_at.gte",
    "created_before": "face.created_at.lt",
    "face_prefix": "face.external_id.prefix",
    "face_metadata": "face.metadata",
    "not_faces": "face.not_ids",
    "min_quality": "face.quality.gte",
    "min_size": "face.size.gte",
}
"""Conditions of `core.filters.Filter` as they are called in a request."""


class Weakness(Answer):
    """The worst part of a face's quality, in proportion to what the strict quality gate asks for."""

    factor: Factor
    value: float = Field(description="0 to 1; of `yaw` and `pitch` in degrees.")
    level: Level = Field(
        description="`good`: good enough to enrol with; `fair`: to search with; `poor`: neither."
    )

    @classmethod
    def of(cls, weakness: core.Weakness) -> Self:
        """Round to what means anything."""
        return cls(factor=weakness.factor, value=round(weakness.value, 3), level=weakness.level)


class NearMiss(Answer):
    """A candidate below the threshold."""

    match: MatchAnswer
    short: float = Field(description="How far its cosine is below the threshold.")


class Removed(Answer):
    """What one condition takes away, alone."""

    condition: str = Field(examples=["image.tags.any"])
    faces: int = Field(description="Of the nearest ones, how many fail it.")
    best: MatchAnswer | None = Field(description="The nearest of these.")


class Filtering(Answer):
    """What the filter did to the nearest faces."""

    nearest: int = Field(description="Faces that were nearest without any filter; at most 100.")
    kept: int = Field(description="How many of them meet all conditions.")
    removed: list[Removed]


class Agreement(Answer):
    """The answer compared with that of looking at every face."""

    same: bool = Field(description="The same matches in the same order.")
    missing: list[MatchAnswer] = Field(description="Matches that the index lost.")


class Expected(Answer):
    """What was expected of a collection where there was a choice."""

    faces: int
    matching: int = Field(description="Faces that meet the filter, estimated from a sample.")
    exact_ms: float = Field(description="How long looking at each takes.")
    index_ms: float = Field(description="How long the index takes.")

    @classmethod
    def of(cls, estimate: Estimate) -> Self:
        """Round to what means anything."""
        return cls(
            faces=estimate.faces,
            matching=estimate.matching,
            exact_ms=round(estimate.exact_ms, 2),
            index_ms=round(estimate.index_ms, 2),
        )


class Explanation(Answer):
    """Why one query face found what it found."""

    weakest: Weakness | None = Field(
        description="Of the query face; null for people, vectors and several faces."
    )
    near_misses: list[NearMiss] = Field(description="The best candidates below the threshold.")
    filtering: Filtering | None = Field(description="Null where nothing is filtered.")
    exact: Agreement | None = Field(
        description="Null where looking at every face took longer than a search may."
    )
    expected: list[Expected] = Field(
        description="Why it was searched the way `index` says, by collection; empty where there is "
        "no choice: without an index every face is looked at."
    )

    @classmethod
    def of(cls, why: core.Explanation, weakest: core.Weakness | None) -> Self:
        """Show an explanation."""
        filtering, agreement = why.filtering, why.agreement
        return cls(
            weakest=None if weakest is None else Weakness.of(weakest),
            near_misses=[
                NearMiss(match=MatchAnswer.of(each.match), short=round(each.short, 4))
                for each in why.near_misses
            ],
            filtering=None
            if filtering is None
            else Filtering(
                nearest=filtering.nearest,
                kept=filtering.kept,
                removed=[_removed(each) for each in filtering.removed],
            ),
            exact=None
            if agreement is None
            else Agreement(
                same=agreement.same,
                missing=[MatchAnswer.of(match) for match in agreement.missing],
            ),
            expected=[Expected.of(each) for each in why.index.estimates],
        )


def _removed(removed: core.Removed) -> Removed:
    return Removed(
        condition=CONDITIONS[removed.condition],
        faces=removed.faces,
        best=None if removed.best is None else MatchAnswer.of(removed.best),
    )
