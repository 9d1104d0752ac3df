"""``facesearch search PHOTO``: who is in it?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from core import collections as collection_use
from core import finding
from core import search as use
from core.db.search import GroupBy
from core.finding import Decision, Found, Match, Options
from core.search import FoundFace
from web.cli.common import json_option, print_json
from web.cli.services import PARTLY, doorbell, system


@click.command()
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--collection", "-c", required=True, help="Name or id of the collection.")
@click.option(
    "--limit", type=click.IntRange(1, finding.MOST_MATCHES), default=10, show_default=True,
    help="Most rows per face.",
)  # fmt: skip
@click.option(
    "--threshold", type=click.FloatRange(-1, 1), help="Cosine of a match; else the collection's."
)
@click.option(
    "--group-by", type=click.Choice([each.value for each in GroupBy]), default="person",
    show_default=True, help="A row per person or per face.",
)  # fmt: skip
@json_option
@click.pass_context
def search(
    ctx: click.Context,
    photo: Path,
    collection: str,
    limit: int,
    threshold: float | None,
    group_by: str,
    as_json: bool,
) -> None:
    """Find the people of PHOTO in a collection.

    Every face in it is searched. Exit code 0: somebody was found; 4: nobody above the threshold.
    """
    options = Options(limit=limit, threshold=threshold, group_by=GroupBy(group_by))
    with system() as services:
        with services.pool.connection() as conn:
            home = collection_use.find(conn, collection)
        found = use.by_photo(services, doorbell(services), [home], photo.read_bytes(), options)
    if as_json:
        print_json([_plain(face) for face in found.faces])
    else:
        print_faces(found.faces)
    if not any(_matched(face.found) for face in found.faces):
        ctx.exit(PARTLY)


def print_faces(faces: tuple[FoundFace, ...]) -> None:
    """Print a ranked table per face of the query photo."""
    console = Console()
    if not faces:
        console.print("No face was found in this photo.")
    for face in faces:
        left, top, right, bottom = (round(side) for side in face.query.face.box)
        title = f"Face {face.index + 1} of {len(faces)}, at {left},{top} to {right},{bottom}"
        if face.found is None:
            console.print(f"{title}: not searched ({', '.join(face.reasons)})")
        else:
            console.print(_table(title, face.found))


def _table(title: str, found: Found) -> Table:
    table = Table("rank", "person", "cosine", "margin", "decision", "photo", title=title)
    table.title_justify = "left"
    table.caption = f"threshold {found.threshold:.3f} ({found.threshold_source})"
    for match in found.matches:
        near = match.neighbour
        table.add_row(
            str(match.rank),
            near.person_name or "(unnamed)",
            f"{near.cosine:.4f}",
            "" if match.margin is None else f"{match.margin:.4f}",
            "[green]match[/green]" if match.decision is Decision.MATCH else "below threshold",
            near.filename or str(near.image_id),
        )
    return table


def _matched(found: Found | None) -> bool:
    return found is not None and any(m.decision is Decision.MATCH for m in found.matches)


def _plain(face: FoundFace) -> dict[str, Any]:
    """Show a query face and its matches, in the words of the API."""
    found = face.found
    return {
        "index": face.index,
        "box": _box(face.query.face.box),
        "score": face.query.face.score,
        "searched": found is not None,
        "reasons": face.reasons,
        "threshold": found and found.threshold,
        "threshold_source": found and found.threshold_source,
        "searched_faces": found and found.searched_faces,
        "exact": found and found.index.exact,
        "matches": [_plain_match(match) for match in found.matches] if found else [],
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
