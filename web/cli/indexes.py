"""``facesearch index``: how large collections are indexed, and work on that."""

import sys
from dataclasses import asdict
from functools import partial
from typing import Any

import click
from rich.filesize import decimal
from rich.table import Table

from core import collections as collection_use
from core import indexes
from core.db.index_work import Action, State, Work
from core.db.indexes import Kind
from core.estimates import Estimate, duration
from core.indexes import Status
from web.cli.common import FAILED, FaceSearchGroup, console, json_option, output, print_json
from web.cli.following import follow
from web.cli.index_audit import audit
from web.cli.services import ACTOR, doorbell, system

kind_option = click.option(
    "--kind", type=click.Choice([kind.value for kind in Kind]), default=Kind.HNSW.value,
    show_default=True, help="Whole vectors (hnsw), or a bit for each of their numbers (bit).",
)  # fmt: skip
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
wait_option = click.option("--no-wait", is_flag=True, help="Leave it to a worker and return.")


@click.group(cls=FaceSearchGroup)
def index() -> None:
    """Search indexes of large collections: how they are, and work on them.

    Small collections share tables and are searched exactly. A large one has a table of its own, with
    an index. The workers see to both by themselves; these commands are for whoever wants it now.
    """


@index.command("status")
@click.argument("collection", required=False)
@json_option
def status_(collection: str | None, as_json: bool) -> None:
    """Show the tables and indexes of all large collections, or those of COLLECTION."""
    with system() as services, services.pool.connection() as conn:
        settings = services.settings
        if collection is None:
            found = indexes.statuses(conn, least_faces=settings.promote_faces)
            if as_json:
                print_json([_plain(each) for each in found])
            else:
                _print_all(found, settings.promote_faces)
            return
        one = indexes.status(conn, collection_use.find(conn, collection).id)
        kind = one.kinds[0] if one.kinds else Kind.HNSW
        estimate = indexes.plan(conn, one.table.collection_id, one.next_action, kind, settings)
    if as_json:
        told = {"action": one.next_action, **asdict(estimate), "fits": estimate.fits}
        print_json({**_plain(one), "estimate": told})
    else:
        _print_one(one, estimate)


def _command(action: Action, help_: str) -> None:
    """Add the command of an action; they differ in name and words alone."""

    @index.command(action.value, help=help_)
    @click.argument("collection")
    @kind_option
    @yes_option
    @wait_option
    @json_option
    @click.pass_context
    def run(
        ctx: click.Context, collection: str, kind: str, yes: bool, no_wait: bool, as_json: bool
    ) -> None:
        ended = _run(action, collection, Kind(kind), yes=yes, wait=not no_wait)
        if as_json:
            print_json(asdict(ended))
        else:
            click.echo(_outcome(ended, collection))
        if ended.state == State.FAILED:
            ctx.exit(FAILED)


_command(Action.PROMOTE, "Give COLLECTION a table of its own, with an index.")
_command(Action.BUILD, "Build the index that COLLECTION lacks.")
_command(Action.REBUILD, "Build all indexes of COLLECTION anew; the old ones answer meanwhile.")
_command(Action.DROP, "Drop an index of COLLECTION, for a load: it comes back after that.")
index.add_command(audit)


def _run(action: Action, name: str, kind: Kind, *, yes: bool, wait: bool) -> Work:
    with system() as services:
        with services.pool.connection() as conn:
            found = collection_use.find(conn, name)
            estimate = indexes.plan(conn, found.id, action, kind, services.settings)
        if action is not Action.DROP:
            console().print(_in_words(estimate))
        if not yes and sys.stdin.isatty():
            click.confirm(f"{action.value.capitalize()} {found.name!r}?", abort=True, err=True)
        with services.pool.connection() as conn:
            work = indexes.ask(conn, found.id, action, kind, actor=ACTOR)
        ring = partial(indexes.ring, doorbell(services))
        ring()
        return follow(services, work, ring=ring) if wait else work


def _in_words(estimate: Estimate) -> str:
    source = "an earlier build here" if estimate.measured else "a published rate"
    words = (
        f"{estimate.faces:,} faces: {duration(estimate.seconds)} (by {source}), "
        f"{decimal(estimate.memory_bytes)} of memory, {decimal(estimate.disk_bytes)} of disk."
    )
    if not estimate.fits:
        words += (
            f" The graph does not fit into the {decimal(estimate.memory_limit_bytes)} that a build "
            "may take and is finished on disk, which is slow: raise FACESEARCH_INDEX_BUILD_MIB."
        )
    return words


def _outcome(work: Work, name: str) -> str:
    match State(work.state):
        case State.DONE:
            took = (
                (work.finished_at - work.started_at)
                if work.finished_at and work.started_at
                else None
            )
            seconds = f" in {took.total_seconds():.1f} s" if took else ""
            return f"{name}: {work.action} done{seconds}. {work.detail or ''}".rstrip()
        case State.FAILED:
            return f"{name}: {work.action} failed. {work.detail or ''}".rstrip()
        case State.WAITING | State.RUNNING:
            return f"{name}: {work.action} is left to a worker; see `facesearch index status`."


def _plain(status: Status) -> dict[str, Any]:
    return {**asdict(status), "dead_share": status.dead_share}


def _print_all(found: list[Status], promote_faces: int) -> None:
    if not found:
        click.echo(f"No collection has more than {promote_faces:,} faces or a table of its own.")
        return
    table = Table("collection", "faces", "table", "index", "dead", "work", box=None)
    for status in found:
        table.add_row(
            status.table.name,
            f"{status.table.faces:,}",
            _table_words(status),
            _index_words(status),
            f"{status.dead_share:.0%}" if status.table.layout == "own" else "",
            _work_words(status),
        )
    output().print(table)


def _print_one(status: Status, estimate: Estimate) -> None:
    table = Table(show_header=False, box=None)
    table.add_row("faces", f"{status.table.faces:,}")
    table.add_row("table", _table_words(status))
    table.add_row("index", _index_words(status))
    if status.table.layout == "own":
        table.add_row("dead rows", f"{status.table.dead:,} ({status.dead_share:.1%})")
    if status.incoming.photos:
        table.add_row("on their way", f"{status.incoming.photos:,} photos")
    if status.open:
        table.add_row("work", _work_words(status))
    for work in status.history[:5]:
        when = f"{work.finished_at:%Y-%m-%d %H:%M}" if work.finished_at else ""
        table.add_row("earlier", f"{when} {work.action} {work.state} {work.detail or ''}".rstrip())
    if status.table.faces:
        table.add_row(f"to {status.next_action}", _in_words(estimate))
    output().print(table)


def _table_words(status: Status) -> str:
    if status.table.layout == "tail":
        return "shared"
    return f"its own, {decimal(status.table.heap_bytes or 0)}"


def _index_words(status: Status) -> str:
    if status.table.layout == "tail":
        return "none: searched exactly"
    shown = [
        f"{index.kind}, {decimal(index.bytes)}" + ("" if index.valid else " (not usable)")
        for index in status.indexes
    ]
    return "; ".join(shown) or "none yet: searched exactly"


def _work_words(status: Status) -> str:
    words = []
    for work in status.open:
        said = f"{work.action} waits" if work.state == State.WAITING else work.action
        if work.state == State.RUNNING and status.step is not None:
            said += f": {status.step.words}"
            if status.step.total:
                said += f", {status.step.done / status.step.total:.0%}"
        words.append(said)
    return "; ".join(words)
