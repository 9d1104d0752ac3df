"""What claimed photos came to, and how that is written down."""

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.db import images as image_rows
from core.db import jobs as job_rows
from core.db.jobs import Claimed
from core.db.pool import Connection
from core.errors import BadImage, BlobMissing
from core.keeping import Keeps
from core.pipeline import AnalysedPhoto, SkippedFace


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a claimed photo came to.

    Attributes:
        embedded: Its faces, those that a gate refused included.
    """

    claim: Claimed
    result: AnalysedPhoto | BadImage | BlobMissing
    embedded: int = 0

    @property
    def keeps(self) -> Keeps:
        """What stays of it."""
        return Keeps(self.claim.keeps)


def finish(conn: Connection, outcome: Outcome, waiting: Container[UUID]) -> None:
    """Close an item and its image."""
    claim, result = outcome.claim, outcome.result
    image_id = claim.image_id
    if image_id is None or image_id not in waiting:
        job_rows.finish(conn, claim.item_id, state="skipped", reason="image_deleted")
        return
    if isinstance(result, AnalysedPhoto):
        reason, detail = _not_indexed(result)
        image_rows.finish(
            conn,
            image_id,
            state="indexed",
            kept=outcome.keeps,
            reason=reason,
            detail=detail,
            face_count=len(result.faces),
            skipped_faces=[_skipped(each) for each in result.skipped],
            width=result.header.width,
            height=result.header.height,
            picture_hash=result.picture_hash,
        )
        job_rows.finish(conn, claim.item_id, state="indexed", reason=reason, detail=detail)
        return
    code, detail = result.code, str(result)
    image_rows.finish(
        conn, image_id, state="rejected", kept=outcome.keeps, reason=code, detail=detail
    )
    job_rows.finish(conn, claim.item_id, state="rejected", reason=code, detail=detail)


def _not_indexed(photo: AnalysedPhoto) -> tuple[str | None, str | None]:
    """Say why an image has no face, and which faces were left out."""
    if not photo.skipped:
        return None if photo.faces else "no_face_found", None
    reasons = ", ".join(
        f"{reason} ({count})"
        for reason, count in sorted(Counter(face.reason for face in photo.skipped).items())
    )
    detail = f"Faces that were found and not indexed: {reasons}."
    return None if photo.faces else "no_usable_face", detail


def _skipped(skipped: SkippedFace) -> dict[str, Any]:
    box = [float(side) for side in skipped.face.box]
    score = float(skipped.face.score)
    return {"box": box, "score": score, "reason": skipped.reason, "reasons": [*skipped.reasons]}
