"""``facesearch review``: the review inbox, where reports and new photos ask about faces."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import click
from rich.table import Column, Table

from core import collections as collection_use
from core import reviews
from core.answers import Decision, answers
from core.db.changes import Named
from core.db.pool import Connection
from core.db.reviews import Item, State
from core.deciding import Outcome, decide_each
from core.reports import telling, words
from core.reports.files.as_json import plain_side
from core.reviews import SOURCES
from web.cli.common import FaceSearchGroup, json_option, output, print_json
from web.cli.services import ACTOR, PARTLY, system

LISTED = 20

DECISIONS = {decision.value.replace("_", "-"): decision for decision in Decision}

items_argument = click.argument(
    "items", type=click.UUID, nargs=-1, required=True, metavar="ITEM..."
)


@click.group(cls=FaceSearchGroup)
def review() -> None:
    """List and decide what reports and new photos ask about faces."""


@review.command("list")
@click.option("--collection", "-c", required=True, help="Name or id of the collection.")
@click.option(
    "--state",
    type=click.Choice([state.value for state in State]),
    default=State.OPEN.value,
    show_default=True,
    help="Only items in this state.",
)
@click.option(
    "--source", type=click.Choice(SOURCES), help="Only items of this report, or arrivals."
)
@click.option(
    "--limit", default=LISTED, show_default=True, type=click.IntRange(1, 1000), help="Most items."
)
@json_option
def list_(
    collection: str, state: str, source: str | None, limit: int, as_json: bool
) -> None:  # fmt: skip
    """List the questions about a collection, the surest first."""
    with system() as services, services.pool.connection() as conn:
        home = collection_use.find(conn, collection)
        found = reviews.page(conn, home.id, limit=limit, state=State(state), source=source)
        people = telling.people(conn, home.id, found)
    if as_json:
        print_json([_plain(each, people) for each in found])
        return
    table = Table(Column("id", min_width=36), "from", "question", box=None)
    for each in found:
        question = words.question(each, telling.names(people))
        table.add_row(str(each.id), each.source, question)
    output().print(table if found else "Nothing is to be decided.")


@review.command()
@click.argument("item", type=click.UUID)
@json_option
def show(item: UUID, as_json: bool) -> None:
    """Show one question, and what each decision would do."""
    with system() as services, services.pool.connection() as conn:
        found, people = _get(conn, item)
    if as_json:
        print_json(_plain(found, people))
        return
    names = telling.names(people)
    shown = output(soft_wrap=True)
    shown.print(words.question(found, names), highlight=False)
    shown.print(words.sentence(found, names), highlight=False)
    table = Table(show_header=False, box=None)
    for name, value in words.facts(found):
        table.add_row(name, value)
    output().print(table)
    if not found.is_open:
        by = f" by {found.decided_by}; change {found.change_id}" if found.decided_by else ""
        shown.print(f"It is {found.state}{by}.")
        return
    for decision in answers(found):
        option = decision.value.replace("_", "-")
        shown.print(f"  {option}: {words.effect(found, decision, names)}", highlight=False)


@review.command()
@click.argument("decision", type=click.Choice(list(DECISIONS)))
@items_argument
@json_option
@click.pass_context
def decide(ctx: click.Context, decision: str, items: tuple[UUID, ...], as_json: bool) -> None:
    """Decide questions, one or several alike.

    What follows from it is done at once: see `review show`. Each is a change of its own, which
    `facesearch people undo` takes back. Exit code 4: some could not be decided.
    """
    _decide(ctx, items, DECISIONS[decision], as_json=as_json)


@review.command()
@items_argument
@json_option
@click.pass_context
def later(ctx: click.Context, items: tuple[UUID, ...], as_json: bool) -> None:
    """Put questions off.

    They wait apart; `review list --state later` lists them. Exit code 4: some are decided already.
    """
    _decide(ctx, items, None, as_json=as_json)


def _decide(
    ctx: click.Context, items: Sequence[UUID], decision: Decision | None, *, as_json: bool
) -> None:
    with system() as services:
        outcomes = decide_each(services.pool, dict.fromkeys(items), decision, actor=ACTOR)
    if as_json:
        print_json([_outcome(each) for each in outcomes])
    else:
        for each in outcomes:
            click.echo(_told(each), err=each.error is not None)
    if any(each.error is not None for each in outcomes):
        ctx.exit(PARTLY)


def _told(outcome: Outcome) -> str:
    if outcome.item is None:
        return f"{outcome.item_id}: {outcome.error}"
    change = f"; change {outcome.item.change_id}" if outcome.item.change_id else ""
    return f"{outcome.item_id} is {outcome.item.state}{change}."


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.item_id,
        "state": None if outcome.item is None else outcome.item.state,
        "change_id": None if outcome.item is None else outcome.item.change_id,
        "code": None if outcome.error is None else outcome.error.code,
        "detail": None if outcome.error is None else str(outcome.error),
    }


def _get(conn: Connection, item_id: UUID) -> tuple[Item, Mapping[UUID, Named]]:
    found = reviews.get(conn, item_id)
    return found, telling.people(conn, found.collection_id, [found])


def _plain(item: Item, people: Mapping[UUID, Named]) -> dict[str, Any]:
    return {
        "id": item.id,
        "source": item.source,
        "kind": item.kind,
        "score": item.score,
        "question": words.question(item, telling.names(people)),
        "sides": [plain_side(side, people) for side in telling.sides(item)],
        "facts": item.facts,
        "state": item.state,
        "answers": answers(item),
        "decision": item.decision,
        "decided_by": item.decided_by,
        "decided_at": item.decided_at,
        "change_id": item.change_id,
        "created_at": item.created_at,
    }
