"""``facesearch together``: which photos show some people together, and others not?"""

from collections.abc import Sequence
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from core import collections as collection_use
from core import finding, picking, subjects
from core import together as use
from core.db.people import Person
from core.db.together import Standing
from core.finding import Options
from core.picking import Party
from core.routing import Mode
from core.together import MOST_SUBJECTS, FoundTogether
from web.api.models.search import TogetherImage
from web.cli import conditions
from web.cli.common import json_option, output, print_json
from web.cli.services import PARTLY, system


@click.command()
@click.option(
    "--collection", "-c", "name", required=True, help="Name or id of the collection."
)  # fmt: skip
@click.option(
    "--with", "present", required=True, multiple=True, metavar="PERSON",
    help=f"Must be in the photo; up to {MOST_SUBJECTS}, by whole name or by id.",
)  # fmt: skip
@click.option(
    "--without", "absent", multiple=True, metavar="PERSON",
    help="Must not be in it; as many, likewise.",
)  # fmt: skip
@click.option(
    "--limit", type=click.IntRange(1, finding.MOST_MATCHES), default=20, show_default=True,
    help="Most photos.",
)  # fmt: skip
@click.option(
    "--threshold", type=click.FloatRange(-1, 1),
    help="Cosine at which a face stands for somebody; else the collection's.",
)  # fmt: skip
@click.option("--exact", is_flag=True, help="Compare every face, however long it takes.")
@conditions.on_photos
@json_option
@click.pass_context
def together(
    ctx: click.Context,
    /,
    name: str,
    present: Sequence[str],
    absent: Sequence[str],
    limit: int,
    threshold: float | None,
    exact: bool,
    as_json: bool,
    **filters: Any,
) -> None:
    """Find the photos of a collection that show everybody of --with, and nobody of --without.

    A face with the name stands for its person, and so does one that reaches the threshold. Exit code
    0: there is such a photo; 4: none was found.
    """
    options = Options(
        limit=limit,
        threshold=threshold,
        filter=conditions.asked(**filters),
        mode=Mode.EXACT if exact else Mode.AUTO,
    )
    with system() as services:
        with services.pool.connection() as conn:
            home = collection_use.find(conn, name)
            party = picking.party(
                picking.pick(conn, home.id, present), picking.pick(conn, home.id, absent)
            )
            wanted, barred = (
                [subjects.of_person(conn, [home], person.id) for person in side]
                for side in (party.present, party.absent)
            )
        found = use.find(services, home, wanted, barred, options)
    if as_json:
        print_json(_plain(party, found))
    else:
        _print(party, found)
    if not found.images:
        ctx.exit(PARTLY)


def _print(party: Party, found: FoundTogether) -> None:
    table = Table("photo", *(person.name for person in party.present))
    for image in found.images:
        name = image.filename or str(image.image_id)
        table.add_row(name, *map(_sureness, image.faces))
    console = output()
    without = f", without {_names(party.absent)}" if party.absent else ""
    console.print(f"Photos with {_names(party.present)}{without}")
    console.print(table if found.images else "None was found.")
    console.print(_facts(found))


def _sureness(face: Standing) -> Text | str:
    return Text("named", "green") if face.named else f"{face.cosine:.4f}"


def _facts(found: FoundTogether) -> str:
    how = "none can be missing" if found.exact else "by index"
    told = (
        f"threshold {found.threshold:.3f} ({found.threshold_source}); "
        f"photos looked into: {found.examined}, {how}"
    )
    if found.cut_off:
        return f"{told}; there are others, not looked into"
    return f"{told}; more were found: raise --limit" if found.more else told


def _names(people: Sequence[Person]) -> str:
    return " and ".join(person.name for person in people)


def _plain(party: Party, found: FoundTogether) -> dict[str, Any]:
    """Show what was found, in the words of the API."""
    return {
        "all_of": [_plain_person(person) for person in party.present],
        "none_of": [_plain_person(person) for person in party.absent],
        "threshold": found.threshold,
        "threshold_source": found.threshold_source,
        "images": [TogetherImage.of(image).model_dump(mode="json") for image in found.images],
        "exact": found.exact,
        "examined": found.examined,
        "cut_off": found.cut_off,
        "more": found.more,
    }


def _plain_person(person: Person) -> dict[str, Any]:
    return {"id": person.id, "name": person.name}
