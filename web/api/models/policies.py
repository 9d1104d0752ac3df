"""Policies over the wire: from which cosine two faces match, or how many false alarms may be."""

from datetime import date
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field

from core.budget import LEAST_STRANGERS, MOST_STRANGERS, Effective, Impostors
from web.api.models.common import Answer, Body, Threshold

OneIn: TypeAlias = Annotated[
    int,
    Field(
        ge=LEAST_STRANGERS,
        le=MOST_STRANGERS,
        description="At most one in so many searches for strangers finds anybody.",
        examples=[1000],
    ),
]


class CosinePolicy(Body):
    """A cosine that stays, however large the collection gets."""

    kind: Literal["cosine"]
    value: Threshold


class BudgetPolicy(Body):
    """A budget of false alarms: the cosine rises as the collection grows."""

    kind: Literal["budget"]
    one_in: OneIn


Policy: TypeAlias = Annotated[CosinePolicy | BudgetPolicy, Field(discriminator="kind")]


def as_core(policy: CosinePolicy | BudgetPolicy) -> dict[str, Any]:
    """Return what `core.collections` calls it."""
    if isinstance(policy, CosinePolicy):
        return {"threshold": policy.value}
    return {"alarm_budget": policy.one_in}


class CosineInUse(Answer):
    """A cosine that stays."""

    kind: Literal["cosine"]
    value: float


class BudgetInUse(Answer):
    """A budget of false alarms, and what it comes to in the collection as it is."""

    kind: Literal["budget"]
    one_in: int = Field(description="At most one in so many searches for strangers finds anybody.")
    kept: bool = Field(description="False: the collection has outgrown its calibration.")
    keeps_one_in: int = Field(description="What is kept: `one_in`, or less where `kept` is false.")
    fmr: float = Field(
        description="Share of pairs of different people that may reach the threshold."
    )
    evidence: Literal["measured", "extrapolated"] = Field(
        description="Whether the calibration counted that rate, or a fit to it foretells it."
    )
    gallery_size: int = Field(description="Faces that the threshold is for.")

    @classmethod
    def of(cls, budget: Effective) -> Self:
        """Show what a budget comes to."""
        return cls(
            kind="budget",
            one_in=budget.one_in,
            kept=budget.kept,
            keeps_one_in=budget.keeps_one_in,
            fmr=budget.fmr,
            evidence=budget.evidence.value,
            gallery_size=budget.faces,
        )


class Calibration(Answer):
    """What budgets are turned into cosines by: `facesearch calibrate COLLECTION --apply`."""

    day: date
    people: int
    pairs: int = Field(description="Of different people, that were compared.")
    rarest_measured: float = Field(
        description="The smallest false match rate that could be counted; a fit foretells rates "
        "down to a hundredth of it."
    )

    @classmethod
    def of(cls, found: Impostors) -> Self:
        """Show what a calibration found."""
        return cls(
            day=found.day,
            people=found.people,
            pairs=found.pairs,
            rarest_measured=found.steps.rarest,
        )
