"""Recall audits over the wire."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import Field

from core.db import recall as rows
from core.db.indexes import Kind
from web.api.models.common import Answer, Page, PageQuery
from web.api.models.indexes import IndexKind


class AuditStep(Answer):
    """What the index gave with one `ef_search` that was tried."""

    ef_search: int
    recall_1: float
    recall_10: float
    lost_mates: int
    ms: float = Field(description="Middle time of a query.")


class Audit(Answer):
    """How much of what exact search finds an index found, on the same queries."""

    id: UUID
    collection_id: UUID
    audited_at: datetime
    kind: IndexKind
    ef_search: int = Field(description="In use at that time.")
    queries: int = Field(description="Query vectors that were replayed.")
    stored_queries: int = Field(
        description="Of them, made of stored faces because too few real queries are kept."
    )
    faces: int = Field(description="In the collection at that time.")
    recall_1: float = Field(description="Share of the nearest faces that were found.")
    recall_10: float = Field(description="Share of the ten nearest faces that were found.")
    mates: int = Field(
        description="Faces at or above the threshold among the ten nearest, over all queries."
    )
    lost_mates: int = Field(description="Of them, not found.")
    approximate_ms: float = Field(description="Middle time of a query by the index.")
    exact_ms: float = Field(description="Of the same by exact search.")
    proposed_ef_search: int | None = Field(
        description="The smallest that reaches the goal; null: none that was tried does. Set it by "
        "changing the collection."
    )
    applied: bool = Field(description="Whether it was set, or a step towards it, at once.")
    steps: list[AuditStep]

    @classmethod
    def of(cls, row: rows.Audit) -> Self:
        """Show a row."""
        return cls(
            id=row.id,
            collection_id=row.collection_id,
            audited_at=row.audited_at,
            kind=Kind(row.kind),
            ef_search=row.ef_search,
            queries=row.queries,
            stored_queries=row.stored_queries,
            faces=row.faces,
            recall_1=round(row.recall_1, 5),
            recall_10=round(row.recall_10, 5),
            mates=row.mates,
            lost_mates=row.lost_mates,
            approximate_ms=round(row.approximate_ms, 3),
            exact_ms=round(row.exact_ms, 3),
            proposed_ef_search=row.proposed_ef_search,
            applied=row.applied,
            steps=[
                AuditStep(
                    ef_search=step["ef_search"],
                    recall_1=round(step["recall_1"], 5),
                    recall_10=round(step["recall_10"], 5),
                    lost_mates=step["lost_mates"],
                    ms=round(step["ms"], 3),
                )
                for step in row.steps
            ],
        )


class AuditPage(Page[Audit]):
    """Audits, newest first."""


class AuditsQuery(PageQuery):
    """Which audits."""
