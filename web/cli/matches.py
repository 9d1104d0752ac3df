"""Results of searches on the terminal, and as JSON in the words of the API."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.explaining import Explanation, Weakness
from core.finding import Decision, Found, Match
from core.search import FoundFace
from web.api.models.explaining import CONDITIONS
from web.api.models.explaining import Explanation as ExplanationAnswer
from web.cli.common import output


@dataclass(frozen=True, slots=True)
class Row:
    """What was found for one query.

    Attributes:
        title: Who was searched for.
        face: Where a photo was searched with; *found* is None when it was not searched.
    """

    title: str
    found: Found | None
    face: FoundFace | None = None
    why: Explanation | None = None
    weakest: Weakness | None = None

    @property
    def matched(self) -> bool:
        """Somebody reaches the threshold."""
        return self.found is not None and any(
            match.decision is Decision.MATCH for match in self.found.matches
        )


def row_of(face: FoundFace, faces: int) -> Row:
    """Take a face of a photo with so many *faces*."""
    left, top, right, bottom = (round(side) for side in face.query.face.box)
    title = f"Face {face.index + 1} of {faces}, at {left},{top} to {right},{bottom}"
    return Row(title, face.found, face)


def print_faces(faces: Sequence[FoundFace]) -> None:
    """Print a ranked table per face of a query photo."""
    print_rows([row_of(face, len(faces)) for face in faces])


def print_rows(rows: Sequence[Row]) -> None:
    """Print a ranked table per query."""
    console = output()
    if not rows:
        console.print("No face was found in this photo.")
    for row in rows:
        if row.found is not None:
            console.print(_table(row.title, row.found))
            if row.why is not None:
                _print_why(console, row.why, row.weakest)
        elif row.face is not None and row.face.fused:
            console.print(f"{row.title}: searched together with the others")
        elif row.face is not None:
            console.print(f"{row.title}: not searched ({', '.join(row.face.reasons)})")


def _table(title: str, found: Found) -> Table:
    table = Table("rank", "person", "cosine", "margin", "decision", "photo", title=title)
    table.title_justify = "left"
    how = "every face compared" if found.index.exact else f"by index ({found.index.kind})"
    table.caption = f"threshold {found.threshold:.3f} ({found.threshold_source}); {how}"
    for match in found.matches:
        near = match.neighbour
        table.add_row(
            str(match.rank),
            near.person_name or "(unnamed)",
            f"{near.cosine:.4f}",
            "" if match.margin is None else f"{match.margin:.4f}",
            Text("match", "green") if match.decision is Decision.MATCH else "below threshold",
            near.filename or str(near.image_id),
        )
    return table


def _print_why(console: Console, why: Explanation, weakest: Weakness | None) -> None:
    """Print an explanation, a line for each thing that it says."""
    if weakest is not None:
        console.print(
            f"  face: {weakest.level.value}; weakest: {weakest.factor.value} {weakest.value:.2f}"
        )
    for miss in why.near_misses:
        console.print(f"  {miss.short:.4f} below the threshold: {_who(miss.match)}")
    if why.filtering is not None:
        filtering = why.filtering
        console.print(
            f"  of the {filtering.nearest} nearest faces {filtering.kept} meet all conditions"
        )
        for each in filtering.removed:
            best = "" if each.best is None else f", the nearest {_who(each.best)}"
            condition = CONDITIONS[each.condition]
            console.print(f"  {condition} alone leaves out {each.faces}{best}")
    if why.agreement is None:
        console.print("  comparing every face took too long")
    elif why.agreement.same:
        console.print("  comparing every face gives the same")
    for match in why.agreement.missing if why.agreement else ():
        console.print(f"  the index lost {_who(match)}")
    for estimate in why.index.estimates:
        console.print(
            f"  expected: {estimate.exact_ms:.1f} ms for every face, {estimate.index_ms:.1f} ms by "
            f"index, {estimate.matching} of {estimate.faces} faces meet the conditions"
        )


def _who(match: Match) -> str:
    near = match.neighbour
    name = near.person_name or "(unnamed)"
    return f"{name} {near.cosine:.4f} in {near.filename or near.image_id}"


def plain(row: Row) -> dict[str, Any]:
    """Show a query and its matches, in the words of the API."""
    found, face = row.found, row.face
    about: dict[str, Any] = {}
    if face is not None:
        about = {
            "index": face.index,
            "box": _box(face.query.face.box),
            "score": face.query.face.score,
            "searched": face.searched,
            "reasons": face.reasons,
        }
    why = row.why and ExplanationAnswer.of(row.why, row.weakest).model_dump(mode="json")
    return about | {
        "threshold": found and found.threshold,
        "threshold_source": found and found.threshold_source,
        "searched_faces": found and found.searched_faces,
        "exact": found and found.index.exact,
        "matches": [_plain_match(match) for match in found.matches] if found else [],
        "more": found and found.more,
        **({"explanation": why} if why else {}),
    }


def _plain_match(match: Match) -> dict[str, Any]:
    near = match.neighbour
    person = {"id": near.person_id, "name": near.person_name} if near.person_id else None
    return {
        "rank": match.rank,
        "person": person,
        "face_id": near.face_id,
        "image_id": near.image_id,
        "filename": near.filename,
        "collection_id": near.collection_id,
        "cosine": near.cosine,
        "margin": match.margin,
        "decision": match.decision,
        "supporting_faces": near.supporting,
        "quality": near.quality,
        "box": _box(near.box),
    }


def _box(corners: Sequence[float]) -> dict[str, float]:
    left, top, right, bottom = corners
    return {"left": left, "top": top, "width": right - left, "height": bottom - top}
