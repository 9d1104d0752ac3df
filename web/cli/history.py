"""``facesearch people history``, ``undo`` and ``rebuild``: what was done to people, and taking it back."""

from dataclasses import asdict
from uuid import UUID

import click
from rich.table import Table

from core import changes, rebuilding, undoing
from core import collections as collection_use
from core.changes import Summary
from core.counting import counted
from core.undoing import Undone
from web import telling
from web.cli.common import json_option, output, print_json
from web.cli.services import ACTOR, PARTLY, system

USUAL_LENGTH = 20


@click.command()
@click.option("--collection", "-c", required=True, help="Name or id of the collection.")
@click.option("--person", type=click.UUID, help="Only what is about this person.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=USUAL_LENGTH, show_default=True,
    help="Most changes.",
)  # fmt: skip
@json_option
def history(collection: str, person: UUID | None, limit: int, as_json: bool) -> None:
    """Say what was done to the people of a collection, newest first."""
    with system() as services, services.pool.connection() as conn:
        home = collection_use.find(conn, collection)
        found = changes.page(conn, home.id, limit=limit, person_id=person)
    if as_json:
        print_json([_plain(each) for each in found])
        return
    shown = output(soft_wrap=True)
    for each in found:
        change = each.change
        when = f"{change.created_at:%Y-%m-%d %H:%M}"
        shown.print(f"{when}  {telling.title(each)}, by {change.actor}; change {change.id}")
        for line in telling.lines(each):
            shown.print(f"  {line}")
    if not found:
        shown.print("Nothing was done to people here yet.")


@click.command()
@click.argument("change", type=click.UUID)
@click.option("--face", "faces", type=click.UUID, multiple=True, help="Only this face; repeatable.")
@json_option
@click.pass_context
def undo(ctx: click.Context, change: UUID, faces: tuple[UUID, ...], as_json: bool) -> None:
    """Take a CHANGE back, as far as nobody has changed the same since; see `people history`.

    Exit code 4: something stays as it is.
    """
    with system() as services, services.pool.connection() as conn:
        undone = undoing.undo(conn, change, face_ids=faces or None, actor=ACTOR)
    if as_json:
        left = [{**asdict(each), "detail": each.detail} for each in undone.left]
        print_json({**asdict(undone), "left": left})
    else:
        output(soft_wrap=True).print("\n".join(_told(undone)))
    if undone.left:
        ctx.exit(PARTLY)


@click.command()
@click.option("--collection", "-c", help="Name or id of one collection; left out, all.")
@click.option("--check", is_flag=True, help="Only say what is otherwise, and change nothing.")
@json_option
@click.pass_context
def rebuild(ctx: click.Context, collection: str | None, check: bool, as_json: bool) -> None:
    """Make people, and whose faces are whose, again from the history.

    With --check, exit code 4: something is otherwise than the history tells.
    """
    with system() as services, services.pool.connection() as conn:
        home = None if collection is None else collection_use.find(conn, collection).id
        conn.commit()  # so that each collection is a transaction of its own
        found = rebuilding.rebuild(conn, home, check=check)
    if as_json:
        print_json(asdict(found))
    else:
        table = Table(show_header=False, box=None)
        for name, number in asdict(found).items():
            table.add_row(name, str(number))
        output().print(table)
    if check and found.differences:
        ctx.exit(PARTLY)


def _plain(summary: Summary) -> dict[str, object]:
    names = {str(each.id): each.name for each in summary.names.values()}
    return {
        **asdict(summary.change),
        "people": [asdict(each) for each in summary.people],
        "moves": [asdict(each) for each in summary.flows],
        "decisions": [asdict(each) for each in summary.decided],
        "names": names,
    }


def _told(undone: Undone) -> list[str]:
    if undone.change_id is None:
        lines = ["Nothing could be taken back."]
    else:
        parts = (
            counted(undone.faces, "face"),
            counted(undone.people, "person", "people"),
            counted(undone.decisions, "decision"),
        )
        lines = [f"Taken back: {', '.join(parts)}. This is change {undone.change_id}."]
    for each in undone.left:
        what = f"face {each.face_id}" if each.face_id else f"person {each.person_id}"
        by = f" (change {each.change_id})" if each.change_id else ""
        lines.append(f"Left as it is, {what}: {each.detail}{by}")
    return lines
