"""``facesearch collections``: create, list, show and delete."""

from dataclasses import asdict
from itertools import count
from typing import Any

import click
from rich.table import Table

from core import collections as use
from core.budget import LEAST_STRANGERS, MOST_STRANGERS
from core.collections import LEAST_EF_SEARCH, MOST_EF_SEARCH
from core.db.collections import Collection
from core.db.pool import Connection
from core.gates import USUAL, Gate
from core.keeping import USUAL as KEEPS_USUALLY
from core.keeping import Keeps
from web.cli.common import FaceSearchGroup, json_option, output, print_json
from web.cli.services import system

PAGE = 200

GATES = click.Choice([gate.value for gate in Gate])
KEEPS = click.Choice([keeps.value for keeps in Keeps])
KEEPS_HELP = "What stays of a photo once it is indexed: all, crops of its faces, or no picture."
QUERIES_HELP = "Keep a few query vectors, nothing else, to measure recall with."
GATE_HELP = "Which faces are stored: all, none that is of no use, or good ones only."


@click.group(cls=FaceSearchGroup)
def collections() -> None:
    """Create, list, show and delete collections."""


@collections.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List every collection."""
    with system() as services, services.pool.connection() as conn:
        found = _all(conn)
    if as_json:
        print_json([plain_collection(collection) for collection in found])
        return
    table = Table("name", "photos", "faces", "people", "pack", "threshold", box=None)
    for each in found:
        numbers = (each.image_count, each.face_count, each.person_count)
        table.add_row(each.name, *map(str, numbers), each.pack, f"{each.threshold:.3f}")
    output().print(table if found else "There is no collection yet.")


@collections.command()
@click.argument("name")
@click.option("--pack", help="Model pack; without it the one of FACESEARCH_PACK.")
@click.option("--threshold", type=click.FloatRange(-1, 1), help="Cosine of a match.")
@click.option("--external-id", help="Your own key for it.")
@click.option("--quality-gate", type=GATES, default=USUAL.value, show_default=True, help=GATE_HELP)
@click.option("--keep-queries/--no-keep-queries", default=True, show_default=True,
              help=QUERIES_HELP)  # fmt: skip
@click.option("--keeps", type=KEEPS, default=KEEPS_USUALLY.value, show_default=True,
              help=KEEPS_HELP)  # fmt: skip
@json_option
def create(
    name: str,
    pack: str | None,
    threshold: float | None,
    external_id: str | None,
    quality_gate: str,
    keep_queries: bool,
    keeps: str,
    as_json: bool,
) -> None:
    """Create the collection NAME."""
    with system() as services, services.pool.connection() as conn:
        chosen = services.manifest.pack(pack or services.settings.pack)
        made = use.create(
            conn,
            chosen,
            name=name,
            threshold=threshold,
            external_id=external_id,
            quality_gate=Gate(quality_gate),
            keeps_queries=keep_queries,
            keeps=Keeps(keeps),
        )
    _show(made, as_json)


@collections.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show the collection called NAME (or with that id)."""
    with system() as services, services.pool.connection() as conn:
        _show(use.find(conn, name), as_json)


@collections.command()
@click.argument("name")
@click.option("--threshold", type=click.FloatRange(-1, 1), help="Cosine of a match.")
@click.option("--one-in", type=click.IntRange(LEAST_STRANGERS, MOST_STRANGERS), metavar="N",
              help="Instead: at most one stranger in N may find anybody, however large the "
              "collection gets; needs `facesearch calibrate`.")  # fmt: skip
@click.option("--rename", help="Its new name.")
@click.option("--quality-gate", type=GATES, help=f"{GATE_HELP} For photos indexed from now on.")
@click.option("--ef-search", type=click.IntRange(0, MOST_EF_SEARCH), metavar="N",
              help="Candidates that a search of its index keeps; 0: as the settings say.")  # fmt: skip
@click.option("--keep-queries/--no-keep-queries", default=None,
              help=f"{QUERIES_HELP} No deletes those that are kept.")  # fmt: skip
@click.option("--keeps", type=KEEPS, help=f"{KEEPS_HELP} For photos indexed from now on.")
@json_option
def change(
    name: str,
    threshold: float | None,
    one_in: int | None,
    rename: str | None,
    quality_gate: str | None,
    ef_search: int | None,
    keep_queries: bool | None,
    keeps: str | None,
    as_json: bool,
) -> None:
    """Change the settings of the collection NAME; what is not named stays."""
    if ef_search in range(1, LEAST_EF_SEARCH):
        raise click.UsageError(f"--ef-search is 0, or {LEAST_EF_SEARCH} to {MOST_EF_SEARCH}.")
    if threshold is not None and one_in is not None:
        raise click.UsageError("--threshold and --one-in exclude each other.")
    gate = None if quality_gate is None else Gate(quality_gate)
    with system() as services, services.pool.connection() as conn:
        found = use.find(conn, name)
        changed = use.change(
            conn,
            found.id,
            name=rename,
            threshold=threshold,
            alarm_budget=one_in,
            quality_gate=gate,
            ef_search=ef_search,
            keeps_queries=keep_queries,
            keeps=None if keeps is None else Keeps(keeps),
        )
    _show(changed, as_json)


@collections.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete(name: str, yes: bool, as_json: bool) -> None:
    """Delete a collection with every photo, face and person in it."""
    with system() as services:
        with services.pool.connection() as conn:
            found = use.find(conn, name)
        if not yes:
            click.confirm(
                f"Delete {found.name!r} with {found.image_count} photos, {found.face_count} faces "
                f"and {found.person_count} people for good?",
                abort=True,
                err=True,
            )
        receipt = use.delete(services.pool, services.blobs, found.id, confirm=str(found.id))
    if as_json:
        print_json(asdict(receipt))
    else:
        click.echo(
            f"Deleted {receipt.images} photos, {receipt.faces} faces, {receipt.people} people."
        )


def plain_collection(collection: Collection) -> dict[str, Any]:
    """Return a collection for programs; of its calibration what people want to know."""
    shown = asdict(collection)
    shown.pop("impostors")
    known = collection.calibration
    shown["calibration"] = known and {
        "day": known.day.isoformat(),
        "people": known.people,
        "pairs": known.pairs,
        "rarest_measured": known.steps.rarest,
    }
    return shown


def _all(conn: Connection) -> list[Collection]:
    found: list[Collection] = []
    for _ in count():
        page = use.page(conn, limit=PAGE, after=found[-1].id if found else None)
        found += page
        if len(page) < PAGE:
            break
    return found


def _show(collection: Collection, as_json: bool) -> None:
    if as_json:
        print_json(plain_collection(collection))
        return
    table = Table(show_header=False, box=None)
    known = collection.calibration
    # What a budget comes to stands in the source of the threshold.
    shown = {**plain_collection(collection), "budget": None, "calibration": known and known.origin}
    if collection.alarm_budget is None:
        shown |= {"fixed_threshold": None, "fixed_source": None}
    for key, value in shown.items():
        if value not in (None, {}):
            table.add_row(key.replace("_", " "), str(value))
    output().print(table)
