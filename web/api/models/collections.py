"""Collections over the wire."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Self, TypeAlias
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from core.collections import LEAST_EF_SEARCH, MOST_EF_SEARCH, Receipt
from core.db import collections as rows
from core.gates import USUAL, Gate
from core.keeping import USUAL as KEEPS_USUALLY
from core.keeping import Keeps as Keeping
from web.api.models.common import (
    Answer,
    Body,
    Change,
    ExternalId,
    Metadata,
    Name,
    Page,
    PageQuery,
    Query,
    Threshold,
    kept,
)
from web.api.models.policies import (
    BudgetInUse,
    BudgetPolicy,
    Calibration,
    CosineInUse,
    CosinePolicy,
    Policy,
    as_core,
)

QualityGate: TypeAlias = Annotated[
    Gate,
    Field(
        strict=False,
        description="Which faces are stored: `off` all that can be compared, `standard` none by "
        "which hardly anybody could be found, `strict` good ones only, for enrolment. Faces left "
        "out are listed in `skipped_faces` of their image.",
    ),
]


EfSearch: TypeAlias = Annotated[
    int,
    Field(
        ge=LEAST_EF_SEARCH,
        le=MOST_EF_SEARCH,
        description="Candidates that a search of its index keeps: more find more, and take longer. "
        "Recall audits propose one.",
    ),
]
Keeps: TypeAlias = Annotated[
    Keeping,
    Field(
        strict=False,
        description="What stays of a photo once it is indexed, beside the vectors of its faces: "
        "`originals` the photo, small copies and crops of faces, `crops` those crops, `vectors` no "
        "picture at all.",
    ),
]
KeepsQueries: TypeAlias = Annotated[
    bool,
    Field(
        description="Whether a few query vectors are kept, nothing else of a search, so that "
        "recall is measured on real ones."
    ),
]


def _require_one(threshold: float | None, policy: CosinePolicy | BudgetPolicy | None) -> None:
    if threshold is not None and policy is not None:
        raise ValueError("give threshold or policy, not both")


class NewCollection(Body):
    """A collection to be made."""

    name: Name = Field(examples=["team"])
    pack: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = Field(
        None,
        description="Model pack whose space the collection keeps for life; see `/v1/packs`. "
        "Left out: the one in the settings.",
        examples=["open"],
    )
    external_id: ExternalId | None = Field(None, examples=["HR-7"])
    metadata: Metadata = Field({}, examples=[{"site": "Lyon"}])
    threshold: Threshold | None = Field(None, description="Left out: the pack's.", examples=[0.9])
    policy: Policy | None = Field(
        None,
        description="In the place of `threshold`. A budget needs a calibration, which needs faces: "
        "it is for later.",
        examples=[{"kind": "cosine", "value": 0.9}],
    )
    quality_gate: QualityGate = USUAL
    keeps_queries: KeepsQueries = True
    keeps: Keeps = KEEPS_USUALLY

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        _require_one(self.threshold, self.policy)
        return self

    @property
    def matching(self) -> dict[str, Any]:
        """From which cosine two faces match, as core wants it."""
        return {"threshold": self.threshold} if self.policy is None else as_core(self.policy)


class CollectionChange(Change):
    """What to change of a collection; what is left out stays."""

    may_be_null: ClassVar[frozenset[str]] = frozenset({"external_id", "ef_search"})

    name: Name = kept()
    external_id: ExternalId | None = kept("Null removes it.")
    metadata: Metadata = kept("Replaces all of it.")
    threshold: Threshold = kept("Counts from the next search on; ends a budget.")
    policy: Policy = kept("In the place of `threshold`; a budget needs a calibration.")
    quality_gate: QualityGate = kept("Judges photos that are indexed from now on.")
    ef_search: EfSearch | None = kept("Null: as the settings say, for all collections.")
    keeps_queries: KeepsQueries = kept("False deletes those that are kept, at once.")
    keeps: Keeps = kept(
        "Counts for photos that are indexed from now on; those of before keep what they have."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        _require_one(self.threshold, self.policy)
        return self

    def changes(self) -> dict[str, Any]:
        """Return what was given, as core wants it."""
        given = super().changes()
        if "ef_search" in given:
            given["ef_search"] = given["ef_search"] or 0
        policy = given.pop("policy", None)
        return given if policy is None else given | as_core(policy)


class CollectionsQuery(PageQuery):
    """Which collections."""

    external_id: ExternalId | None = None


class DeletionQuery(Query):
    """Asking twice."""

    confirm: str | None = Field(None, max_length=64, description="The id once more.")


class Collection(Answer):
    """A gallery that is bound to one space."""

    id: UUID
    name: str
    external_id: str | None
    metadata: dict[str, Any]
    space_id: str = Field(description="Only vectors of this space are compared here.")
    pack: str
    dimension: int
    threshold: float = Field(description="Cosine from which two faces match now.")
    threshold_source: str = Field(description="Where that number comes from.")
    policy: CosineInUse | BudgetInUse = Field(discriminator="kind")
    calibration: Calibration | None = Field(description="Null: no budget can be set yet.")
    quality_gate: QualityGate
    ef_search: EfSearch | None = Field(description="Null: as the settings say.")
    keeps_queries: KeepsQueries
    keeps: Keeps
    image_count: int
    face_count: int
    person_count: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: rows.Collection) -> Self:
        """Show a row."""
        known = row.calibration
        return cls(
            id=row.id,
            name=row.name,
            external_id=row.external_id,
            metadata=row.metadata,
            space_id=row.space_id,
            pack=row.pack,
            dimension=row.dimension,
            threshold=row.threshold,
            threshold_source=row.threshold_source,
            policy=CosineInUse(kind="cosine", value=row.threshold)
            if row.budget is None
            else BudgetInUse.of(row.budget),
            calibration=known and Calibration.of(known),
            quality_gate=Gate(row.quality_gate),
            ef_search=row.ef_search,
            keeps_queries=row.keeps_queries,
            keeps=Keeping(row.keeps),
            image_count=row.image_count,
            face_count=row.face_count,
            person_count=row.person_count,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


class CollectionPage(Page[Collection]):
    """Collections, oldest first."""


class DeletionReceipt(Answer):
    """What a deletion took away."""

    collection_id: UUID
    images: int
    faces: int
    people: int

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """Show a receipt."""
        return cls(
            collection_id=receipt.collection_id,
            images=receipt.images,
            faces=receipt.faces,
            people=receipt.people,
        )
